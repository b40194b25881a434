"""Searches of a sweep, read from its `search.json`, and what they say about test."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from candgen import records
from candgen.errors import DataError
from candgen.reports.searches.spaces import Dimension, read_space
from candgen.session import search_records
from candgen.session.search_records import SEARCH

DONE, RUNNING, PRUNED, FAILED = "done", "running", "pruned", "failed"


@dataclass(frozen=True)
class Trial:
    """One trial of a search."""

    number: int
    state: str
    settings: dict[str, Any]
    """Values of the searched settings."""
    value: float | None
    """The metric on validation; of a pruned trial, where it stood when it was stopped."""
    seconds: float | None
    folder: str
    epochs: int | None
    why: str

    @property
    def done(self) -> bool:
        return self.state == DONE and self.value is not None


@dataclass(frozen=True)
class Search:
    """The search of one run."""

    run: str
    state: str
    generator: str
    metric: str
    sampler: str
    pruning: str
    space: dict[str, Dimension]
    trials: tuple[Trial, ...]
    budget_trials: int | None
    budget_minutes: float | None
    seconds: float
    chosen_number: int | None
    chosen_settings: dict[str, Any]
    refit: dict[str, Any]
    """Settings that learning again takes from the chosen trial, such as its best epoch."""
    final: tuple[str, ...]
    """Names of the runs with the chosen settings."""

    @cached_property
    def ended(self) -> tuple[Trial, ...]:
        """Trials that ended, well or not; the others are under way or were interrupted."""
        return tuple(t for t in self.trials if t.state in (DONE, PRUNED, FAILED))

    def count(self, state: str) -> int:
        """Count the trials of one state."""
        return sum(trial.state == state for trial in self.trials)

    @cached_property
    def default(self) -> Trial | None:
        """The trial with the default settings: the first."""
        return next((trial for trial in self.trials if trial.number == 0), None)

    @cached_property
    def chosen(self) -> Trial | None:
        """The trial whose settings were chosen."""
        return next((t for t in self.trials if t.number == self.chosen_number), None)


@dataclass(frozen=True)
class Searches:
    """All searches of a sweep."""

    found: tuple[Search, ...] = ()
    readings: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """Each evaluation on test: `run`, digests of `dataset` and `settings`, and `time`."""
    trouble: str = ""
    """Reason why the record cannot be read, in a sentence."""

    def of(self, run: str) -> Search | None:
        """Return the search that chose the settings of a run; None if none did."""
        return next((search for search in self.found if run in search.final), None)

    @cached_property
    def read_again(self) -> list[str]:
        """Sentences about runs that were evaluated on test with more than one choice of settings.

        Repeats over seeds are one question, so they count once.
        """
        questions: dict[tuple[str, str], dict[str, str]] = {}
        for reading in self.readings:
            seen = questions.setdefault((reading["run"], reading["dataset"]), {})
            seen.setdefault(reading["settings"], str(reading.get("time") or ""))
        said: dict[tuple[str, str], dict[str, str]] = {}
        for (run, dataset), seen in questions.items():
            search = self.of(run)
            name = (search.run if search else run, dataset)
            said[name] = max(said.get(name, {}), seen, key=len)
        return [
            f"{run}: with {len(seen)} choices of settings{_days(list(seen.values()))}."
            for (run, _), seen in said.items()
            if len(seen) > 1
        ]


def read_searches(folder: Path) -> Searches:
    """Read the searches of a sweep's folder; a damaged record is named in `trouble`."""
    held: dict[str, Any] = {}
    trouble = ""
    try:
        if (folder / SEARCH).is_file():
            held = records.read(folder / SEARCH, search_records.Searches)
    except DataError as error:
        trouble = str(error).replace(str(folder / SEARCH), SEARCH)
    found = tuple(_search(run, said) for run, said in (held.get("runs") or {}).items())
    return Searches(found, tuple(held.get("test_readings") or ()), trouble)


def counted(n: int) -> str:
    """Write a number of trials."""
    return f"{n} trial" if n == 1 else f"{n} trials"


def _search(run: str, said: dict[str, Any]) -> Search:
    budget, used, chosen = said.get("budget") or {}, said.get("used") or {}, said.get("chosen")
    trials = sorted((_trial(one) for one in said["trials"]), key=lambda trial: trial.number)
    return Search(
        run=run,
        state=said.get("state") or (DONE if chosen else RUNNING),
        generator=said.get("generator") or "",
        metric=said["metric"],
        sampler=said.get("sampler") or "",
        pruning=said.get("pruning") or "",
        space=read_space(said["space"]),
        trials=tuple(trials),
        budget_trials=budget.get("trials"),
        budget_minutes=budget.get("minutes"),
        seconds=used.get("seconds") or sum(trial.seconds or 0 for trial in trials),
        chosen_number=chosen and chosen["number"],
        chosen_settings=(chosen and chosen.get("params")) or {},
        refit=(chosen and chosen.get("refit")) or {},
        final=tuple(said.get("final") or ()),
    )


def _trial(said: dict[str, Any]) -> Trial:
    steps = [step for step in said.get("steps") or [] if len(step) == 2 and None not in step]
    value = said.get("value")
    if value is None and said["state"] == PRUNED and steps:
        value = steps[-1][1]
    return Trial(
        number=said["number"],
        state=said["state"],
        settings=said["params"],
        value=value,
        seconds=said.get("seconds"),
        folder=said.get("folder") or "",
        epochs=int(steps[-1][0]) if steps else None,
        why=said.get("why") or "",
    )


def _days(times: list[str]) -> str:
    days = sorted({time[:10] for time in times if time})
    return f" ({', '.join(days)})" if days else ""
