"""Sweeps with a stand-in for execution: what is run, skipped, stopped, and written down."""

import os
import signal
import threading

import pytest

from candgen import files, locks
from candgen.errors import BusyError, SettingError
from candgen.session import status
from candgen.sweeps import execution, run_report, run_sweep
from candgen.sweeps.plan import read_plan
from waiting import SECONDS

SWEEP = """\
question: Which?
notebook: notebooks/15_train.ipynb
datasets:
  world: {n_users: 30}
  films: {n_users: 40}
runs:
  a: {}
  b: {generator: failing}
  c: {dataset: films}
"""


class Silent:
    """A view that shows nothing and remembers what was said."""

    def __init__(self, records, workers):
        self.records, self.workers, self.said = records, workers, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def started(self, record):
        pass

    progressed = ended = started

    def say(self, text):
        self.said.append(text)


@pytest.fixture
def executed(monkeypatch):
    """Stand in for kernels: stages end at once; `executed` lists them with their environment."""
    seen = []

    def execute(notebook, parameters, folder, *, kernel, fingerprint, on_progress, **_):
        on_progress(1, 2)
        seen.append((folder.name, os.environ.get("OMP_NUM_THREADS"), parameters))
        failing = parameters.get("generator") == "failing" or parameters.get("n_users") == 0
        error = {"name": "ValueError", "message": "no loss", "cell": 3} if failing else None
        folder.mkdir(parents=True, exist_ok=True)
        if "n_users" in parameters and not failing:
            digest = str(parameters["n_users"])
            files.write_json(folder / "dataset.json", {"digest": digest, "tables": {}})
        for name in ("notebook.ipynb", "page.html"):
            (folder / name).write_text("x")
        state = "failed" if failing else "done"
        left = {"state": state, "fingerprint": fingerprint, "error": error, "wall_seconds": 3.0}
        status.write(folder, left)
        return left

    def make_report(folder, *, kernel, fingerprint):
        (folder / "report").mkdir(exist_ok=True)
        status.write(folder / "report", {"state": "done", "fingerprint": fingerprint})
        for name in ("notebook.ipynb", "page.html"):
            (folder / "report" / name).write_text("x")
        seen.append(("report", None, {}))
        for name in ("report.html", "leaderboard.csv"):
            (folder / name).write_text("x")
        return folder / "report.html"

    monkeypatch.setattr(execution, "execute", execute)
    monkeypatch.setattr(run_report, "make_report", make_report)
    return seen


@pytest.fixture
def sweep(write_sweep, executed):
    """Run a sweep; return how it ended and the names of what was executed."""

    def run(text=SWEEP, *overrides, **options):
        executed.clear()
        plan = read_plan(write_sweep(text), overrides)
        outcome = run_sweep.run_sweep(plan, **{"workers": 2, "view": Silent, **options})
        return outcome, sorted(name for name, _, _ in executed)

    return run


def states(outcome):
    return {record.stage.name: record.state for record in outcome.records}


def test_everything_runs_once_and_a_failure_stops_nothing_else(sweep):
    outcome, ran = sweep()
    assert ran == ["a", "b", "c", "films", "report", "world"]
    assert states(outcome) == {
        "world": "done",
        "films": "done",
        "a": "done",
        "b": "failed",
        "c": "done",
    }
    assert outcome.exit_code == 1
    assert outcome.report.name == "report.html"


def test_calling_again_runs_only_what_failed(sweep):
    sweep()
    outcome, ran = sweep()
    assert ran == ["b"]
    assert outcome.exit_code == 1


def test_with_nothing_changed_nothing_runs_not_even_the_report(sweep):
    healthy = SWEEP.replace("failing", "popularity")
    assert sweep(healthy)[0].exit_code == 0
    outcome, ran = sweep(healthy)
    assert ran == [] and outcome.exit_code == 0 and outcome.report.is_file()


def test_the_report_is_remade_when_what_it_was_asked_changes(sweep):
    healthy = SWEEP.replace("failing", "popularity")
    sweep(healthy)
    assert sweep(healthy + "report: {title: New}\n")[1] == ["report"]
    outcome, ran = sweep(healthy + "report: {title: New}\n")
    assert ran == []
    outcome.report.unlink()
    assert sweep(healthy + "report: {title: New}\n")[1] == ["report"]


def test_fresh_runs_everything_again(sweep):
    sweep()
    assert len(sweep(fresh=True)[1]) == 6


def test_a_changed_dataset_runs_again_with_the_runs_that_read_it(sweep):
    sweep()
    outcome, ran = sweep(SWEEP, "datasets.films.n_users=41")
    assert ran == ["b", "c", "films", "report"]
    assert outcome.records[2].skipped


def test_runs_on_a_dataset_that_failed_are_not_run_and_say_why(sweep):
    sweep()
    outcome, ran = sweep(SWEEP, "datasets.films.n_users=0")
    assert "c" not in ran and "a" not in ran
    c = outcome.records[-1]
    assert c.state == "not run"
    assert c.why == "dataset films failed"  # its error is that of the dataset, said once
    assert status.read(c.stage.folder)["state"] == "not run"


def test_what_belongs_and_how_it_ended_is_written_down(sweep, project):
    sweep()
    (project / "outputs" / "asked" / "gone").mkdir()
    outcome, _ = sweep(SWEEP.replace("  a: {}\n", ""), command="candgen sweep x")
    written = files.read_json(outcome.report.parent / "sweep.json")
    assert [run["name"] for run in written["runs"]] == ["b", "c"]
    b, c = written["runs"]
    assert (b["state"], b["why"]) == ("failed", "ValueError: no loss (cell 3)")
    assert (c["dataset"], c["differs"], c["folder"]) == ("films", {"dataset": "films"}, "c")
    assert written["datasets"][0]["folder"] == "datasets/world"
    assert (written["file"], written["command"]) == ("params/asked.yaml", "candgen sweep x")
    assert written["report"]["metric"] == "recall@20"


def test_pages_get_their_folder_and_the_prepared_dataset(sweep, executed, project):
    sweep()
    given = {name: parameters for name, _, parameters in executed}
    outputs = project / "outputs" / "asked"
    assert given["c"]["run_folder"] == str(outputs / "c")
    assert given["c"]["dataset"] == str(outputs / "datasets" / "films")
    assert given["films"]["name"] == "films"


def test_each_worker_gets_its_share_of_the_cores(sweep, executed, monkeypatch):
    monkeypatch.setattr(run_sweep.environment, "usable_cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    sweep(workers=2)
    assert {threads for name, threads, _ in executed if name != "report"} == {"4"}
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    sweep(workers=2, fresh=True)
    assert {threads for name, threads, _ in executed if name != "report"} == {"3"}


def test_what_is_run_and_what_is_skipped_is_decided_without_git(sweep, monkeypatch):
    monkeypatch.setattr(run_sweep.environment, "_git", None)
    monkeypatch.delenv("CANDGEN_COMMIT", raising=False)
    run_sweep.environment._asked_commit.cache_clear()
    healthy = SWEEP.replace("failing", "popularity")
    assert len(sweep(healthy)[1]) == 6
    assert sweep(healthy)[1] == []


def test_a_second_sweep_in_the_same_folder_is_refused(sweep, project):
    with (
        locks.locked(project / "outputs" / "asked" / ".lock"),
        pytest.raises(BusyError, match=rf"asked is in use by process {os.getpid()}"),
    ):
        sweep()


def test_a_sweep_needs_a_worker(sweep):
    with pytest.raises(SettingError, match="at least 1, got 0"):
        sweep(workers=0)


def test_a_report_that_fails_is_said_and_fails_the_sweep(sweep, monkeypatch):
    def fail(folder, **_):
        raise RuntimeError("no room")

    healthy = SWEEP.replace("failing", "popularity")
    monkeypatch.setattr(run_report, "make_report", fail)
    views = []
    outcome, _ = sweep(healthy, view=lambda *given: views.append(Silent(*given)) or views[-1])
    assert outcome.exit_code == 1 and outcome.report is None
    assert views[0].said[-1] == "report: failed (RuntimeError: no room)"


def test_a_fault_of_ours_fails_one_stage_only(sweep, monkeypatch):
    whole = execution.execute

    def execute(notebook, parameters, folder, **options):
        if folder.name == "a":
            raise OSError("No space left on device")
        return whole(notebook, parameters, folder, **options)

    monkeypatch.setattr(execution, "execute", execute)
    outcome, _ = sweep()
    assert states(outcome)["a"] == "failed" and states(outcome)["c"] == "done"
    assert outcome.records[2].why == "OSError: No space left on device"


def test_a_signal_stops_what_runs_and_what_waits(sweep, monkeypatch):
    stopped = threading.Event()

    def execute(notebook, parameters, folder, *, fingerprint, **_):
        if folder.name in ("world", "films"):
            folder.mkdir(parents=True)
            files.write_json(folder / "dataset.json", {"digest": "x", "tables": {}})
            return {"state": "done", "error": None}
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopped.wait(SECONDS)
        return {"state": "killed", "error": {"name": "Stopped", "message": "from outside"}}

    monkeypatch.setattr(execution, "execute", execute)
    monkeypatch.setattr(execution, "stop_all", stopped.set)
    outcome, _ = sweep(workers=1)
    assert outcome.exit_code == 128 + signal.SIGTERM
    assert sorted(states(outcome).values()) == ["done", "done", "killed", "not run", "not run"]
    assert outcome.report is None
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_would_happen_is_known_beforehand(sweep, write_sweep):
    def foreseen(text, **options):
        found = run_sweep.foresee(read_plan(write_sweep(text)), **options)
        return [(each.stage.name, each.runs, each.why) for each in found]

    assert foreseen(SWEEP)[0] == ("world", True, "never run")
    assert foreseen(SWEEP)[2][2].startswith("dataset world is prepared first")
    sweep()
    assert foreseen(SWEEP) == [
        ("world", False, "unchanged"),
        ("films", False, "unchanged"),
        ("a", False, "unchanged"),
        ("b", True, "failed last time"),
        ("c", False, "unchanged"),
    ]
    assert foreseen(SWEEP.replace("a: {}", "a: {dim: 3}"))[2][1:] == (
        True,
        "the parameters changed",
    )
    assert {why for _, _, why in foreseen(SWEEP, fresh=True)} == {"as asked by --fresh"}


@pytest.mark.parametrize(
    ("cores", "gib", "stages", "workers"),
    [
        (1, 64, 9, 1),
        (2, 64, 9, 2),
        (4, 64, 9, 2),
        (16, 64, 9, 8),
        (16, 5, 9, 2),
        (16, 64, 3, 3),
        (2, 1, 9, 1),
    ],
)
def test_workers_follow_cores_memory_and_what_there_is_to_do(
    monkeypatch, cores, gib, stages, workers
):
    import psutil

    class Memory:
        available = gib * 2**30

    monkeypatch.setattr(run_sweep.environment, "usable_cores", lambda: cores)
    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    assert run_sweep.default_workers(stages) == workers


def test_stages_run_side_by_side(sweep, monkeypatch):
    together = threading.Barrier(2, timeout=SECONDS)  # passed by two at once alone
    whole = execution.execute

    def execute(notebook, parameters, folder, **options):
        if folder.name in ("world", "films"):
            together.wait()
        return whole(notebook, parameters, folder, **options)

    monkeypatch.setattr(execution, "execute", execute)
    assert states(sweep(workers=2)[0])["films"] == "done"
