"""Run one stage: a notebook, a kernel, a folder, and a way to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from candgen import folders, locks
from candgen.session import run_files, status
from candgen.sweeps import execution
from candgen.sweeps.plan import Stage
from candgen.sweeps.progress.live_table import View, view_of
from candgen.sweeps.progress.stage_progress import Record

Kernel = Literal["warm", "ordinary"]
State = dict[str, Any]
PATIENCE = 0.2  # seconds between looks at whether somebody wants to stop


class Place(Protocol):
    """Machine or machines that stages are executed on."""

    threads: int
    """The most stages at a time, over the whole sweep."""

    @property
    def workers(self) -> int:
        """Stages at a time, now."""
        ...

    def listen(self, say: Callable[[str], None]) -> None:
        """Tell people what happens to the place by calling `say`."""
        ...

    def execute(self, stage: Stage, parameters: dict[str, Any], asked: Execution) -> State | None:
        """Execute a stage, when there is room for it.

        Returns:
            The content of its `status.json`; None if it was stopped before it began.
        """
        ...

    def stop(self) -> None:
        """Stop all that is executed, and begin nothing more."""
        ...


@dataclass(frozen=True)
class Execution:
    """Manner in which a stage is executed, and who hears of it."""

    kernel: Kernel
    fingerprint: str | None
    begins: Callable[[str], None]
    """Called with the name of the worker, "" on this machine, when the stage begins there."""
    progressed: Callable[[int, int], None]
    again: Callable[[dict[str, Any]], None]
    """Called with an attempt that failed, before the next one."""
    stop_when: Callable[[], str | None] = lambda: None
    """Asked now and then why the stage is to be stopped as "pruned"; None lets it go on."""


class Here:
    """This machine: each stage in a thread of the caller, as soon as it is asked for."""

    def __init__(self, workers: int) -> None:
        self.workers = self.threads = workers

    def listen(self, say: Callable[[str], None]) -> None:
        """Nothing ever happens to this machine that a stage would not say."""

    def execute(self, stage: Stage, parameters: dict[str, Any], asked: Execution) -> State:
        asked.begins("")
        return execution.execute(
            stage.notebook.path,
            parameters,
            stage.folder,
            kernel=asked.kernel,
            timeout_s=stage.minutes * 60,
            fingerprint=asked.fingerprint,
            explore=stage.explore,
            retries=stage.retries,
            on_progress=asked.progressed,
            on_retry=asked.again,
            stop_when=asked.stop_when,
        )

    def stop(self) -> None:
        execution.stop_all()


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
    record: Record,
    kernel: Kernel,
    view: View,
    saved: Callable[[], None] = lambda: None,
    place: Place | None = None,
) -> None:
    """Execute a stage, wait for its end in this thread, and note in its record what happens.

    Args:
        record: Of the stage. It stays as it is where the stage is stopped before it begins.
        kernel: How to start the kernel.
        view: Shows the progress.
        saved: Called after each change of state.
        place: Where to execute it; this machine by default.
    """
    stage = record.stage

    def begins(worker: str) -> None:
        record.begin(worker)
        view.started(record)
        saved()

    def progressed(cell: int, cells: int) -> None:
        record.cell, record.cells = cell - 1, cells  # this one begins; those before are done
        view.progressed(record)

    def again(attempt: dict[str, Any]) -> None:
        record.cell = 0
        view.say(f"{stage.title}: {_why(attempt, stage)}; trying again")

    parameters = dict(stage.parameters)
    if "run_folder" in stage.notebook.parameters:
        parameters["run_folder"] = str(stage.folder)
    asked = Execution(kernel, record.fingerprint, begins, progressed, again, record.stop_when)
    try:
        found = (place or Here(1)).execute(stage, parameters, asked)
    except Exception as error:  # a fault of ours stops one stage, not the sweep
        found = {"state": "failed", "error": {"name": type(error).__name__, "message": str(error)}}
    if found is None:
        return
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
