"""Progress of a sweep's stages: state, estimated time left, failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from candgen.sweeps.plan import Stage

LEFT = "the sweep was stopped before its turn"
_FINISHED = ("done", "failed", "timed out", "killed", "pruned", "not run")


@dataclass
class Record:
    """Progress of one stage."""

    stage: Stage
    expected_seconds: float | None = None
    """What it took last time; None if it never finished."""
    state: str = "planned"
    """planned, running, done, failed, timed out, killed, pruned or not run."""
    why: str = ""
    skipped: bool = False
    fingerprint: str | None = None
    started: float | None = None  # seconds of time.monotonic
    worker: str = ""
    """The worker of a cluster that executes it, or did last."""
    seconds: float = 0.0
    cell: int = 0
    cells: int = 0
    stop_when: Callable[[], str | None] = lambda: None
    """Says why the stage is to be stopped as pruned; None while it may go on."""

    @property
    def at(self) -> str:
        """Return how far it is, in words."""
        return f"cell {self.cell} of {self.cells}"

    @property
    def remark(self) -> str:
        """Return what a table says of it beside its state."""
        return self.why if self.failed else ""

    @property
    def finished(self) -> bool:
        return self.state in _FINISHED

    @property
    def failed(self) -> bool:
        return self.finished and self.state != "done"

    def begin(self, worker: str = "") -> None:
        """Note that it begins, or begins again on another worker."""
        if self.started is None:
            self.started = time.monotonic()
        self.state, self.worker, self.cell = "running", worker, 0

    def end(self, state: str, why: str) -> None:
        """Note how it ended, and how long it took if it ever began."""
        self.seconds = self.elapsed()
        self.state, self.why = state, why

    def elapsed(self) -> float:
        """Seconds so far, or in the end."""
        running = self.state == "running" and self.started is not None
        return time.monotonic() - self.started if running else self.seconds

    def remaining(self, usual: float | None = None) -> float | None:
        """Estimate the seconds left: by last time, else by cells, else by what others took."""
        if self.finished:
            return 0.0
        elapsed = self.elapsed()
        if self.expected_seconds is not None:
            return max(0.0, self.expected_seconds - elapsed)
        if self.cells and self.cell:
            return elapsed * (self.cells - self.cell) / self.cell
        return None if usual is None else max(0.0, usual - elapsed)


def as_json(record: Record) -> dict[str, Any]:
    """Describe a record for `sweep.json`."""
    stage = record.stage
    described = {
        "name": stage.name,
        "notebook": f"notebooks/{stage.notebook.path.name}",
        "folder": f"datasets/{stage.name}" if stage.kind == "dataset" else stage.name,
        "parameters": stage.written,
        "state": record.state,
        "why": record.why,
        "fingerprint": record.fingerprint,
    }
    if stage.kind == "run":
        described |= {"dataset": stage.dataset, "differs": stage.differs}
    return described


def time_left(records: Sequence[Record], workers: int) -> float | None:
    """Estimate the seconds a whole sweep still needs; None while nothing is known."""
    took = [r.seconds for r in records if r.state == "done" and not r.skipped]
    usual = sum(took) / len(took) if took else None
    left = [record.remaining(usual) for record in records if not record.finished]
    if not left or any(seconds is None for seconds in left):
        return None
    return max(sum(left) / workers, *left)


def span(seconds: float) -> str:
    """Write a duration: `8 s`, `2 min 05 s`, `1 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def failures(records: Sequence[Record]) -> list[str]:
    """List what failed and why, as lines of a plain table.

    Runs that wait for the same failed dataset share a line.
    """
    left = [record for record in records if record.why == LEFT]
    failed = [record for record in records if record.failed and record.why != LEFT]
    width = max((len(record.stage.title) for record in failed), default=0)
    states = max((len(record.state) for record in failed), default=0)
    lines = [f"{len(failed)} of {len(records)} stages did not finish:"] if failed else []
    waiting = [record for record in failed if record.state == "not run"]
    for record in failed:
        if record in waiting:
            continue
        lines.append(f"  {record.stage.title:{width}}  {record.state:{states}}  {record.why}")
        page = record.stage.folder / "page.html"
        if record.state in ("failed", "timed out") and page.is_file():
            lines.append(f"  {'':{width}}  {'':{states}}  see {page}")
    for why in dict.fromkeys(record.why for record in waiting):
        names = [record.stage.title for record in waiting if record.why == why]
        shown = names[0] if len(names) == 1 else f"{len(names)} runs"
        lines.append(f"  {shown:{width}}  {'not run':{states}}  {why}")
    if left:
        lines.append(
            f"Stopped; the same command goes on with the {len(left)} that had no turn yet."
        )
    return lines
