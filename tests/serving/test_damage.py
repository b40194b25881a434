"""A folder that is not what it was: each kind of damage is refused by its own name."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from candgen.serving.reader_files import digest_of


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
        "has format 9, this reader reads 2 and 3: a newer candgen wrote it",
    ),
    "an older format": (
        lambda f: says(f / "export.json", format=1),
        "has format 1, this reader reads 2 and 3. Use the reader.py in the folder",
    ),
    "a description that lacks a key": (
        lambda f: (f / "export.json").write_text('{"format": 2, "dim": 8, "features": {}}'),
        "lacks files, fold_in, n_items, n_users, similarity",
    ),
    "another number of items": (
        lambda f: says(f / "export.json", n_items=81),
        "n_items is 80, export.json says 81",
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
    for name in ("reader_index.py", "reader_new_users.py"):
        (home / name).unlink()
    (tmp_path / "new.json").write_text('{"history": [1000]}')
    asked = [sys.executable, "reader.py", "--features", tmp_path / "new.json"]
    done = subprocess.run(asked, cwd=home, capture_output=True, text=True)
    assert done.returncode == 2 and "reader_new_users.py is missing" in done.stderr


def test_a_folder_that_nobody_may_write_to_answers_all_the_same(candgen, home):
    for path in [home, *home.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert candgen("candidates", home, "--user", "u/3", "-k", 2)[0] == 0
    finally:
        for path in [home, home / "index"]:
            path.chmod(0o755)


@pytest.mark.parametrize("place", [0, 100, -1, -40_000])
def test_of_a_large_file_both_ends_are_digested(tmp_path, place):
    path = tmp_path / "large"
    path.write_bytes(bytes(40 * 2**20))
    before = digest_of(path)
    flip(path, place)
    assert digest_of(path) != before
