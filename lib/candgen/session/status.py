"""Status of a run, written by the process that started it.

The notebook cannot be asked: after a kill its metadata still say that all is well. `status.json`
says "running" from the first moment, and something else only when the owner saw the end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from candgen import files, records
from candgen.errors import DataError
from candgen.session.records import Status

STATUS = "status.json"
DONE, FAILED, TIMED_OUT, KILLED = "done", "failed", "timed out", "killed"
RUNNING, INTERRUPTED, MISSING = "running", "interrupted", "missing"


def write(folder: Path | str, status: dict[str, Any]) -> None:
    """Write a run's status."""
    files.write_json(Path(folder) / STATUS, status)


def read(folder: Path | str) -> dict[str, Any] | None:
    """Read a run's status; None if there is none that can be read."""
    try:
        return records.read(Path(folder) / STATUS, Status)
    except DataError:
        return None


def state_of(folder: Path | str) -> str:
    """Return how a run stands.

    One of "done", "failed", "timed out", "killed"; "running" while its owner lives,
    "interrupted" when the owner has gone, "missing" when nothing was ever started.
    """
    status = read(folder)
    if status is None:
        return MISSING
    if status["state"] == RUNNING and not _owner_lives(status):
        return INTERRUPTED
    return status["state"]


def state_in_sweep(folder: Path | str, planned: dict[str, Any]) -> str:
    """Return how a run stands for the sweep that lists it.

    A result that is done, but of an earlier plan that the sweep never came to renew, is "missing".

    Args:
        folder: The run's folder.
        planned: Its entry in `sweep.json`, or nothing.
    """
    state = state_of(folder)
    ended = planned.get("state", DONE) == DONE
    if state == DONE and not ended:
        same = planned.get("fingerprint") == (read(folder) or {}).get("fingerprint")
        return DONE if same else MISSING
    return state


def is_finished(folder: Path | str, fingerprint: str | None = None) -> bool:
    """Tell whether a run is done, whole, and of the given fingerprint if there is one."""
    status = read(folder)
    return (
        status is not None
        and status["state"] == DONE
        and (fingerprint is None or status.get("fingerprint") == fingerprint)
        and all((Path(folder) / name).is_file() for name in ("notebook.ipynb", "page.html"))
    )


def owner() -> dict[str, Any]:
    """Describe this process well enough to know it again when its number is given to another."""
    import psutil

    return {"pid": os.getpid(), "pid_started": psutil.Process().create_time()}


def _owner_lives(status: dict[str, Any]) -> bool:
    import psutil

    try:
        started = psutil.Process(status["pid"]).create_time()
    except (psutil.Error, KeyError):
        return False
    return abs(started - status.get("pid_started", started)) < 2
