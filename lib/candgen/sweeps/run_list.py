"""List of all runs and searches in `outputs`, with state and headline metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from candgen import folders, records
from candgen.errors import DataError, did_you_mean
from candgen.reports.reading import given_runs
from candgen.reports.searches.reading import Search, Trial, read_searches
from candgen.session import paths, run_files, runs, status
from candgen.session.records import Metrics, Plan, Prepared, Status
from candgen.session.search_records import SEARCH
from candgen.sweeps.run_sweep import SWEEP

HEADLINE = "recall@20"
DAMAGED = "damaged"
"""State of a run that is done, but whose files were truncated or lost since."""
UNREADABLE = "unreadable"
"""State of what left a damaged record."""
TRIALS = "trials"
_NOT_RUNS = ("datasets", "report", "tables", TRIALS)
_KINDS = {status.STATUS: Status, runs.METRICS: Metrics, paths.DATASET_FILE: Prepared}


@dataclass(frozen=True)
class Row:
    """One run, one prepared dataset, one search, or one trial of a search."""

    sweep: str
    name: str
    state: str
    minutes: float | None
    metric: str = ""
    """The headline metric's name; empty where nothing was judged."""
    value: float | None = None
    generator: str = ""
    judged_on: str = ""
    """The part that the value is of; it says if a validation part was shaped by test."""
    trials: int | None = None
    """Number of trials of a search that ended so far; its value is the best of them."""


def list_runs(sweep: str = "", *, trials: bool = False) -> list[Row]:
    """List runs, datasets and searches, in the order of their sweep's plan where there is one.

    Args:
        sweep: One sweep's name; all of them when empty.
        trials: Whether each trial of a search has a row below it.

    Raises:
        DataError: If there is no sweep of that name.
    """
    outputs = paths.outputs_folder()
    there = sorted(p.name for p in outputs.glob("*") if p.is_dir() and not p.name.startswith("."))
    if sweep and sweep not in there:
        raise DataError(f"No sweep {sweep!r} in {outputs}.{did_you_mean(sweep, there)}")
    names = [sweep] if sweep else there
    return [row for name in names for row in _of_sweep(outputs / name, trials)]


def find_sweep(name_or_folder: str) -> Path:
    """Find a sweep by folder or by name.

    Raises:
        DataError: If there is none.
    """
    outputs = paths.outputs_folder()
    found = [Path(name_or_folder).expanduser(), outputs / name_or_folder]
    found = [folder for folder in found if folder.is_dir()]
    if marked := [folder for folder in found if folders.is_marked(folder, folders.SWEEP)]:
        return marked[0].resolve()
    for folder in found:
        folders.require(folder.resolve(), folders.SWEEP)
    there = [path.parent.name for path in outputs.glob(f"*/{SWEEP}")]
    raise DataError(
        f"No sweep {name_or_folder!r}: neither a folder nor a name in {outputs}."
        f"{did_you_mean(name_or_folder, there)}"
    )


def _of_sweep(folder: Path, trials: bool) -> Iterator[Row]:
    try:
        plan = records.read(folder / SWEEP, Plan) if (folder / SWEEP).is_file() else {}
    except DataError:
        yield Row(folder.name, SWEEP, UNREADABLE, None)
        plan = {}
    metric = (plan.get("report") or {}).get("metric") or HEADLINE
    planned = {
        place: stage
        for kind, above in (("datasets", "datasets/"), ("runs", ""))
        for place, stage in _stages(plan.get(kind) or [], above)
    }
    if not planned:
        left = [p for name in (status.STATUS, paths.DATASET_FILE) for p in folder.glob(f"*/{name}")]
        planned = {path: {} for path in sorted({path.parent.name for path in left})}
    planned |= {name: {} for name in given_runs(folder) if name not in planned}
    for place, stage in planned.items():
        if place not in _NOT_RUNS:
            yield _row(folder.name, folder / place, metric, stage)
    yield from _searches(folder, trials)


def _searches(folder: Path, trials: bool) -> Iterator[Row]:
    """Give one row a search and, if wanted, one a trial."""
    searches = read_searches(folder)
    if searches.trouble:
        yield Row(folder.name, SEARCH, UNREADABLE, None)
    for search in searches.found:
        states = {t.number: _trial_state(folder, t) for t in search.trials}
        state = search.state
        if state == status.RUNNING and not any(s.startswith(state) for s in states.values()):
            state = "unfinished"
        best = max((trial.value for trial in search.trials if trial.done), default=None)
        yield _of_search(folder, search, search.run, state, search.seconds, best, len(search.ended))
        for trial in search.trials if trials else ():
            name = f"{search.run}/{trial.number:03}"
            state = states[trial.number]
            yield _of_search(folder, search, name, state, trial.seconds, trial.value)


def _trial_state(folder: Path, trial: Trial) -> str:
    """Return how a trial stands; one that seems to run is asked for itself."""
    if trial.state != status.RUNNING or not trial.folder:
        return trial.state
    state = status.state_of(folder / trial.folder)
    return "not started" if state == status.MISSING else state


def _of_search(
    folder: Path, search: Search, name: str, state: str, seconds: float | None,
    value: float | None, trials: int | None = None,
) -> Row:  # fmt: skip
    return Row(
        folder.name, f"{TRIALS}/{name}", state, None if seconds is None else seconds / 60,
        search.metric, value, search.generator, "validation", trials,
    )  # fmt: skip


def _stages(
    stages: list[dict[str, Any]] | dict[str, Any], above: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each stage with its folder, from a list, or from a mapping by name."""
    named = stages.items() if isinstance(stages, dict) else ((s.get("name"), s) for s in stages)
    for name, stage in named:
        if place := (stage or {}).get("folder") or (name and above + name):
            yield place, stage or {}


def _row(sweep: str, folder: Path, metric: str, planned: dict[str, Any]) -> Row:
    held, faulty = {}, []
    for name, kind in _KINDS.items():
        try:
            there = (folder / name).is_file()
            held[name] = records.read(folder / name, kind) if there else {}
        except DataError:
            held[name] = {}
            faulty.append(name)
    state = status.state_in_sweep(folder, planned)
    if faulty and state in (status.DONE, status.MISSING):
        state = UNREADABLE
    elif state == status.MISSING:
        state = planned.get("state") or (
            "done" if (folder / paths.DATASET_FILE).is_file() else "unfinished"
        )
    known = held[status.STATUS]
    described = known.get(status.FILES)
    if state == status.DONE and run_files.damage(
        folder, described, digests=False, only=run_files.RESULTS
    ):
        state = DAMAGED
    seconds = known.get("wall_seconds")
    is_dataset = folder.parent.name == "datasets"
    row = Row(
        sweep, f"datasets/{folder.name}" if is_dataset and sweep != "datasets" else folder.name,
        state, None if seconds is None else seconds / 60,
    )  # fmt: skip
    recorded = held[runs.METRICS]
    generators, described = recorded.get("generators") or [], recorded.get("dataset") or {}
    own = [g for g in generators if not g.get("baseline")] if state == "done" else []
    if not own:
        return row
    known = [name for name in own[0] if name == metric or "@" in name]
    shown = metric if metric in known else next(iter(known), "")
    best = max(own, key=lambda g: _number(g.get(shown), float("-inf")))
    judged_on = described.get("judged_on") or described.get("evaluate_on") or ""
    return replace(
        row, metric=shown, value=_number(best.get(shown), None), generator=best["generator"],
        judged_on=judged_on,
    )  # fmt: skip


def _number(value: Any, otherwise: float | None) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else otherwise
