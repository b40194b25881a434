"""A run taken home: exported, moved, asked through the command line and by its own reader."""

import json
import os
import subprocess
import sys

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"age": 31}', 'Features of this run are {"history": [item ids]}, not empty; got age'),
        ("[1]", "not empty; got list"),
        ('{"history": []}', "not empty; got history"),
        ('{"history": [1000, NaN]}', "history holds [1000, nan]. Leave out what is unknown"),
        ('{"history": [1000, 5]}', "There is no item 5 among the 80 items"),
        ("no", "cannot be read as JSON"),
        (None, "cannot be read as JSON"),
    ],
)
def test_features_of_another_form_are_refused(candgen, home, tmp_path, content, message):
    if content:
        (tmp_path / "new.json").write_text(content)
    code, out, err = candgen("candidates", home, "--features", tmp_path / "new.json")
    assert (code, out) == (2, "") and message in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("WALS", "ItemContent"), "Vectors of users of ItemContent are made by what was trained"),
        (("WALS", "TwoTower"), "This run of TwoTower kept no query tower. Run its page again"),
        (('weight_by": "', 'weight_by": "stars'), "WALS weighed events here, by stars"),
    ],
)
def test_a_run_that_cannot_answer_features_says_why(project, candgen, tmp_path, change, message):
    path = project / "outputs" / "asked" / "wals" / "metrics.json"
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    candgen("export", "asked/wals", "--folder", tmp_path / "out")
    (tmp_path / "new.json").write_text('{"history": [1000]}')
    code, _, err = candgen("candidates", tmp_path / "out", "--features", tmp_path / "new.json")
    assert code == 2 and f"cannot answer features: {message}" in err
    assert "Ask for --user, --item or --popular" in err
    assert message[1:] in (tmp_path / "out" / "README.md").read_text()


def test_what_most_users_have_is_there_for_everybody(project, candgen, home):
    code, out, _ = candgen("candidates", home, "--popular", "-k", 7, "--json")
    found, counts = json.loads(out), np.zeros(N_ITEMS)
    for item in model_of(project)[1].train["item"]:
        counts[item] += 1
    best = np.argsort(-counts, kind="stable")[:7]
    assert code == 0 and [row["item"] for row in found] == (1000 + 7 * best).tolist()
    assert [row["score"] for row in found] == counts[best].tolist()
    everything = candgen("candidates", home, "--popular", "-k", 500, "--json")[1]
    assert len(json.loads(everything)) == (counts > 0).sum()


def test_unknown_users_and_items_are_named(candgen, home):
    code, _, err = candgen("candidates", home, "--user", "u/99")
    assert code == 2 and "no user 'u/99' among the 30 users" in err and "as u/0, u/1, u/2" in err
    err = candgen("candidates", home, "--user", "u/30")[2]
    assert "Only users with a history have a vector. For others, ask for --popular, or" in err
    assert "describe them by --features FILE: history (list of item ids)." in err
    assert (
        "There is no user 'u/29, a longer name'"
        in candgen("candidates", home, "--user", "u/29, a longer name")[2]
    )
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


def flip(path, place=-1):
    """Change one byte and nothing else."""
    held = bytearray(path.read_bytes())
    held[place] ^= 1
    path.write_bytes(held)


def says(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


DAMAGE = {
    "no description": (
        lambda f: (f / "export.json").unlink(),
        "is not an exported folder: it has no export.json",
    ),
    "half a description": (
        lambda f: os.truncate(f / "export.json", 90),
        "export.json cannot be read",
    ),
    "a newer format": (
        lambda f: says(f / "export.json", format=9),
        "has format 9, this reader reads 2: a newer candgen wrote it",
    ),
    "an older format": (
        lambda f: says(f / "export.json", format=1),
        "has format 1, this reader reads 2. Use the reader.py in the folder",
    ),
    "a description that lacks a key": (
        lambda f: (f / "export.json").write_text('{"format": 2, "dim": 8, "features": {}}'),
        "lacks files, fold_in, n_items, n_users, similarity",
    ),
    "another number of items": (
        lambda f: says(f / "export.json", n_items=81),
        "has shape (80, 8), export.json says (81, 8)",
    ),
    "truncated vectors": (
        lambda f: os.truncate(f / "index" / "vectors.npy", 200),
        "vectors.npy is truncated: expected",
    ),
    "vectors of the same shape": (
        lambda f: np.save(f / "index" / "vectors.npy", -np.load(f / "index" / "vectors.npy")),
        "vectors.npy was changed after the export",
    ),
    "something behind the user vectors": (
        lambda f: os.truncate(f / "user_vectors.npy", 5_000),
        "user_vectors.npy is too long",
    ),
    "ids in another order": (
        lambda f: np.save(f / "index" / "ids.npy", np.load(f / "index" / "ids.npy")[::-1]),
        "ids.npy was changed after the export",
    ),
    "a swapped index": (lambda f: flip(f / "index" / "index.annoy", 40), "index.annoy was changed"),
    "an edited sidecar": (
        lambda f: edit(f / "index" / "index.json", '"seed": 0', '"seed": 1'),
        "index.json was changed after the export",
    ),
    "no titles": (lambda f: (f / "titles.arrow").unlink(), "titles.arrow is missing"),
    "another title": (lambda f: flip(f / "titles.arrow", 700), "titles.arrow was changed"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_refused(candgen, tmp_path, damage):
    folder, (do, message) = tmp_path / "out", DAMAGE[damage]
    assert candgen("export", "asked/wals", "--folder", folder, "--kind", "annoy")[0] == 0
    do(folder)
    code, out, err = candgen("candidates", folder, "--user", "u/1")
    assert (code, out) == (2, "") and message in err


def test_a_part_of_the_reader_that_is_missing_is_named(candgen, home, tmp_path):
    for name in ("reader_index.py", "reader_newcomers.py"):
        (home / name).unlink()
    (tmp_path / "new.json").write_text('{"history": [1000]}')
    asked = [sys.executable, "reader.py", "--features", tmp_path / "new.json"]
    done = subprocess.run(asked, cwd=home, capture_output=True, text=True)
    assert done.returncode == 2 and "reader_newcomers.py is missing" in done.stderr


@pytest.mark.parametrize("asked", [("--user", "u/1"), ("--item", "1021"), ("--popular",)])
def test_a_list_has_one_item_at_least_and_all_there_are_at_most(candgen, home, asked):
    for k in (0, -3):
        code, out, err = candgen("candidates", home, *asked, "-k", k)
        assert (code, out) == (2, "") and "greater than or equal to 1" in err
    held = taken_home.Exported(home)
    ask = {
        "--user": lambda k: held.for_user("u/1", k),
        "--item": lambda k: held.for_item(1021, k),
        "--popular": held.popular,
    }[asked[0]]
    for k in (0, True, 2.0):
        with pytest.raises(taken_home.ReaderError, match="k must be a whole number, at least 1"):
            ask(k)
    rows = json.loads(candgen("candidates", home, *asked, "-k", 9999, "--json")[1])
    assert 50 < len(rows) < N_ITEMS and len({row["item"] for row in rows}) == len(rows)


def test_ids_are_found_whatever_their_order(project, candgen, home):
    """Each user's own list, and each item's own relatives, by an id that is looked up."""
    held, (model, data) = taken_home.Exported(home), model_of(project)
    order = np.random.default_rng(0).permutation(N_USERS)
    for user in order:
        scores = model.user_vectors([user])[0] @ model.item_vectors().T
        scores[data.history_matrix[[user]].indices] = -np.inf
        assert held.for_user(f"u/{user}", 1)[0].item == 1000 + 7 * scores.argmax()


def test_what_a_user_has_may_come_again_where_it_is_asked_for(project, home):
    held, (model, _) = taken_home.Exported(home), model_of(project)
    scores = model.user_vectors([4])[0] @ model.item_vectors().T
    best = [row.item for row in held.for_user("u/4", 6, again=True)]
    assert best == (1000 + 7 * np.argsort(-scores)[:6]).tolist()


def test_queries_of_another_space_are_refused(home):
    held = taken_home.Exported(home)
    for query in (np.ones(7), np.full(8, np.nan), np.ones((1, 8))):
        with pytest.raises(taken_home.ReaderError, match="A query of 8 finite numbers expected"):
            held.for_vector(query, 3)


def test_a_folder_that_nobody_may_write_to_answers_all_the_same(candgen, home):
    for path in [home, *home.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert candgen("candidates", home, "--user", "u/3", "-k", 2)[0] == 0
    finally:
        for path in [home, home / "index"]:
            path.chmod(0o755)


# --- exporting


def test_settings_of_the_index_are_numbers(candgen, tmp_path):
    settings = ("-s", "trees=7", "-s", "length_quantile=0.9")
    asked = ("export", "asked/wals", "--folder", tmp_path / "o", "--kind", "annoy", *settings)
    assert candgen(*asked)[0] == 0
    kept = files.read_json(tmp_path / "o" / "index" / "index.json")["settings"]
    assert (kept["trees"], kept["length_quantile"]) == (7, 0.9)
    for wrong in ("trees", "trees=many"):
        assert f"with a number, got '{wrong}'" in candgen(*asked, "-s", wrong)[2]
    assert "trees must be a whole number" in candgen(*asked, "-s", "trees=1.5")[2]


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


@pytest.mark.parametrize("state", ["failed", "timed out", "killed", "running"])
def test_a_run_that_did_not_end_well_is_refused(project, candgen, state):
    folder = project / "outputs" / "asked" / "wals"
    files.write_json(folder / "status.json", {"state": state, "pid": os.getpid()})
    assert f"is {state}, so its results may be" in candgen("export", "asked/wals")[2]
    files.write_json(folder / "status.json", {"state": "done"})
    (folder / "metrics.json").unlink()
    assert "is not finished: it has no metrics.json" in candgen("export", "asked/wals")[2]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda held: held.pop("users"), "lacks users"),
        (lambda held: held.update(users=held["users"][1:]), "80 items and 29 users"),
        (lambda held: held.update(item_vectors=held["item_vectors"][1:]), "holds 79 items"),
        (lambda held: held.update(item_vectors=held["item_vectors"] * np.nan), "hold NaN"),
    ],
)
def test_vectors_of_another_form_are_refused(project, candgen, damage, message):
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    with np.load(path) as file:
        held = dict(file)
    damage(held)
    np.savez(path, **held)
    code, _, err = candgen("export", "asked/wals")
    assert code == 2 and message in err
    assert not (project / "outputs" / "exports" / "wals").exists()


def test_a_place_that_cannot_be_written_is_named(candgen, tmp_path):
    (tmp_path / "letter.txt").write_text("x")
    code, _, err = candgen("export", "asked/wals", "--folder", tmp_path / "letter.txt")
    assert code == 2 and "letter.txt is a file. Name a folder." in err
    code, _, err = candgen("export", "asked/wals", "--folder", tmp_path / "letter.txt" / "out")
    assert code == 2 and "cannot be written to" in err and "Name another folder" in err


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
    assert candgen("candidates", tmp_path / "o", "--user", "u/1", "-k", 1)[0] == 0
    assert {p.name for p in tmp_path.iterdir()} == {"project", "o"}


KILL = """
import os, signal, sys
from candgen.workbench import export
def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(*((export, "{where}") if "." not in "{where}" else (export.os, "replace")), die)
export.export("asked/wals", sys.argv[1], kind="annoy")
"""


@pytest.mark.parametrize("where", ["_write_titles", "_describe", "os.replace"])
def test_an_export_that_is_killed_leaves_what_was_there_before(candgen, project, tmp_path, where):
    def killed(folder):
        code = [sys.executable, "-c", KILL.format(where=where), str(folder)]
        assert subprocess.run(code, cwd=project, capture_output=True).returncode == -9

    killed(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert candgen("export", "asked/wals", "--folder", tmp_path / "old")[0] == 0
    before = candgen("candidates", tmp_path / "old", "--user", "u/7", "--json")
    killed(tmp_path / "old")
    assert candgen("candidates", tmp_path / "old", "--user", "u/7", "--json") == before
    for name in ("new", "old"):  # and the next one finds no trace of it in its way
        assert candgen("export", "asked/wals", "--folder", tmp_path / name)[0] == 0
        assert candgen("candidates", tmp_path / name, "--user", "u/7", "--json") == before
    assert {p.name for p in tmp_path.iterdir()} == {"project", "new", "old"}


def test_an_export_killed_between_its_two_renames_is_taken_up(candgen, tmp_path):
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o")[0] == 0
    os.rename(tmp_path / "o", tmp_path / ".o.old")
    code, _, err = candgen("export", "asked/wals", "--folder", tmp_path / "o", "--kind", "anoy")
    assert code == 2 and "Did you mean 'annoy'" in err
    assert candgen("candidates", tmp_path / "o", "--user", "u/1")[0] == 0  # what there was


def test_two_exports_to_one_folder_do_not_mix(project, candgen, tmp_path):
    from candgen.workbench import locks

    with locks.locked(project / "outputs" / "exports" / ".o.lock"):
        code, _, err = candgen("export", "asked/wals", "--folder", tmp_path / "o")
    assert code == 2 and "is in use by process" in err


# --- what is not a dot product, and what is large


def with_vectors(project, **changed):
    """Let the run have left other vectors."""
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    with np.load(path) as file:
        held = dict(file)
    held.update({name: change(held.get(name)) for name, change in changed.items()})
    np.savez(path, **held)
    return held


@pytest.mark.parametrize("kind", KINDS)
def test_cosines_are_cosines_whatever_the_lengths(project, candgen, kind, tmp_path):
    lengths = np.random.default_rng(1).lognormal(sigma=1.5, size=(N_ITEMS, 1))
    held = with_vectors(
        project,
        similarity=lambda _: np.array("cosine"),
        item_vectors=lambda v: v * lengths.astype(np.float32),
    )
    generous = ("-s", "search_k=4000") if kind == "annoy" else ()
    asked = ("export", "asked/wals", "--folder", tmp_path / "o", "--kind", kind, *generous)
    assert candgen(*asked)[0] == 0
    found = taken_home.Exported(tmp_path / "o").for_user("u/2", 9, again=True)
    user, items = held["user_vectors"][2], held["item_vectors"]
    with np.errstate(invalid="ignore"):
        cosines = items @ user / np.linalg.norm(items, axis=1) / np.linalg.norm(user)
    cosines[~items.any(axis=1)] = -np.inf
    best = np.argsort(-cosines)[:9]
    assert [row.item for row in found] == (1000 + 7 * best).tolist()
    np.testing.assert_allclose([row.score for row in found], cosines[best], rtol=1e-4)


def test_what_nobody_has_is_not_popular_even_where_it_can_be_found(project, candgen, tmp_path):
    with_vectors(project, item_vectors=lambda v: np.where(v.any(axis=1, keepdims=True), v, 0.1))
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o")[0] == 0
    held = taken_home.Exported(tmp_path / "o")
    nobodys = 1000 + 7 * (N_ITEMS - 1)
    assert nobodys in {row.item for row in held.for_user("u/2", 999)}
    assert nobodys not in {row.item for row in held.popular(999)}


@pytest.mark.parametrize("place", [0, 100, -1, -40_000])
def test_of_a_large_file_both_ends_are_digested(tmp_path, place):
    path = tmp_path / "large"
    path.write_bytes(bytes(40 * 2**20))
    before = taken_home.digest_of(path)
    flip(path, place)
    assert taken_home.digest_of(path) != before


class Counted:
    """An index that counts how often it is asked."""

    def __init__(self, index):
        self.index, self.asked = index, 0

    def search(self, *arguments):
        self.asked += 1
        return self.index.search(*arguments)


def test_the_index_is_asked_and_what_it_lacks_is_made_up_for(candgen, tmp_path):
    settings = ("--kind", "faiss-ivf", "-s", "lists=10", "-s", "probes=1")
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o", *settings)[0] == 0
    held = taken_home.Exported(tmp_path / "o")
    counted = held.__dict__["_nearest"] = Counted(held._nearest)
    for k in range(1, 11):
        for user in range(N_USERS):
            assert len(held.for_user(f"u/{user}", k)) == k
    assert counted.asked == 10 * N_USERS
    held.for_user("u/0", 70)  # nearly everything: exact search is quicker
    assert counted.asked == 10 * N_USERS
