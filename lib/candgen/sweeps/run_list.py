"""List of all runs in `outputs`, with state and headline metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from candgen import files
from candgen.errors import DataError, did_you_mean
from candgen.session import paths, runs, status
from candgen.sweeps.run_sweep import SWEEP

HEADLINE = "recall@20"
_NOT_RUNS = ("datasets", "report")


@dataclass(frozen=True)
class Row:
    """One run, or one prepared dataset."""

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


def list_runs(sweep: str = "") -> list[Row]:
    """List runs and datasets, in the order of their sweep's plan where there is one.

    Args:
        sweep: One sweep's name; all of them when empty.

    Raises:
        DataError: If there is no sweep of that name.
    """
    outputs = paths.outputs_folder()
    there = sorted(p.name for p in outputs.glob("*") if p.is_dir() and not p.name.startswith("."))
    if sweep and sweep not in there:
        raise DataError(f"No sweep {sweep!r} in {outputs}.{did_you_mean(sweep, there)}")
    names = [sweep] if sweep else there
    return [row for name in names for row in _of_sweep(outputs / name)]


def find_sweep(name_or_folder: str) -> Path:
    """Find a sweep by folder or by name.

    Raises:
        DataError: If there is none.
    """
    outputs = paths.outputs_folder()
    for folder in (Path(name_or_folder).expanduser(), outputs / name_or_folder):
        if folder.is_dir():
            return folder.resolve()
    there = [path.parent.name for path in outputs.glob(f"*/{SWEEP}")]
    raise DataError(
        f"No sweep {name_or_folder!r}: neither a folder nor a name in {outputs}."
        f"{did_you_mean(name_or_folder, there)}"
    )


def _of_sweep(folder: Path) -> Iterator[Row]:
    plan = _read(folder / SWEEP)
    metric = plan.get("report", {}).get("metric") or HEADLINE
    planned = [*plan.get("datasets", []), *plan.get("runs", [])]
    if planned:
        found = [(folder / stage["folder"], stage) for stage in planned]
    else:
        left = [p for name in (status.STATUS, paths.DATASET_FILE) for p in folder.glob(f"*/{name}")]
        found = [(run, {}) for run in sorted({path.parent for path in left})]
    for run, stage in found:
        if run.name not in _NOT_RUNS:
            yield _row(folder.name, run, metric, stage)


def _row(sweep: str, folder: Path, metric: str, planned: dict[str, Any]) -> Row:
    state = status.state_in_sweep(folder, planned)
    if state == status.MISSING:
        state = planned.get("state") or (
            "done" if (folder / paths.DATASET_FILE).is_file() else "unfinished"
        )
    seconds = (status.read(folder) or {}).get("wall_seconds")
    is_dataset = folder.parent.name == "datasets"
    row = Row(
        sweep, f"datasets/{folder.name}" if is_dataset and sweep != "datasets" else folder.name,
        state, None if seconds is None else seconds / 60,
    )  # fmt: skip
    recorded = _read(folder / runs.METRICS)
    generators, described = recorded.get("generators") or [], recorded.get("dataset") or {}
    own = [g for g in generators if not g.get("baseline")] if state == "done" else []
    if not own:
        return row
    shown = metric if metric in own[0] else next((name for name in own[0] if "@" in name), "")
    best = max(own, key=lambda g: g.get(shown) if g.get(shown) is not None else float("-inf"))
    judged_on = described.get("judged_on") or described.get("evaluate_on") or ""
    return replace(
        row, metric=shown, value=best.get(shown), generator=best.get("generator", ""),
        judged_on=judged_on,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        found = files.read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
