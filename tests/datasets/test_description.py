"""A dataset.json that is not what `write_dataset` writes is refused, by the field that is wrong."""

import json
import subprocess
import sys

import pandas as pd
import pyarrow.parquet as pq
import pytest

from candgen import files
from candgen.datasets import description
from candgen.datasets.dataset import open_dataset, write_dataset
from candgen.errors import DataError


def events(*pairs):
    return pd.DataFrame(pairs, columns=["user", "item"]).astype("int32")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    tables = {
        "interactions": events((0, 0), (1, 1), (1, 0)),
        "train": events((0, 0), (1, 1)),
        "test": events((1, 0)),
        "users": pd.DataFrame({"user": [0, 1], "user_id": [70, 90]}),
        "items": pd.DataFrame({"item": [0, 1], "item_id": ["a", "b"]}),
    }
    return write_dataset(tmp_path_factory.mktemp("whole"), tables, {"name": "small"}).folder


@pytest.fixture
def dataset(whole, tmp_path):
    for file in whole.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def told(folder):
    return files.read_json(folder / "dataset.json")


def without(held, *place):
    *above, last = place
    for name in above:
        held = held[name]
    del held[last]


def changed(value, *place):
    def change(held):
        for name in place[:-1]:
            held = held[name]
        held[place[-1]] = value

    return change


NESTED = "[" * 100_000 + "]" * 100_000
TEXTS = {
    "empty": ("", "cannot be read"),
    "not JSON": ("{'format': 1}", "cannot be read: Expecting property name"),
    "cut off": ('{"format": 1, "name": "sm', "cannot be read: Unterminated string"),
    "not UTF-8": (b"\xff\xfe{}", "cannot be read: 'utf-8' codec"),
    "a list": ("[1, 2]", r"an object with names is expected, got \[1, 2\]"),
    "a number": ("7", "an object with names is expected, got 7"),
    "NaN": ('{"format": NaN}', "holds the number NaN, expected a finite one"),
    "infinity": ('{"format": 1, "x": -Infinity}', "holds the number -Infinity"),
    "a huge number": ('{"format": 1e999}', "holds the number 1e999"),
    "a huge whole number": ('{"format": ' + "9" * 400 + "}", "holds the number 999"),
    "more digits than Python reads": ('{"format": ' + "9" * 9999 + "}", "holds the number 999"),
    "deep nesting": ('{"format": ' + NESTED + "}", "nested too deeply"),
    "a name twice": ('{"format": 1, "format": 1}', "holds the name 'format' twice"),
    "no format": ("{}", "has format None, this version reads 2"),
    "another format": ('{"format": [1]}', r"has format \[1\], this version reads 2"),
}


@pytest.mark.parametrize("damage", TEXTS)
def test_text_that_is_no_description_is_refused(dataset, damage):
    text, message = TEXTS[damage]
    (dataset / "dataset.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message) as refused:
        open_dataset(dataset)
    assert "dataset.json" in str(refused.value) and "Prepare the dataset again." in str(refused)


def test_a_description_that_is_too_large_is_refused_before_it_is_read(dataset):
    with open(dataset / "dataset.json", "r+b") as file:
        file.truncate(2**34)
    with pytest.raises(DataError, match=r"17,179,869,184 bytes, expected at most 16,777,216"):
        open_dataset(dataset)


FIELDS = {
    "no name": (lambda d: without(d, "name"), "it lacks name"),
    "a name that is no text": (changed(7, "name"), "name must be text, got 7"),
    "no tables": (lambda d: without(d, "tables"), "it lacks tables"),
    "a list of tables": (changed([], "tables"), r"tables must be a mapping, got \[\]"),
    "a table that is a list": (changed([], "tables", "train"), r"tables\['train'\] must be"),
    "no digest of a file": (
        lambda d: without(d, "tables", "train", "sha256"), r"it lacks tables\.train\.sha256",
    ),
    "a digest that is none": (changed("abc", "tables", "train", "sha256"), "must be text of the"),
    "a required table that is missing": (
        lambda d: without(d, "tables", "items"), "tables lacks 'items', which every dataset has",
    ),
    "a table outside": (
        lambda d: d["tables"].update({"../../victim": d["tables"]["train"]}),
        r"tables holds a name that is not allowed: '\.\./\.\./victim'",
    ),
    "a table at the root": (
        lambda d: d["tables"].update({"/etc/victim": d["tables"]["train"]}),
        "tables holds a name that is not allowed: '/etc/victim'",
    ),
    "a hidden table": (
        lambda d: d["tables"].update({".train": d["tables"]["train"]}), r"not allowed: '\.train'",
    ),
    "a count that is no number": (changed("2", "counts", "users"), r"counts\['users'\] must be"),
    "a count that is true": (changed(True, "counts", "users"), r"counts\['users'\] must be"),
    "a count below zero": (changed(-1, "counts", "items"), r"counts\['items'\] must be 0 or"),
    "counts that disagree": (
        changed(10**15, "counts", "users"), r"counts\.users is 1000000000000000, expected the 2",
    ),
    "rows that disagree": (
        changed(3, "tables", "train", "rows"), r"train\.parquet has 2 rows, dataset\.json says 3",
    ),
    "rows that are a fraction": (changed(2.0, "tables", "train", "rows"), "a whole number"),
    "warnings that are text": (changed("careful", "warnings"), "warnings must be a list"),
    "a split that is null": (changed(None, "split"), "split must be"),
    "a source that is text": (changed("the web", "source"), "source must be"),
}  # fmt: skip


@pytest.mark.parametrize("damage", FIELDS)
def test_a_field_that_is_wrong_is_named(dataset, damage):
    change, message = FIELDS[damage]
    held = told(dataset)
    change(held)
    (dataset / "dataset.json").write_text(json.dumps(held))
    with pytest.raises(DataError, match=message) as refused:
        open_dataset(dataset)
    assert len(str(refused.value)) < 700


def test_a_folder_instead_of_the_description_is_no_dataset(dataset):
    (dataset / "dataset.json").unlink()
    (dataset / "dataset.json").mkdir()
    with pytest.raises(DataError, match="is not a prepared dataset"):
        open_dataset(dataset)


def signed(folder, name, frame):
    """Put another table in place, and its digest into the description."""
    frame.to_parquet(folder / f"{name}.parquet")
    sign(folder, name, len(frame))


def sign(folder, name, rows):
    held = told(folder)
    digest = files.sha256_of(folder / f"{name}.parquet")
    held["tables"][name] |= {"rows": rows, "sha256": digest}
    files.write_json(folder / "dataset.json", held)


def test_a_file_that_is_no_parquet_is_refused_though_its_digest_is_right(dataset):
    (dataset / "train.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    sign(dataset, "train", 2)
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as Parquet"):
        open_dataset(dataset)


def test_pages_that_cannot_be_read_are_refused_when_the_table_is(dataset):
    path = dataset / "train.parquet"
    held, end = bytearray(path.read_bytes()), pq.read_metadata(path).serialized_size
    held[4 : len(held) - end - 8] = bytes(len(held) - end - 12)
    path.write_bytes(held)
    sign(dataset, "train", 2)
    with pytest.raises(DataError, match=r"train\.parquet cannot be read as Parquet"):
        open_dataset(dataset).table("train")


TABLES = {
    "an item outside": ("train", events((0, 0), (1, 7)), r"item ids from 0 to 7, expected 0 \.\."),
    "a user below zero": ("test", events((-1, 0)), "user ids from -1 to -1"),
    "ids that are fractions": ("test", events((1, 0)).astype(float), "user ids of type float64"),
    "ids that are text": ("test", events((1, 0)).astype(str), "ids of type"),
    "users in another order": (
        "users", pd.DataFrame({"user": [1, 0], "user_id": [70, 90]}), "ids 0 .. 1 in order",
    ),
    "an own id twice": (
        "users", pd.DataFrame({"user": [0, 1], "user_id": [70, 70]}), "row 2: user_id is empty or",
    ),
    "an own id that is missing": (
        "items", pd.DataFrame({"item": [0, 1], "item_id": ["a", None]}), "row 2: item_id is empty",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", TABLES)
def test_a_table_that_does_not_fit_is_refused_though_its_digest_is_right(dataset, damage):
    name, frame, message = TABLES[damage]
    signed(dataset, name, frame)
    with pytest.raises(DataError, match=message):
        open_dataset(dataset).table(name)


def test_times_that_are_none_are_named(dataset):
    signed(dataset, "interactions", events((0, 0)).assign(timestamp=[2**62]))
    with pytest.raises(DataError, match="timestamps of the interactions are no seconds since 1970"):
        _ = open_dataset(dataset).period


def test_a_digest_is_found_where_there_is_one(dataset, tmp_path):
    assert description.digest_of(dataset) == told(dataset)["digest"]
    assert set(description.digests_of_files(dataset)) == set(told(dataset)["tables"])
    (dataset / "dataset.json").write_text('{"digest": 7, "tables": {"../x": {"sha256": "a"}}}')
    assert description.digest_of(dataset) is None
    assert description.digests_of_files(dataset) is None


def test_a_sweep_reads_descriptions_without_loading_pandas(tmp_path):
    (tmp_path / "dataset.json").write_text('{"digest": "d1", "tables": {}}')
    asked = (
        "import sys; from pathlib import Path; from candgen.sweeps import fingerprints, run_sweep; "
        "print(fingerprints.dataset_digest(Path(sys.argv[1])), "
        "[m for m in ('pandas', 'pyarrow', 'scipy') if m in sys.modules])"
    )
    asked = [sys.executable, "-c", asked, str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True)
    assert done.stdout == "d1 []\n", done.stderr
