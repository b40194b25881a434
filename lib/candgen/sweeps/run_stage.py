"""Run one stage: a notebook, a kernel, a folder, and a way to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from candgen import folders, locks
from candgen.session import run_files, status
from candgen.sweeps import execution
from candgen.sweeps.live_table import View, view_of
from candgen.sweeps.plan import Stage
from candgen.sweeps.stage_progress import Record

Kernel = Literal["warm", "ordinary"]
PATIENCE = 0.2  # seconds between looks at whether somebody wants to stop


def run_stage(
    stage: Stage,
    *,
    kernel: Kernel = "ordinary",
    view: Callable[[list[Record], int], View] = view_of,
) -> Record:
    """Run one stage by itself, whatever was there before.

    Raises:
        BusyError: If somebody else is at work in the same folder.
        DataError: If the folder holds something else than a run.
    """
    folders.check(stage.folder, folders.RUN)
    record = Record(stage, last_seconds(stage))
    lock = stage.folder.parent / f".{stage.folder.name}.lock"
    execution.allow()
    with (
        _sweep_held(stage.folder),
        locks.locked(lock),
        signals() as asked,
        view([record], 1) as shown,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(execute_stage, record, kernel, shown)
        while not wait([running], timeout=PATIENCE).done:
            if asked.signal:
                execution.stop_all()
        running.result()
    if asked.signal:
        raise SystemExit(128 + asked.signal)
    return record


@contextmanager
def _sweep_held(folder: Path) -> Iterator[None]:
    """Hold the lock of the sweep that a folder lies in, if it lies in one.

    Raises:
        BusyError: If the sweep is at work.
    """
    with ExitStack() as held:
        for lock in run_files.locks_around(folder):
            held.enter_context(locks.locked(lock))
        yield


def execute_stage(
    record: Record, kernel: Kernel, view: View, saved: Callable[[], None] = lambda: None
) -> None:
    """Execute a stage in this thread and note in its record what happens."""

    def progressed(cell: int, cells: int) -> None:
        record.cell, record.cells = cell - 1, cells  # this one begins; those before are done
        view.progressed(record)

    def again(attempt: dict[str, Any]) -> None:
        record.cell = 0
        view.say(f"{stage.title}: {_why(attempt, stage)}; trying again")

    stage, record.started = record.stage, time.monotonic()
    record.state = "running"
    view.started(record)
    saved()
    parameters = dict(stage.parameters)
    if "run_folder" in stage.notebook.parameters:
        parameters["run_folder"] = str(stage.folder)
    try:
        found = execution.execute(
            stage.notebook.path,
            parameters,
            stage.folder,
            kernel=kernel,
            timeout_s=stage.minutes * 60,
            fingerprint=record.fingerprint,
            explore=stage.explore,
            retries=stage.retries,
            on_progress=progressed,
            on_retry=again,
            stop_when=record.stop_when,
        )
    except Exception as error:  # a fault of ours stops one stage, not the sweep
        found = {"state": "failed", "error": {"name": type(error).__name__, "message": str(error)}}
    record.end(found["state"], _why(found, stage))
    view.ended(record)
    saved()


class Asked:
    """True once a signal asked the sweep to stop."""

    signal: int | None = None


@contextmanager
def signals() -> Iterator[Asked]:
    """Note the first SIGINT, SIGTERM or SIGHUP during the block; a second has its usual effect."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:  # as nohup sets it
        before[hang_up] = signal.getsignal(hang_up)

    def note(number: int, frame: FrameType | None) -> None:
        asked.signal = number
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _why(found: dict[str, Any], stage: Stage) -> str:
    error = found.get("error")
    if found["state"] == "done" or not error:
        return ""
    if found["state"] == "timed out":
        return f"ran longer than {stage.minutes:g} minutes"
    where = f" (cell {error['cell']})" if error.get("cell") else ""
    return f"{error['name']}: {error['message']}{where}"


def last_seconds(stage: Stage) -> float | None:
    before = status.read(stage.folder) or {}
    return before.get("wall_seconds") if before.get("state") == "done" else None
