"""Trials: the record of one that runs, and what it came to."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen import folders, records
from candgen.errors import DataError
from candgen.session import run_files, status
from candgen.session.records import Metrics
from candgen.session.run_files import METRICS
from candgen.sweeps.progress.live_table import View
from candgen.sweeps.progress.stage_progress import Record

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage
    from candgen.sweeps.search.pruning import Poor
    from candgen.sweeps.search.searching import Searching

TRIALS = "trials"


@dataclass
class Trial(Record):
    """Progress of one trial."""

    search: Searching | None = None
    number: int = 0
    poor: Poor | None = None
    """Reason why it was stopped."""


class Quiet:
    """The view of a trial: its search has one line for all of them."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def started(self, record: Record) -> None:
        """Show nothing."""

    progressed = ended = started

    def say(self, text: str) -> None:
        self._view.say(text)


def result_of(stage: Stage, generator: str | None, metric: str) -> tuple[float | None, str]:
    """Read what a finished trial reached on validation.

    Returns:
        The value, or None and why there is none.
    """
    try:
        found = records.read(stage.folder / METRICS, Metrics)
    except DataError as error:
        return None, str(error)
    judged = (found.get("dataset") or {}).get("evaluate_on")
    if judged != "validation":
        return None, f"it was judged on {judged or 'an unknown part'}, not on validation"
    own = [row for row in found["generators"] if not row.get("baseline")]
    own = [row for row in own if row["generator"] == generator] or own
    value = own[0].get(metric) if own else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        known = ", ".join(name for name in (own[0] if own else {}) if "@" in name)
        return None, f"it has no {metric}; it recorded {known or 'nothing'}"
    return float(value), ""


def drop_heavy(folder: Path) -> None:
    """Remove a trial's candidates and vectors, which no search, report or reading looks at.

    The status forgets them first, so that a trial killed between the two is still whole.
    """
    heavy = run_files.heavy(folder)
    known = status.read(folder)
    if not heavy or known is None:
        return
    if isinstance(described := known.get(status.FILES), dict):
        left = {name: facts for name, facts in described.items() if name not in heavy}
        status.write(folder, known | {status.FILES: left})
    folders.remove_listed(folder, heavy)


def mark_pruned(folder: Path, poor: Poor) -> None:
    """Write into a trial's folder why it does not count, and remove its checkpoint."""
    known = status.read(folder)
    if known is not None and known["state"] == status.DONE:
        error: dict[str, Any] = {"name": "Pruned", "message": poor.why, "cell": None}
        error["traceback_tail"] = []
        status.write(folder, known | {"state": status.PRUNED, "error": error})
    with suppress(OSError):
        for left in (folder / "checkpoints").glob("*.npz"):
            left.unlink()
        (folder / "checkpoints").rmdir()
