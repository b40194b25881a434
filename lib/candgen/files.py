"""Files that appear whole or not at all.

A write goes to a neighbour with a passing name, is flushed to disk, and takes its final name in
one rename. A process killed at any moment leaves at most a `.part` file, which nothing reads; its
name says whose it was, and the next writer in the folder removes it.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import math
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from candgen import owners

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)

MOST_JSON = 16 * 2**20
"""Bytes of the largest JSON file that is read."""
_PASSING = re.compile(r"\..+\.([0-9a-f-]+)\.part(\.[a-z]+)?")


def passing_name(path: Path, ending: str = "") -> Path:
    """Return the hidden neighbour of a path that this process may write to meanwhile."""
    return path.with_name(f".{path.name}.{owners.token()}.part{ending}")


def is_passing(name: str) -> bool:
    """Tell whether a name is one that `passing_name` gives."""
    return _PASSING.fullmatch(name) is not None


def remove_left_behind(folder: Path | str) -> None:
    """Remove passing files and folders whose writers have ended, at any depth, and nothing else."""
    for place, inside, names in os.walk(folder):
        for name in [*inside, *names]:
            named = _PASSING.fullmatch(name)
            if named is None or not owners.has_ended(named[1]):
                continue
            _remove(Path(place, name))
            if name in inside:
                inside.remove(name)


def remove_left_behind_of(path: Path) -> None:
    """Remove passing neighbours of one path whose writers have ended."""
    for found in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        named = _PASSING.fullmatch(found.name)
        if named is not None and owners.has_ended(named[1]):
            _remove(found)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def appearing(path: Path | str) -> Iterator[Path]:
    """Give a passing path to write to; rename it to `path` when the block ends without error.

    Raises:
        OSError: If it cannot be written, as on a full disk; it names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = passing_name(path)
    try:
        yield passing
        with open(passing, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(passing, path)
    except OSError as error:
        if error.errno in _OF_WRITING and error.filename in (None, str(passing)):
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        passing.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file (UTF-8) that appears whole or not at all."""
    with appearing(path) as passing:
        passing.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON file that appears whole or not at all; NaN is refused, use None."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_array(path: Path | str, array: NDArray) -> None:
    """Write a `.npy` file that appears whole or not at all, without pickling.

    Given the file itself, `np.save` writes past Python and loses an error of the last bytes, so a
    full disk would leave a short file that looks whole.
    """
    import numpy as np

    with appearing(path) as passing, open(passing, "wb") as file:
        np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)


def write_arrays(path: Path | str, arrays: Mapping[str, NDArray]) -> None:
    """Write a `.npz` file of arrays by name that appears whole or not at all, without pickling.

    `np.savez` leaves its archive open after an error, and Python closes it with a second error
    that nothing catches.
    """
    import numpy as np

    with (
        appearing(path) as passing,
        open(passing, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: If it is no regular file, larger than 16 MiB, no JSON, nested too deeply, or
            holds a name twice in one object, NaN, or a number that no float can hold.
    """
    facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode):
        raise ValueError("it is no regular file")
    if facts.st_size > MOST_JSON:
        raise ValueError(
            f"it has {facts.st_size:,} bytes, expected at most {MOST_JSON:,} of such a file"
        )
    told = {"parse_constant": _number, "parse_float": _number, "parse_int": _whole_number}
    try:
        return json.loads(
            Path(path).read_text(encoding="utf-8"), object_pairs_hook=_named_once, **told
        )
    except RecursionError:
        raise ValueError("its lists or objects are nested too deeply") from None


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object holds the name {twice[:100]!r} twice")
    return held


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds the number {text[:40]}, expected a finite one")
    return value


def _whole_number(text: str) -> int:
    _number(text)
    return int(text)


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
