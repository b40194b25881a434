"""Files of a run's folder: which of them are ours.

Some files every run has by the same name. Of any other, such as a figure, a run notes the name in
its ledger, `.written.json`, before the file appears. Before a new run begins in the same folder,
exactly these are removed: nothing old passes for new, and nothing of anybody else's is lost.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from candgen import files, folders

FORMAT = 1
METRICS = "metrics.json"
PARAMETERS = "params.json"
ENVIRONMENT = "environment.json"
REPRODUCED = "reproduced.json"
PER_USER = "per_user.parquet"
VECTORS = "vectors.npz"
QUERY_TOWER = "query_tower.npz"
NOTEBOOK, PAGE = "notebook.ipynb", "page.html"

_RESULTS = (METRICS, REPRODUCED, PER_USER, "candidates.parquet", VECTORS, QUERY_TOWER)
_OF_EVERY_RUN = (NOTEBOOK, PAGE, PARAMETERS)


def claim(folder: Path | str) -> Path:
    """Make a run's folder if it is missing, and remove passing files that were left behind there.

    Raises:
        DataError: If the folder holds something else than a run.
    """
    folder = folders.check(folder, folders.RUN)
    folder.mkdir(parents=True, exist_ok=True)
    files.remove_left_behind(folder)
    return folder


def mark(folder: Path) -> None:
    """Mark a folder as a run's, where no status does: a page is run by hand."""
    if not (folder / folders.LEDGER).is_file():
        _write(folder, [])


def note(folder: Path, name: str) -> None:
    """Note in the ledger that a file is ours, before it appears."""
    known = written(folder)
    if name not in (*known, *_RESULTS):
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
    names = [*_named_by_metrics(folder), *_RESULTS, *written(folder), folders.LEDGER]
    folders.remove_listed(folder, names)


def forget(folder: Path) -> None:
    """Remove what an earlier run left, what would pass for a result first of all."""
    forget_results(folder)
    folders.remove_listed(folder, _OF_EVERY_RUN)


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
