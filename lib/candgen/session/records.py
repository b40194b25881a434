"""Kinds of the records that runs and sweeps leave: which fields code relies on, and their types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candgen.records import Inside, Record

_Name = Annotated[str, Field(max_length=255)]


class Error(Record):
    """Why a stage failed."""

    name: str | None = None
    message: str | None = None
    cell: int | None = None
    traceback_tail: str | list[str] | None = None


class Status(Record):
    """`status.json`."""

    state: _Name
    notebook: str | None = None
    started: str | None = None
    ended: str | None = None
    wall_seconds: Annotated[float, Field(ge=0)] | None = None
    fingerprint: str | None = None
    pid: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    pid_started: float | None = None
    error: Error | None = None


class Prepared(Record):
    """`dataset.json`, as far as a list of runs needs it; `open_dataset` checks all of it."""

    digest: str


class Judged(Record):
    """The dataset that a run was judged on."""

    name: _Name | None = None
    digest: str | None = None
    folder: str | None = None
    evaluate_on: str | None = None
    judged_on: str | None = None


class Curve(Record):
    """Values of a metric on validation after epochs, from 1: a learning curve."""

    metric: _Name
    points: list[Annotated[list[float], Field(min_length=2, max_length=2)]]


class Result(Record):
    """Record of one generator in a run; metrics are further fields."""

    generator: _Name
    baseline: bool = False
    settings: dict[str, Any] | None = None
    counts: dict[str, float | None] | None = None
    ranking: str = "full"
    curve: Curve | None = None


class Metrics(Record):
    """`metrics.json`."""

    dataset: Judged = Judged()
    generators: list[Result]


class Environment(Record):
    """`environment.json`."""

    packages: dict[str, Any] | None = None
    seeds: dict[str, Any] | None = None


class Stage(Record):
    """A dataset or a run in a sweep's plan."""

    name: Inside | None = None
    folder: Inside | None = None
    notebook: str | None = None
    parameters: dict[str, Any] | None = None
    state: _Name | None = None
    why: str | None = None
    fingerprint: str | None = None


class Options(Record):
    """The report's entries in the YAML of a sweep."""

    title: str | None = None
    metric: _Name | None = None
    baseline: _Name | None = None
    margin: float | None = None
    disclosures: dict[str, Any] | None = None


class Plan(Record):
    """`sweep.json`; a mapping of stages has their names as keys."""

    question: str | None = None
    command: str | None = None
    report: Options | None = None
    datasets: list[Stage] | dict[Inside, Stage | None] | None = None
    runs: list[Stage] | dict[Inside, Stage | None] | None = None


class Given(Record):
    """`judged_lists.json` of a sweep: judged lists of other systems, by the names of their runs."""

    runs: list[Inside]


class Reproduced(Record):
    """A printed number and ours, in `reproduced.json`."""

    name: _Name
    printed: float
    ours: float
    why: str
    starts: list[float] = []


class Worth(Record):
    """Metric that one generator adds to a ranked pool."""

    generator: _Name
    adds: float
    low: float
    high: float
    recall_adds: float


class PoolSize(Record):
    """Recall of a pool of one size, and the metric of its orders."""

    k: Annotated[int, Field(ge=1)]
    recall: float
    ranked: float
    low: float
    high: float
    fused: float
    ceiling: float


class Importance(Record):
    """Loss of the metric when one feature of a ranker is shuffled."""

    feature: _Name
    drop: float
    low: float
    high: float


class Pool(Record):
    """`pool.json`: what a ranker made of a pool of candidates."""

    metric: _Name
    k: Annotated[int, Field(ge=1)]
    learned_from: Annotated[int, Field(ge=1)]
    worth: list[Worth]
    sizes: list[PoolSize]
    importance: list[Importance]
