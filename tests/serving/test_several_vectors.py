"""Folders with several vectors a user: each is searched, and an item's best score counts."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from candgen import files
from candgen.serving import reader, reader_files

KINDS = ("exact", "annoy", "faiss-flat", "faiss-ivf", "faiss-hnsw", "faiss-pq")


@pytest.fixture(params=["dot", "cosine"])
def several(request, project, fitted):
    """Give each user of the run three vectors: the own one, that of the next user, and noise."""
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    with np.load(path) as file:
        held = dict(file)
    own = held["user_vectors"]
    noise = np.random.default_rng(0).normal(scale=own.std(), size=own.shape).astype(np.float32)
    held |= {
        "user_vectors": np.stack([own, np.roll(own, 1, axis=0), noise], axis=1),
        "similarity": np.array(request.param),
    }
    np.savez(path, **held)
    return held, fitted[1]


def expected(held, data, user, k):
    """Return rows and scores by NumPy alone: the largest product, or cosine, of three."""
    queries, items = (held[name].astype(float) for name in ("user_vectors", "item_vectors"))
    if held["similarity"] == "cosine":
        queries, items = (
            v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
            for v in (queries, items)
        )
    scores = (items @ queries[user].T).max(axis=1)
    scores[data.history_matrix[[user]].indices] = -np.inf
    scores[~held["item_vectors"].any(axis=1)] = -np.inf
    return np.argsort(-scores, kind="stable")[:k], scores


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_gets_the_items_nearest_to_any_of_the_vectors(several, candgen, kind, tmp_path):
    held, data = several
    assert candgen("export", "asked/wals", "--folder", tmp_path / "out", "--kind", kind)[0] == 0
    about = files.read_json(tmp_path / "out" / "export.json")
    assert (about["format"], about["vectors_per_user"]) == (reader_files.SEVERAL, 3)
    for user in (5, 6):
        best, scores = expected(held, data, user, 6)
        code, out, err = candgen(
            "candidates", tmp_path / "out", "--user", f"u/{user}", "-k", 6, "--json"
        )
        assert code == 0, err
        found = json.loads(out)
        assert [row["title"] for row in found] == [f"Film <{n}>" for n in best]
        np.testing.assert_allclose([r["score"] for r in found], scores[best], rtol=1e-4, atol=1e-6)


def test_the_copied_reader_answers_where_candgen_is_not(several, candgen, project, tmp_path):
    held, data = several
    assert candgen("export", "asked/wals", "--folder", tmp_path / "out")[0] == 0
    moved = tmp_path / "moved"
    os.rename(tmp_path / "out", moved)
    asked = [str(moved / "reader.py"), "--user", "u/5", "-k", "4", "--json"]
    code = "import runpy, sys; sys.modules['candgen'] = None; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    best, _ = expected(held, data, 5, 4)
    assert [row["title"] for row in json.loads(done.stdout)] == [f"Film <{n}>" for n in best]


def test_an_index_answers_as_the_reader_does(several, candgen, tmp_path):
    from candgen.retrieval import indexes

    held, data = several
    candgen("export", "asked/wals", "--folder", tmp_path / "out", "--kind", "faiss-flat")
    index = indexes.load(tmp_path / "out" / "index")
    rows = index.query(held["user_vectors"][[5]], 6, exclude=data.history_matrix[[5]]).items[0]
    exactly = index.query_exactly(
        held["user_vectors"][[5]], 6, exclude=data.history_matrix[[5]],
        allowed=held["item_vectors"].any(axis=1),
    )  # fmt: skip
    assert exactly.items[0].tolist() == rows.tolist()
    answered = reader.Exported(tmp_path / "out").for_user("u/5", 6)
    assert index.ids[rows].tolist() == [row.item for row in answered]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.update(vectors_per_user=0), "vectors_per_user is 0"),
        (lambda about: about.update(vectors_per_user=True), "vectors_per_user is True"),
        (lambda about: about.update(vectors_per_user=2), r"\(30, 2, 8\)"),
        (lambda about: about.pop("vectors_per_user"), "lacks vectors_per_user"),
        (lambda about: about.update(format=2), r"\(30, 8\)"),
    ],
)
def test_a_wrong_number_of_vectors_is_refused(several, candgen, tmp_path, change, message):
    candgen("export", "asked/wals", "--folder", tmp_path / "out")
    about = files.read_json(tmp_path / "out" / "export.json")
    change(about)
    files.write_json(tmp_path / "out" / "export.json", about)
    with pytest.raises(reader.ReaderError, match=message):
        reader.Exported(tmp_path / "out")


def test_users_without_any_vector_are_refused_before_the_export(several, project, candgen):
    path = project / "outputs" / "asked" / "wals" / "vectors.npz"
    held = several[0] | {"user_vectors": several[0]["user_vectors"][:, :0]}
    np.savez(path, **held)
    code, _, err = candgen("export", "asked/wals")
    assert code == 2 and "user_vectors are float32 of shape (30, 0, 8)" in err


def test_queries_of_another_shape_are_refused(several, candgen, tmp_path):
    candgen("export", "asked/wals", "--folder", tmp_path / "out")
    opened = reader.Exported(tmp_path / "out")
    for wrong in (np.ones(7), np.ones((2, 7)), np.ones((0, 8)), np.ones((1, 2, 8)), np.float32(1)):
        with pytest.raises(reader.ReaderError, match="A query of 8 finite numbers expected"):
            opened.for_vector(wrong, 3)
    one, same = opened.for_vector(np.ones(8), 3), opened.for_vector(np.ones((2, 8)), 3)
    assert one == same
