"""A run exported: whole or not at all, from a run that is whole, to a place that is free."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from candgen import files
from candgen.datasets.dataset import write_dataset
from candgen.session import run_files


def test_nothing_in_the_folder_names_where_it_was_made(project, home):
    for path in home.rglob("*"):
        if path.is_file():
            assert str(project).encode() not in path.read_bytes(), path


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
    assert (
        f"its state is {state!r}, so its results may be incomplete"
        in candgen("export", "asked/wals")[2]
    )
    files.write_json(folder / "status.json", {"state": "done"})
    (folder / "metrics.json").unlink()
    assert "is not finished: it has no metrics.json" in candgen("export", "asked/wals")[2]


def put(held, name, change):
    held[name] = change(held[name])


def with_last(vectors, value):
    made = vectors.astype(np.float64)
    made[-1, -1] = value
    return made


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda held: held.pop("users"), "lacks users"),
        (lambda held: put(held, "users", lambda u: u[1:]), "80 items and 29 users with 30 vectors"),
        (lambda held: put(held, "users", lambda u: u - 1), "user -1 is none of them"),
        (lambda held: put(held, "users", lambda u: u + 2), "user 31 is none of them"),
        (lambda held: put(held, "users", lambda u: u // 2), "holds user 0 2 times"),
        (lambda held: put(held, "users", lambda u: u.astype(float)), "users are float64 of shape"),
        (lambda held: put(held, "users", lambda u: u[:, None]), "expected a list of whole numbers"),
        (lambda held: put(held, "users", lambda u: u.astype(str)), "users are <U"),
        (lambda held: put(held, "item_vectors", lambda v: v[1:]), "holds 79 items"),
        (
            lambda held: put(held, "item_vectors", lambda v: v * np.nan),
            "80 of item_vectors hold NaN",
        ),
        (lambda held: put(held, "item_vectors", lambda v: v[:, 1:]), "user_vectors are float32 of"),
        (
            lambda held: put(held, "item_vectors", lambda v: v[0]),
            "item_vectors are float32 of shape (8,)",
        ),
        (lambda held: put(held, "item_vectors", lambda v: v.astype(int)), "item_vectors are int64"),
        (lambda held: put(held, "user_vectors", lambda v: v.astype(str)), "user_vectors are <U"),
        (
            lambda held: put(held, "user_vectors", lambda v: with_last(v, np.inf)),
            "1 of user_vectors hold NaN, or infinite numbers in 32 bits, the first in row 29",
        ),
        (
            lambda held: put(held, "user_vectors", lambda v: with_last(v, 1e39)),
            "the first in row 29",
        ),
        (
            lambda held: held.update(similarity=np.array("l2")),
            "similarity is 'l2', expected dot or",
        ),
        (lambda held: held.update(similarity=np.array(["dot"])), "expected dot or cosine"),
    ],
)
def test_vectors_of_another_form_are_refused(project, candgen, damage, message):
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    with np.load(path) as file:
        held = dict(file)
    damage(held)
    np.savez(path, **held)
    code, _, err = candgen("export", "asked/wals")
    assert (code, "Run the page again." in err) == (2, True) and message in err, err
    assert not (project / "outputs" / "exports" / "wals").exists()


@pytest.mark.parametrize("damage", ["text", "half", "a bit", "nothing", "pickled"])
def test_a_file_of_vectors_that_cannot_be_read_is_refused(project, candgen, damage):
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    held = path.read_bytes()
    if damage == "pickled":
        np.savez(path, users=np.array([None, {}], dtype=object))
    else:
        middle = bytes([held[900] ^ 1])
        left = {"text": b"users", "half": held[: len(held) // 2], "nothing": b""}
        path.write_bytes(left.get(damage, held[:900] + middle + held[901:]))
    code, _, err = candgen("export", "asked/wals")
    assert code == 2 and "vectors.npz cannot be opened" in err, err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("{", "metrics.json cannot be read"),
        ("[]", "an object with names is expected"),
        ('{"generators": {}}', "generators must be a list"),
        ('{"generators": [{"generator": 7}]}', "must be text, got 7"),
        ('{"generators": [], "dataset": []}', "dataset must be"),
        ('{"generators": [], "dataset": {"folder": 7}}', "must be text, got 7"),
    ],
)
def test_a_record_that_is_damaged_is_named(project, candgen, damage, message):
    path = project / "outputs" / "asked" / "wals" / "metrics.json"
    path.write_text(damage)
    code, _, err = candgen("export", "asked/wals")
    assert code == 2 and message in err and "metrics.json" in err, err


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
from candgen.serving import export


def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(*((export, "{where}") if "." not in "{where}" else (export.os, "replace")), die)
export.export("asked/wals", sys.argv[1], kind="faiss-flat")
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


def test_an_export_killed_while_it_moves_into_place_is_taken_up(candgen, tmp_path):
    assert candgen("export", "asked/wals", "--folder", tmp_path / "o")[0] == 0
    asked = ("candidates", tmp_path / "o", "--user", "u/1", "--json")
    before = candgen(*asked)
    (tmp_path / "o" / ".candgen-new").mkdir()
    moving = ["export.json", "user_ids.npy"]
    files.write_json(tmp_path / "o" / ".candgen-new" / ".files.json", {"files": moving})
    for name in moving:
        os.rename(tmp_path / "o" / name, tmp_path / "o" / ".candgen-new" / name)
    assert candgen(*asked) == before
    assert not (tmp_path / "o" / ".candgen-new").exists()


def test_two_exports_to_one_folder_do_not_mix(project, candgen, tmp_path):
    from candgen import locks

    with locks.locked(project / "outputs" / "exports" / ".o.lock"):
        code, _, err = candgen("export", "asked/wals", "--folder", tmp_path / "o")
    assert code == 2 and "is in use by process" in err


def test_ids_of_any_kind_are_the_users_own(tmp_path, project, candgen):
    """Items by text, users by whole numbers in no order; both are asked for as they came."""
    train = pd.DataFrame({"user": [0, 1, 2], "item": [2, 0, 1]})
    tables = {
        "interactions": train, "train": train, "test": train.head(1),
        "users": pd.DataFrame({"user": range(3), "user_id": [70, -5, 9_000_000_000]}),
        "items": pd.DataFrame({"item": range(4), "item_id": ["zöe/1", "b", "a longer one", "10"]}),
    }  # fmt: skip
    data = write_dataset(tmp_path / "odd", tables, {"name": "odd"})
    run = project / "outputs" / "asked" / "odd"
    run.mkdir()
    held = {"users": np.arange(3), "user_vectors": np.eye(3, dtype=np.float32)}
    items = np.array([[3, 0, 1], [2, 3, 0], [1, 2, 3], [0.5, 1, 2]], dtype=np.float32)
    np.savez(run / "vectors.npz", **held, item_vectors=items, similarity=np.array("dot"))
    described = {"name": "odd", "digest": data.digest, "folder": str(data.folder)}
    files.write_json(run / "metrics.json", {"dataset": described, "generators": []})
    folder = candgen("export", "asked/odd")[1].strip()
    found = {
        user: [row["item"] for row in json.loads(out)]
        for user in (70, -5, 9_000_000_000)
        for _, out, _ in [candgen("candidates", folder, "--user", user, "--json")]
    }
    assert found == {
        70: ["zöe/1", "b", "10"],
        -5: ["b", "a longer one", "10"],
        9_000_000_000: ["a longer one", "10", "zöe/1"],
    }
    assert (
        json.loads(candgen("candidates", folder, "--item", "10", "-k", 1, "--json")[1])[0]["item"]
        == "a longer one"
    )
    assert "no user '7' among the 3 users" in candgen("candidates", folder, "--user", 7)[2]
    assert "no item 'a longer one!'" in candgen("candidates", folder, "--item", "a longer one!")[2]


def test_a_run_whose_files_were_damaged_since_is_not_exported(project, candgen):
    folder = project / "outputs" / "asked" / "wals"
    told = {"state": "done", "fingerprint": None, "files": run_files.describe(folder)}
    files.write_json(folder / "status.json", told)
    assert candgen("export", "asked/wals")[0] == 0
    for name in ("metrics.json", "vectors.npz"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1] + b" ")
        code, _, said = candgen("export", "asked/wals")
        assert code == 2 and f"{name} is damaged. Run it again before exporting" in said
        (folder / name).write_bytes(whole)
