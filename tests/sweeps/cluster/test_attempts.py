"""Attempts at a run: workers die, kernels die, archives come damaged; no Dask here."""

import json
import threading
from types import SimpleNamespace

import pytest

from candgen.session import run_files, status
from candgen.sweeps.cluster import archives, attempts
from candgen.sweeps.cluster.attempts import WorkerLost
from candgen.sweeps.cluster.remote import Answer
from candgen.sweeps.plan import read_plan
from candgen.sweeps.run_stage import Execution
from candgen.training import steps
from waiting import SECONDS

ERROR = {"name": "ValueError", "message": "no loss", "cell": 2, "traceback_tail": []}
DEAD = {"name": "DeadKernelError", "message": "Kernel died", "cell": 2, "traceback_tail": []}


class Cluster:
    """A stand-in for a cluster: each worker does what the next of `deeds` says."""

    def __init__(self, deeds, tmp_path):
        self.deeds, self.aside, self.stopped, self.taken = list(deeds), tmp_path / "there", False, 0
        self.told_to_stop = threading.Event()

    def parcels_of(self, stage):
        return {}

    def take(self, wanted):
        if self.stopped:
            return None
        self.taken += 1
        return SimpleNamespace(label=f"worker {self.taken}")

    def give_back(self, worker):
        self.taken -= 1

    def request(self, stage, asked, **more):
        return more

    def stop_run(self, worker, request):
        self.told_to_stop.set()

    def ask(self, worker, request, needed, told):
        deed = self.deeds.pop(0)
        if isinstance(deed, Exception):
            raise deed
        if deed == "stop":
            self.stopped = True
            raise WorkerLost("it did not answer in time")
        if deed == "trains badly":
            told({"key": "k", "cell": 2, "cells": 4})
            told({"key": "k", "steps": '{"format": 1, "trainings": {"WALS": [[1, 0.5]]}}'})
            assert self.told_to_stop.wait(SECONDS)
            return left("killed", DEAD)(self.aside)
        return deed(self.aside)


def left(state="done", error=None, damage=False, **contents):
    """Make what a worker answers: a state, and files with their contents."""

    def answer(folder):
        folder.mkdir(exist_ok=True)
        for name, content in contents.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        found = {"state": state, "error": error, "ended": "now", "wall_seconds": 1.0}
        found |= {"cpu_seconds": 0.5, "peak_memory_mib": 9.0, "attempts": [], "host": "there"}
        if state == "done":
            found["files"] = run_files.describe(folder)
        names = archives.names_in(folder)
        if damage:
            (folder / "metrics.json").write_text('{"a": 2}')
        return Answer(found, archives.pack(folder, names))

    return answer


@pytest.fixture
def stage(write_sweep):
    def read(text=""):
        return read_plan(
            write_sweep(f"notebook: notebooks/20_toy.ipynb\nruns: {{toy: {{}}}}\n{text}")
        ).runs[0]

    return read


@pytest.fixture
def execute(tmp_path):
    """Execute a run on a cluster that does what is said; return the state and what was told."""

    def run(stage, *deeds, stop_when=lambda: None):
        told = []
        cluster = Cluster(deeds, tmp_path)
        asked = Execution(
            "ordinary", "print", told.append, lambda *at: told.append(at),
            lambda each: told.append("again"), stop_when,
        )  # fmt: skip
        try:
            found = attempts.execute(cluster, stage, {}, asked)
        finally:
            assert cluster.taken == 0, "every slot is given back"
        if found is not None:
            kept = json.loads((stage.folder / "status.json").read_text())
            assert kept == found
        return found, told

    return run


def test_what_came_home_is_done_and_whole(stage, execute):
    stage = stage()
    stage.folder.mkdir(parents=True)
    status.write(stage.folder, {"state": "done", "fingerprint": "old"})
    (stage.folder / "params.json").write_text("of an earlier run")
    found, told = execute(stage, left(metrics={"a": 1}))
    assert (found["state"], found["fingerprint"], found["worker"]) == ("done", "print", "worker 1")
    assert status.is_finished(stage.folder, "print")
    assert json.loads((stage.folder / "metrics.json").read_text()) == {"a": 1}
    assert {p.name for p in stage.folder.iterdir()} == {"status.json", "metrics.json"}
    assert told == ["worker 1"]


def test_while_it_runs_the_status_says_so_and_old_results_are_gone(stage, execute):
    stage = stage()
    execute(stage, left(metrics={"a": 1}))
    seen = []

    def look(folder):
        seen.append((status.state_of(stage.folder), (stage.folder / "metrics.json").exists()))
        return left()(folder)

    execute(stage, look)
    assert seen == [("running", False)]


def test_a_worker_that_dies_is_no_fault_of_the_run(stage, execute):
    found, told = execute(stage("retries: 0\n"), WorkerLost("w died"), WorkerLost("w died"), left())
    assert found["state"] == "done"
    assert [each["state"] for each in found["attempts"]] == ["killed", "killed", "done"]
    assert told == ["worker 1", "again", "worker 1", "again", "worker 1"]


@pytest.mark.parametrize(("retries", "most"), [(0, 3), (1, 3), (4, 5)])
def test_a_run_that_kills_every_worker_is_at_fault(stage, execute, retries, most):
    lost = [WorkerLost("worker 1 died")] * 9
    found, _ = execute(stage(f"retries: {retries}\n"), *lost)
    assert found["state"] == "killed" and len(found["attempts"]) == most
    assert found["error"]["message"] == f"worker died {most} times: worker 1 died"


def test_what_the_notebook_does_counts_as_on_one_machine(stage, execute):
    death = left("killed", DEAD)
    found, _ = execute(stage("retries: 1\n"), death, WorkerLost("w"), death, left())
    assert [each["error"]["name"] for each in found["attempts"]] == [
        "DeadKernelError", "KilledWorker", "DeadKernelError",
    ]  # fmt: skip
    assert found["state"] == "killed"
    found, _ = execute(stage("retries: 1\n"), WorkerLost("w"), death, left())
    assert found["state"] == "done", "the dead worker is no death of the kernel"
    found, _ = execute(stage("retries: {errors: 0}\n"), left("failed", ERROR), left())
    assert (found["state"], found["error"]) == ("failed", ERROR)
    found, _ = execute(stage("retries: {errors: 1}\n"), left("failed", ERROR), left())
    assert found["state"] == "done"


def test_a_trial_is_pruned_by_the_steps_it_tells(stage, execute):
    stage = stage()

    def poor():
        found = steps.read(stage.folder)
        return f"{found[-1][1]} is poor" if found else None

    found, told = execute(stage, "trains badly", stop_when=poor)
    assert (found["state"], found["error"]["name"]) == ("pruned", "Pruned")
    assert found["error"]["message"] == "0.5 is poor"
    assert told == ["worker 1", (2, 4)]


def test_damaged_results_are_refused_and_nothing_looks_finished(stage, execute):
    stage = stage()
    found, _ = execute(stage, left(metrics={"a": 1}, damage=True))
    assert found["state"] == "failed" and "metrics.json is damaged" in found["error"]["message"]
    assert not (stage.folder / "metrics.json").exists()
    assert {p.name for p in stage.folder.iterdir()} == {"status.json"}


def test_what_cannot_be_read_here_fails_the_run(stage, execute):
    found, _ = execute(stage(), OSError("no such disk"), left())
    assert found["state"] == "failed" and found["error"]["message"] == "no such disk"


def test_a_sweep_that_is_stopped_begins_nothing_and_ends_what_runs(stage, execute, tmp_path):
    stage = stage()
    found, told = execute(stage, "stop")
    assert (found["state"], found["error"]["name"]) == ("killed", "Stopped")
    assert told == ["worker 1"]
    cluster = Cluster([], tmp_path)
    cluster.stopped = True
    assert attempts.execute(cluster, stage, {}, None) is None


def test_a_folder_of_somebody_else_is_left_alone(stage, execute):
    stage = stage()
    stage.folder.mkdir(parents=True)
    (stage.folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"thesis\.txt"):
        execute(stage, left())
    assert [p.name for p in stage.folder.iterdir()] == ["thesis.txt"]
