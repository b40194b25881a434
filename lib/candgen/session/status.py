"""Status of a run, written by the process that started it.

The notebook cannot be asked: after a kill its metadata still say that all is well. `status.json`
says "running" from the first moment, and something else only when the owner saw the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from candgen import files, owners, records
from candgen.errors import DataError
from candgen.session import run_files
from candgen.session.records import Status

STATUS = "status.json"
FILES = "files"
"""Key of the status that holds size and digest of each file that counts."""
_GONE = "its notebook or page is gone"
DONE, FAILED, TIMED_OUT, KILLED = "done", "failed", "timed out", "killed"
PRUNED = "pruned"
"""State of a search's trial that was stopped, or is not counted, because its steps are poor."""
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

    One of "done", "failed", "timed out", "killed"; "running" while its owner lives, "running on
    HOST" if the owner belongs to another machine, which cannot be asked, "interrupted" when the
    owner has gone, "missing" when nothing was ever started.
    """
    status = read(folder)
    if status is None:
        return MISSING
    if status["state"] != RUNNING:
        return status["state"]
    owner = owners.from_json(status)
    found = "ended" if owner is None else owner.state()
    if found == "elsewhere":
        return f"{RUNNING} on {owner.place}"
    return RUNNING if found == "lives" else INTERRUPTED


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
        and not damage(folder, status, digests=True)
    )


def damage(
    folder: Path | str,
    status: dict[str, Any],
    *,
    digests: bool,
    only: Iterable[str] | None = None,
) -> list[str]:
    """Say which files of a finished run are missing or not as its status describes them.

    Args:
        folder: The run's folder.
        status: What `read` returned.
        digests: Whether to compare digests, too; sizes alone cost nothing.
        only: Names of the files to look at; all of them by default.
    """
    described = status.get(FILES)
    if described is None:  # a run of an earlier version
        shown = (Path(folder) / name for name in (run_files.NOTEBOOK, run_files.PAGE))
        return [] if only or all(path.is_file() for path in shown) else [_GONE]
    return run_files.damage(folder, described, digests=digests, only=only)


def owner() -> dict[str, Any]:
    """Describe this process well enough to know it again when its number is given to another."""
    return owners.this_process().as_json()
