"""Candidate lists of any system as a row of a sweep, compared like the sweep's own runs.

The row is a run's folder in the sweep's, listed in `judged_lists.json`: the sweep's plan is written
anew by each `candgen sweep`, and what others made stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from candgen import evaluation, files, locks
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError
from candgen.plots.style import BASELINES
from candgen.reports.comparing import Comparison, comparisons
from candgen.reports.reading import GIVEN, NOT_RUNS, given_runs, read_sweep
from candgen.session import run_files, runs, status

CUTOFFS = (10, 20, 50, 100)


@dataclasses.dataclass(frozen=True)
class Added:
    """A new row of a sweep."""

    folder: Path
    judgement: evaluation.Judgement
    dataset: Dataset


def add_lists(
    file: Path | str,
    sweep_folder: Path,
    name: str,
    *,
    dataset: str = "",
    evaluate_on: str = "",
    cutoffs: Sequence[int] = (),
    columns: Mapping[str, str] | None = None,
) -> Added:
    """Judge candidate lists on a sweep's dataset, and add them to the sweep as a row.

    Args:
        file: The lists; `Candidates.load` says what they may look like.
        sweep_folder: A sweep with at least one finished run.
        name: Of the row; a row of this name that was added before is replaced.
        dataset: Name of the dataset; needed only if the sweep was judged on several.
        evaluate_on: "test" or "validation", likewise.
        cutoffs: Lengths of lists, by default those of the sweep.
        columns: As of `candidate_files.read`.

    Raises:
        SettingError: If the name is taken or cannot be a folder's, or the dataset is unclear.
        DataError: If the dataset is gone or changed, or the lists are at fault.
        BusyError: If the sweep is at work.
    """
    sweep = read_sweep(sweep_folder)
    given = given_runs(sweep_folder)
    _check_name(name, [run.name for run in sweep.runs if run.name not in given])
    ground = _ground(comparisons(sweep), sweep_folder, dataset, evaluate_on)
    if ground.dataset is None:
        raise DataError(
            f"The dataset {ground.name!r} is no longer where the runs of {sweep_folder.name} found "
            "it, or was changed since. Run the sweep again."
        )
    lengths = list(cutoffs) or _cutoffs(ground)
    found = evaluation.judge_file(file, ground.dataset, name=name, cutoffs=lengths, columns=columns)
    with locks.locked(sweep_folder / run_files.LOCK):
        folder = run_files.claim(sweep_folder / name)
        run_files.forget(folder)
        _write(folder, found, ground.dataset, Path(file).name)
        listed = {"format": run_files.FORMAT, "runs": sorted({*given, name})}
        files.write_json(sweep_folder / GIVEN, listed)
    return Added(folder, found, ground.dataset)


def shorter(found: evaluation.Judgement) -> str:
    """Say how many users have fewer candidates than the longest cut-off; empty if none has."""
    counts = found.counts
    n, none = counts.get("short_lists", 0), counts.get("users_without_candidates", 0)
    if not n:
        return ""
    longest = max(int(name.partition("@")[2] or 0) for name in found.metrics)
    more = f", and {none:,} of these have none at all" if none else ""
    return (
        f"{n:,} of {counts['judged_users']:,} judged users have fewer than {longest} candidates"
        f"{more}. What a list lacks counts as missed: compare at cut-offs that all lists reach."
    )


def _check_name(name: str, taken: Sequence[str]) -> None:
    if run_files.slug(name) != name or name in NOT_RUNS:
        raise SettingError(
            f"--as must be a name of letters, digits, '.', '_' and '-', and none of "
            f"{', '.join(NOT_RUNS)}; got {name!r}."
        )
    if name in BASELINES or name in taken:
        raise SettingError(
            f"The sweep has a row {name!r} of its own. Give the lists another name with --as."
        )


def _ground(
    grounds: Sequence[Comparison], folder: Path, dataset: str, evaluate_on: str
) -> Comparison:
    found = [
        ground
        for ground in grounds
        if dataset in ("", ground.name, str(ground.dataset and ground.dataset.folder))
        and evaluate_on in ("", ground.evaluate_on)
    ]
    if len(found) == 1:
        return found[0]
    there = "; ".join(f"--dataset {g.name} --evaluate-on {g.evaluate_on}" for g in grounds)
    if not grounds:
        raise DataError(f"No run of {folder.name} finished, so there is nothing to compare with.")
    raise SettingError(
        f"{folder.name} has {len(found) or 'no'} dataset{'' if len(found) == 1 else 's'} of this "
        f"name and part. Give one of: {there}."
    )


def _cutoffs(ground: Comparison) -> list[int]:
    found = {int(n) for name in ground.metrics if (n := name.partition("@")[2]).isdecimal()}
    return sorted(found) or list(CUTOFFS)


def _write(folder: Path, found: evaluation.Judgement, data: Dataset, file: str) -> None:
    """Write the files of a finished run; costs of the system are unknown."""
    began = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"lists": file, "dataset": data.name, "evaluate_on": data.evaluate_on}
    run_files.mark(folder)
    files.write_json(folder / run_files.PARAMETERS, told)
    run = runs.Run(folder, told)
    run.record(found, dataset=data)
    metrics = files.read_json(folder / run_files.METRICS)
    metrics["generators"][0]["peak_memory_mib"] = None  # it was measured of this process
    files.write_json(folder / run_files.METRICS, metrics)
    ended = {"state": status.DONE, "started": began, "ended": began}
    status.write(folder, {**ended, status.FILES: run_files.describe(folder)})
