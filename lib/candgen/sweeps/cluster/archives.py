"""Run folders as one block of bytes: packed on a worker, checked and unpacked by the driver."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from candgen import files, folders
from candgen.errors import DataError

_PACKED = "packed.zip"


def pack(folder: Path, names: Iterable[str]) -> bytes:
    """Pack files of a folder into a zip without compression; pictures and arrays gain nothing.

    Args:
        folder: Of the files.
        names: Relative, with `/` between their parts.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.write(folder / name, name)
    return packed.getvalue()


def unpack(packed: bytes, folder: Path) -> list[str]:
    """Unpack a zip into a folder, which is made; return the names of its files, sorted.

    Raises:
        DataError: If it is damaged, unsafe or too large, or a name in it leads outside.
    """
    from candgen.datasets import archives  # loads pandas, which workers need only in kernels

    folder.mkdir(parents=True)
    path = folder / _PACKED
    path.write_bytes(packed)
    bundle = archives.open_bundle(path)
    names = sorted(bundle.members or ())
    for name in names:
        if not folders.is_inside(name) or name == _PACKED:
            raise DataError(f"A run's archive holds {name!r}, which is no file of a run.")
    for name in names:
        goal = folder / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        with archives.InputFile(path, name).open() as source, open(goal, "xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    path.unlink()
    return names


def names_in(folder: Path) -> list[str]:
    """List the files of a folder, at any depth, without links and passing files."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not any(map(files.is_passing, name.parts)):
            found.append(name.as_posix())
    return found
