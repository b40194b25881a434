"""Folders that candgen writes to: absent, empty, or carrying a mark of ours.

The one rule for everything that writes or deletes: `check` refuses any other folder before
anything in it changes. A mark is a JSON file that a kind of folder has, such as the `status.json`
of a run; it is parsed and must have our form, as other programs use the same names.

A result that replaces an earlier one is made aside and moved into place when it is whole:

    with folders.replacing("outputs/datasets/films", folders.DATASET) as aside:
        ...  # write every file into the folder `aside`

Killed before that moment, the earlier result is untouched. Killed after it, `settle` ends the move;
whatever opens such a folder calls it. What is deleted are the files that the earlier result lists
as its own, each name checked; other files in the folder stay.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from candgen import files
from candgen.errors import DataError

WHOLE = ".candgen-new"
"""Folder inside of which a whole new result waits while its files move into place."""
_MANIFEST = ".files.json"
_LOCK = re.compile(r"\.lock(\.marker)?")
_STATES = ("running", "done", "failed", "timed out", "killed", "pruned", "not run")
_NAME = re.compile(r"[^\x00-\x1f\\:]+")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of folder."""

    what: str
    """Its name in messages, such as "a run"."""
    marks: dict[str, Callable[[dict[str, Any]], bool]]
    """File that marks the folder -> whether the object in it has our form."""
    last: str = ""
    """File that appears last, after all others of a result."""
    listed: Callable[[dict[str, Any]], Iterable[Any]] = field(default=lambda _: ())
    """Names of the result's other files, from the object in the file `last`."""


def _is_status(found: dict[str, Any]) -> bool:
    return found.get("state") in _STATES and "fingerprint" in found


def _is_ledger(found: dict[str, Any]) -> bool:
    return found.get("format") == 1 and isinstance(found.get("files"), list)


def _is_environment(found: dict[str, Any]) -> bool:
    packages = found.get("packages")
    return isinstance(packages, dict) and "candgen" in packages and "commit" in found


def _is_dataset(found: dict[str, Any]) -> bool:
    return isinstance(found.get("tables"), dict) and "digest" in found


def _is_sweep(found: dict[str, Any]) -> bool:
    known = {"format", "report", "datasets"} & found.keys()
    return bool(known) and isinstance(found.get("runs"), list | dict)


def _is_export(found: dict[str, Any]) -> bool:
    return {"format", "run", "n_items"} <= found.keys()


def _is_index(found: dict[str, Any]) -> bool:
    return {"format", "kind", "similarity", "n_items"} <= found.keys()


_ORACLE = ("oracle/factors.npz", "oracle/oracle.json")
_READERS = (
    "README.md", "reader.py", "reader_files.py", "reader_index.py", "reader_new_users.py"
)  # fmt: skip
LEDGER = ".written.json"
_OF_A_RUN = {
    "status.json": _is_status,
    LEDGER: _is_ledger,
    "environment.json": _is_environment,  # of a page run by hand before the ledger existed
}
RUN = Kind("a run", _OF_A_RUN | {"dataset.json": _is_dataset})
DATASET = Kind(
    "a prepared dataset",
    {"dataset.json": _is_dataset} | _OF_A_RUN,  # a stage prepares it in its own folder
    "dataset.json",
    lambda found: [
        *(f"{name}.parquet" for name in _names(found, "tables")),
        *_names(found, "files"),
        *_ORACLE,
    ],
)
SWEEP = Kind("a sweep", {"sweep.json": _is_sweep})
REPORT = Kind(
    "a sweep", SWEEP.marks, "report.html", lambda _: ("leaderboard.csv", "reproduced.csv")
)
EXPORT = Kind(
    "an export",
    {"export.json": _is_export},
    "export.json",
    lambda found: [*_names(found, "files"), *_READERS],
)
INDEX = Kind(
    "an index",
    {"index.json": _is_index},
    "index.json",
    lambda found: ["vectors.npy", "ids.npy", *_names(found, "index")],
)


def check(folder: Path | str, kind: Kind) -> Path:
    """Refuse a folder that is neither absent nor empty nor marked as ours; nothing is written.

    Raises:
        DataError: Naming the folder, the mark that it lacks, and what to do.
    """
    folder = Path(folder)
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise DataError(f"{folder} is a file. Name a folder.")
        return folder
    if _is_empty(folder) or is_marked(folder, kind):
        return folder
    there = sorted(path.name for path in folder.iterdir())[:3]
    raise DataError(
        f"{folder} is not empty and no earlier {kind.what.partition(' ')[2]}: {kind.what} has a "
        f"{next(iter(kind.marks))} as candgen writes it, this folder holds {', '.join(there)}. "
        "Nothing was changed. Name another folder, or move this one away."
    )


def require(folder: Path | str, kind: Kind) -> None:
    """Refuse a folder that does not carry a mark of its kind, where an earlier result is needed.

    Raises:
        DataError: Naming the folder and the mark that it lacks.
    """
    if not is_marked(folder, kind):
        raise DataError(
            f"{folder} is not {kind.what}: it has no {next(iter(kind.marks))} as candgen writes "
            "it. Nothing was changed. `candgen runs` lists what there is."
        )


def is_marked(folder: Path | str, kind: Kind) -> bool:
    """Tell whether a folder carries a mark of its kind."""
    read = {name: _read(Path(folder) / name) for name in kind.marks}
    return any(found is not None and kind.marks[name](found) for name, found in read.items())


def is_inside(name: Any) -> bool:
    """Tell whether a name read from a file is that of a file inside its folder.

    Relative, with `/` between its parts, without `..`, backslashes, colons and control characters.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > 255:
        return False
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts


def remove_listed(folder: Path | str, names: Iterable[Any]) -> None:
    """Remove files of a folder that are listed as ours, then folders inside that become empty.

    Names that lead out of the folder, by themselves or through a link, are passed over.
    """
    folder = Path(folder)
    for name in names:
        if not is_inside(name):
            continue
        path = folder / name
        if _leads_out(folder, path.parent) or (path.is_dir() and not path.is_symlink()):
            continue
        path.unlink(missing_ok=True)
        for parent in path.relative_to(folder).parents:
            with suppress(OSError):  # the folder itself is kept, and what is not empty
                if parent.parts:
                    (folder / parent).rmdir()


@contextmanager
def replacing(goal: Path | str, kind: Kind) -> Iterator[Path]:
    """Give an empty folder to make a result in; it replaces an earlier one when the block ends.

    After an error in the block the earlier result is as it was.

    Raises:
        DataError: If the goal is not ours to write to.
    """
    goal = check(goal, kind)
    there = goal.is_dir()
    files.remove_left_behind_of(goal)
    if there:
        files.remove_left_behind(goal)
        settle(goal, kind)
    aside = files.passing_name(goal / "new") if there else files.passing_name(goal)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        made = (path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
        names = sorted(path.as_posix() for path in made)
        if there:
            files.write_json(aside / _MANIFEST, {"files": names})
            os.replace(aside, goal / WHOLE)
        else:
            os.replace(aside, goal)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    settle(goal, kind)


def settle(folder: Path | str, kind: Kind) -> None:
    """End the move of a whole new result into its place, where its writer was killed meanwhile."""
    folder = Path(folder)
    whole = folder / WHOLE
    manifest = None if whole.is_symlink() else _read(whole / _MANIFEST)
    if manifest is None:
        return
    made = {name for name in _names(manifest, "files") if is_inside(name)}
    earlier = _read(folder / kind.last) or {}
    remove_listed(folder, [name for name in kind.listed(earlier) if name not in made])
    for name in [*sorted(made - {kind.last}), kind.last]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process settles the same folder
            os.replace(whole / name, folder / name)
    (whole / _MANIFEST).unlink(missing_ok=True)
    for inside in sorted(whole.rglob("*"), reverse=True):
        with suppress(OSError):
            inside.rmdir()
    with suppress(OSError):
        whole.rmdir()


def _is_empty(folder: Path) -> bool:
    """Tell whether a folder holds nothing but locks and passing files of ours."""
    names = [path.name for path in folder.iterdir()]
    return all(_LOCK.fullmatch(name) or files.is_passing(name) for name in names)


def _leads_out(folder: Path, inside: Path) -> bool:
    return not inside.resolve().is_relative_to(folder.resolve())


def _names(found: dict[str, Any], key: str) -> list[Any]:
    held = found.get(key)
    return list(held) if isinstance(held, dict | list) else []


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = files.read_json(path)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
