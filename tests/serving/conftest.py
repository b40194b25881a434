"""A run of WALS on a dataset of odd ids, to be exported, moved and asked."""

import os

import pytest

from candgen.datasets import open_dataset
from candgen.models import WALS
from serving.odd_project import make_project_in


@pytest.fixture
def project(tmp_path, monkeypatch, make_project):
    """A project with a dataset of odd ids and a run of WALS that was judged on it."""
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="session")
def make_project():
    return make_project_in


@pytest.fixture
def candgen(project, candgen):
    """Call the command line in the project; return exit code, stdout and stderr."""

    def call(*arguments):
        code, out, err = candgen(*arguments)
        assert "needs the package annoy" not in err, err  # such a test is skipped
        return code, out, err

    return call


@pytest.fixture
def home(project, candgen, tmp_path):
    """The run, exported with its default index, and moved away from the project."""
    code, out, err = candgen("export", "asked/wals")
    assert code == 0, err
    moved = tmp_path / "elsewhere" / "wals"
    moved.parent.mkdir()
    os.rename(out.strip(), moved)
    (project / "outputs" / "asked" / "wals" / "vectors.npz").unlink()
    return moved


@pytest.fixture
def fitted(project):
    """The same generator, trained once more, and its dataset."""
    data = open_dataset(project / "outputs" / "datasets" / "films")
    return WALS(dim=8, seed=1).fit(data), data
