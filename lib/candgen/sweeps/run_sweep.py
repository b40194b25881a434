"""Run a plan: what has changed and nothing else, side by side, whatever fails.

Each stage is a notebook in a kernel of its own, on this machine or on a worker of a cluster; here
a thread waits for each. A stage starts as soon as the dataset it reads is ready. One that fails
stops only those that need it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candgen import files, folders, locks
from candgen.cluster import address
from candgen.errors import DataError, SettingError
from candgen.reports.report_file import REPORT, is_made
from candgen.session import environment, run_files, runs, status
from candgen.session.search_records import SEARCH
from candgen.sweeps import execution
from candgen.sweeps.fingerprints import Fingerprints, why_not_done
from candgen.sweeps.notebook_parameters import read_notebook
from candgen.sweeps.plan import Plan, Stage
from candgen.sweeps.progress.live_page import LivePage
from candgen.sweeps.progress.live_table import View, view_of
from candgen.sweeps.progress.stage_progress import LEFT, Record, as_json
from candgen.sweeps.run_stage import (
    PATIENCE,
    Asked,
    Here,
    Kernel,
    Place,
    execute_stage,
    last_seconds,
    signals,
)
from candgen.sweeps.search.trials import TRIALS, Quiet, Trial

if TYPE_CHECKING:
    from candgen.sweeps.search.searching import Searching

FORMAT = 1
SWEEP = "sweep.json"

_GIB_A_WORKER = 2.0


@dataclass(frozen=True)
class Outcome:
    """Outcome of a sweep."""

    records: list[Record]
    report: Path | None
    """The report, None if it could not be made."""
    stopped: int | None
    """The number of the signal that stopped it."""

    @property
    def exit_code(self) -> int:
        """0 when all is done, 1 when something failed, 128 + signal when it was stopped."""
        if self.stopped is not None:
            return 128 + self.stopped
        return int(self.report is None or any(record.failed for record in self.records))


@dataclass(frozen=True)
class Expectation:
    """Planned action for one stage, and its reason."""

    stage: Stage
    runs: bool
    why: str


def run_sweep(
    plan: Plan,
    *,
    workers: int | None = None,
    kernel: Kernel = "warm",
    fresh: bool = False,
    retries: int | None = None,
    command: str = "",
    cluster: str | None = None,
    view: Callable[[list[Record], int], View] = view_of,
) -> Outcome:
    """Run what is not done yet, then make the report if anything it reads has changed.

    Args:
        plan: What `read_plan` returned.
        workers: Stages at a time; by default as many as cores and memory allow.
        kernel: "warm" kernels are forked from one preloaded server, "ordinary" ones are not.
        fresh: Run every stage, done or not.
        retries: How often a stage that died is tried again, instead of what the plan says.
        command: How the sweep was asked for, for the report.
        cluster: Address of the Dask cluster that executes the runs, see `candgen.cluster.address`;
            this machine by default.
        view: Makes what shows the progress.

    Raises:
        BusyError: If another sweep is at work in the same folder.
        SettingError: If `workers` is less than 1, or the cluster cannot be used.
        DataError: If the folder of the sweep's name holds something else.
    """
    plan = plan if retries is None else plan.with_retries(retries)
    if cluster is not None:
        if workers is not None:
            raise SettingError(
                "--workers is for this machine alone: a cluster's own workers say how many stages "
                "run at a time, as in --cluster local:4. Give one of the two."
            )
        if address.is_local(address.check(cluster)):
            workers = address.n_local_workers(cluster)
    n_trials = sum(search.budget.most_trials for search in plan.searches)
    workers = default_workers(len(plan.stages) + n_trials) if workers is None else workers
    if workers < 1:
        raise SettingError(f"workers must be at least 1, got {workers}.")
    folders.check(plan.folder, folders.SWEEP)
    execution.allow()
    with (
        locks.locked(plan.folder / run_files.LOCK),
        _threads(workers),
        signals() as asked,
        _opened(plan, workers, kernel, cluster) as place,
    ):
        return _Sweep(plan, place, kernel, fresh, command, asked).run(view)


def foresee(plan: Plan, *, fresh: bool = False) -> list[Expectation]:
    """Tell what a sweep would run and what it would skip, and why. Nothing is written."""
    prints, found, moving = Fingerprints(), [], set()
    searched = {final.name: search for search in plan.searches for final in search.finals}
    for stage in plan.stages:
        if stage.kind == "run" and stage.name in searched:
            why = f"settings are chosen by search {searched[stage.name].name} first"
        elif stage.needs in moving:
            why = f"dataset {stage.needs} is prepared first; skipped if it turns out the same"
            why = "as asked by --fresh" if fresh else why
        else:
            why = "as asked by --fresh" if fresh else why_not_done(stage, prints.of_stage(stage))
        if why is not None and stage.kind == "dataset":
            moving.add(stage.name)
        found.append(Expectation(stage, why is not None, why or "unchanged"))
    return found


def default_workers(n_stages: int) -> int:
    """Choose how many stages run at a time; each gets an equal share of the cores.

    Starting a kernel and drawing pictures keep one core busy whatever the number of threads, so
    two workers with one thread finish sooner than one with two. Above four cores, half of
    them are workers.
    """
    import psutil

    cores = environment.usable_cores()
    room = int(psutil.virtual_memory().available / 2**30 / _GIB_A_WORKER)
    return max(1, min(n_stages, max(cores // 2, min(cores, 2)), room))


class _Sweep:
    """The state of one sweep while it runs; only the main thread changes the queue."""

    def __init__(
        self,
        plan: Plan,
        place: Place,
        kernel: Kernel,
        fresh: bool,
        command: str,
        asked: Asked,
    ) -> None:
        self.plan = plan
        self.place = place
        self.workers = place.workers
        self.kernel = kernel
        self.fresh = fresh
        self.command = command
        self.asked = asked
        self.prints = Fingerprints()
        self.records = [Record(stage, last_seconds(stage)) for stage in plan.stages]
        self.queue: dict[Future[None], Record] = {}
        self.saving = threading.Lock()
        self.searches = None
        if plan.searches:
            from candgen.sweeps.search.searches import Searches  # loads Optuna

            self.searches = Searches(plan, self.prints, fresh=fresh, say=self._say)

    def run(self, view: Callable[[list[Record], int], View]) -> Outcome:
        lines = self.searches.lines if self.searches else []
        n_datasets = len(self.plan.datasets)
        shown = [*self.records[:n_datasets], *lines, *self.records[n_datasets:]]
        with view(shown, self.workers) as self.view:
            self.place.listen(self.view.say)
            self._save()  # the first file, so that a killed start is known as ours
            files.remove_left_behind(self.plan.folder)
            for place in ("*", "datasets/*", f"{TRIALS}/*/*"):
                for folder in self.plan.folder.glob(place):
                    if folder.is_dir() and folders.is_marked(folder, folders.RUN):
                        execution.remove_left_behind(folder)
            folders.settle(self.plan.folder, folders.REPORT)
            if self.searches is None:  # else it would speak of searches that nobody asks for
                (self.plan.folder / SEARCH).unlink(missing_ok=True)
            title = self.plan.report["title"] or self.plan.question or self.plan.name
            metric = self.plan.report["metric"]
            self.page = LivePage(self.plan.folder, title, metric, shown, self.workers)
            with ThreadPoolExecutor(self.place.threads, thread_name_prefix="stage") as pool:
                self._go(pool)
                report = self._report(pool)
        return Outcome(self.records, report, self.asked.signal)

    # --- stages

    def _go(self, pool: Executor) -> None:
        for record in self.records:
            if record.stage.needs is None:
                self._begin(pool, record)
        self._search(pool)
        while self.queue:
            self.page.renew()
            done, _ = wait(self.queue, timeout=PATIENCE, return_when=FIRST_COMPLETED)
            if self.asked.signal:
                self._stop()
                return
            for future in done:
                self._finish(pool, self.queue.pop(future))
            if done:
                self._search(pool)

    def _begin(self, pool: Executor, record: Record) -> None:
        """Queue a stage, or skip it if it is done; where a search chooses, that goes first."""
        search = self.searches.of(record.stage) if self.searches else None
        if search is not None and not self.searches.is_settled(search):
            self._begin_search(search)
            return
        try:
            record.fingerprint = self.prints.of_stage(record.stage)
            why = why_not_done(record.stage, record.fingerprint)
        except Exception as error:
            self._end(record, "failed", f"{type(error).__name__}: {error}")
            self._finish(pool, record)
            return
        if why is None and not self.fresh:
            record.skipped = True
            self._end(record, "done", "")
            self._finish(pool, record)
        else:
            self.queue[pool.submit(self._execute, record)] = record

    def _finish(self, pool: Executor, record: Record) -> None:
        """Let those begin that waited for a dataset, or say why they cannot."""
        if isinstance(record, Trial):
            self._end_trial(record)
            return
        if self.searches and self.searches.of(record.stage) and record.state == "done":
            self._with_searches(self.searches.read_test, record.stage)
        for other in self.records:
            if record.stage.kind != "dataset" or other.stage.needs != record.stage.name:
                continue
            if record.state == "done":
                self._begin(pool, other)
            else:
                why = f"dataset {record.stage.name} {record.state}"  # its error is said once
                self._end(other, "not run", why)
                self._leave_word(other)
                if self.searches and (search := self.searches.of(other.stage)):
                    self.searches.give_up(search, why)

    def _execute(self, record: Record) -> None:
        """Run one stage, in a thread of the pool."""
        if isinstance(record, Trial):
            execute_stage(record, self.kernel, Quiet(self.view), place=self.place)
        else:
            execute_stage(record, self.kernel, self.view, saved=self._save, place=self.place)

    def _end(self, record: Record, state: str, why: str) -> None:
        record.end(state, why)
        self.view.ended(record)
        self._save()

    def _stop(self) -> None:
        """Stop the kernels; nothing that has not begun begins."""
        for future in self.queue:
            future.cancel()
        self.place.stop()
        wait([future for future in self.queue if not future.cancelled()])
        for record in self.records:
            if not record.finished:
                self._end(record, "not run", LEFT)
        if self.searches:
            self.searches.stop()
            self._with_searches(self.searches.save)

    def _leave_word(self, record: Record) -> None:
        """Replace the status in a run's folder, so that old results there pass for nothing."""
        word = {"name": "NotRun", "message": record.why, "cell": None, "traceback_tail": []}
        self._write(
            record.stage.folder / status.STATUS,
            {"state": record.state, "fingerprint": None, "error": word},
        )

    # --- searches

    def _search(self, pool: Executor) -> None:
        """Queue the trials whose turn it is, and the runs of searches that have ended."""
        if self.searches is None:
            return
        for search in self.searches.active():
            try:
                for trial in self.searches.next_trials(search, self.place.workers):
                    self.queue[pool.submit(self._execute, trial)] = trial
            except Exception as error:
                self._give_up(search, f"{type(error).__name__}: {error}")
        for search, stages, what in self.searches.newly_over():
            self.view.say(what)
            self.view.ended(self.searches.line_of(search))
            chosen = {stage.name: stage for stage in stages}
            for record in self._finals(search):
                if record.stage.name in chosen:
                    record.stage = chosen[record.stage.name]
                    record.expected_seconds = last_seconds(record.stage)
                    self._begin(pool, record)
                else:
                    self._end(record, "not run", what)
                    self._leave_word(record)
        self._with_searches(self.searches.save)

    def _begin_search(self, search: Searching) -> None:
        try:
            if self.searches.begin(search):
                self.view.started(self.searches.line_of(search))
        except Exception as error:
            self._give_up(search, f"{type(error).__name__}: {error}")

    def _end_trial(self, trial: Trial) -> None:
        search = trial.search
        if self.searches.is_settled(search) or not trial.finished:  # stopped before it began
            return
        try:
            self.searches.ended(trial)
        except Exception as error:
            self._give_up(search, f"{type(error).__name__}: {error}")
        else:
            self.view.progressed(self.searches.line_of(search))

    def _give_up(self, search: Searching, why: str) -> None:
        """End a search that cannot go on, and its runs; the other stages do."""
        self.searches.give_up(search, why)
        self.view.ended(self.searches.line_of(search))
        for record in self._finals(search):
            if not record.finished:
                self._end(record, "failed", why)
                self._leave_word(record)

    def _finals(self, search: Searching) -> list[Record]:
        return [record for record in self.records if self.searches.of(record.stage) is search]

    def _with_searches(self, deed: Callable[..., None], *given: Any) -> None:
        """Write what a search leaves; a full disk or a damaged file is said, and stops nothing."""
        try:
            deed(*given)
        except (OSError, DataError) as error:
            self.view.say(str(error))

    def _say(self, text: str) -> None:
        self.view.say(text)

    # --- the report

    def _report(self, pool: Executor) -> Path | None:
        """Make the report in a thread, like every notebook, so that it can be stopped."""
        if self.asked.signal:
            self.page.leave("The sweep was stopped; the same command goes on where it was.")
            return None
        making = pool.submit(self._make_report)
        while not making.done():
            wait([making], timeout=PATIENCE)
            if self.asked.signal:
                execution.stop_all()
        if error := making.exception():
            said = f"report: failed ({type(error).__name__}: {error})"
            self.view.say(said)
            self.page.leave(said)
            return None
        return making.result()

    def _make_report(self) -> Path:
        folder = self.plan.folder
        notebook = read_notebook(folder.parents[1] / self.plan.report["notebook"])
        now = self.prints.of_report(self.plan, notebook, self._described()["runs"])
        made = folder / REPORT
        tables = ["leaderboard.csv"]
        if any((record.stage.folder / runs.REPRODUCED).is_file() for record in self.records):
            tables.append("reproduced.csv")
        if (folder / SEARCH).is_file():
            tables.append("trials.csv")
        self.page.leave("")  # whether the earlier report is whole is told by its bytes
        known = status.read(folder / "report") or {}
        whole = is_made(made) and all((folder / name).is_file() for name in tables)
        whole = whole and not run_files.damage(folder, known.get("made"), digests=True)
        if whole and status.is_finished(folder / "report", now) and not self.fresh:
            self.view.say("report: unchanged, skipped")
            return made
        from candgen.sweeps import run_report  # loads matplotlib, for new reports alone

        self.view.say("report: making it")
        self.page.say("The report is being made.")
        return run_report.make_report(folder, kernel=self.kernel, fingerprint=now)

    # --- what is written down

    def _described(self) -> dict[str, Any]:
        described = {kind: [] for kind in ("dataset", "run")}
        for record in self.records:
            described[record.stage.kind].append(as_json(record))
        return {
            "format": FORMAT,
            "name": self.plan.name,
            "question": self.plan.question,
            "file": self._file(),
            "command": self.command,
            "report": self.plan.report,
            "workers": self.workers,
            "kernel": self.kernel,
            "datasets": described["dataset"],
            "runs": described["run"],
        }

    def _file(self) -> str:
        root = self.plan.folder.parents[1]
        file = self.plan.file
        return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)

    def _save(self) -> None:
        with self.saving:
            self._write(self.plan.folder / SWEEP, self._described())

    def _write(self, path: Path, value: Any) -> None:
        try:
            files.write_json(path, value)
        except OSError as error:  # a full disk: the stages will say so themselves
            self.view.say(f"{path} could not be written: {error}")


@contextmanager
def _opened(plan: Plan, workers: int, kernel: Kernel, cluster: str | None) -> Iterator[Place]:
    """Give the place that stages are executed on."""
    if cluster is None:
        yield Here(workers)
        return
    from candgen.sweeps.cluster import driver  # loads distributed, for clusters alone

    with driver.opened(cluster, Here(workers), kernel, plan.datasets_at) as place:
        yield place


@contextmanager
def _threads(workers: int) -> Iterator[None]:
    """Give each kernel its share of the cores; what the caller has set already is respected."""
    share = str(max(1, environment.usable_cores() // workers))
    added = {name: share for name in environment.THREAD_VARIABLES if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
