"""Runs executed by ordinary kernels; what concerns warm ones is in test_kernels."""

import errno
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest

from candgen import files
from candgen.errors import DataError
from candgen.session import run_files, status
from candgen.sweeps import execution
from candgen.sweeps.kernels import watch
from candgen.sweeps.stage_options import Retries
from waiting import SECONDS, gone, until

SPECIMENS = Path(__file__).parent / "specimens"


def run(name, folder, timeout_s=SECONDS, **settings):
    settings = {"kernel": "ordinary", "parameters": {}} | settings
    return execution.execute(
        SPECIMENS / f"{name}.ipynb", folder=folder, timeout_s=timeout_s, **settings
    )


@pytest.fixture
def kernels_that_never_start(monkeypatch):
    attempts = []

    def fail(self):
        attempts.append(1)
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(execution._Attempt, "_papermill", fail)
    return attempts


def test_a_run_is_stopped_as_pruned_once_there_is_a_reason(tmp_path):
    looks = iter([None, None, "0.1000 after epoch 2 is below the median"])
    found = run(
        "sleeps", tmp_path, timeout_s=3600, retries=Retries(), stop_when=lambda: next(looks, None)
    )
    assert (found["state"], len(found["attempts"])) == ("pruned", 1)
    assert found["error"]["name"] == "Pruned"
    assert found["error"]["message"] == "0.1000 after epoch 2 is below the median"
    assert json.loads((tmp_path / "status.json").read_text()) == found


def test_a_fine_run_leaves_its_notebook_page_environment_and_status(tmp_path):
    seen = []
    found = run(
        "fine",
        tmp_path,
        parameters={"dim": 3},
        fingerprint="abc",
        on_progress=lambda cell, cells: seen.append((cell, cells)),
    )
    assert found["state"] == "done" and found["error"] is None
    assert json.loads((tmp_path / "status.json").read_text()) == found
    assert (found["fingerprint"], found["pid"]) == ("abc", os.getpid())
    assert set(found["files"]) == {"notebook.ipynb", "page.html", "environment.json"}
    assert found["wall_seconds"] > found["cpu_seconds"] * 0.2 > 0
    assert found["peak_memory_mib"] > 30
    assert seen[0] == (1, 8) and seen[-1] == (8, 8)
    assert {path.name for path in tmp_path.iterdir()} == {
        "notebook.ipynb", "page.html", "environment.json", "status.json",
    }  # fmt: skip
    notebook = nbformat.read(tmp_path / "notebook.ipynb", as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert str(tmp_path) not in json.dumps(notebook)
    assert status.is_finished(tmp_path)
    assert status.is_finished(tmp_path, "abc")
    assert not status.is_finished(tmp_path, "another")


@pytest.mark.parametrize(("name", "there"), [("raises", True), ("fine", False)])
def test_a_report_becomes_a_page_elsewhere_and_has_its_own_only_if_it_fails(tmp_path, name, there):
    found = run(name, tmp_path, page=False)
    assert (found["state"] == "failed") is there
    assert (tmp_path / "notebook.ipynb").is_file()
    assert (tmp_path / "page.html").is_file() is there


def test_cells_tagged_explore_are_left_out_when_asked_and_the_page_says_how_many(tmp_path):
    seen = []
    found = run(
        "explores", tmp_path, explore=False, on_progress=lambda cell, cells: seen.append(cells)
    )
    assert found["state"] == "done", found["error"]
    text = (tmp_path / "page.html").read_text()
    assert "2 exploring cells were left out" in text and "candgen run explores" in text
    assert "the answer is 6" in text and "A further question" not in text
    cells = nbformat.read(tmp_path / "notebook.ipynb", as_version=4).cells
    assert not [cell for cell in cells if "explore" in cell.metadata.tags]
    assert set(seen) == {len(cells)}
    assert not list(tmp_path.glob(".*"))


def test_a_whole_notebook_runs_its_exploring_cells(tmp_path):
    assert run("explores", tmp_path)["state"] == "done"
    text = (tmp_path / "page.html").read_text()
    assert "twice that is 12" in text and "were left out" not in text


def test_a_notebook_without_exploring_cells_says_nothing_of_them(tmp_path):
    assert run("fine", tmp_path, explore=False)["state"] == "done"
    assert "left out" not in (tmp_path / "page.html").read_text()


def test_the_kernel_works_in_the_notebooks_folder_and_the_caller_stays_where_it_was(tmp_path):
    before = os.getcwd()
    run("fine", tmp_path)
    cell = nbformat.read(tmp_path / "notebook.ipynb", as_version=4).cells[-1]
    assert cell.outputs[0]["data"]["text/plain"] == repr(str(SPECIMENS))
    assert os.getcwd() == before


def test_a_notebook_that_fails_leaves_its_output_and_the_end_of_the_error(tmp_path):
    found = run("raises", tmp_path)
    assert found["state"] == "failed"
    assert found["error"]["name"] == "ValueError"
    assert found["error"]["cell"] == 3
    assert found["error"]["traceback_tail"][-1] == "ValueError: <script>alert(1)</script> of no use"
    assert "\x1b" not in str(found["error"])
    page = (tmp_path / "page.html").read_text()
    assert "This run did not finish" in page
    assert "before" in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; of no use" in page
    cells = nbformat.read(tmp_path / "notebook.ipynb", as_version=4).cells
    assert [cell.source for cell in cells][-1] == 'print("never")'
    assert not status.is_finished(tmp_path)


def test_what_runs_too_long_is_killed_with_all_it_started(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, "sleeps", tmp_path, timeout_s=3600)
        (child,) = until(_sleepers, "the page has started a program that sleeps", running)
        (attempt,) = execution._running
        attempt.watch.deadline = time.monotonic()  # the hour is over
        found = running.result(timeout=SECONDS)
    assert found["state"] == "timed out"
    assert "wall-clock limit of 3600 s" in found["error"]["message"]
    assert gone(child.pid)
    assert (tmp_path / "page.html").is_file()


def _sleepers() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [process for process in found if process.name() == "sleep"]


def test_a_long_list_of_prints_becomes_one_output(tmp_path):
    assert run("prints", tmp_path)["state"] == "done"
    [output] = nbformat.read(tmp_path / "notebook.ipynb", as_version=4).cells[-1].outputs
    assert output.text.count("\n") == 3000
    page = (tmp_path / "page.html").read_text()
    assert "characters are in notebook.ipynb" in page
    assert len(page) < 60_000


def test_a_kernel_that_does_not_start_is_tried_twice(tmp_path, kernels_that_never_start):
    found = run("fine", tmp_path)
    assert found["state"] == "failed"
    assert "before replying" in found["error"]["message"]
    assert len(kernels_that_never_start) == 2


def test_a_kernel_that_starts_the_second_time_is_enough(tmp_path, monkeypatch):
    real, attempts = execution._Attempt._papermill, []

    def fail_once(self):
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        real(self)

    monkeypatch.setattr(execution._Attempt, "_papermill", fail_once)
    assert run("fine", tmp_path)["state"] == "done"


@pytest.fixture
def deaths(monkeypatch):
    """Let kernels die, or notebooks raise, as `deaths` lists; afterwards all is well."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    left = []

    def papermill(self):
        self.started = True
        if not left:
            (self.folder / execution._PASSING).write_text(self.notebook.read_text())
        elif (name := left.pop(0)) == "dies":
            raise DeadKernelError("Kernel died")
        else:
            raise PapermillExecutionError(2, 2, "x", name, "of no use", [])

    monkeypatch.setattr(execution._Attempt, "_papermill", papermill)
    return left


@pytest.mark.parametrize(
    ("happens", "allowed", "states"),
    [
        ([], (1, 0), ["done"]),
        (["dies"], (1, 0), ["killed", "done"]),
        (["dies"], (0, 0), ["killed"]),
        (["dies", "dies"], (1, 0), ["killed", "killed"]),
        (["dies", "dies"], (2, 0), ["killed", "killed", "done"]),
        (["MemoryError"], (1, 0), ["failed", "done"]),
        (["ValueError"], (1, 0), ["failed"]),
        (["ValueError"], (0, 1), ["failed", "done"]),
        (["ValueError", "dies", "ValueError"], (1, 1), ["failed", "killed", "failed"]),
    ],
)
def test_deaths_and_errors_are_tried_again_as_often_as_asked(
    tmp_path, deaths, happens, allowed, states
):
    deaths += happens
    seen = []
    told = {"retries": Retries(*allowed), "on_retry": seen.append}
    found = run("fine", tmp_path, **told)
    assert found["state"] == states[-1] and status.read(tmp_path) == found
    assert [each["state"] for each in found["attempts"]] == states
    assert seen == found["attempts"][:-1]
    assert all(each["error"] for each in seen) and found["attempts"][-1]["error"] == found["error"]


def test_nothing_is_tried_again_once_the_sweep_was_stopped(tmp_path, deaths):
    deaths += ["dies"] * 3
    execution.stop_all()
    try:
        found = run("fine", tmp_path, retries=Retries(3, 3))
    finally:
        execution.allow()
    assert len(found["attempts"]) == 1 and found["state"] == "killed"


def test_an_earlier_result_never_passes_for_a_new_one(tmp_path, kernels_that_never_start):
    status.write(tmp_path, {"state": "done", "fingerprint": None})
    old = {"generators": [{"generator": "EASE"}]}
    files.write_json(tmp_path / "metrics.json", old)
    for name in ("reproduced.json", "page.html", "candidates-EASE.parquet", "vectors.npz"):
        (tmp_path / name).write_text("old")
    run_files.note(tmp_path, "figures/loss.png")
    mine = {"mine.txt", "candidates-mine.parquet", "figures/mine.png", "figures/loss.png"}
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("kept")
    run("fine", tmp_path)
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"status.json", "environment.json", *mine} - {"figures/loss.png"}


def test_a_folder_of_somebody_elses_is_refused_and_keeps_its_files(tmp_path):
    held = {"metrics.json": "{}", "dataset.json": "{}", "figures/1.png": "x", "status.json": "{}"}
    (tmp_path / "figures").mkdir()
    for name, text in held.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"is not empty and no earlier run.*Nothing was changed"):
        run("fine", tmp_path)
    left = {p.relative_to(tmp_path).as_posix(): p.read_text() for p in tmp_path.rglob("*.*")}
    assert left == held


def test_a_dataset_that_was_there_stays_and_is_no_record_of_a_new_run(
    project, write_notebook, tmp_path, kernels_that_never_start
):
    files.write_json(tmp_path / "d" / "dataset.json", {"digest": "d", "tables": {}})
    assert run("fine", tmp_path / "d")["state"] == "failed"
    assert (tmp_path / "d" / "dataset.json").is_file()
    page = write_notebook("page", 'run_folder: str = ""', "from candgen import session")
    (tmp_path / "d" / execution._PASSING).write_text(page.read_text())
    before = execution._identity(tmp_path / "d" / "dataset.json")
    parameters = {"run_folder": "d"}
    assert execution._missing_record(page, tmp_path / "d", parameters, None) is None
    page = write_notebook(
        "page", 'run_folder: str = ""', "from candgen import session\nrun = session.open_run()"
    )
    found = execution._missing_record(page, tmp_path / "d", parameters, before)
    assert found["state"] == "failed"
    files.write_json(tmp_path / "d" / "dataset.json", {"digest": "d", "tables": {}})
    assert execution._missing_record(page, tmp_path / "d", parameters, before) is None


def test_a_full_disk_fails_the_run_and_leaves_nothing_that_looks_done(tmp_path, monkeypatch):
    real = files.write_text

    def full(path, text):
        if Path(path).name == "page.html":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, text)

    monkeypatch.setattr(files, "write_text", full)
    found = run("fine", tmp_path)
    assert found["state"] == "failed"
    assert "No space left" in found["error"]["message"]
    assert not status.is_finished(tmp_path)


def test_when_not_even_the_status_can_be_written_the_run_stays_unfinished(tmp_path, monkeypatch):
    real = status.write

    def full_at_the_end(folder, state):
        if state["state"] != "running":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(folder, state)

    monkeypatch.setattr(status, "write", full_at_the_end)
    found = run("fine", tmp_path)
    assert found["state"] == "failed"
    assert "No space left" in found["error"]["message"]
    assert status.read(tmp_path)["state"] == "running"
    assert not status.is_finished(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small file system of its own")
def test_a_disk_that_is_really_full_fails_the_run(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    code = (
        "import json, sys\n"
        "from candgen.sweeps.execution import execute\n"
        "found = execute(sys.argv[1], {'lines': 60_000}, sys.argv[2], kernel='ordinary')\n"
        "print(found['state'], found['error']['name'], found['error']['message'])\n"
    )
    command = (
        'mount -t tmpfs -o size=1m none "$1" && "$2" -c "$3" "$4" "$1/run" '
        '&& cat "$1/run/status.json" && ls -a "$1/run"'
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, "sh", disk, sys.executable, code,
         SPECIMENS / "prints.ipynb"],
        capture_output=True, text=True,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no file system may be mounted here")
    assert "failed OSError" in done.stdout, done.stdout + done.stderr
    assert '"done"' not in done.stdout


def test_without_a_status_nothing_was_started(tmp_path):
    assert status.state_of(tmp_path) == "missing"
    (tmp_path / "status.json").write_text('{"state": "runn')
    assert status.state_of(tmp_path) == "missing"


def test_running_means_that_the_owner_lives(tmp_path):
    status.write(tmp_path, {"state": "running", **status.owner()})
    assert status.state_of(tmp_path) == "running"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    status.write(tmp_path, {"state": "running", "pid": ended.pid, "pid_started": 0.0})
    assert status.state_of(tmp_path) == "interrupted"


def test_a_number_that_went_to_another_process_is_not_the_owner(tmp_path):
    status.write(tmp_path, {"state": "running", **status.owner(), "pid_started": 1.0})
    assert status.state_of(tmp_path) == "interrupted"


def test_a_clock_that_steps_does_not_end_a_run(tmp_path, monkeypatch):
    """psutil computes a start from the wall clock of now; ours counts from the boot."""
    status.write(tmp_path, {"state": "running", **status.owner()})
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 3600)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    if sys.platform == "linux":
        assert status.state_of(tmp_path) == "running"


@pytest.mark.parametrize(
    ("differs", "state"),
    [
        ({"host": "box"}, "running on box"),
        ({"host": "box?pidns-1f"}, "running on box, process namespace 1f"),
        ({"boot": "another"}, "interrupted"),
        ({"pid_started": 5}, "interrupted"),
        ({"pid": 2**22 + 1}, "interrupted"),
        ({"pid": "12"}, "missing"),  # no status of ours
        ({"pid_started": None, "boot": None}, "running"),
    ],
)
def test_an_owner_is_host_process_boot_and_start(tmp_path, differs, state):
    status.write(tmp_path, {"state": "running", **status.owner(), **differs})
    assert status.state_of(tmp_path) == state


def test_done_without_its_files_is_not_finished(tmp_path):
    status.write(tmp_path, {"state": "done", "fingerprint": None})
    assert not status.is_finished(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_process_without_a_group_of_its_own_is_killed_alone():
    child = subprocess.Popen(["sleep", "100"])  # in our group: killing that would end the tests
    watch.kill_group(child.pid)
    assert child.wait(SECONDS) == -9
    watch.kill_group(child.pid)  # gone already: nothing happens


def test_a_page_that_leaves_early_has_failed(project, tmp_path):
    folder = tmp_path / "run"
    asked = {"generator": "leaving", "run_folder": str(folder)}
    page = project / "notebooks" / "15_train.ipynb"
    found = execution.execute(page, asked, folder, kernel="ordinary", timeout_s=SECONDS)
    assert found["state"] == "failed" and found["error"]["name"] == "recorded nothing"
    assert found["error"]["message"] == "the page left by sys.exit in cell 4 of 4."
    assert "This run did not finish" in (folder / "page.html").read_text()


OPENS, READS = "run = session.open_run()", "run = session.open_run(records=False)"


@pytest.mark.parametrize(
    ("parameters", "body", "leaves", "record", "fault"),
    [
        ("run_folder: str = ''", ["1 + 1"], False, None, "End the page with run.record(...)"),
        ("run_folder: str = ''", [OPENS], False, None, "End the page with run.record(...)"),
        ("run_folder: str = ''", [OPENS, "left"], True, None, "left by sys.exit in cell 3 of 3."),
        ("run_folder: str = ''", [OPENS, "left"], True, "metrics.json", None),
        ("run_folder: str = ''", [OPENS], False, "metrics.json", None),
        ("run_folder: str = ''", [OPENS], False, "reproduced.json", None),
        ("run_folder: str = ''", ["prepare()"], False, "dataset.json", None),
        ("run_folder: str = ''", [READS], False, None, None),
        ("run_folder: str = ''", [READS, "left"], True, None, "left by sys.exit in cell 3 of 3."),
        ("k: int = 1", [OPENS], False, None, "End the page with run.record(...)"),
        ("k: int = 1", ["1 + 1"], False, None, None),
        ("k: int = 1", ["1 + 1", "left"], True, None, None),
    ],
)
def test_a_page_records_unless_it_says_that_it_does_not(
    write_notebook, tmp_path, parameters, body, leaves, record, fault
):
    page = write_notebook("page", parameters, *body)
    executed = json.loads(page.read_text())
    if leaves:
        output = {"output_type": "error", "ename": "SystemExit", "evalue": "0", "traceback": []}
        executed["cells"][-1]["outputs"] = [output]
    (tmp_path / execution._PASSING).write_text(json.dumps(executed))
    if record:
        (tmp_path / record).write_text("{}")
    found = execution._missing_record(page, tmp_path, {"run_folder": str(tmp_path)})
    assert (found is None) == (fault is None)
    if fault:
        assert found["state"] == "failed" and fault in found["error"]["message"]
        assert found["error"]["cell"] == len(executed["cells"])
    if "run_folder" in parameters:  # then the page chose another folder
        assert execution._missing_record(page, tmp_path, {}) is None


def test_what_an_earlier_run_reproduced_does_not_stay(project, tmp_path):
    (tmp_path / "reproduced.json").write_text("[]")
    run_files.forget(tmp_path)
    assert not (tmp_path / "reproduced.json").exists()
