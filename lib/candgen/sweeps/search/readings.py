"""Readings of test: what was judged on the test part after a search, and how often.

A question is a dataset and a run. Its test part is to be read once, with the settings that were
chosen on validation. A run with other settings is a second reading, which is written down, too.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen import files, records
from candgen.records import Record
from candgen.session.records import Metrics
from candgen.session.run_files import METRICS

if TYPE_CHECKING:
    from candgen.sweeps.plan import Stage

READINGS = "test_readings.json"
FORMAT = 1


class _Reading(Record):
    dataset: str
    run: str
    settings: str
    time: str
    reading: int


class _Readings(Record):
    readings: list[_Reading]


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the readings that a sweep's folder knows of.

    Raises:
        DataError: If the file is damaged.
    """
    path = folder / READINGS
    return records.read(path, _Readings)["readings"] if path.is_file() else []


def note(folder: Path, stage: Stage) -> dict[str, Any] | None:
    """Write down that a run was judged on test; return the reading if it is a new one.

    Args:
        folder: Of the sweep.
        stage: Of the run, which is done.

    Raises:
        DataError: If the file, or what the run recorded, is damaged.
    """
    if not (stage.folder / METRICS).is_file():
        return None
    judged = records.read(stage.folder / METRICS, Metrics).get("dataset") or {}
    if judged.get("evaluate_on") != "test":
        return None
    text = json.dumps(stage.written, sort_keys=True)
    question = {"dataset": judged.get("digest") or "", "run": stage.name}
    settings = hashlib.sha256(text.encode()).hexdigest()[:16]
    known = read(folder)
    same = [each for each in known if all(each[key] == question[key] for key in question)]
    if any(each["settings"] == settings for each in same):
        return None
    time = datetime.now(UTC).isoformat(timespec="seconds")
    new = {**question, "settings": settings, "time": time, "reading": len(same) + 1}
    files.write_json(folder / READINGS, {"format": FORMAT, "readings": [*known, new]})
    return new
