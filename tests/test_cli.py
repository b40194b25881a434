"""The command line: what it prints, where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from candgen import cli, doctor, files, reports
from candgen.session import status
from candgen.sweeps import execution, run_report, run_sweep
from candgen.sweeps.search import tuning

COMMANDS = (
    "doctor",
    "prepare",
    "run",
    "sweep",
    "report",
    "judge",
    "runs",
    "export",
    "candidates",
    "advise",
)
SWEEP = """\
question: Which?
notebook: notebooks/15_page.ipynb
runs:
  a: {}
  b: {dim: 3, generator: failing}
"""


def write_page(path, parameters):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": parameters}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = tmp_path / "project"
    for folder in ("notebooks", "params", "outputs"):
        (root / folder).mkdir(parents=True)
    write_page(
        root / "notebooks" / "10_prepare_data.ipynb",
        'source: str = "world"\npath: str = ""\nn_users: int = 5\nname: str = ""\n'
        'run_folder: str = ""',
    )
    write_page(
        root / "notebooks" / "15_page.ipynb",
        'dim: int = 8  # length of a vector\ngenerator: str = "x"\nrun_folder: str = ""',
    )
    write_page(root / "notebooks" / "90_compare_runs.ipynb", 'title: str = ""')
    (root / "params" / "asked.yaml").write_text(SWEEP)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def executed(monkeypatch):
    """Stand in for kernels; lists the folder and the parameters of what was executed."""
    seen = []

    def execute(notebook, parameters, folder, *, fingerprint, **_):
        seen.append((folder, parameters))
        failing = parameters.get("generator") == "failing"
        error = {"name": "ValueError", "message": "no loss", "cell": 3} if failing else None
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("notebook.ipynb", "page.html"):
            (folder / name).write_text("x")
        state = "failed" if failing else "done"
        left = {"state": state, "fingerprint": fingerprint, "error": error, "wall_seconds": 90.0}
        status.write(folder, left)
        rows = [
            {"generator": "popularity", "baseline": True, "recall@20": 0.9},
            {"generator": "WALS", "baseline": False, "recall@20": 0.125},
        ]
        files.write_json(folder / "metrics.json", {"generators": rows})
        return left

    def make_report(folder, **_):
        for name in ("report.html", "leaderboard.csv"):
            (folder / name).write_text("x")
        return folder / "report.html"

    monkeypatch.setattr(execution, "execute", execute)
    monkeypatch.setattr(run_report, "make_report", make_report)
    monkeypatch.setattr(reports, "zip_report", lambda folder: folder / "asked-report.zip")
    return seen


def test_help_names_every_command():
    program = Path(sys.executable).with_name("candgen")
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    assert all(command in said.stdout for command in COMMANDS)


def test_the_command_line_imports_nothing_heavy():
    code = "import sys, candgen.cli; print(*sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "papermill", "pydantic", "scipy", "tensorflow", "yaml"}
    assert not heavy & set(said.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_of_itself(candgen, command):
    code, out, _ = candgen(command, "--help")
    assert code == 0 and f"Example: candgen {command}" in " ".join(out.split())


def test_bad_input_is_said_on_stderr_without_a_traceback(candgen, project):
    code, out, err = candgen("sweep", "params/askd.yaml")
    assert (code, out) == (2, "")
    assert err == "candgen: No sweep file params/askd.yaml. Did you mean 'params/asked.yaml'?\n"


def test_a_sweep_prints_the_report_and_fails_if_a_run_did(candgen, project, executed):
    code, out, err = candgen("sweep", "params/asked.yaml", "--workers", "1")
    assert code == 1
    assert out == f"{project}/outputs/asked/report.html\n"
    assert "1 of 2 stages did not finish" in err and "ValueError: no loss (cell 3)" in err
    assert str(project / "outputs" / "asked" / "b" / "page.html") in err


def test_the_trials_of_tune_run_on_the_cluster_that_is_named(candgen, project, monkeypatch):
    asked = {}

    def noted(plan, **options):
        asked.update(options)
        return run_sweep.Outcome([], Path("report.html"), None)

    monkeypatch.setattr(tuning, "plan", lambda *_, **__: None)
    monkeypatch.setattr(run_sweep, "run_sweep", noted)
    assert candgen("tune", "WALS", "--cluster", "local:2")[:2] == (0, "report.html\n")
    assert (asked["cluster"], asked["workers"]) == ("local:2", None)


def test_a_sweep_remembers_how_it_was_called(candgen, project, executed):
    assert (
        candgen(
            "sweep", "params/asked.yaml", "--set", "generator=a b", "--set", "runs.b.generator=y"
        )[0]
        == 0
    )
    written = files.read_json(project / "outputs" / "asked" / "sweep.json")
    assert written["command"] == (
        "candgen sweep params/asked.yaml --set 'generator=a b' --set runs.b.generator=y"
    )


def test_a_dry_run_prints_the_plan_and_runs_nothing(candgen, project, executed):
    code, out, _ = candgen("sweep", "params/asked.yaml", "--dry-run")
    assert code == 0 and executed == []
    lines = out.splitlines()
    assert lines[0] == "Which?"
    assert lines[3].split("\t") == ["run", "b", "run", "never run", "dim=3, generator=failing"]
    assert lines[4].startswith("2 to run, 0 to skip")
    candgen("sweep", "params/asked.yaml")
    lines = candgen("sweep", "params/asked.yaml", "--dry-run")[1].splitlines()
    assert lines[2].split("\t")[2:4] == ["skip", "unchanged"]
    assert lines[3].split("\t")[2:4] == ["run", "failed last time"]


def test_an_unknown_kind_of_kernel_is_refused(candgen, project):
    code, _, err = candgen("sweep", "params/asked.yaml", "--kernel", "cold")
    assert code == 2 and "must be warm or ordinary, got 'cold'" in err


def test_run_executes_one_notebook_into_a_scratch_folder(candgen, project, executed):
    code, out, _ = candgen("run", "15_page", "-p", "dim=3")
    folder = project / "outputs" / "scratch" / "15_page"
    assert (code, out) == (0, f"{folder}\n")
    assert executed == [(folder, {"dim": 3, "run_folder": str(folder)})]


@pytest.mark.parametrize(("options", "whole"), [([], True), (["--stage-only"], False)])
def test_run_executes_exploring_cells_unless_told_not_to(
    candgen, project, executed, monkeypatch, options, whole
):
    stand_in, asked = execution.execute, []

    def execute(*given, **settings):
        asked.append(settings["explore"])
        return stand_in(*given, **settings)

    monkeypatch.setattr(execution, "execute", execute)
    assert candgen("run", "15_page", *options)[0] == 0
    assert asked == [whole]


def test_run_takes_a_path_and_a_folder(candgen, project, executed):
    code, out, _ = candgen("run", "notebooks/15_page.ipynb", "--folder", "kept/here")
    assert (code, out) == (0, f"{project}/kept/here\n")


def test_a_run_that_fails_says_why_and_prints_no_folder(candgen, project, executed):
    code, out, err = candgen("run", "15_page", "-p", "generator=failing")
    assert (code, out) == (1, "") and "ValueError: no loss" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "15_pag"], "Did you mean '15_page.ipynb'"),
        (["run", "15_page", "-p", "dims=3"], "Did you mean 'dim'"),
        (["run", "15_page", "-p", "dim=x"], "dim must be a whole number, got 'x'"),
        (["run", "15_page", "-p", "run_folder=x"], "leave it out"),
        (["prepare", "--path", "nowhere.zip"], "no file or folder 'nowhere.zip'"),
        (["prepare", "--name", "../x"], "becomes a folder"),
        (["report", "askd"], "No sweep 'askd'"),
        (["runs", "askd"], "No sweep 'askd'"),
        (["judge", "x.csv", "--dataset", "d", "--cutoffs", "ten"], "such as 10,20; got 'ten'"),
        (["judge", "x.csv", "--dataset", "d", "--cutoffs", "1_0"], "such as 10,20; got '1_0'"),
        (["judge", "x.csv", "--dataset", "d", "--cutoffs", "１０,+5"], "such as 10,20; got"),
        (["export", "asked/a", "-s", "probes=1_0"], "with a number, got 'probes=1_0'"),
        (["export", "asked/a", "-s", "probes=nan"], "with a number, got 'probes=nan'"),
        (["run", "15_page", "-p", "generator=\udcff"], r"b'generator=\xff' is not UTF-8 text"),
        (["run", "caf\udce9.ipynb"], r"b'caf\xe9.ipynb' is not UTF-8 text. Rename"),
        (["judge", "x.csv", "--dataset", "nothing"], "No prepared dataset 'nothing'"),
    ],
)
def test_bad_input_is_named(candgen, project, executed, arguments, message):
    code, out, err = candgen(*arguments)
    assert (code, out) == (2, "") and message in err and executed == []


def test_prepare_puts_the_dataset_under_its_name(candgen, project, executed):
    (project / "films.zip").touch()
    code, out, _ = candgen(
        "prepare", "--source", "movielens", "--path", "films.zip", "--name", "films"
    )
    folder = project / "outputs" / "datasets" / "films"
    assert (code, out) == (0, f"{folder}\n")
    assert executed[0][1] == {
        "source": "movielens",
        "path": str(project / "films.zip"),
        "name": "films",
        "run_folder": str(folder),
    }


def test_prepare_is_named_after_its_source_and_takes_any_parameter(candgen, project, executed):
    assert candgen("prepare", "-p", "n_users=7")[1].endswith("datasets/world\n")
    assert executed[0][1]["n_users"] == 7


def test_the_parameters_of_a_page_can_be_listed(candgen, project):
    code, out, _ = candgen("run", "15_page", "--list")
    assert code == 0 and out.splitlines()[1].split("\t") == [
        "dim",
        "int",
        "8",
        "length of a vector",
    ]


def test_report_is_made_again_by_name_or_zipped(candgen, project, executed):
    candgen("sweep", "params/asked.yaml")
    folder = project / "outputs" / "asked"
    assert candgen("report", "asked")[1] == f"{folder}/report.html\n"
    assert candgen("report", folder, "--zip")[1] == f"{folder}/asked-report.zip\n"


def test_runs_lists_what_there_is(candgen, project, executed):
    assert "Nothing yet" in candgen("runs")[2]
    candgen("sweep", "params/asked.yaml")
    rows = [line.split("\t") for line in candgen("runs")[1].splitlines()]
    heads = ["sweep", "run", "state", "minutes", "generator", "metric", "value", "judged on"]
    assert rows[0] == heads
    assert rows[1] == ["asked", "a", "done", "1.50", "WALS", "recall@20", "0.1250", ""]
    assert rows[2][2] == "failed" and rows[2][6] == ""
    assert json.loads(candgen("runs", "asked", "--json")[1])[0]["value"] == 0.125


def test_runs_shows_a_search_in_one_line_and_its_trials_when_asked(candgen, project, executed):
    candgen("sweep", "params/asked.yaml")
    trial = {"state": "done", "params": {}, "value": 0.5, "seconds": 30.0}
    search = {"generator": "WALS", "metric": "recall@20", "space": {}, "state": "done"}
    search["trials"] = [trial | {"number": number} for number in range(2)]
    held = json.dumps({"runs": {"a": search}})
    (project / "outputs" / "asked" / "search.json").write_text(held)
    rows = [line.split("\t")[1:4] for line in candgen("runs", "asked")[1].splitlines()]
    assert rows[-1] == ["trials/a", "done, 2 trials", "1.00"]
    every = [line.split("\t")[1:4] for line in candgen("runs", "--trials")[1].splitlines()]
    assert every == [*rows, ["trials/a/000", "done", "0.50"], ["trials/a/001", "done", "0.50"]]


@pytest.fixture
def films(project):
    """Two users and four films; film b is held out for user 7, and film d for user 9."""
    import pandas as pd

    from candgen.datasets.dataset import write_dataset

    train = pd.DataFrame({"user": [0, 1], "item": [0, 2]})
    test = pd.DataFrame({"user": [0, 1], "item": [1, 3]})
    tables = {
        "interactions": pd.concat([train, test], ignore_index=True),
        "train": train,
        "test": test,
        "users": pd.DataFrame({"user": [0, 1], "user_id": [7, 9]}),
        "items": pd.DataFrame({"item": [0, 1, 2, 3], "item_id": list("abcd")}),
    }
    write_dataset(project / "outputs" / "datasets" / "films", tables, {"name": "films"})
    lists = project / "lists.csv"
    lists.write_text("user,item,rank\n7,c,1\n7,b,2\n9,a,1\n9,b,2\n")
    return lists


def test_judge_prints_metrics_with_their_intervals(candgen, films):
    code, out, _ = candgen("judge", films, "--dataset", "films", "--cutoffs", "1,2")
    assert code == 0
    rows = dict(line.split("\t", 1) for line in out.splitlines() if "\t" in line)
    assert rows["recall@1"].split("\t") == ["0.0000", "0.0000", "0.0000"]
    mean, low, high = map(float, rows["recall@2"].split("\t"))
    assert (mean, low, high) == (0.5, 0.0, 1.0)
    assert out.startswith("lists on films, judged on test\n") and "judged_users 2" in out


def test_judge_can_print_json_and_name_the_system(candgen, films):
    asked = ["judge", films, "--dataset", "films", "--cutoffs", "2", "--json", "--name", "theirs"]
    found = json.loads(candgen(*asked)[1])
    assert (found["generator"], found["recall@2"], found["judged_users"]) == ("theirs", 0.5, 2)


def test_judge_names_the_row_that_is_wrong(candgen, films):
    films.write_text("user,item,rank\n7,c,1\n8,b,1\n")
    code, out, err = candgen("judge", films, "--dataset", "films")
    assert (code, out) == (2, "") and "lists.csv" in err and "line 3" in err


def test_doctor_fails_only_for_what_is_essential(candgen, monkeypatch):
    findings = [doctor.Finding("a", "ok", "there"), doctor.Finding("b", "warning", "slow", "Wait.")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(findings))
    code, out, _ = candgen("doctor")
    assert code == 0 and "-> Wait." in out
    findings.append(doctor.Finding("c", "missing", "none", "Install it."))
    code, out, _ = candgen("doctor")
    assert code == 1 and "-> Install it." in out


def test_version_is_shown(candgen):
    from candgen import __version__

    assert candgen("--version")[:2] == (0, f"{__version__}\n")


def test_a_preparation_that_fails_says_that_the_dataset_of_before_is_there(
    candgen, project, monkeypatch
):
    error = {"name": "DataError", "message": "no events", "cell": 3}
    monkeypatch.setattr(execution, "execute", lambda *a, **k: {"state": "failed", "error": error})
    films = project / "outputs" / "datasets" / "films"
    assert "of before" not in candgen("prepare", "--name", "films")[2]
    files.write_json(films / "dataset.json", {"digest": "d", "tables": {}})
    code, _, said = candgen("prepare", "--name", "films")
    assert code == 1 and f"The dataset of before is still in {films}." in said
    (films / "dataset.json").write_text("{}")
    code, _, said = candgen("prepare", "--name", "films")
    assert code == 2 and "films is not empty and no earlier run" in said


@pytest.mark.parametrize("named", ["", ".", "mine", "../project"])
def test_commands_leave_folders_of_somebody_else_alone(candgen, project, named):
    mine = project / "mine"
    mine.mkdir()
    for name in ("leaderboard.csv", "report.html", "metrics.json", "status.json"):
        (mine / name).write_text("mine")
    assert "Nothing was changed" in candgen("report", named)[2]
    assert "Nothing was changed" in candgen("run", "15_page", "--folder", "mine")[2]
    assert {path.read_text() for path in mine.iterdir()} == {"mine"}
    assert {path.name for path in project.iterdir()} == {"mine", "notebooks", "params", "outputs"}


def as_process(*arguments, shell="exec {}", **more):
    """Run the command line as a shell does; returns the finished process."""
    import shlex

    code = "from candgen.cli import main; main()"
    command = shell.format(shlex.join([sys.executable, "-c", code, *arguments]))
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, **more)


def test_a_reader_that_has_enough_ends_the_command_in_silence(project):
    done = as_process("--help", shell="{{ {}; echo $? >&2; }} | true")
    assert done.stderr == "141\n"


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["run", "nowhere"], 2)], ids=["done", "refused"]
)
def test_closed_streams_change_nothing(project, arguments, code):
    done = as_process(*arguments, shell="exec {} >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_output_that_cannot_be_written_is_named(project):
    done = as_process("--version", shell="exec {} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("candgen: ") and "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_text_that_the_terminal_cannot_show_is_spelled(project):
    file = project / "params" / "asked.yaml"
    file.write_text(SWEEP.replace("Which?", "Größe\u202e?"), encoding="utf-8")
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = as_process("sweep", str(file), "--dry-run", env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == r"Gr\xf6\xdfe ?"


def test_messages_hold_no_control_characters(project, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["candgen", "run", "a\x1b]0;evil\x07\u202e"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith("candgen: No notebook") and "a ]0;evil " in said
    assert not set("\x1b\x07\u202e") & set(said)


@pytest.mark.parametrize("value", ["0", "-1", "many", " 00 "])
def test_a_wrong_number_of_threads_is_named_and_ignored(value):
    code = "import candgen, os; print(os.environ.get('NUMBA_NUM_THREADS'))"
    env = {**os.environ, "NUMBA_NUM_THREADS": value}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "None\n"
    assert f"NUMBA_NUM_THREADS={value!r} is ignored: expected a number of threads" in done.stderr
