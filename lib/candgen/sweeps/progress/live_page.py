"""`report.html` while a sweep runs: how its stages stand, for a browser that renews the page.

It stands above the sweep's earlier report, which keeps every byte; where there is none, it is the
whole page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from candgen import files
from candgen.reports import report_file
from candgen.session import run_files
from candgen.sweeps.progress.stage_progress import Record, span, time_left

SECONDS = 5
"""Time between two versions of the page, and between two looks of the browser at it."""
_ORDER = {"failed": 0, "running": 1, "done": 2, "planned": 3}


class LivePage:
    """The page of one sweep; used from one thread."""

    def __init__(
        self, folder: Path, title: str, metric: str, records: Sequence[Record], workers: int
    ) -> None:
        """Prepare the page; nothing is written before `renew`.

        Args:
            folder: The sweep's folder.
            title: What the page is called.
            metric: Shown for each run that is done, such as "recall@20".
            records: Of all stages.
            workers: Stages at a time.
        """
        self._path = folder / report_file.REPORT
        self._title = title
        self._metric = metric
        self._records = records
        self._workers = workers
        self._began = time.monotonic()
        self._last: float | None = None
        self._earlier: str | None = None

    def renew(self) -> None:
        """Write the page as things stand now, if the last version is older than a few seconds."""
        now = time.monotonic()
        if self._last is None or now - self._last >= SECONDS:
            self._last = now
            self._write()

    def say(self, what: str) -> None:
        """Write the page at once, with what the sweep does now: "Making the report."."""
        self._write(what)

    def leave(self, last_words: str) -> None:
        """Leave the earlier report as it was; where there is none, a page with the last words."""
        if self._earlier == report_file.NO_REPORT:
            self._write(last_words, last=True)
        elif self._earlier is not None:
            self._put(self._earlier)

    def _write(self, what: str = "", *, last: bool = False) -> None:
        if self._earlier is None:
            self._earlier = report_file.without_progress(self._path)
        if self._earlier is not None:
            self._put(self._living(what, last))

    def _put(self, html: str) -> None:
        with suppress(OSError):  # a full disk; the stages will say so themselves
            files.write_text(self._path, html)

    def _living(self, what: str, last: bool) -> str:
        from candgen.reports import rendering  # loads Jinja, once a sweep has something to run

        earlier = self._earlier or report_file.NO_REPORT
        shown = {
            "title": self._title,
            "alone": earlier == report_file.NO_REPORT,
            "seconds": None if last else SECONDS,
        }
        head = rendering.render("live_head.html.j2", **shown)
        body = rendering.render(
            "live_body.html.j2",
            **shown,
            what=what,
            summary=self._summary(),
            now=f"{datetime.now(UTC):%H:%M:%S} UTC",
            metric=self._metric,
            rows=[self._row(record) for record in sorted(self._records, key=_rank)],
        )
        return report_file.with_progress(earlier, head, body)

    def _summary(self) -> str:
        n = len(self._records)
        states = {"done": 0, "failed": 0, "running": 0}
        for record in self._records:
            state = "failed" if record.failed else record.state
            if state in states:
                states[state] += 1
        parts = [f"{states['done']} of {n} stages done"]
        parts += [f"{states[name]} {name}" for name in ("failed", "running") if states[name]]
        parts.append(f"{span(time.monotonic() - self._began)} so far")
        left = time_left(self._records, self._workers)
        if left is not None and states["running"]:
            parts.append(f"about {span(left)} left")
        return ", ".join(parts)

    def _row(self, record: Record) -> dict[str, Any]:
        left = record.remaining() if record.state == "running" else None
        page = record.stage.folder / "page.html"
        link = record.finished and page.is_file()
        return {
            "name": record.stage.title,
            "link": page.relative_to(self._path.parent).as_posix() if link else "",
            "state": "unchanged" if record.skipped else record.state,
            "tone": "bad" if record.failed else record.state,
            "value": self._value(record),
            "at": record.at if record.state == "running" and record.cells else "",
            "elapsed": span(record.elapsed()) if record.started else "",
            "left": "" if left is None else span(left),
            "why": record.remark,
        }

    def _value(self, record: Record) -> str:
        """Return the run's metric as far as it can be read; the report itself checks more."""
        if record.state != "done" or record.stage.kind != "run":
            return ""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found = json.loads((record.stage.folder / run_files.METRICS).read_text("utf-8"))
            own = [row for row in found["generators"] if not row.get("baseline")]
            return f"{float(own[0][self._metric]):.4f}" if own else ""
        return ""


def _rank(record: Record) -> int:
    return _ORDER.get("failed" if record.failed else record.state, 1)
