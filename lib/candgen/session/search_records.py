"""Kinds of the records that a search of settings leaves in its sweep's folder."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candgen.records import Inside, Record

SEARCH = "search.json"
"""File in a sweep's folder that describes its searches."""

_Name = Annotated[str, Field(max_length=255)]
_Count = Annotated[int, Field(ge=0)]
_Amount = Annotated[float, Field(ge=0)]


class Trial(Record):
    """One trial: a run with settings of its own, judged on validation."""

    number: _Count
    state: _Name
    params: dict[_Name, Any]
    value: float | None = None
    seconds: _Amount | None = None
    folder: Inside | None = None
    steps: list[list[float | None]] | None = None
    """Pairs of epoch and metric, of generators that learn in epochs."""
    why: str | None = None


class Budget(Record):
    """Budget of a search; None is no limit."""

    trials: _Count | None = None
    minutes: _Amount | None = None


class Used(Record):
    """Part of the budget that a search has used so far."""

    trials: _Count = 0
    seconds: _Amount = 0.0
    pruned: _Count = 0
    failed: _Count = 0


class Chosen(Record):
    """The trial whose settings the run has."""

    number: _Count
    params: dict[_Name, Any] = {}
    value: float | None = None
    refit: dict[_Name, Any] | None = None
    """Settings of the run on train and validation that its trial decided, such as `epochs`."""


class Search(Record):
    """The search of one run."""

    state: _Name | None = None
    generator: _Name | None = None
    """None where the notebook has no generator to choose."""
    metric: _Name
    space: dict[_Name, Any]
    sampler: str | None = None
    pruning: str | None = None
    seed: int | None = None
    budget: Budget = Budget()
    used: Used = Used()
    trials: list[Trial]
    chosen: Chosen | None = None
    final: list[Inside] = []
    """Runs with the chosen settings, by name."""


class Reading(Record):
    """One evaluation on test: which settings, on which dataset, for which run."""

    run: _Name
    dataset: _Name
    settings: _Name
    time: str | None = None


class Searches(Record):
    """`search.json`; the keys of `runs` are names of runs in the YAML."""

    runs: dict[Inside, Search]
    test_readings: list[Reading] = []
