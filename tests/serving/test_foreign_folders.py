"""A folder from elsewhere: its code is not run, and what its index answers is checked."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from candgen import files
from candgen.retrieval.indexes import reader_index
from candgen.retrieval.indexes.reader_index import Apart, IndexFault, checked_rows
from candgen.serving import reader
from candgen.serving.reader_files import digest_of


@pytest.fixture
def flat(candgen, tmp_path):
    assert (
        candgen("export", "asked/wals", "--folder", tmp_path / "o", "--kind", "faiss-flat")[0] == 0
    )
    return tmp_path / "o"


def test_code_in_the_folder_is_not_run(candgen, flat, tmp_path, monkeypatch):
    expected = candgen("candidates", flat, "--user", "u/1", "-k", 3)[1]
    touch = f"open({str(tmp_path / 'victim')!r}, 'w')\n"
    for name in ("reader", "reader_files", "reader_index", "reader_new_users", "faiss", "numpy"):
        for folder in (flat, flat / "index"):
            (folder / f"{name}.py").write_text(touch)
    monkeypatch.chdir(flat)
    monkeypatch.setenv("CANDGEN_HOME", str(tmp_path / "project"))
    (tmp_path / "new.json").write_text('{"history": [1021]}')
    assert candgen("candidates", flat, "--user", "u/1", "-k", 3)[1] == expected
    assert candgen("candidates", ".", "--features", tmp_path / "new.json", "-k", 3)[0] == 0
    assert not (tmp_path / "victim").exists()


def test_the_folder_says_that_its_reader_is_code_and_what_asks_without(flat):
    told = " ".join((flat / "README.md").read_text().split())
    assert "`reader.py` and the files beside it are code" in told
    assert "`candgen candidates FOLDER --user ID -k 10` asks the same and runs none of it" in told


def test_a_digest_vouches_for_the_folder_and_for_no_other(flat, monkeypatch):
    digest = files.sha256_of(flat / "export.json")
    apart = reader.Exported(flat)
    expected = apart.for_user("u/1", 3)
    assert isinstance(apart._nearest, Apart)
    trusted = reader.Exported(flat, digest=digest)
    assert trusted.for_user("u/1", 3) == expected
    assert isinstance(trusted._nearest, reader_index.FaissIndex)
    with pytest.raises(reader.ReaderError, match=r"export\.json is damaged: SHA-256 000000000000…"):
        reader.Exported(flat, digest="0" * 64)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([0, 80], r"rows 0 \.\. 80 of 80 items"),
        ([-2, 3], r"rows -2 \.\. 3 of 80"),
        ([2**40], "of 80 items"),
        ([3, 1, 3], "an item twice"),
        ([1.5], "answers float64"),
        ([[1, 2]], r"shape \(1, 2\)"),
        (["a"], "answers <U1"),
    ],
)
def test_an_answer_that_is_no_list_of_items_is_refused(found, message):
    with pytest.raises(IndexFault, match=message):
        checked_rows(found, 80)


def test_rows_come_in_order_without_those_that_are_missing():
    assert checked_rows([5, -1, 79, 0, -1], 80).tolist() == [0, 5, 79]
    assert checked_rows([], 80).tolist() == []


def test_an_index_that_answers_rows_out_of_range_is_named(flat, monkeypatch):
    held = reader.Exported(flat)
    monkeypatch.setattr(Apart, "search", lambda *_: np.array([3, 99]))
    with pytest.raises(
        reader.ReaderError, match=r"index cannot be searched: it answers rows 3 \.\."
    ):
        held.for_user("u/1", 3)


def sign(folder, name):
    about = files.read_json(folder / "export.json")
    path = folder / name
    about["files"][name] = {"size": path.stat().st_size, "digest": digest_of(path)}
    files.write_json(folder / "export.json", about)


@pytest.mark.parametrize("loops", [False, True])
def test_signed_trees_that_crash_or_loop_are_refused(candgen, tmp_path, loops):
    folder = tmp_path / "o"
    settings = ("--kind", "annoy", "-s", "trees=1")
    assert candgen("export", "asked/wals", "--folder", folder, *settings)[0] == 0
    path = folder / "index" / "index.annoy"
    nodes = np.fromfile(path, dtype=np.int32).reshape(-1, 12)
    splits = np.flatnonzero(nodes[:, 0] > 11)
    nodes[splits, 1:3] = splits[:, None] if loops else 2**30
    nodes.tofile(path)
    sign(folder, "index/index.annoy")
    code, out, err = candgen("candidates", folder, "--user", "u/1", "-k", 2)
    assert (code, out) == (2, "") and "annoy ended its process (" in err, err
    assert "an index of kind exact needs no library" in err


LISTED = {"size": 1, "digest": "a"}
SIGNED = {
    "a file outside": (lambda a: a["files"].update({"../x": LISTED}), "is outside"),
    "a file at the root": (lambda a: a["files"].update({"/etc/x": LISTED}), "'/etc"),
    "a file not listed": (lambda a: a["files"].pop("index/ids.npy"), "files lacks index/ids.npy"),
    "no files": (lambda a: a.update(files={}), "files lacks index/index.json"),
    "files as a list": (lambda a: a.update(files=[]), r"files is []"),
    "no dimension": (lambda a: a.update(dim=0), "dim is 0"),
    "true items": (lambda a: a.update(n_items=True), "n_items is True"),
    "half a user": (lambda a: a.update(n_users=30.5), "n_users is 30.5"),
    "another similarity": (lambda a: a.update(similarity="l2"), "similarity is 'l2'"),
    "a fold-in of text": (lambda a: a.update(fold_in={"regularization": "x"}), "fold_in is {"),
    "features as text": (lambda a: a.update(features="none"), "features is 'none'"),
}  # fmt: skip


@pytest.mark.parametrize("damage", SIGNED)
def test_a_description_that_no_export_writes_is_refused(candgen, home, damage):
    change, message = SIGNED[damage]
    about = json.loads((home / "export.json").read_text())
    change(about)
    (home / "export.json").write_text(json.dumps(about))
    code, out, err = candgen("candidates", home, "--user", "u/1")
    assert (code, out) == (2, "") and message in err, err


ARRAYS = {
    "histories from the end": ("seen_starts.npy", lambda a: a[::-1].copy(), "that rise from 0"),
    "a history that falls": (
        "seen_starts.npy", lambda a: np.r_[a[:3], 0, a[4:]], "that rise from 0",
    ),
    "an item that is none": ("seen_items.npy", lambda a: a + 80, "rows 0 .. 79 expected"),
    "users in no order": ("user_order.npy", lambda a: a[::-1].copy(), "order of the users' ids"),
    "an order too far": ("user_order.npy", lambda a: a + 1, "rows 0 .. 29 expected"),
    "an id twice": ("user_ids.npy", lambda a: np.full_like(a, a[0]), "the order of the users' ids"),
    "ids that are fractions": ("user_ids.npy", lambda a: np.arange(30.0), "an id for each of 30"),
    "users of another length": ("user_vectors.npy", lambda a: a[:, 1:], "shape (30, 7)"),
    "vectors of float64": ("user_vectors.npy", lambda a: a.astype(float), "the file has float64"),
    "vectors without end": ("index/vectors.npy", lambda a: a * np.inf, "are not finite"),
    "items that are numbers": ("known_items.npy", lambda a: a.astype(int), "the file has int64"),
}  # fmt: skip


@pytest.mark.parametrize("damage", ARRAYS)
def test_signed_arrays_that_do_not_fit_are_refused(candgen, home, damage):
    name, change, message = ARRAYS[damage]
    with np.errstate(invalid="ignore"):
        np.save(home / name, change(np.load(home / name)))
    sign(home, name)
    code, out, err = candgen("candidates", home, "--user", "u/1")
    assert (code, out) == (2, "") and message in err, err


@pytest.mark.parametrize("asked", [("--item", "1021"), ("--user", "u/1")])
def test_signed_vectors_too_long_to_be_multiplied_are_refused(candgen, home, asked):
    for name, factor in (("index/vectors.npy", 1e38), ("user_vectors.npy", 1e10)):
        np.save(home / name, np.load(home / name) * np.float32(factor))
        sign(home, name)
    code, out, err = candgen("candidates", home, *asked)
    assert (code, out) == (2, "") and "are not finite" in err, err


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}', '{"format": 1e999}', "[]"])
def test_descriptions_beyond_measure_are_refused(candgen, home, text):
    (home / "export.json").write_text(text)
    assert candgen("candidates", home, "--popular")[0] == 2
    os.truncate(home / "export.json", 2**34)
    assert "at most 16,777,216 bytes" in candgen("candidates", home, "--popular")[2]


def test_the_process_of_an_index_ends_when_its_time_is_over(tmp_path):
    (tmp_path / "index.faiss").write_bytes(b"x")
    code = (
        "import runpy, sys; held = runpy.run_path(sys.argv[1]); from pathlib import Path\n"
        "bounds = held['Bounds'](Path(sys.argv[2]), 'faiss-flat')\n"
        "held['Bounds'].renew.__globals__['_SECONDS'] = 0\n"
        "bounds.renew()\nwhile True: pass"
    )
    told = [sys.executable, "-c", code, reader_index.__file__, str(tmp_path)]
    done = subprocess.run(told, capture_output=True, timeout=300)
    assert done.returncode == -signal.SIGXCPU, done.stderr
