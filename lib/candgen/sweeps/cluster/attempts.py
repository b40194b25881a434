"""Attempts at one run on the workers of a cluster; its books are kept here, at the driver."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from candgen import files, folders
from candgen.errors import CandgenError, DataError
from candgen.session import run_files, status
from candgen.sweeps import execution
from candgen.sweeps.cluster import archives
from candgen.sweeps.run_stage import Execution, State
from candgen.training import steps

if TYPE_CHECKING:
    from candgen.sweeps.cluster.parcels import Parcel
    from candgen.sweeps.cluster.remote import Answer, Request
    from candgen.sweeps.cluster.workers import Worker
    from candgen.sweeps.plan import Stage

MOST_LOST = 3
"""Workers that may die under one run, unless the sweep's `retries` allow more."""
_LOST = "KilledWorker"
_EVERY = 0.5  # seconds between questions whether a run is to be pruned


class WorkerLost(ConnectionError):
    """A worker died, or its connection, while it had a run."""


class Workplace(Protocol):
    """Needs of an attempt from a cluster."""

    stopped: bool

    def parcels_of(self, stage: Stage) -> dict[str, Parcel]: ...

    def take(self, wanted: dict[str, Parcel]) -> Worker | None: ...

    def give_back(self, worker: Worker) -> None: ...

    def request(self, stage: Stage, asked: Execution, **of_this_attempt: Any) -> Request: ...

    def ask(
        self,
        worker: Worker,
        request: Request,
        needed: dict[str, Parcel],
        told: Callable[[dict[str, Any]], None],
    ) -> Answer: ...

    def stop_run(self, worker: Worker, request: Request) -> None: ...


def execute(
    cluster: Workplace, stage: Stage, parameters: dict[str, Any], asked: Execution
) -> State | None:
    """Execute a run on one worker after another, until it ends or no attempt is left.

    A worker that dies under a run counts as no fault of the run until `MOST_LOST` of them died.
    What its notebook or kernel does wrong counts as on one machine.

    Returns:
        The content of its `status.json`; None if the sweep was stopped before it began.
    """
    needed = cluster.parcels_of(stage)
    named = {name: (parcel.digest, str(parcel.path)) for name, parcel in needed.items()}
    state: State | None = None
    attempts: list[dict[str, Any]] = []
    while (worker := cluster.take(needed)) is not None:
        answer, began = None, time.monotonic()
        try:
            asked.begins(worker.label)
            state = _begun(stage, asked, worker, attempts)
            request = cluster.request(stage, asked, parameters=parameters, parcels=named)
            with _Pruning(cluster, worker, request, asked) as pruning:
                answer = cluster.ask(worker, request, needed, partial(_hear, stage, asked))
            state |= answer.state
            if state["state"] == status.KILLED and pruning.why is not None:
                state |= {"state": status.PRUNED}
                state["error"] |= {"name": "Pruned", "message": pruning.why}
        except WorkerLost as lost:
            error = execution.described(lost) | {"name": _LOST}
            state = _ended(state, status.KILLED, error, began)
        except (CandgenError, OSError) as error:  # of what it reads, or a full disk
            if state is None or state["state"] != status.RUNNING:
                raise
            state = _ended(state, status.FAILED, execution.described(error), began)
        finally:
            cluster.give_back(worker)
        attempts.append({name: state[name] for name in execution.OF_AN_ATTEMPT})
        state["attempts"] = list(attempts)
        if cluster.stopped or not _is_tried_again(stage, attempts):
            return _end(stage, state, answer, stopped=cluster.stopped)
        asked.again(attempts[-1])
    return state if state is None else _end(stage, state, None, stopped=True)


def _hear(stage: Stage, asked: Execution, message: dict[str, Any]) -> None:
    """Take note of what a run says: its progress, or the steps of its training."""
    if "steps" in message:
        with suppress(OSError):  # a full disk; a later word says more
            files.write_text(stage.folder / steps.STEPS, message["steps"])
    else:
        asked.progressed(message["cell"], message["cells"])


class _Pruning:
    """Asks twice a second, in a thread, whether a run is to be stopped, and has it stopped."""

    def __init__(
        self, cluster: Workplace, worker: Worker, request: Request, asked: Execution
    ) -> None:
        self.why: str | None = None
        self._stop = partial(cluster.stop_run, worker, request)
        self._stop_when = asked.stop_when
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pruning", daemon=True)

    def __enter__(self) -> _Pruning:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while self.why is None and not self._over.wait(_EVERY):
            self.why = self._stop_when()
        if self.why is not None:
            self._stop()


def _begun(stage: Stage, asked: Execution, worker: Worker, attempts: list[dict[str, Any]]) -> State:
    """Take possession of the run's folder, and write that it runs."""
    folder = run_files.claim(stage.folder)
    state = execution.begun(stage.notebook.path, asked.kernel, asked.fingerprint, attempts)
    state["worker"] = worker.label
    status.write(folder, state)
    run_files.forget(folder)
    return state


def _is_tried_again(stage: Stage, attempts: list[dict[str, Any]]) -> bool:
    own = [each for each in attempts if not _was_lost(each)]
    if _was_lost(attempts[-1]):
        return len(attempts) - len(own) < max(MOST_LOST, stage.retries.deaths + 1)
    return stage.retries.left(own)


def _was_lost(attempt: dict[str, Any]) -> bool:
    return (attempt.get("error") or {}).get("name") == _LOST


def _end(stage: Stage, state: State, answer: Answer | None, *, stopped: bool) -> State:
    """Put what came home into the run's folder, the status last."""
    if answer is None:
        lost = sum(map(_was_lost, state["attempts"]))
        if stopped:
            state["error"] |= {"name": "Stopped", "message": "the run was stopped from outside"}
        elif lost > 1:
            state["error"] |= {"message": f"worker died {lost} times: {state['error']['message']}"}
    try:
        if answer is not None:
            _unpack(stage.folder, answer)
        status.write(stage.folder, state)
    except (OSError, DataError) as error:  # a full disk, mostly
        state |= {"state": status.FAILED, "error": state["error"] or execution.described(error)}
        status.write(stage.folder, state)
    return state


def _unpack(folder: Path, answer: Answer) -> None:
    """Unpack beside, check, and move every file to its place, the list of our files first.

    Raises:
        DataError: If a file is not as the worker described it.
    """
    aside = files.passing_name(folder / "home")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        names = archives.unpack(answer.packed, aside)
        described = answer.state.get(status.FILES)
        if damaged := run_files.damage(aside, described, digests=True):
            raise DataError(f"What came from the worker is damaged: {' and '.join(damaged)}.")
        for name in sorted(names, key=lambda name: (name != folders.LEDGER, name)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(aside / name, folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _ended(state: State, how: str, error: dict[str, Any], began: float) -> State:
    seconds = round(time.monotonic() - began, 3)
    return state | {"state": how, "ended": execution.now(), "wall_seconds": seconds, "error": error}
