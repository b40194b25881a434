"""Saved indexes: what comes back, and each kind of damage refused by its own name."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from candgen.errors import DataError
from candgen.retrieval import indexes
from candgen.retrieval.indexes.digests import spread_digest, whole_digest
from tolerance import rounding

FILES = {"annoy": "index.annoy", "faiss-ivf": "index.faiss"}
rng = np.random.default_rng(5)
ITEMS, QUERIES = rng.normal(size=(300, 6)), rng.normal(size=(9, 6))
IDS = [f"film-{n}" for n in range(300)]


@pytest.fixture(params=["annoy", "faiss-ivf"])
def folder(request, tmp_path):
    """A saved index of a kind that has a file of its own."""
    indexes.build(request.param, ITEMS, "dot", ids=IDS).save(tmp_path / "index")
    return tmp_path / "index"


def index_file(folder):
    return next(folder / name for name in FILES.values() if (folder / name).exists())


def edit(folder, **changes):
    path = folder / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder, **asked):
    with pytest.raises(DataError) as caught:
        indexes.load(folder, **asked)
    return str(caught.value)


@pytest.mark.parametrize("kind", indexes.KINDS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_an_index_answers_the_same_after_a_round_trip(tmp_path, kind, similarity):
    built = indexes.build(kind, ITEMS, similarity, ids=IDS, seed=4)
    before = built.query(QUERIES, 12)
    built.save(tmp_path / "a")
    opened = indexes.load(
        tmp_path / "a", similarity=similarity, dim=6, item_vectors=ITEMS, ids=IDS, whole=True
    )
    assert (opened.kind, opened.seed, opened.settings) == (kind, 4, built.settings)
    assert opened.ids.tolist() == IDS
    for index in (opened, built):  # the one that was saved still serves, too
        after = index.query(QUERIES, 12)
        np.testing.assert_array_equal(after.items, before.items)
        atol = rounding(np.float32, 6 + 1, before.scores)  # six coordinates, and one added by some
        np.testing.assert_allclose(after.scores, before.scores, rtol=0, atol=atol)


def test_trees_in_bands_come_back_and_each_of_their_files_is_checked(tmp_path):
    built = indexes.build("annoy", ITEMS, "dot", ids=IDS, bands=2, parts=2, trees=3, search_k=40)
    before = built.query(QUERIES, 12)
    built.save(tmp_path)
    indexes.load(tmp_path, whole=True)
    np.testing.assert_array_equal(indexes.load(tmp_path).query(QUERIES, 12).items, before.items)
    held = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("order.npy", *(f"index{part}.annoy" for part in ("", "-2", "-3", "-4"))):
        (tmp_path / name).write_bytes(held[name][:-9] + b"something")
        assert f"{name} is not the file that index.json was written for" in refusal(tmp_path)
        (tmp_path / name).unlink()
        assert f"{name} is missing" in refusal(tmp_path)
        (tmp_path / name).write_bytes(held[name])
    described = json.loads(held["index.json"])["index"]
    del described["index-4.annoy"]
    edit(tmp_path, index=described)
    assert "does not describe index-4.annoy, which annoy needs" in refusal(tmp_path)


def test_a_folder_can_be_moved_and_an_index_saved_over_another(tmp_path, folder):
    other = indexes.build("exact", ITEMS[:50], "cosine")
    folder.rename(tmp_path / "moved")
    assert indexes.load(tmp_path / "moved").query(QUERIES, 3).items.shape == (9, 3)
    other.save(tmp_path / "moved")
    assert indexes.load(tmp_path / "moved").n_items == 50


def test_vectors_are_mapped_and_not_read(folder):
    assert isinstance(indexes.load(folder).vectors, np.memmap)


# --- the list that the house holds itself to: each kind of damage, and what is said of it alone


def swap_index(folder):
    """Put another index of the same kind, shape and settings in the place of this one."""
    kind = json.loads((folder / "index.json").read_text())["kind"]
    indexes.build(kind, ITEMS[::-1], "dot", ids=IDS).save(folder.parent / "other")
    held = index_file(folder.parent / "other").read_bytes()
    size = index_file(folder).stat().st_size
    index_file(folder).write_bytes(held.ljust(size, b"\0")[:size])


def save_nan(folder):
    held = np.load(folder / "vectors.npy")
    held[7, 2] = np.nan
    np.save(folder / "vectors.npy", held)


DAMAGE = {
    "no sidecar": (lambda f: (f / "index.json").unlink(), {}, "not a finished index"),
    "half a sidecar": (lambda f: os.truncate(f / "index.json", 70), {}, "cannot be read as JSON"),
    "a sidecar of a newer format": (lambda f: edit(f, format=4), {}, "has format 4"),
    "a kind nobody knows": (lambda f: edit(f, kind="tree"), {}, "names the kind 'tree'"),
    "settings of another kind": (lambda f: edit(f, settings={"a": 1}), {}, "settings of a"),
    "another library version": (
        lambda f: edit(f, package_version="0.1.2"), {}, "installed is 1",
    ),
    "another dimension": (lambda f: edit(f, dim=7), {}, "says dimension 7"),
    "another number of items": (lambda f: edit(f, n_items=301), {}, "says 301 items"),
    "another metric than asked for": (
        lambda f: None, {"similarity": "cosine"}, "built for similarity 'dot'",
    ),
    "another dimension than asked for": (lambda f: None, {"dim": 7}, "of dimension 6, asked for 7"),
    "a truncated index": (
        lambda f: os.truncate(index_file(f), 100), {}, "truncated: expected",
    ),
    "a swapped index": (swap_index, {}, "Was it swapped with another index's?"),
    "truncated vectors": (
        lambda f: os.truncate(f / "vectors.npy", 999), {}, "vectors.npy cannot be opened",
    ),
    "vectors with NaN": (save_nan, {}, "holds NaN or infinite numbers, first in vector 7"),
    "other vectors": (
        lambda f: np.save(f / "vectors.npy", ITEMS[::-1].astype(np.float32)), {},
        "older than these vectors",
    ),
    "an index older than its generator": (
        lambda f: None, {"item_vectors": ITEMS + 0.1}, "was trained since",
    ),
    "ids in another order": (lambda f: None, {"ids": IDS[::-1]}, "in another order"),
    "no vectors": (lambda f: (f / "vectors.npy").unlink(), {}, "is missing; index.json"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_kind_of_damage_is_refused_by_its_own_name(folder, damage):
    do, asked, message = DAMAGE[damage]
    do(folder)
    said = refusal(folder, **asked)
    assert message in said
    others = {name: phrase for name, (_, _, phrase) in DAMAGE.items() if name != damage}
    assert [name for name, phrase in others.items() if phrase in said] == []


# --- damage, one by one


def test_a_missing_sidecar(folder):
    (folder / "index.json").unlink()
    assert "is not a finished index: it has no index.json" in refusal(folder)
    assert "no such folder" in refusal(folder / "elsewhere")


def test_an_unreadable_sidecar(folder):
    path = folder / "index.json"
    path.write_text(path.read_text()[:70])
    assert "index.json cannot be read as JSON" in refusal(folder)
    path.write_text("[1]")
    assert "must hold one JSON object, got list" in refusal(folder)


def test_a_sidecar_that_lacks_a_key_or_has_a_wrong_type(folder):
    said = json.loads((folder / "index.json").read_text())
    edit(folder, dim="six")
    assert "dim must be int, got 'six'" in refusal(folder)
    edit(folder, dim=6, vectors={"size": 1})
    assert "vectors must have the keys size, spread and whole, got size" in refusal(folder)
    edit(folder, vectors=said["vectors"], index={index_file(folder).name: 3})
    assert "must have the keys size, spread and whole, got 3" in refusal(folder)
    said = json.loads((folder / "index.json").read_text())
    del said["similarity"]
    (folder / "index.json").write_text(json.dumps(said))
    assert "lacks the keys similarity" in refusal(folder)


def test_another_format(folder):
    edit(folder, format=99)
    assert "has format 99, this version of candgen reads 3" in refusal(folder)


def test_a_kind_that_does_not_exist(folder):
    edit(folder, kind="faiss-ivv")
    assert "names the kind 'faiss-ivv'" in refusal(folder) and "faiss-ivf" in refusal(folder)


def test_settings_of_another_kind(folder):
    edit(folder, settings={"leaves": 3})
    assert "settings of a" in refusal(folder) and "{'leaves': 3}" in refusal(folder)


def test_another_library_version(folder):
    edit(folder, package_version="0.1.2")
    message = refusal(folder)
    assert "was written by" in message and "0.1.2, installed is 1." in message


def test_a_library_that_is_not_installed(folder, monkeypatch):
    monkeypatch.setattr(indexes.folders, "package_version", lambda package: "")
    assert "is not installed. `pip install" in refusal(folder)


def test_a_truncated_index(folder):
    path = index_file(folder)
    size = path.stat().st_size
    os.truncate(path, size - 100)
    assert f"truncated: expected {size:,} bytes, found {size - 100:,}" in refusal(folder)


def test_a_missing_index_file(folder):
    index_file(folder).unlink()
    assert "is missing; index.json describes it" in refusal(folder)


def test_an_index_file_swapped_with_one_of_the_same_size(folder, tmp_path):
    kind = json.loads((folder / "index.json").read_text())["kind"]
    indexes.build(kind, ITEMS[::-1], "dot", ids=IDS).save(tmp_path / "other")
    path = index_file(folder)
    size = path.stat().st_size
    path.write_bytes(index_file(tmp_path / "other").read_bytes().ljust(size, b"\0")[:size])
    assert "is not the file that index.json was written for" in refusal(folder)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("annoy", "holds 200 items, its sidecar asks for 300"),
        ("faiss-ivf", "holds 200 vectors of 8 numbers, its sidecar asks for 300"),
    ],
)
def test_an_index_of_other_items_behind_a_sidecar_that_was_made_to_fit(tmp_path, kind, message):
    """Files that annoy itself opens without an error."""
    many, few = tmp_path / "many", tmp_path / "few"
    indexes.build(kind, ITEMS, "dot").save(many)
    indexes.build(kind, ITEMS[:200], "dot").save(few)
    edit(many, index=json.loads((few / "index.json").read_text())["index"])
    index_file(many).write_bytes(index_file(few).read_bytes())
    assert message in refusal(many)


def test_a_digest_tells_types_and_shapes_apart():
    held = np.arange(12, dtype=np.int64)
    others = (held.view(np.float64), held.view(np.uint64), held.reshape(3, 4), held.reshape(4, 3))
    said = {digest(a) for a in (held, *others) for digest in (spread_digest, whole_digest)}
    assert len(said) == 5  # and of a small array both digests are of all bytes


def test_vectors_that_were_exchanged(folder):
    np.save(folder / "vectors.npy", ITEMS[::-1].astype(np.float32))
    message = refusal(folder)
    assert "vectors.npy is not what the index was built from" in message
    assert "older than these vectors" in message


def test_truncated_vectors(folder):
    path = folder / "vectors.npy"
    os.truncate(path, path.stat().st_size - 8)
    assert "vectors.npy cannot be opened" in refusal(folder)


def test_missing_vectors(folder):
    (folder / "vectors.npy").unlink()
    assert "vectors.npy is missing" in refusal(folder)


def test_a_wrong_dimension_in_the_sidecar(folder):
    edit(folder, dim=7)
    assert "says dimension 7, found vectors of shape (300, 6)" in refusal(folder)


def test_a_wrong_number_of_items_in_the_sidecar(folder):
    edit(folder, n_items=301)
    assert "says 301 items, found 300 vectors" in refusal(folder)


def test_fewer_ids_than_items(folder, tmp_path):
    indexes.build("exact", ITEMS[:40], "dot", ids=IDS[:40]).save(tmp_path / "few")
    edit(folder, ids=json.loads((tmp_path / "few" / "index.json").read_text())["ids"])
    (folder / "ids.npy").write_bytes((tmp_path / "few" / "ids.npy").read_bytes())
    assert "expected an id for each of 300 items, found 40" in refusal(folder)


def test_another_metric_than_asked_for(folder):
    message = refusal(folder, similarity="cosine")
    assert "was built for similarity 'dot', asked for 'cosine'" in message


def test_another_dimension_than_asked_for(folder):
    assert "holds vectors of dimension 6, asked for 7" in refusal(folder, dim=7)


def test_an_index_older_than_the_generators_vectors(folder):
    message = refusal(folder, item_vectors=ITEMS + 1e-3)
    assert "built from other vectors than these" in message and "trained since" in message


def test_ids_that_are_others_or_fewer(folder):
    assert "300 items, and 299 ids were given" in refusal(folder, ids=IDS[1:])
    assert "other ids, or in another order" in refusal(folder, ids=IDS[::-1])


def test_a_byte_between_the_blocks_is_found_where_the_whole_is_digested(tmp_path):
    many = np.zeros((1_300_000, 8), dtype=np.float32)  # 41.6 MB, more than is read at a load
    indexes.build("exact", many, "dot").save(tmp_path)
    with open(tmp_path / "vectors.npy", "r+b") as file:
        file.seek(128 + 65_536 + 5)  # behind the first block
        file.write(b"\x01")
    indexes.load(tmp_path)
    assert "not what the index was built from" in refusal(tmp_path, whole=True)


def test_a_save_that_fails_leaves_the_index_of_before_or_none(tmp_path, monkeypatch):
    built = indexes.build("annoy", ITEMS, "dot")
    built.save(tmp_path / "saved")
    monkeypatch.setattr(built, "_write", lambda name, path: 1 / 0)
    for folder in ("saved", "new"):
        with pytest.raises(ZeroDivisionError):
            built.save(tmp_path / folder)
    assert indexes.load(tmp_path / "saved").kind == "annoy"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_an_index_killed_while_it_moved_into_place_is_taken_up_when_opened(tmp_path):
    indexes.build("exact", ITEMS, "dot").save(tmp_path)
    (tmp_path / ".candgen-new").mkdir()
    moving = ["index.json", "vectors.npy"]
    listed = {"files": [*moving, "ids.npy"]}
    (tmp_path / ".candgen-new" / ".files.json").write_text(json.dumps(listed))
    for name in moving:
        (tmp_path / name).rename(tmp_path / ".candgen-new" / name)
    assert indexes.load(tmp_path).n_items == len(ITEMS)


def test_an_index_is_not_saved_among_the_files_of_somebody_else(tmp_path):
    (tmp_path / "vectors.npy").write_text("mine")
    with pytest.raises(DataError, match="is not empty and no earlier index"):
        indexes.build("exact", ITEMS, "dot").save(tmp_path)
    assert (tmp_path / "vectors.npy").read_text() == "mine"


def test_libraries_are_imported_by_the_kind_that_needs_them():
    code = (
        "import sys; from candgen.retrieval import indexes; import numpy as np;"
        "indexes.build('exact', np.ones((3, 2)), 'dot').query(np.ones((1, 2)), 1);"
        "print({'faiss', 'annoy', 'tensorflow'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


FULL = """
import resource, sys
import numpy as np
from pathlib import Path
from candgen.retrieval import indexes
made = indexes.build(sys.argv[1], np.random.default_rng(5).normal(size=(300, 6)), "dot")
folder = Path(sys.argv[2])
made.save(folder)
files = [folder / "vectors.npy", *folder.glob("index.[af]*")]
for path in files:  # no file may become as long as this one is
    limit = path.stat().st_size - 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        made.save(folder)
    except OSError as error:
        print(Path(error.filename).name, error.strerror, [p.name for p in folder.glob("*.json")])
"""


@pytest.mark.parametrize("kind", ["annoy", "faiss-ivf"])
def test_a_disk_that_is_full_is_named_with_the_file_and_the_index_of_before_stays(tmp_path, kind):
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", FULL, kind, str(tmp_path)], capture_output=True, text=True
    )
    said = done.stdout.splitlines()
    left = "File too large ['index.json']"
    assert said == [f"{name} {left}" for name in ("vectors.npy", FILES[kind])], done
    assert indexes.load(tmp_path).kind == kind
    assert list(tmp_path.glob(".*")) == []
