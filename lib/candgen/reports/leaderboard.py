"""`leaderboard.csv`: one row a run and generator, for spreadsheets and scripts.

Columns: `run`, `generator`, `dataset`, `judged_on`, the parameters that differ, then metrics as
they are spelled in `metrics.json` with `_low` and `_high`, then costs, then whether the run only
recorded this generator to stand beside its own. Repeats over seeds have a row each; runs that did
not finish have none. A run that cannot be read has a row with its name and, in a last column
`trouble`, the reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from candgen import files, folders
from candgen.columns import RATING_METRICS
from candgen.reports.reading import Entry, Sweep, read_sweep
from candgen.text.plain import csv_text

FILE = "leaderboard.csv"
COSTS = (
    "fit_seconds", "fit_cpu_seconds", "rank_seconds", "compile_seconds", "queries_per_second",
    "peak_memory_mib",
)  # fmt: skip
_FIRST = ("run", "generator", "dataset", "judged_on")


def leaderboard(sweep: Sweep) -> pd.DataFrame:
    """Make the table of everything that finished runs recorded."""
    entries = list(sweep.entries())
    parameters = sweep.differing_parameters()
    metrics = dict.fromkeys(
        name for entry in entries for name in entry.numbers if "@" in name or name in RATING_METRICS
    )
    columns = [*_FIRST, *parameters, *metrics, *COSTS, "wall_seconds", "baseline"]
    rows = [_row(sweep, entry, parameters, list(metrics)) for entry in entries]
    if sweep.damaged:
        columns.append("trouble")
        rows += [{"run": run.name, "trouble": run.trouble} for run in sweep.damaged]
    return pd.DataFrame(rows, columns=columns, dtype=object)  # whole numbers stay whole


def write_leaderboard(sweep_folder: Path | str, into: Path | None = None) -> Path:
    """Write `leaderboard.csv` into a sweep's folder, or into another one.

    Raises:
        DataError: If there is no such folder, or it is no sweep's.
    """
    path = (into or folders.check(sweep_folder, folders.SWEEP)) / FILE
    sweep = read_sweep(sweep_folder)
    table = leaderboard(sweep)
    files.write_text(path, csv_text(list(table), table.itertuples(index=False, name=None)))
    return path


def _row(sweep: Sweep, entry: Entry, parameters: list[str], metrics: list[str]) -> dict[str, Any]:
    run = entry.run
    described = run.metrics["dataset"]
    row: dict[str, Any] = {
        "run": run.name,
        "generator": entry.generator,
        "dataset": described.get("name"),
        "judged_on": run.judged_on,
        "baseline": entry.baseline,
    }
    if not entry.baseline:  # the run's parameters shaped its own generator alone
        row |= {name: _plain(sweep.parameter(run, name)) for name in parameters}
    row |= {name: entry.numbers.get(name) for name in (*metrics, *COSTS)}
    return row | {"wall_seconds": None if entry.baseline else run.status.get("wall_seconds")}


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value
