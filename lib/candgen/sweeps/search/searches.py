"""All searches of a sweep: whose turn it is, the lines that show them, and `search.json`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import TrialState

from candgen import files
from candgen.errors import DataError
from candgen.session.search_records import SEARCH
from candgen.sweeps.fingerprints import Fingerprints
from candgen.sweeps.plan import Plan, Stage
from candgen.sweeps.progress.stage_progress import LEFT, Record
from candgen.sweeps.search import readings
from candgen.sweeps.search.journal import JOURNAL, Journal
from candgen.sweeps.search.searching import Searching
from candgen.sweeps.search.trials import Trial

FORMAT = 1


@dataclass
class Line(Record):
    """Progress of one search, as the views show it."""

    best: str = ""
    counts: str = ""

    @property
    def at(self) -> str:
        return f"{self.cell} of {self.cells} trials{self.counts}{self.best}"

    @property
    def remark(self) -> str:
        return self.at if self.state in ("running", "done") else super().remark


class Searches:
    """The searches of one sweep; only its main thread calls them."""

    def __init__(
        self, plan: Plan, prints: Fingerprints, *, fresh: bool, say: Callable[[str], None]
    ) -> None:
        self._folder, self._say = plan.folder, say
        self._journal: Journal | None = None
        self._all = [Searching(one, plan.folder, prints, fresh=fresh) for one in plan.searches]
        self._of_final = {
            final.name: search for search in self._all for final in search.asked.finals
        }
        self._lines = {id(search): _line(search) for search in self._all}
        self._settled: set[int] = set()

    @property
    def lines(self) -> list[Line]:
        return list(self._lines.values())

    def line_of(self, search: Searching) -> Line:
        """Return the line that shows a search."""
        return self._lines[id(search)]

    def of(self, stage: Stage) -> Searching | None:
        """Return the search that chooses a run's settings; None if none does."""
        return self._of_final.get(stage.name) if stage.kind == "run" else None

    def is_settled(self, search: Searching) -> bool:
        """Tell whether a search has ended, well or not, and its runs know."""
        return id(search) in self._settled

    def begin(self, search: Searching) -> bool:
        """Begin a search whose dataset is ready, unless it has begun; tell whether it did.

        Raises:
            CandgenError: If something it depends on cannot be read.
        """
        if search.began is not None:
            return False
        if self._journal is None:
            self._journal = Journal(self._folder / JOURNAL)
        search.begin(self._journal)
        line = self._lines[id(search)]
        line.state, line.started = "running", time.monotonic()
        self._note(search)
        return True

    def active(self) -> list[Searching]:
        """Return the searches that have begun and go on."""
        return [s for s in self._all if s.began is not None and not self.is_settled(s)]

    def next_trials(self, search: Searching, workers: int) -> Iterator[Trial]:
        """Give the trials of a search to run now; the active searches share the workers."""
        while search.in_flight < max(1, workers // len(self.active())):
            trial = search.next()
            self._note(search)
            if trial is None:
                break
            yield trial

    def ended(self, trial: Trial) -> None:
        """Write down how a trial ended."""
        if why := trial.search.ended(trial):
            self._say(f"{trial.stage.title} failed: {why}")
        self._note(trial.search)

    def newly_over(self) -> Iterator[tuple[Searching, list[Stage], str]]:
        """Give each search that has ended, its runs with what was chosen, and what to say."""
        for search in self._all:
            if search.began is None or self.is_settled(search) or not search.over:
                continue
            self._settled.add(id(search))
            best = search.best()
            asked, line = search.asked, self._lines[id(search)]
            if best is None:
                n = search.count(TrialState.FAIL)
                why = f"no trial of search {asked.name} ended well ({n} failed)"
                line.end("failed", why)
                yield search, [], why
                continue
            line.end("done", "")
            chosen = ", ".join(
                f"{k}={v}" for k, v in search.described()["chosen"]["params"].items()
            )
            yield search, search.chosen(best), (
                f"search {asked.name}: trial {best.number} of {line.cell} has the best "
                f"{asked.metric} on validation, {best.value:.4f} ({chosen})"
            )  # fmt: skip

    def give_up(self, search: Searching, why: str) -> None:
        """End a search that cannot go on."""
        self._settled.add(id(search))
        self._lines[id(search)].end("failed", why)

    def stop(self) -> None:
        """Note that the sweep was stopped; trials that ran go on next time."""
        for line in self.lines:
            if not line.finished:
                line.end("not run", LEFT)

    def read_test(self, stage: Stage) -> None:
        """Note that a run with chosen settings is done, hence that test was read."""
        new = readings.note(self._folder, stage)
        if new is not None and new["reading"] > 1:
            self._say(
                f"{stage.title}: reading {new['reading']} of the test part, with other settings. "
                "A choice between them would no longer be honest."
            )

    def save(self) -> None:
        """Write `search.json`."""
        try:
            known = readings.read(self._folder)
        except DataError as error:
            self._say(str(error))
            known = []
        described: dict[str, Any] = {
            "format": FORMAT,
            "runs": {search.asked.name: search.described() for search in self._all},
            "test_readings": known,
        }
        files.write_json(self._folder / SEARCH, described)

    def _note(self, search: Searching) -> None:
        line = self._lines[id(search)]
        pruned, failed = search.count(TrialState.PRUNED), search.count(TrialState.FAIL)
        line.cell = search.count(TrialState.COMPLETE) + pruned + failed
        named = ((pruned, "pruned"), (failed, "failed"))
        line.counts = "".join(f", {n} {what}" for n, what in named if n)
        best = search.best()
        line.best = f", best {best.value:.4f}" if best is not None else ""


def _line(search: Searching) -> Line:
    asked = search.asked
    stage = replace(asked.finals[0], kind="search", name=asked.name)
    return Line(stage, cells=asked.budget.most_trials)
