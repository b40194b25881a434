"""A run of WALS on a dataset of odd ids, to be exported, moved and asked."""

import os
import sys

import numpy as np
import pandas as pd
import pytest

from candgen import cli, files
from candgen.datasets import open_dataset
from candgen.datasets.dataset import write_dataset
from candgen.models import WALS
from candgen.session.runs import Run

N_USERS, N_ITEMS = 30, 80


def events(rng):
    """Each user takes items of one of two halves; the last item is taken by nobody."""
    users = np.repeat(np.arange(N_USERS), 8)
    items = np.concatenate(
        [rng.choice(np.arange(39) + 40 * (u % 2), 8, replace=False) for u in range(N_USERS)]
    )
    return pd.DataFrame({"user": users, "item": items})


@pytest.fixture
def project(tmp_path, monkeypatch, make_project):
    """A project with a dataset of odd ids and a run of WALS that was judged on it."""
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="session")
def make_project():
    return _make_project


def _make_project(root):
    for name in ("notebooks", "params", "outputs"):
        (root / name).mkdir(parents=True)
    train = events(np.random.default_rng(0))
    tables = {
        "interactions": train,
        "train": train,
        "test": train.head(2),
        "users": pd.DataFrame(
            {"user": range(N_USERS + 1), "user_id": [f"u/{n}" for n in range(N_USERS + 1)]}
        ),
        "items": pd.DataFrame(
            {
                "item": range(N_ITEMS),
                "item_id": 1000 + 7 * ((37 * np.arange(N_ITEMS) + 11) % N_ITEMS),
                "title": [f"Film <{n}>" for n in range(N_ITEMS)],
            }
        ),
    }
    data = write_dataset(root / "outputs" / "datasets" / "films", tables, {"name": "films"})
    model = WALS(dim=8, seed=1).fit(data)
    folder = root / "outputs" / "asked" / "wals"
    folder.mkdir(parents=True)
    Run(folder, {})._write_vectors(model, data)
    described = {
        "name": "films", "digest": data.digest, "folder": str(data.folder), "evaluate_on": "test",
    }  # fmt: skip
    row = {"generator": "WALS", "baseline": False, "settings": model.settings}
    files.write_json(folder / "metrics.json", {"dataset": described, "generators": [row]})
    return root


@pytest.fixture
def candgen(project, monkeypatch, capsys):
    """Call the command line; return exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["candgen", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            cli.main()
        said = capsys.readouterr()
        assert "needs the package annoy" not in said.err, said.err  # such a test is skipped
        return exit.value.code or 0, said.out, said.err

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
