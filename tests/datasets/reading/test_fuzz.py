"""Damaged files end in two ways: read right, or refused by an error of ours.

CANDGEN_FUZZ sets the number of damaged files a reader (default: a few dozen, for the time of CI).
Where a file is read, the result is compared with a second reading, by Python's csv and json.
"""

import csv
import functools
import gzip
import io
import json
import math
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from candgen.datasets import given, movielens, tables
from damage import assert_survives


@pytest.fixture
def survives(tmp_path):
    return functools.partial(assert_survives, tmp_path)


# --- second readings


def cells_of(path, delimiter=","):
    text = path.read_bytes().decode(errors="replace").removeprefix("\ufeff")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [row for row in rows if row]


def assert_ids(found, cells):
    if pd.api.types.is_string_dtype(found):
        assert found.tolist() == list(cells)
    else:
        assert found.tolist() == [int(cell) for cell in cells]


def assert_times(found, cells, per=1):
    assert found.tolist() == [math.floor(Decimal(cell.strip()) / per) for cell in cells]


def right_events(path, found):
    head, *rows = cells_of(path / "a.csv")
    head = [name.strip() for name in head]
    columns = dict(zip(head, zip(*rows, strict=True), strict=True))
    events = found.interactions
    assert_ids(events["user"], columns["user"])
    assert_ids(events["item"], columns["item"])
    if "rating" in events:
        written = np.array([float(cell) for cell in columns["rating"]])
        np.testing.assert_allclose(events["rating"], written, rtol=1e-6)
    if "timestamp" in events:
        assert_times(events["timestamp"], columns["timestamp"])


# --- readers

EVENTS = (
    b"user,item,rating,timestamp\n1,10,4,1700000000\n1,20,3.5,1700000100\n"
    b"2,10,1,1700000200\n3,30,2,1700000300\n"
)
QUOTED = (
    b'user,item,note,timestamp\n"ann","x","a, ""b""\nc",1700000000\n'
    b'"bob","y z","",1700000100.25\n"cy","w","d",1700000200\n'
)
DATES = (
    b"user;item;timestamp\n007;a;2024-05-01T12:30:00.250Z\n"
    b"7;b;2024-05-01 12:30:00+02:00\n8;c;2024-05-02\n"
)


@pytest.mark.parametrize("whole", [EVENTS, QUOTED, EVENTS.replace(b"\n", b"\r\n")])
def test_tables_of_text(survives, whole):
    survives({"a.csv": whole}, lambda path: tables.read(path=str(path / "a.csv")), right_events)


@pytest.mark.parametrize(
    "settings",
    [
        {"delimiter": ";", "timestamp_unit": "iso"},
        {"delimiter": ";", "timestamp_unit": "iso", "encoding": "latin-1", "escape": "\\"},
        {"delimiter": ";", "timestamp_unit": "iso", "quote": "", "encoding": "utf-16"},
        {"delimiter": ";", "column_names": ["user", "item", "t"], "skip_lines": 1, "quote": "'"},
    ],
)
def test_tables_of_dates_and_other_formats(survives, settings):
    whole = DATES.decode().encode(settings.get("encoding", "utf-8"))
    survives({"a.csv": whole}, lambda path: tables.read(path=str(path / "a.csv"), **settings))


def test_tables_of_features(survives):
    items = (
        b'item,Title,genres,price,made\n10,"A, ""B""",War|Drama,3,2020-01-01\n'
        b"20,1984,,3.5,\n30,,Comedy,NA,x\n"
    )

    def right(path, found):
        head, *rows = cells_of(path / "items.csv")
        columns = dict(zip([n.strip() for n in head], zip(*rows, strict=True), strict=True))
        titles = next((held for name, held in columns.items() if name.lower() == "title"), ())
        blank = [None if not cell.strip() else cell for cell in titles]
        if "title" in found.items:
            assert (
                found.items["title"]
                .astype(object)
                .where(found.items["title"].notna(), None)
                .tolist()
                == blank
            )
        if pd.api.types.is_numeric_dtype(found.items.get("price")):
            numbers = [
                float(c) if c.strip() not in ("", "NA", "NaN", "null") else np.nan
                for c in columns["price"]
            ]
            np.testing.assert_allclose(found.items["price"], numbers)

    def read(path):
        (path / "a.csv").write_bytes(EVENTS)
        return tables.read(path=str(path / "a.csv"), items_path=str(path / "items.csv"))

    survives({"items.csv": items}, read, right)


@pytest.mark.parametrize("compression", ["NONE", "zstd"])
def test_tables_of_parquet(survives, compression):
    frame = pd.read_csv(io.BytesIO(QUOTED))
    held = io.BytesIO()
    frame.assign(rating=[1.5, 2, 3]).to_parquet(held, compression=compression)
    survives({"a.parquet": held.getvalue()}, lambda path: tables.read(path=str(path / "a.parquet")))


def test_tables_of_json_lines(survives):
    rows = pd.read_csv(io.BytesIO(QUOTED)).to_dict("records")
    whole = "".join(
        json.dumps(row, ensure_ascii=n == 0) + "\n" for n, row in enumerate(rows)
    ).encode()

    def right(path, found):
        lines = (path / "a.jsonl").read_bytes().decode().removeprefix("\ufeff")
        made = [json.loads(line) for line in io.StringIO(lines, newline="") if line.strip()]
        for name in ("user", "item"):
            assert found.interactions[name].tolist() == [row[name] for row in made]

    survives({"a.jsonl": whole}, lambda path: tables.read(path=str(path / "a.jsonl")), right)


def packed(name, whole):
    if name.endswith(".gz"):
        return gzip.compress(whole, mtime=0)
    if name.endswith(".zst"):
        return pa.compress(whole, codec="zstd", asbytes=True)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", whole)
    return held.getvalue()


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.csv.zip"])
def test_compressed_tables(survives, name):
    whole = packed(name, EVENTS + b"4,10,5,1700000400\n" * 50)

    survives({name: whole}, lambda path: tables.read(path=str(path / name)))


@pytest.mark.parametrize(
    ("layout", "train"),
    [
        ("adjacency", b"1 10 20\n2 10\n3 30 40 50\n"),
        ("pairs", b"1 10\n1 20\n2 10\n3 30\n"),
        ("triples", b"1,10,4\n1,20,3.5\n2,10,1\n"),
    ],
)
def test_given_files(survives, layout, train):
    delimiter = "," if layout == "triples" else ""

    def read(path):
        names = {"train_path": str(path / "a.txt"), "test_path": str(path / "b.txt")}
        return given.read(layout=layout, delimiter=delimiter, **names)

    def right(path, found):
        for name, part in (("a.txt", "train"), ("b.txt", "test")):
            text = (path / name).read_bytes().decode().removeprefix("\ufeff")
            if delimiter:
                rows = [[c.strip() for c in row] for row in cells_of(path / name)]
                rows = [row for row in rows if row != [""]]
            else:
                rows = [line.split() for line in io.StringIO(text, newline="") if line.split()]
            pairs = [(r[0], i) for r in rows for i in (r[1:2] if layout == "triples" else r[1:])]
            assert_ids(found.parts[part]["user"], [u for u, _ in pairs])
            assert_ids(found.parts[part]["item"], [i for _, i in pairs])

    test = train.replace(b"10", b"60")
    survives({"a.txt": train, "b.txt": test}, read, right)


RATINGS = b"1::10::4::978300760\n1::20::3::978302109\n2::10::1::978301968\n"
MOVIELENS = {
    "csv": {
        "ratings.csv": b"userId,movieId,rating,timestamp\n1,10,4.0,964982703\n2,20,0.5,96\n",
        "movies.csv": b'movieId,title,genres\n10,"Toy, The (1995)",Comedy|War\n20,X,(none)\n',
    },
    "1m": {
        "ratings.dat": RATINGS,
        "movies.dat": "10::Misérables (1995)::Drama|War\n20::Y::War\n".encode("latin-1"),
        "users.dat": b"1::F::1::10::48067\n2::M::56::16::70072\n",
    },
    "100k": {
        "u.data": RATINGS.replace(b"::", b"\t"),
        "u.item": b"10|Toy (1995)|01-Jan-1995||http://x|0|1" + b"|0" * 17 + b"\n"
        b"20|Y|01-Jan-1995||http://x" + b"|0" * 19 + b"\n",
        "u.user": b"1|24|M|technician|85711\n2|53|F|other|94043\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("family", MOVIELENS)
def test_folders_of_movielens(survives, family):
    survives(MOVIELENS[family], lambda path: movielens.read(path=str(path)))


def test_zips_of_movielens(survives):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, whole in MOVIELENS["csv"].items():
            archive.writestr(f"ml-tiny/{name}", whole)
    survives({"ml.zip": held.getvalue()}, lambda path: movielens.read(path=str(path / "ml.zip")))
