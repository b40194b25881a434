"""Sweeps on two real workers: the same results as here, and what is left when something dies."""

import json
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from candgen.cluster import address
from candgen.errors import SettingError
from candgen.session import environment, status
from candgen.sweeps import run_report, run_sweep
from candgen.sweeps.cluster import parcels, versions
from candgen.sweeps.plan import read_plan
from waiting import SECONDS, gone, until

pytestmark = pytest.mark.notebook

SWEEP = """\
notebook: notebooks/15_train.ipynb
datasets:
  world: {n_users: 30}
defaults: {wanted_path: wanted.txt}
runs:
  a: {}
  b: {dim: 3}
"""
ONE = SWEEP.partition("  b:")[0]


class Noted:
    """A view that shows nothing and remembers what was said and where stages ran."""

    def __init__(self, records, workers):
        self.records, self.workers = records, workers
        self.said, self.places = [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def started(self, record):
        self.places.setdefault(record.stage.name, []).append(record.worker)

    def progressed(self, record):
        pass

    ended = progressed

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def sweep(project, page, write_sweep, monkeypatch):
    """Run a sweep in this process; return how it ended and its view."""
    (project / "wanted.txt").write_text("an input")

    def make_report(folder, **_):
        (folder / "report.html").write_text("made")
        (folder / "leaderboard.csv").write_text("made")
        return folder / "report.html"

    monkeypatch.setattr(run_report, "make_report", make_report)

    def run(text=SWEEP, *overrides, name="asked", **options):
        views = []
        plan = read_plan(write_sweep(text, name), overrides)
        options = {"kernel": "ordinary", **options}
        view = lambda *a: views.append(Noted(*a)) or views[-1]  # noqa: E731
        return run_sweep.run_sweep(plan, view=view, **options), views[-1]

    return run


@pytest.fixture
def on(client):
    """The address of the workers."""
    return client.scheduler.address


def states(outcome):
    return {record.stage.name: record.state for record in outcome.records}


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def sent(monkeypatch):
    """Names of the parcels that were sent, in order."""
    names, pieces = [], parcels.Parcel.pieces

    def noted(parcel):
        names.append(parcel.path.name)
        return pieces(parcel)

    monkeypatch.setattr(parcels.Parcel, "pieces", noted)
    return names


def test_the_file_of_a_scheduler_names_the_cluster(sweep, on, tmp_path):
    file = tmp_path / "scheduler.json"  # as `dask scheduler --scheduler-file` writes it
    file.write_text(json.dumps({"type": "Scheduler", "address": on, "workers": {}}))
    outcome, view = sweep(ONE, cluster=str(file))
    assert states(outcome) == {"world": "done", "a": "done"}
    assert view.places["a"] != [""]


def test_results_are_those_of_one_machine_and_name_its_paths(sweep, project, on, sent):
    outcome, view = sweep(SWEEP.replace("30", "31"), cluster=on)  # nobody has sent this dataset yet
    assert set(states(outcome).values()) == {"done"}, view.said
    assert view.places.pop("world") == [""]
    workers = {place for places in view.places.values() for place in places}
    assert workers <= {"worker 0", "worker 1"}
    assert sent.count("world") == len(workers), "once to each worker"
    outcome, _ = sweep(SWEEP.replace("30", "31"), cluster=on)
    assert all(record.skipped for record in outcome.records)

    sweep(SWEEP.replace("30", "31"), name="here", workers=1)
    outputs = project / "outputs"
    for run in ("a", "b"):
        here, there = (read(outputs / each / run / "metrics.json") for each in ("here", "asked"))
        for found, name in ((here, "here"), (there, "asked")):
            folder = outputs / name / "datasets" / "world"
            assert found["dataset"].pop("folder") == str(folder)
        assert there.pop("threads") == "1" and here.pop("threads")
        assert there == here and there["wanted"] == "an input"
        folder = outputs / "asked" / run
        assert f"read {outputs}/asked/datasets/world" in (folder / "page.html").read_text()
        assert status.is_finished(folder)
        _, where = (folder / "pid.txt").read_text().split()
        assert not where[::-1].startswith(str(project)), "the worker has a folder of its own"


def test_a_run_whose_worker_is_killed_is_repeated(sweep, project, client, on, sent, tmp_path):
    go, begun, storage = tmp_path / "go", tmp_path / "go.began", tmp_path / "storage"
    pids = client.run(os.getpid)

    def kill():
        kernel = int(until(begun.read_text, "the run has begun").split()[0])
        worker = next(pid for pid in pids.values() if pid in _above(kernel))
        os.kill(worker, signal.SIGKILL)
        until(lambda: gone(kernel), "the kernel has followed its worker")
        go.touch()

    killing = threading.Thread(target=kill)
    killing.start()
    text = ONE.replace("30", "32") + f"datasets_at: file://{storage}\n"
    outcome, view = sweep(text, f"runs.a.wait_for={go}", cluster=on)
    killing.join()
    assert set(states(outcome).values()) == {"done"}, view.said
    attempts = status.read(project / "outputs" / "asked" / "a")["attempts"]
    assert [each["state"] for each in attempts] == ["killed", "done"]
    assert attempts[0]["error"]["name"] == "KilledWorker"
    assert len(view.places["a"]) == 2
    assert any("run a: KilledWorker" in each and "trying again" in each for each in view.said)
    assert "world" not in sent and storage.is_dir()


def _above(pid):
    return [parent.pid for parent in psutil.Process(pid).parents()]


def test_a_worker_of_another_version_is_refused_by_name(sweep, on, monkeypatch):
    found = environment.versions()
    other = {**found, "packages": {**found["packages"], "numpy": "1.0"}}
    monkeypatch.setattr(versions, "source_digest", lambda: "f" * 64)
    monkeypatch.setattr(environment, "versions", lambda: other)
    with pytest.raises(SettingError) as refused:
        sweep(cluster=on)
    said = str(refused.value)
    assert "worker 0: candgen" in said and "worker 1: candgen" in said
    assert "numpy" in said and "here 1.0" in said


DRIVER = """\
import sys
from candgen import cli
from candgen.sweeps.kernels import client

client.LIGHT = ("ipykernel.kernelapp", "ipykernel.ipkernel")
cli.main()
"""


@pytest.fixture
def driver(project, page, write_sweep, tmp_path):
    """Start a sweep in a process of its own whose run waits for ever; return the process."""
    started = []

    def start(cluster):
        write_sweep(ONE.replace("wanted.txt", '""'))
        options = ["--cluster", cluster, "--kernel", "ordinary"]
        options += ["--set", f"runs.a.wait_for={tmp_path / 'never'}"]
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, "sweep", "params/asked.yaml", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project,
            start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def kernel_that_waits(tmp_path, process):
    said = until((tmp_path / "never.began").read_text, "the run has begun", process)
    return int(said.split()[0])


def test_a_killed_driver_leaves_no_kernel_on_the_workers(driver, project, on, tmp_path):
    process = driver(on)
    kernel = kernel_that_waits(tmp_path, process)
    process.kill()
    until(lambda: gone(kernel), "the run that nobody waits for has been stopped")
    assert status.state_of(project / "outputs" / "asked" / "a") == "interrupted"


def test_ctrl_c_stops_the_workers_and_their_kernels(driver, project, tmp_path):
    process = driver("local:1")
    kernel = kernel_that_waits(tmp_path, process)
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of the group
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 130, said
    until(lambda: gone(kernel), "the kernel has ended")
    until(lambda: all(gone(each.pid) for each in below), "servers have followed the driver")
    assert status.state_of(project / "outputs" / "asked" / "a") == "killed"
    assert "Traceback" not in said


def test_an_address_without_a_scheduler_is_refused_before_anything_starts(
    sweep, project, monkeypatch
):
    monkeypatch.setattr(address, "_SECONDS_TO_ANSWER", 0.2)
    with pytest.raises(SettingError, match="no scheduler answered"):
        sweep(cluster="tcp://127.0.0.1:9")
    assert not list((project / "outputs").glob("*/*/status.json"))


def test_workers_of_this_machine_and_a_cluster_exclude_each_other(sweep):
    with pytest.raises(SettingError, match="local:4"):
        sweep(cluster="local:2", workers=2)
