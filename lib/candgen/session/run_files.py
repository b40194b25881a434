"""Files of a run's folder: which of them are ours, and whether they are whole.

Some files every run has by the same name. Of any other, such as a figure, a run notes the name in
its ledger, `.written.json`, before the file appears. Before a new run begins in the same folder,
exactly these are removed: nothing old passes for new, and nothing of anybody else's is lost.

The status of a finished run holds size and digest of each. A file that was truncated, changed or
lost since is damaged, and a sweep runs its stage again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from candgen import files, folders
from candgen.training.steps import STEPS

FORMAT = 1
METRICS = "metrics.json"
PARAMETERS = "params.json"
ENVIRONMENT = "environment.json"
REPRODUCED = "reproduced.json"
POOL = "pool.json"
PER_USER = "per_user.parquet"
VECTORS = "vectors.npz"
QUERY_TOWER = "query_tower.npz"
LOCK = ".lock"
"""Lock of a sweep, in its folder: held while the sweep or one stage inside of it runs."""
NOTEBOOK, PAGE = "notebook.ipynb", "page.html"

RESULTS = (METRICS, REPRODUCED, POOL, PER_USER, "candidates.parquet", VECTORS, QUERY_TOWER)
_OF_EVERY_RUN = (NOTEBOOK, PAGE, PARAMETERS)
_COUNT = (*RESULTS, *_OF_EVERY_RUN, ENVIRONMENT, "dataset.json")


def claim(folder: Path | str) -> Path:
    """Make a run's folder if it is missing, and remove passing files that were left behind there.

    Raises:
        DataError: If the folder holds something else than a run.
    """
    folder = folders.check(folder, folders.RUN)
    folder.mkdir(parents=True, exist_ok=True)
    files.remove_left_behind(folder)
    return folder


def locks_around(folder: Path) -> list[Path]:
    """Return the locks of the sweeps that a folder lies in."""
    return [
        place / LOCK
        for place in Path(folder).absolute().parents
        if folders.is_marked(place, folders.SWEEP)
    ]


def mark(folder: Path) -> None:
    """Mark a folder as a run's, where no status does: a page is run by hand."""
    if not (folder / folders.LEDGER).is_file():
        _write(folder, [])


def note(folder: Path, name: str) -> None:
    """Note in the ledger that a file is ours, before it appears."""
    known = written(folder)
    if name not in (*known, *RESULTS):
        _write(folder, [*known, name])


def written(folder: Path) -> list[str]:
    """Return the names in a folder's ledger; none if there is no ledger."""
    try:
        found = files.read_json(folder / folders.LEDGER)
    except (OSError, ValueError):
        return []
    names = found.get("files") if isinstance(found, dict) else None
    return [name for name in names or [] if folders.is_inside(name)]


def forget_results(folder: Path) -> None:
    """Remove the results of an earlier run, those that the ledger lists among them."""
    names = [*_named_by_metrics(folder), *RESULTS, *written(folder), STEPS, folders.LEDGER]
    folders.remove_listed(folder, names)


def forget(folder: Path) -> None:
    """Remove the files of an earlier run, its results first."""
    forget_results(folder)
    folders.remove_listed(folder, _OF_EVERY_RUN)


def heavy(folder: Path) -> list[str]:
    """Name a run's lists of candidates, vectors and query tower, its own alone."""
    lists = [name for name in written(folder) if name.startswith("candidates")]
    named = dict.fromkeys(["candidates.parquet", VECTORS, QUERY_TOWER, *lists])
    return [name for name in named if (Path(folder) / name).is_file()]


def describe(folder: Path, names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of files, by name; by default of all that count in a run's folder."""
    names = [*_COUNT, *written(folder)] if names is None else names
    there = {name: folder / name for name in names if (folder / name).is_file()}
    return {
        name: {"size": path.stat().st_size, "sha256": files.sha256_of(path)}
        for name, path in sorted(there.items())
    }


def damage(
    folder: Path | str, described: Any, *, digests: bool, only: Iterable[str] | None = None
) -> list[str]:
    """Say which files of a folder are not as they were described.

    Args:
        folder: Of the files.
        described: What `describe` returned, as a status holds it; None where a run is older.
        digests: Whether to compare digests, too; sizes alone cost nothing.
        only: Names of the files to look at, candidates of any generator with them; all files by
            default.

    Returns:
        Sentences without a full stop, such as "vectors.npz is missing".
    """
    found = []
    for name, wanted in described.items() if isinstance(described, dict) else ():
        if not folders.is_inside(name) or not isinstance(wanted, dict):
            found.append(f"the status describes {name!r}, which cannot be")
        elif only is None or name in only or name.startswith("candidates"):
            path = Path(folder) / name
            if not path.is_file():
                found.append(f"{name} is missing")
            elif path.stat().st_size != wanted.get("size") or (
                digests and files.sha256_of(path) != wanted.get("sha256")
            ):
                found.append(f"{name} is damaged")
    return found


def _named_by_metrics(folder: Path) -> list[str]:
    """Name the candidate files of a run that was recorded before there was a ledger."""
    try:
        found: Any = files.read_json(folder / METRICS)
        rows = found.get("generators", [])
        return [f"candidates-{slug(str(row['generator']))}.parquet" for row in rows]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []


def slug(name: str) -> str:
    """Turn a name into one that is safe in a file's name."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.") or "unnamed"


def _write(folder: Path, names: list[str]) -> None:
    files.write_json(folder / folders.LEDGER, {"format": FORMAT, "files": names})
