"""Each notebook keeps its results in a folder of its own."""

import shutil

import pytest

from candgen.session import notebook_name, runs

CELLS = """\
k: int = 5
run_folder: str = ""
from candgen import session
run = session.open_run()
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("notebooks", "params", "outputs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setattr(runs, "_current", None)
    monkeypatch.setattr(runs.environment, "describe", lambda parameters: {})
    return tmp_path.resolve()


def opened_in_jupyter(path, monkeypatch, **names):
    """Execute the cells as a kernel that Jupyter started for the notebook at `path`."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    exec(CELLS, names)
    return names["run"]


def leave_results(run):
    (run.folder / "metrics.json").write_text(run.folder.name)
    return run.folder / "metrics.json"


def test_a_copied_notebook_leaves_the_results_of_the_original(project, monkeypatch):
    original, copy = (project / "notebooks" / f"15_baselines{x}.ipynb" for x in ("", "-Copy1"))
    original.write_text(CELLS)
    kept = leave_results(opened_in_jupyter(original, monkeypatch))
    shutil.copy(original, copy)
    own = opened_in_jupyter(copy, monkeypatch).folder
    assert kept.read_text() == "15_baselines"
    assert own == project / "outputs" / "scratch" / "15_baselines-Copy1"


def test_a_copy_of_the_same_name_in_another_folder_leaves_them_too(project, monkeypatch):
    here, there = project / "notebooks" / "a.ipynb", project / "mine" / "a.ipynb"
    kept = leave_results(opened_in_jupyter(here, monkeypatch))
    own = opened_in_jupyter(there, monkeypatch).folder
    elsewhere = opened_in_jupyter(project / "yours" / "a.ipynb", monkeypatch).folder
    assert kept.exists() and len({kept.parent, own, elsewhere}) == 3
    assert own.name.startswith("a-")


def test_the_same_notebook_opened_again_replaces_its_own_results(project, monkeypatch):
    path = project / "notebooks" / "a.ipynb"
    kept = leave_results(opened_in_jupyter(path, monkeypatch))
    assert opened_in_jupyter(path, monkeypatch).folder == kept.parent and not kept.exists()


def test_vs_code_and_scripts_name_their_file_themselves(project, monkeypatch):
    for names in (
        {"__vsc_ipynb_file__": str(project / "notebooks" / "b.ipynb")},
        {"__file__": str(project / "notebooks" / "b.py")},
    ):
        # A kernel or script that a notebook started inherits that notebook's session.
        assert opened_in_jupyter(project / "notebooks" / "a.ipynb", monkeypatch, **names)
        assert notebook_name.of_caller(names) == "b"


@pytest.mark.parametrize("session", [None, "/somewhere/Console 1"])
def test_a_notebook_without_a_name_says_so_in_its_folder(project, monkeypatch, session):
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    name = notebook_name.of_caller({})
    assert name.startswith("unnamed-notebook-")
    assert notebook_name.of_caller({}) == name  # of one kernel, whenever it opens its run


def test_a_given_folder_comes_before_the_name(project, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(project / "notebooks" / "a.ipynb"))
    names = {}
    exec(CELLS.replace('""', '"outputs/s/r"'), names)
    assert names["run"].folder == project / "outputs" / "s" / "r"
