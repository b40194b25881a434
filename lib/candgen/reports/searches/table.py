"""`trials.csv`: one row a trial of a sweep's searches, for spreadsheets and scripts.

Columns: `run`, `generator`, `trial`, `state`, `chosen`, `metric`, its `value` on validation,
`seconds`, `epochs`, `folder`, `why` a trial was pruned or failed, and then one column for each
searched setting. A pruned trial has the value where it stood when it was stopped.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from candgen import files, folders
from candgen.reports.searches.reading import Search, Trial, read_searches
from candgen.text.plain import csv_text

FILE = "trials.csv"
_FIRST = (
    "run", "generator", "trial", "state", "chosen", "metric", "value", "seconds", "epochs",
    "folder", "why",
)  # fmt: skip


def write_trials(sweep_folder: Path | str, into: Path | None = None) -> Path | None:
    """Write `trials.csv` into a sweep's folder, or into another one.

    None, and no file, where the sweep has no search.

    Raises:
        DataError: If there is no such folder, or it is no sweep's.
    """
    folder = folders.check(sweep_folder, folders.SWEEP)
    searches = read_searches(folder).found
    if not searches:
        return None
    settings = list(dict.fromkeys(name for search in searches for name in search.space))
    rows = [
        _row(search, trial, settings)
        for search in searches
        for trial in search.trials
    ]  # fmt: skip
    path = (into or folder) / FILE
    files.write_text(path, csv_text([*_FIRST, *settings], rows))
    return path


def _row(search: Search, trial: Trial, settings: Sequence[str]) -> list[Any]:
    return [
        search.run, search.generator, trial.number, trial.state,
        trial.number == search.chosen_number, search.metric, trial.value, trial.seconds,
        trial.epochs, trial.folder, trial.why,
        *(_plain(trial.settings.get(name)) for name in settings),
    ]  # fmt: skip


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value
