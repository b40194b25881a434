"""A sweep as it happens: one live table in a terminal, plain lines where there is none.

Everything here goes to stderr; stdout is for the paths that a command prints.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from candgen.sweeps.progress.stage_progress import Record, span, time_left
from candgen.text.plain import one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

SECONDS_BETWEEN_LINES = 15.0
_COLOURS = {"done": "green", "running": "cyan", "planned": "dim"}


class View(Protocol):
    """Progress display of a sweep; called from several threads."""

    def __enter__(self) -> View: ...

    def __exit__(self, *_: object) -> None: ...

    def started(self, record: Record) -> None: ...

    def progressed(self, record: Record) -> None: ...

    def ended(self, record: Record) -> None: ...

    def say(self, text: str) -> None: ...


def view_of(records: Sequence[Record], workers: int, stream: TextIO | None = None) -> View:
    """Choose the view that fits: a live table in a terminal, lines anywhere else."""
    stream = stream or sys.stderr
    return Table(records, workers) if stream.isatty() else Lines(records, stream)


class Lines:
    """One line an event, and now and then one about what is running."""

    def __init__(self, records: Sequence[Record], stream: TextIO) -> None:
        self._records = records
        self._stream = stream
        self._lock = threading.Lock()
        self._last = time.monotonic()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def started(self, record: Record) -> None:
        on = f" on {record.worker}" if record.worker else ""
        self.say(f"{self._count()} {record.stage.title}: started{on}")

    def progressed(self, record: Record) -> None:
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            at = f"{record.at}, {span(record.elapsed())}"
            left = record.remaining()
            about = "" if left is None else f", about {span(left)} left"
            self.say(f"{self._count()} {record.stage.title}: {at}{about}")

    def ended(self, record: Record) -> None:
        if record.skipped:
            said = "unchanged, skipped"
        else:
            said = f"{record.state} after {span(record.seconds)}"
        if record.state == "not run":
            said = "not run"
        self.say(f"{self._count()} {record.stage.title}: {said}{_because(record)}")

    def say(self, text: str) -> None:
        with self._lock, suppress(OSError):  # the terminal may have gone; the sweep goes on
            self._last = time.monotonic()
            print(one_line(text), file=self._stream, flush=True)

    def _count(self) -> str:
        finished = sum(record.finished for record in self._records)
        return f"[{finished}/{len(self._records)}]"


class Table:
    """All stages in one table that redraws itself."""

    def __init__(self, records: Sequence[Record], workers: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self._records = records
        self._workers = workers
        self._began = time.monotonic()
        self._console = Console(stderr=True)
        self._live = Live(get_renderable=self.drawn, console=self._console, refresh_per_second=4)

    def __enter__(self) -> Table:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._live.stop()

    def started(self, record: Record) -> None:
        """Nothing to do: the table draws the records as they are."""

    progressed = ended = started

    def say(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(one_line(text), markup=False, highlight=False)

    def drawn(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        return Group(self._rows(), Text(self._summary(), style="bold"))

    def _rows(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(box=None, pad_edge=False)
        on_cluster = any(record.worker for record in self._records)
        worker = ("worker",) if on_cluster else ()
        for title in ("stage", "state", *worker, "progress", "elapsed", "remaining", ""):
            grid.add_column(title, justify="right" if title in ("elapsed", "remaining") else "left")
        for record in self._shown():
            state = "unchanged" if record.skipped else record.state
            left = record.remaining() if record.state == "running" else None
            bar = ProgressBar(total=record.cells or 1, completed=record.cell, width=16)
            grid.add_row(
                Text(one_line(record.stage.title), overflow="ellipsis", no_wrap=True),
                Text(state, style=_COLOURS.get(record.state, "bold red")),
                *([Text(one_line(record.worker))] if on_cluster else []),
                bar if record.state == "running" else "",
                span(record.elapsed()) if record.started else "",
                "" if left is None else span(left),
                Text(one_line(record.remark), overflow="ellipsis", no_wrap=True),
            )
        return grid

    def _shown(self) -> list[Record]:
        """Leave out what there is no room for: first what was skipped, then what is done."""
        room = max(5, self._console.height - 4)
        shown = list(self._records)
        for boring in ("skipped", "done", "planned"):
            while len(shown) > room:
                one = next((r for r in shown if r.skipped or r.state == boring), None)
                if one is None:
                    break
                shown.remove(one)
        return shown[:room]

    def _summary(self) -> str:
        finished = sum(record.finished for record in self._records)
        failed = sum(record.failed for record in self._records)
        parts = [f"{finished} of {len(self._records)} stages"]
        if failed:
            parts.append(f"{failed} failed")
        parts.append(f"{span(time.monotonic() - self._began)} elapsed")
        if (left := time_left(self._records, self._workers)) is not None:
            parts.append(f"about {span(left)} left")
        return ", ".join(parts)


def _because(record: Record) -> str:
    return f" ({record.why})" if record.why and record.failed else ""
