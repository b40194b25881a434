"""Execute one notebook into one run folder, whatever happens.

    status = execute("notebooks/15_baselines.ipynb", {"k": 50}, "outputs/quick/baselines")

papermill runs in the calling thread, so a sweep gives each run a thread; the kernel works in the
notebook's own folder. Afterwards the folder holds `notebook.ipynb`, `page.html`,
`environment.json` and `status.json`; a notebook that records adds its results. `status.json` is
written last: killed at any moment, the run is seen as unfinished.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from candgen import files, folders
from candgen.project import project_of
from candgen.session import environment, paths, run_files, runs, status
from candgen.session.run_files import NOTEBOOK, PAGE
from candgen.sweeps.kernels import preload, spec
from candgen.sweeps.kernels.watch import Watch, kill_group
from candgen.sweeps.notebook_parameters import is_exploring, read_notebook
from candgen.sweeps.stage_options import NO_RETRIES, Retries

_PASSING = ".notebook.part.ipynb"
_STAGE_PART = ".stage.part.ipynb"
_START_TIMEOUT = 120  # seconds; the first warm kernel waits for the server to import
_TRACEBACK_LINES = 30

OF_AN_ATTEMPT = (
    "state", "started", "ended", "wall_seconds", "cpu_seconds", "peak_memory_mib", "error"
)  # fmt: skip
_RECORDS = (paths.DATASET_FILE, runs.METRICS, runs.REPRODUCED)

Progress = Callable[[int, int], None]

_running: set[_Attempt] = set()
_stopping = threading.Event()


def stop_all() -> None:
    """Kill every kernel that this process executes notebooks in, and start no more.

    The runs end as "killed"; so does every later one, at once, until `allow` is called.
    """
    _stopping.set()
    for attempt in list(_running):
        attempt.watch.stop()


def stop_inside(root: Path) -> None:
    """Kill the kernels of runs whose folders lie inside a folder; those runs end as "killed"."""
    for attempt in list(_running):
        if attempt.folder.is_relative_to(root):
            attempt.watch.stop()


def allow() -> None:
    """Let notebooks be executed again after `stop_all`."""
    _stopping.clear()


logging.getLogger("papermill").addHandler(logging.NullHandler())  # the status says it better


def execute(
    notebook: Path | str,
    parameters: dict[str, Any],
    folder: Path | str,
    *,
    kernel: Literal["warm", "ordinary"] = "warm",
    timeout_s: float | None = None,
    fingerprint: str | None = None,
    explore: bool = True,
    retries: Retries = NO_RETRIES,
    on_progress: Progress | None = None,
    on_retry: Callable[[dict[str, Any]], None] = lambda _: None,
    stop_when: Callable[[], str | None] = lambda: None,
    page: bool = True,
) -> dict[str, Any]:
    """Execute a notebook; never raises for what happens inside it.

    What an earlier run left in the folder is removed first; a prepared dataset there stays until
    the notebook has made a new one.

    Args:
        notebook: Its path.
        parameters: Values of its parameters, JSON types, names and types checked by the caller.
        folder: The run folder.
        kernel: "warm" forks from the preloaded server of this process; where that cannot be,
            an ordinary kernel is started and it is said once.
        timeout_s: Wall-clock limit; then the kernel's whole process group is killed.
        fingerprint: What the caller knows this run by; kept in the status.
        explore: Whether to execute cells tagged `explore`, too. Without them the page says how
            many were left out.
        retries: How often to try again.
        on_progress: Called with (number of the cell that begins, number of cells), from 1, in
            the calling thread.
        on_retry: Called with an attempt that failed, before the next one.
        stop_when: Asked twice a second, in another thread, why the run is to be stopped as
            "pruned"; None lets it go on.
        page: Whether a run that is done gets a page, too; one that failed always does.

    Returns:
        The status that `status.json` holds: `state` is "done", "failed", "timed out", "killed"
        or "pruned"; `error` has `name`, `message`, `cell` (from 1) and `traceback_tail`; `attempts`
        lists how each attempt went. A page that should record a result and left none has failed.

    Raises:
        DataError: If the folder holds something else than a run; nothing in it was changed.
    """
    notebook, folder = Path(notebook).resolve(), Path(folder).resolve()
    folders.check(folder, folders.RUN)
    attempts: list[dict[str, Any]] = []
    while True:
        state = _execute_once(
            notebook, parameters, folder, kernel, timeout_s, fingerprint, explore, on_progress,
            attempts, stop_when, page,
        )  # fmt: skip
        if _stopping.is_set() or not retries.left(attempts):
            return state
        on_retry(attempts[-1])


def _execute_once(
    notebook: Path,
    parameters: dict[str, Any],
    folder: Path,
    kernel: str,
    timeout_s: float | None,
    fingerprint: str | None,
    explore: bool,
    on_progress: Progress | None,
    attempts: list[dict[str, Any]],
    stop_when: Callable[[], str | None],
    page: bool,
) -> dict[str, Any]:
    """Execute a notebook once, add the attempt to those before it, and return the status."""
    began = time.monotonic()
    state = begun(notebook, kernel, fingerprint, attempts)
    attempt = _Attempt(notebook, parameters, folder, kernel, timeout_s, on_progress, stop_when)
    outcome: dict[str, Any] = {"state": status.FAILED, "error": None}
    try:
        run_files.claim(folder)
        status.write(folder, state)  # the first file, so that a killed start is known as ours
        run_files.forget(folder)
        before = _identity(folder / paths.DATASET_FILE)
        files.write_json(folder / runs.ENVIRONMENT, environment.describe(parameters))
        if not explore:
            attempt.source = _write_stage_part(notebook, folder)
        outcome = attempt.run()
        if outcome["state"] == status.DONE:
            outcome = _missing_record(notebook, folder, parameters, before) or outcome
        _publish(folder, notebook, outcome["error"], page=page)
        if outcome["state"] == status.DONE:
            state[status.FILES] = run_files.describe(folder)
    except Exception as error:  # a full disk, mostly; what went wrong first is the cause
        outcome = {"state": outcome["state"], "error": outcome["error"] or described(error)}
        if outcome["state"] == status.DONE:
            outcome["state"] = status.FAILED
    finally:
        for name in (_PASSING, _STAGE_PART):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)
    state |= {
        "ended": now(),
        "wall_seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": round(attempt.watch.cpu_seconds, 3),
        "peak_memory_mib": round(attempt.watch.peak_memory_mib, 1),
        **outcome,
    }
    attempts.append({name: state[name] for name in OF_AN_ATTEMPT})
    state["attempts"] = list(attempts)
    try:
        status.write(folder, state)
    except OSError as error:  # a full disk: "running" stays behind, which nothing takes for done
        state |= {"state": status.FAILED, "error": state["error"] or described(error)}
    return state


def begun(
    notebook: Path, kernel: str, fingerprint: str | None, attempts: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the status of a run that begins now, after the attempts so far."""
    return {
        "state": status.RUNNING,
        "fingerprint": fingerprint,
        "notebook": notebook.name,
        "kernel": kernel,
        "started": now(),
        "ended": None,
        "wall_seconds": None,
        "cpu_seconds": None,
        "peak_memory_mib": None,
        **status.owner(),
        "error": None,
        "attempts": list(attempts),
    }


class _Attempt:
    """Runs papermill once, or twice if the kernel did not start."""

    def __init__(
        self,
        notebook: Path,
        parameters: dict[str, Any],
        folder: Path,
        kernel: str,
        timeout_s: float | None,
        on_progress: Progress | None,
        stop_when: Callable[[], str | None],
    ) -> None:
        self.notebook = notebook
        self.source = notebook
        """What is executed: the notebook, or a copy of its stage part."""
        self.parameters = parameters
        self.folder = folder
        self.kernel = kernel
        self.timeout_s = timeout_s
        self.on_progress = on_progress
        self.manager: Any = None
        self.n_cells = 0
        self.cell: int | None = None
        self.started = False
        self.watch = Watch(self._pid, timeout_s, stop_when)

    def run(self) -> dict[str, Any]:
        """Return the outcome: `state` and `error`."""
        from nbclient.exceptions import DeadKernelError
        from papermill.exceptions import PapermillExecutionError

        error: Exception | None = None
        with self._stoppable(), self.watch:
            for _ in range(2):
                if self.stopped:
                    break
                try:
                    contextvars.Context().run(self._papermill)
                except Exception as raised:
                    error = raised
                else:
                    return {"state": status.DONE, "error": None}
                finally:
                    self._bury()
                if self.started or self._ended_by_us or isinstance(error, OSError):
                    break
        if self.watch.timed_out:
            state = status.TIMED_OUT
        elif self.watch.why_stopped and not _stopping.is_set():
            state = status.PRUNED
        elif self.stopped or (isinstance(error, DeadKernelError) and self.started):
            state = status.KILLED
        else:
            state = status.FAILED
        said = described(error, cell=self.cell)
        if state == status.TIMED_OUT:
            limit = f"reached its wall-clock limit of {self.timeout_s:g} s and was stopped"
            said |= {"name": "TimedOut", "message": f"the run {limit}"}
        elif state == status.PRUNED:
            said |= {"name": "Pruned", "message": self.watch.why_stopped}
        elif self.stopped:
            said |= {"name": "Stopped", "message": "the run was stopped from outside"}
        elif isinstance(error, PapermillExecutionError):
            said |= {"name": error.ename, "message": error.evalue}
            said["traceback_tail"] = _tail(error.traceback)
        return {"state": state, "error": said}

    @property
    def stopped(self) -> bool:
        return _stopping.is_set() or self.watch.stopped

    @property
    def _ended_by_us(self) -> bool:
        return self.watch.timed_out or self.watch.why_stopped is not None

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        _running.add(self)
        try:
            yield
        finally:
            _running.discard(self)

    def _papermill(self) -> None:
        import papermill

        described = spec.kernel_spec(
            self.kernel, preload.heavy_modules(self.source), project_of(self.notebook)
        )
        attempt = self

        class Manager(spec.manager_class(described)):
            def __init__(self, **settings: Any) -> None:
                super().__init__(**settings)
                attempt.manager = self

        with _own_loop():
            papermill.execute_notebook(
                str(self.source),
                str(self.folder / _PASSING),
                parameters=self.parameters,
                kernel_name=spec.NAME,
                language="python",
                progress_bar=False,
                start_timeout=_START_TIMEOUT,
                kernel_manager_class=Manager,
                coalesce_streams=True,
                resources={"metadata": {"path": str(self.notebook.parent)}},
                on_notebook_start=self._on_start,
                on_cell_start=self._on_cell,
                on_cell_executed=lambda **_: self.watch.sample(),
            )

    def _on_start(self, notebook: Any) -> None:
        self.started = True
        self.n_cells = len(notebook.cells)

    def _on_cell(self, cell_index: int, **_: Any) -> None:
        self.cell = cell_index + 1
        if self.on_progress is not None:
            self.on_progress(self.cell, self.n_cells)

    def _pid(self) -> int | None:
        provisioner = getattr(self.manager, "provisioner", None)
        if provisioner is None or not provisioner.has_process:
            return None
        return provisioner.pid

    def _bury(self) -> None:
        """Leave no kernel behind, whatever papermill left undone."""
        if (pid := self._pid()) is not None:
            kill_group(pid)
        self.manager = None


@contextlib.contextmanager
def _own_loop() -> Iterator[None]:
    """Close the event loop that Jupyter's client makes for a thread and then forgets.

    Must be entered in a context of its own, where the client does not know a loop yet.
    """
    from jupyter_core.utils import ensure_event_loop

    if asyncio._get_running_loop() is not None:  # called from a notebook: the loop is its own
        yield
        return
    loop = ensure_event_loop()
    try:
        yield
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


def _write_stage_part(notebook: Path, folder: Path) -> Path:
    """Copy a notebook without its exploring cells; below the title the copy says so."""
    import nbformat

    content = nbformat.v4.upgrade(nbformat.read(notebook, as_version=4))
    left_out = [cell for cell in content.cells if is_exploring(cell)]
    content.cells = [cell for cell in content.cells if not is_exploring(cell)]
    if n := sum(cell.cell_type == "code" for cell in left_out):
        cells, them = (
            ("1 exploring cell was", "it") if n == 1 else (f"{n} exploring cells were", "them")
        )
        note = (
            f"*{cells} left out. `candgen run {notebook.stem}` runs "
            f"{them}; so does `explore: true` in a sweep's file.*"
        )
        content.cells.insert(1, nbformat.v4.new_markdown_cell(note, id="left-out"))
    files.write_text(folder / _STAGE_PART, nbformat.writes(content))
    return folder / _STAGE_PART


def _missing_record(
    notebook: Path, folder: Path, parameters: dict[str, Any], dataset_before: tuple | None = None
) -> dict[str, Any] | None:
    """Return the outcome of a page that ended without leaving what it should record, else None.

    A dataset that was there before the page began is no record of it.
    """
    import nbformat

    page = read_notebook(notebook)
    if "run_folder" in page.parameters and not parameters.get("run_folder"):
        return None  # it was left to choose a folder of its own
    cells = nbformat.read(folder / _PASSING, as_version=4).cells
    left = [
        number
        for number, cell in enumerate(cells, 1)
        if any(output.get("ename") == "SystemExit" for output in cell.get("outputs", []))
    ]
    new_dataset = _identity(folder / paths.DATASET_FILE) not in (None, dataset_before)
    if any((folder / name).is_file() for name in _RECORDS[1:]) or new_dataset:
        return None
    if not (page.should_record or (page.opens_run and left)):
        return None
    if left:
        why = f"the page left by sys.exit in cell {left[0]} of {len(cells)}"
    else:
        why = (
            f"the run's folder has none of {', '.join(_RECORDS)}. End the page with "
            "run.record(...) or run.record_reproduced(...), or open it with "
            "session.open_run(records=False)"
        )
    cell = left[0] if left else len(cells)
    error = {"name": "recorded nothing", "message": f"{why}.", "cell": cell, "traceback_tail": []}
    return {"state": status.FAILED, "error": error}


def remove_left_behind(folder: Path) -> None:
    """Remove what a killed execution left in a run's folder, which nobody executes into now."""
    files.remove_left_behind(folder)
    folders.remove_listed(folder, (_PASSING, _STAGE_PART))


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Tell one writing of a file from another; None if there is no such file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _publish(folder: Path, notebook: Path, error: dict[str, Any] | None, *, page: bool) -> None:
    """Give the executed notebook its name and make its page."""
    import nbformat

    from candgen.reports import notebook_html

    passing = folder / _PASSING
    if not passing.is_file():  # no kernel ever started
        return
    executed = nbformat.read(passing, as_version=4)
    executed.metadata["kernelspec"] = dict(spec.METADATA)
    executed.metadata.get("papermill", {}).update(
        input_path=notebook.name, output_path=NOTEBOOK, exception=error is not None
    )
    files.write_text(folder / NOTEBOOK, nbformat.writes(executed))
    passing.unlink()
    if page or error is not None:
        html = notebook_html.render(executed, notebook.stem, error, folder=folder)
        files.write_text(folder / PAGE, html)


def described(error: Exception | None, cell: int | None = None) -> dict[str, Any]:
    """Describe an error as a status holds it."""
    lines = str(error).strip().splitlines()
    return {
        "name": type(error).__name__,
        "message": lines[0] if lines else "",
        "cell": cell,
        "traceback_tail": _tail([str(error)]),
    }


def _tail(traceback: list[str]) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(traceback))
    return plain.strip().splitlines()[-_TRACEBACK_LINES:]


def now() -> str:
    """Return the time as a status holds it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
