"""Sweeps meet kill -9, signals, a full disk and each other, for real, in processes of their own.

After each: nothing looks finished that is not, and calling again completes what is left.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from candgen.reports import report_file
from candgen.session import status
from waiting import SECONDS, gone, until

pytestmark = pytest.mark.notebook

# The report is not what is tried here and takes seconds to import; nor is what the pages of the
# library preload. Under nohup, pytest and its children ignore SIGHUP.
CANDGEN = """\
import signal, sys, types
signal.signal(signal.SIGHUP, signal.SIG_DFL)

from candgen import cli
from candgen.sweeps.kernels import client

def make_report(folder, **_):
    for name in ("report.html", "leaderboard.csv"):
        (folder / name).write_text("made")
    return folder / "report.html"

run_report = types.ModuleType("candgen.sweeps.run_report")
run_report.make_report = make_report
sys.modules[run_report.__name__] = run_report
client.LIGHT = ("ipykernel.kernelapp", "ipykernel.ipkernel")
cli.main()
"""
SWEEP = """\
notebook: notebooks/15_train.ipynb
retries: 0
datasets:
  world: {n_users: 30}
runs:
  a-quick: {}
  b-slow: {generator: sleeping}
  c-quick: {dim: 3}
"""


@pytest.fixture
def sweep(project, write_sweep):
    """Start a sweep in a process of its own; whatever is left of it is killed at the end."""
    write_sweep(SWEEP)
    started = []

    def start(*options, workers=2, kernel="warm", hang_up="SIG_DFL"):
        options = ["--workers", str(workers), "--kernel", kernel, *options]
        candgen = CANDGEN.replace("SIG_DFL", hang_up)
        command = [sys.executable, "-c", candgen, "sweep", "params/asked.yaml", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def outputs(project):
    return project / "outputs" / "asked"


def kernel_of(folder):
    """The process number of the kernel that works, or worked last, in a run's folder."""
    return int((folder / "trace.txt").read_text().split()[-1])


def until_slow_sleeps(outputs, process):
    """Wait until the slow run works and the quick one is done; return the slow run's kernel."""
    pid = until(lambda: kernel_of(outputs / "b-slow"), "the slow run sleeps", process)
    until(lambda: states(outputs)["a-quick"] == "done", "the quick run is done", process)
    return pid


def times_run(folder):
    return len((folder / "trace.txt").read_text().split())


def states(outputs):
    return {name: status.state_of(outputs / name) for name in ("a-quick", "b-slow", "c-quick")}


def completes(sweep, outputs, **options):
    """Call again in calm conditions; return what is said of each stage."""
    (outputs / "calm").touch()
    process = sweep(**options)
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0, said
    assert set(states(outputs).values()) == {"done"}
    assert report_file.is_made(outputs / "report.html")
    return said


@pytest.mark.parametrize("kernel", ["ordinary", "warm"])
def test_a_killed_sweep_leaves_no_kernel_and_nothing_that_looks_finished(sweep, outputs, kernel):
    process = sweep(kernel=kernel)
    pid = until_slow_sleeps(outputs, process)
    process.kill()
    process.wait()
    until(lambda: gone(pid), "the kernel has followed its sweep")
    assert states(outputs)["b-slow"] == "interrupted"
    assert not report_file.is_made(outputs / "report.html")  # only how the sweep stood
    said = completes(sweep, outputs)
    assert "run a-quick: unchanged, skipped" in said
    assert times_run(outputs / "a-quick") == 1 and times_run(outputs / "b-slow") == 2


@pytest.mark.parametrize("kernel", ["ordinary", "warm"])
def test_a_killed_kernel_fails_its_run_only(sweep, outputs, kernel):
    process = sweep(kernel=kernel)
    os.kill(until_slow_sleeps(outputs, process), signal.SIGKILL)
    out, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert states(outputs) == {"a-quick": "done", "b-slow": "killed", "c-quick": "done"}
    assert "1 of 4 stages did not finish" in said and "b-slow" in said.splitlines()[-1]
    assert out.strip() == str(outputs / "report.html")
    assert "run c-quick: unchanged, skipped" in completes(sweep, outputs)


def test_a_killed_kernel_is_tried_again_with_both_attempts_in_the_status(sweep, outputs):
    """Meanwhile, a second sweep on the same folder is refused and disturbs nothing."""
    process = sweep("--retries", "1")
    pid = until_slow_sleeps(outputs, process)
    second = sweep("--fresh")
    out, said = second.communicate(timeout=SECONDS)
    assert (second.returncode, out) == (2, "")
    assert f"is in use by process {process.pid}" in said
    assert states(outputs)["a-quick"] == "done" and states(outputs)["b-slow"] == "running"
    (outputs / "calm").touch()
    os.kill(pid, signal.SIGKILL)
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0, said
    told = status.read(outputs / "b-slow")
    assert [each["state"] for each in told["attempts"]] == ["killed", "done"]
    assert "run b-slow: DeadKernelError" in said and "trying again" in said
    assert times_run(outputs / "a-quick") == 1 and times_run(outputs / "b-slow") == 2


def test_a_killed_kernel_server_fails_what_it_carried(sweep, outputs):
    process = sweep(kernel="warm")
    pid = until_slow_sleeps(outputs, process)
    psutil.Process(pid).parent().kill()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    until(lambda: gone(pid), "the kernel has followed its server")
    assert states(outputs)["b-slow"] == "killed"
    completes(sweep, outputs)


@pytest.mark.parametrize(
    ("number", "code", "kernel"),
    [(signal.SIGINT, 130, "ordinary"), (signal.SIGTERM, 143, "warm"), (signal.SIGHUP, 129, "warm")],
)
def test_a_signal_stops_kernels_and_says_so(sweep, outputs, number, code, kernel):
    process = sweep(workers=1, kernel=kernel)
    pid = until_slow_sleeps(outputs, process)
    process.send_signal(number)
    out, said = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (code, ""), said
    assert gone(pid)
    assert states(outputs) == {"a-quick": "done", "b-slow": "killed", "c-quick": "missing"}
    written = json.loads((outputs / "sweep.json").read_text())
    assert [run["state"] for run in written["runs"]] == ["done", "killed", "not run"]
    assert "run a-quick: unchanged, skipped" in completes(sweep, outputs)


def test_a_run_that_takes_too_long_is_stopped_by_itself(sweep, outputs, write_sweep):
    """Under nohup, it is not stopped by the terminal that closes."""
    write_sweep(SWEEP.replace("generator: sleeping", "generator: sleeping, minutes: 0.05"))
    process = sweep(hang_up="SIG_IGN")
    until(lambda: kernel_of(outputs / "b-slow"), "the slow run sleeps", process)
    process.send_signal(signal.SIGHUP)
    said = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 1
    assert states(outputs) == {"a-quick": "done", "b-slow": "timed out", "c-quick": "done"}
    assert "ran longer than 0.05 minutes" in said


FULL_DISK = """\
import json, pathlib, subprocess, sys
outputs = pathlib.Path("outputs")
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(outputs)], check=True)
sweep = outputs / "asked"
found = []
for _ in range(2):
    command = [sys.executable, *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    statuses = {p.parent.name: json.loads(p.read_text()) for p in sweep.glob("*/status.json")}
    found.append({
        "code": done.returncode,
        "said": done.stderr,
        "states": {name: status["state"] for name, status in statuses.items()},
        "traces": {p.parent.name: len(p.read_text().split()) for p in sweep.glob("*/trace.txt")},
        "report": (sweep / "report.html").exists(),
    })
    (sweep / "b-slow" / "big.bin").unlink(missing_ok=True)
    (sweep / "calm").touch()
pathlib.Path("found.json").write_text(json.dumps(found))
"""


def own_mounts():
    """The command that gives a process mounts of its own; None where that is not allowed."""
    for command in (["unshare", "-rm"], ["unshare", "-m"]):
        probe = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True).returncode == 0:
            return command
    return None


def test_a_full_disk_fails_runs_and_leaves_nothing_that_looks_finished(project, write_sweep):
    mounts = own_mounts()
    if mounts is None:
        pytest.skip("this machine lets nobody mount a small disk (unshare -rm)")
    write_sweep(SWEEP.replace("sleeping", "filling"))
    sweep = ["-c", CANDGEN, "sweep", "params/asked.yaml", "--workers", "1", "--kernel", "ordinary"]
    command = [*mounts, sys.executable, "-c", FULL_DISK, *sweep]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * SECONDS)
    assert done.returncode == 0, done.stderr
    full, roomy = json.loads((project / "found.json").read_text())
    assert full["code"] == 1
    assert full["states"]["a-quick"] == "done" and "No space left" in full["said"]
    assert full["states"].get("b-slow") != "done" and full["states"].get("c-quick") != "done"
    assert roomy["code"] == 0 and roomy["report"]
    assert set(roomy["states"].values()) == {"done"}
    assert roomy["traces"]["a-quick"] == 1  # done before the disk was full, so not run again
