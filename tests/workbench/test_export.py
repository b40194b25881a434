"""A run taken home: exported, moved, asked through the command line and by its own reader."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from candgen import cli, files
from candgen.datasets import open_dataset
from candgen.datasets.dataset import write_dataset
from candgen.models import WALS
from candgen.workbench import taken_home
from candgen.workbench.runs import Run

N_USERS, N_ITEMS = 30, 80
KINDS = ("exact", "annoy", "faiss-flat", "faiss-ivf", "faiss-hnsw", "faiss-pq")


def events(rng):
    """Each user takes items of one of two halves; the last item is taken by nobody."""
    users = np.repeat(np.arange(N_USERS), 8)
    items = np.concatenate(
        [rng.choice(np.arange(39) + 40 * (u % 2), 8, replace=False) for u in range(N_USERS)]
    )
    return pd.DataFrame({"user": users, "item": items})


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a dataset of odd ids and a run of WALS that was judged on it."""
    root = tmp_path / "project"
    for name in ("notebooks", "params", "outputs"):
        (root / name).mkdir(parents=True)
    monkeypatch.chdir(root)
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
                "item_id": 1000 + 7 * np.arange(N_ITEMS),
                "title": [f"Film <{n}>" for n in range(N_ITEMS)],
            }
        ),
    }
    data = write_dataset(root / "outputs" / "datasets" / "films", tables, {"name": "films"})
    model = WALS(dim=8, seed=1).fit(data)
    folder = root / "outputs" / "asked" / "wals"
    folder.mkdir(parents=True)
    Run("page", folder, {})._write_vectors(model, data)
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


def model_of(project):
    data = open_dataset(project / "outputs" / "datasets" / "films")
    return WALS(dim=8, seed=1).fit(data), data


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_gets_what_the_model_says_less_what_the_user_has(project, candgen, kind, tmp_path):
    assert candgen("export", "asked/wals", "--folder", tmp_path / "out", "--kind", kind)[0] == 0
    model, data = model_of(project)
    code, out, _ = candgen("candidates", tmp_path / "out", "--user", "u/5", "-k", 6, "--json")
    found = json.loads(out)
    scores = model.user_vectors([5])[0] @ model.item_vectors().T
    scores[data.history_matrix[[5]].indices] = -np.inf
    scores[~model.known_items_] = -np.inf
    items = (np.array([row["item"] for row in found]) - 1000) // 7
    assert code == 0 and len(set(items)) == 6
    np.testing.assert_allclose(scores[items], np.sort(scores)[::-1][:6], rtol=1e-4)
    np.testing.assert_allclose([row["score"] for row in found], scores[items], rtol=1e-4)
    assert [row["title"] for row in found] == [f"Film <{n}>" for n in items]
    assert [row["rank"] for row in found] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", KINDS)
def test_asking_for_more_than_is_left_gives_all_that_is_left(project, candgen, kind, tmp_path):
    candgen("export", "asked/wals", "--folder", tmp_path / "out", "--kind", kind)
    found = taken_home.Exported(tmp_path / "out").for_user("u/0", 500)
    assert len(found) == model_of(project)[0].known_items_.sum() - 8


def test_an_item_gets_its_relatives_and_not_itself(project, candgen, home):
    model, _ = model_of(project)
    code, out, _ = candgen("candidates", home, "--item", 1000 + 7 * 3, "-k", 5)
    rows = [line.split("\t") for line in out.splitlines()]
    vectors = model.item_vectors()
    with np.errstate(invalid="ignore"):
        cosines = vectors @ vectors[3] / np.linalg.norm(vectors, axis=1)
    cosines[~model.known_items_] = cosines[3] = -np.inf
    assert code == 0 and rows[0] == ["rank", "item", "title", "score"]
    assert [int(row[1]) for row in rows[1:]] == (1000 + 7 * np.argsort(-cosines)[:5]).tolist()


def test_somebody_new_is_folded_in_as_the_model_would(project, candgen, home, tmp_path):
    from scipy.sparse import csr_array

    (tmp_path / "new.json").write_text(json.dumps({"history": [1000, 1007, 1021]}))
    code, out, _ = candgen(
        "candidates", home, "--features", tmp_path / "new.json", "-k", 4, "--json"
    )
    model, _ = model_of(project)
    history = np.zeros((1, N_ITEMS), np.float32)
    history[0, [0, 1, 3]] = 1
    scores = (model.fold_in(csr_array(history)) @ model.item_vectors().T)[0]
    scores[~model.known_items_] = -np.inf
    scores[[0, 1, 3]] = -np.inf
    best = np.argsort(-scores)[:4]
    assert code == 0
    assert [row["item"] for row in json.loads(out)] == (1000 + 7 * best).tolist()
    np.testing.assert_allclose([r["score"] for r in json.loads(out)], scores[best], rtol=1e-3)


@pytest.mark.parametrize("content", ['{"age": 31}', "[1]", '{"history": []}', "no"])
def test_features_of_another_form_are_refused(candgen, home, tmp_path, content):
    (tmp_path / "new.json").write_text(content)
    code, _, err = candgen("candidates", home, "--features", tmp_path / "new.json")
    assert code == 2 and ('{"history": [item ids]}' in err or "cannot be read as JSON" in err)


def test_a_run_that_computes_its_users_says_that_it_cannot_answer_features(
    project, candgen, tmp_path
):
    path = project / "outputs" / "asked" / "wals" / "metrics.json"
    path.write_text(path.read_text().replace('"WALS"', '"TwoTower"'))
    candgen("export", "asked/wals", "--folder", tmp_path / "out")
    (tmp_path / "new.json").write_text('{"history": [1000]}')
    code, _, err = candgen("candidates", tmp_path / "out", "--features", tmp_path / "new.json")
    assert code == 2 and "cannot answer features: Vectors of users of TwoTower" in err
    assert "Ask for --user or --item" in err


def test_unknown_users_and_items_are_named(candgen, home):
    code, _, err = candgen("candidates", home, "--user", "u/99")
    assert code == 2 and "no user 'u/99' among the 30 users" in err and "as u/0, u/1, u/2" in err
    assert "Only users with a history" in candgen("candidates", home, "--user", "u/30")[2]
    assert "no item '5' among the 80 items" in candgen("candidates", home, "--item", 5)[2]
    assert "no item 'Film'" in candgen("candidates", home, "--item", "Film")[2]
    assert "Nothing was learned of item" in candgen("candidates", home, "--item", 1273)[2]


def test_one_question_at_a_time(candgen, home):
    assert "Give one of --user" in candgen("candidates", home)[2]
    assert "Give one of --user" in candgen("candidates", home, "--user", 1, "--item", 2)[2]


def test_the_folders_reader_answers_without_this_library(candgen, home):
    said = candgen("candidates", home, "--user", "u/2", "-k", 3, "--json")[1]
    code = (
        "import sys, runpy; sys.modules['candgen'] = None;"  # an attempt to import it fails
        "sys.argv = ['reader.py', '--user', 'u/2', '-k', '3', '--json'];"
        "sys.exit = lambda code: print({'pandas', 'tensorflow', 'numba'} & set(sys.modules),"
        " file=sys.stderr); runpy.run_path('reader.py', run_name='__main__')"
    )
    own = subprocess.run(
        [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True
    )
    assert json.loads(own.stdout) == json.loads(said)
    assert own.stderr.strip() == "set()"


def test_the_reader_opens_in_well_under_a_second(home):
    code = (
        "import time; from reader import Exported; Exported('.').for_user('u/1', 5);"
        "print(time.process_time())"  # of the whole process; a busy machine does not count
    )

    def seconds():
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    assert min(seconds() for _ in range(3)) < 1.0


def test_nothing_in_the_folder_names_where_it_was_made(project, home):
    for path in home.rglob("*"):
        if path.is_file():
            assert str(project).encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "export.json").unlink(), "not an exported folder: it has no export.json"),
        (lambda f: (f / "export.json").write_text("{"), "export.json cannot be read"),
        (lambda f: (f / "export.json").write_text('{"format": 9}'), "has format 9"),
        (lambda f: os.truncate(f / "user_vectors.npy", 200), "is truncated: expected"),
        (lambda f: (f / "titles.parquet").unlink(), "titles.parquet is missing"),
        (
            lambda f: np.save(f / "index" / "vectors.npy", -np.load(f / "index" / "vectors.npy")),
            "vectors.npy was changed after the export",
        ),
    ],
)
def test_a_damaged_folder_is_refused(candgen, home, damage, message):
    damage(home)
    code, _, err = candgen("candidates", home, "--user", "u/1")
    assert code == 2 and message in err


def test_runs_without_vectors_or_of_another_dataset_are_refused(project, candgen, tmp_path):
    assert (
        "There is no run 'asked/wols'. Did you mean 'asked/wals'"
        in candgen("export", "asked/wols")[2]
    )
    (project / "outputs" / "asked" / "empty").mkdir()
    assert "has no vectors.npz" in candgen("export", "asked/empty")[2]
    assert (
        "has no setting 'probe'"
        in candgen("export", "asked/wals", "--kind", "faiss-ivf", "-s", "probe=3")[2]
    )
    path = project / "outputs" / "asked" / "wals" / "metrics.json"
    path.write_text(path.read_text().replace('"digest": "', '"digest": "0'))
    assert "was made with another 'films'" in candgen("export", "asked/wals")[2]


def test_a_folder_of_somebody_elses_is_left_alone(candgen, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    code, _, err = candgen("export", "asked/wals", "--folder", tmp_path / "mine")
    assert code == 2 and "is not empty and no earlier export" in err
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_an_earlier_export_is_replaced(candgen, tmp_path):
    for kind in ("annoy", "exact"):
        assert candgen("export", "asked/wals", "--folder", tmp_path / "o", "--kind", kind)[0] == 0
    assert not (tmp_path / "o" / "index" / "index.annoy").exists()
    began = time.perf_counter()
    assert candgen("candidates", tmp_path / "o", "--user", "u/1", "-k", 1)[0] == 0
    assert time.perf_counter() - began < 5
