"""The part of a run that a worker executes: it has no books and no disk in common with the driver.

`execute_in` is a plain function of a request and a folder. The functions below it are what the
driver calls on a worker by way of Dask.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from candgen.session import environment, run_files, status
from candgen.sweeps import execution
from candgen.sweeps.cluster import archives, parcels
from candgen.sweeps.kernels import client
from candgen.training import steps

EVERY = 0.5  # seconds between looks at whether a run is still wanted
_RUNS = "runs"
_stopped: set[str] = set()  # tokens of sweeps
_unwanted: set[str] = set()  # keys of runs


@dataclass(frozen=True)
class Request:
    """One attempt at one run."""

    sweep: str
    """Token of the sweep that asks."""
    key: str
    """Name of the attempt in progress messages."""
    notebook: str
    """File name of the notebook."""
    content: bytes
    """The notebook."""
    parameters: dict[str, Any]
    home: str
    """The project's root at the driver."""
    folder: str
    """The run's folder, from that root."""
    kernel: Literal["warm", "ordinary"]
    timeout_s: float
    fingerprint: str | None
    explore: bool
    parcels: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Parameter -> digest and path at the driver of what it names."""


@dataclass(frozen=True)
class Answer:
    """Results that a run left behind."""

    state: dict[str, Any]
    """The content of its `status.json`."""
    packed: bytes
    """All other files of its folder."""


def execute_in(
    root: Path, scratch: Path, request: Request, on_progress: execution.Progress | None = None
) -> Answer:
    """Execute a run in a folder of its own.

    Paths of this machine that the run wrote into its texts become those of the driver.

    Args:
        root: An empty folder, which stands for the project's root.
        scratch: Where `parcels` keeps what was sent.
        request: What to execute.
        on_progress: See `execution.execute`.
    """
    root, scratch = root.resolve(), scratch.resolve()
    notebook, folder = root / "notebooks" / request.notebook, root / request.folder
    (root / "params").mkdir(parents=True)  # a folder with both is a project's root
    notebook.parent.mkdir()
    notebook.write_bytes(request.content)
    parameters, written = dict(request.parameters), {str(root): request.home}
    for name, (digest, path) in request.parcels.items():
        parameters[name] = str(parcels.place_of(digest, Path(path).name, scratch))
        written = {parameters[name]: path} | written
    if "run_folder" in parameters:
        parameters["run_folder"] = str(folder)
    state = execution.execute(
        notebook,
        parameters,
        folder,
        kernel=request.kernel,
        timeout_s=request.timeout_s,
        fingerprint=request.fingerprint,
        explore=request.explore,
        on_progress=on_progress,
    )
    names = [name for name in archives.names_in(folder) if name != status.STATUS]
    changed = [name for name in names if _readdress(folder / name, written)]
    if state.get(status.FILES):
        state[status.FILES] |= run_files.describe(
            folder, [name for name in changed if name in state[status.FILES]]
        )
    return Answer(_readdressed(state, written), archives.pack(folder, names))


def _readdress(path: Path, written: dict[str, str]) -> bool:
    """Replace paths of this machine in a text file; tell whether there were any."""
    spelled = _SPELLED.get(path.suffix)
    if spelled is None:
        return False
    content = before = path.read_bytes()
    for ours, theirs in written.items():
        content = content.replace(spelled(ours).encode(), spelled(theirs).encode())
    if content != before:
        path.write_bytes(content)
    return content != before


def _readdressed(value: Any, written: dict[str, str]) -> Any:
    """Replace paths of this machine in a JSON value."""
    if isinstance(value, dict):
        return {key: _readdressed(held, written) for key, held in value.items()}
    if isinstance(value, list):
        return [_readdressed(held, written) for held in value]
    if isinstance(value, str):
        for ours, theirs in written.items():
            value = value.replace(ours, theirs)
    return value


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


_SPELLED: dict[str, Callable[[str], str]] = {
    ".json": _in_json, ".ipynb": _in_json, ".html": html.escape, ".csv": str, ".txt": str,
    ".md": str,
}  # fmt: skip


# --- called by way of Dask


def execute(request: Request) -> Answer:
    """Execute a run as a task of the worker that is asked; progress goes to the sweep's topic."""
    from distributed import get_worker

    worker = get_worker()
    scratch = scratch_of(worker)
    root = scratch / _RUNS / request.sweep / uuid.uuid4().hex
    root.mkdir(parents=True)

    def progressed(cell: int, cells: int) -> None:
        worker.log_event(request.sweep, {"key": request.key, "cell": cell, "cells": cells})

    try:
        with _watched(worker, request, root.resolve()):
            return execute_in(root, scratch, request, progressed)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def scratch_of(dask_worker: Any) -> Path:
    """Return the folder of a worker, which Dask removes when the worker ends."""
    return Path(dask_worker.local_directory) / "candgen"


def settle(commit: str, slots: int, warm: bool, local: bool, dask_worker: Any) -> dict[str, Any]:
    """Make a worker ready for runs; return its folder and the threads of each run.

    Kernels inherit the worker's environment, so it gets the limits of threads. A variable that is
    set already is respected; `dask worker` sets OMP_NUM_THREADS to 1 unless told otherwise.

    Args:
        commit: The driver's commit, so that no worker asks git.
        slots: Runs at a time on this machine.
        warm: Whether to start the kernel server now, in the background.
        local: Whether the worker belongs to `local:N`. Then Ctrl-C in the terminal, which reaches
            all processes there, is for the driver to handle.
    """
    os.environ[environment.COMMIT] = commit
    cores = environment.usable_cores()
    share = os.environ.get(environment.THREAD_VARIABLES[0]) or str(max(1, cores // slots))
    for name in environment.THREAD_VARIABLES:
        os.environ.setdefault(name, share)
    if local and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if warm and client.supported():
        threading.Thread(target=_warm_up, name="kernel-server-start", daemon=True).start()
    return {"scratch": scratch_of(dask_worker), "threads": share}


def stop(sweep: str, dask_worker: Any) -> None:
    """Stop all runs of a sweep on this worker, those that are on their way included."""
    _stopped.add(sweep)
    execution.stop_inside((scratch_of(dask_worker) / _RUNS / sweep).resolve())


def stop_run(key: str, dask_worker: Any) -> None:
    """Stop one run, if it is here and goes on."""
    _unwanted.add(key)


def _warm_up() -> None:
    try:
        client.shared()
    except client.ServerError as error:
        client.complain(error)


@contextmanager
def _watched(worker: Any, request: Request, root: Path) -> Iterator[None]:
    """Stop a run when it is not wanted any more, and tell its steps to the sweep.

    A run is not wanted when it or its sweep was stopped, or nobody waits for its result: Dask lets
    a task that was cancelled run on, and so it does when the driver has died.
    """
    over, key = threading.Event(), worker.get_current_task()
    path = root / request.folder / steps.STEPS

    def watch() -> None:
        told = ""
        while not over.wait(EVERY):
            task = worker.state.tasks.get(key)
            gone = task is None or task.state == "cancelled"
            if gone or request.sweep in _stopped or request.key in _unwanted:
                execution.stop_inside(root)
            with suppress(OSError):  # there are none yet, or not here
                if (text := path.read_text(encoding="utf-8")) != told:
                    worker.log_event(request.sweep, {"key": request.key, "steps": text})
                    told = text

    watching = threading.Thread(target=watch, name="wanted", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
        _unwanted.discard(request.key)
