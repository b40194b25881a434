"""Compressed files, Parquet, JSON lines, and checks before the start."""

import gzip
import io
import re
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candgen.datasets import preparation
from candgen.errors import DataError

EVENTS = "user,item,timestamp\n1,a,100\n2,b,200\n3,c,300\n"


def parquet(**columns):
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


def packed(kind, whole):
    if kind == "gzip":
        return gzip.compress(whole)
    if kind == "zstd":
        return pa.compress(whole, codec="zstd", asbytes=True)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("made/a.csv", whole)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
@pytest.mark.parametrize("name", ["a.csv.packed", "a.csv"])
def test_compressed_files_are_known_by_their_content(read, refused, kind, name):
    whole = packed(kind, EVENTS.encode())
    for settings in ({}, {"compression": kind}):
        found = read(whole, name=name, **settings).interactions
        assert found["timestamp"].tolist() == [100, 200, 300]
    assert "line 1" in refused(whole, name=name, compression="none") or kind == "zip"
    assert re.search(r"is (not a complete|neither)", refused(EVENTS, compression=kind))
    broken = packed(kind, EVENTS.encode().replace(b"200", b"x"))
    assert "line 3: timestamp is 'x'" in refused(broken, name=name)


def test_a_zip_of_two_files_lists_them(refused):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", EVENTS)
        archive.writestr("b.csv", EVENTS)
    assert "must hold one file, it holds a.csv, b.csv" in refused(held.getvalue(), name="a.zip")


def test_json_lines_are_read_and_named_by_line(read, refused):
    lines = (
        '{"user": "007", "item": 1, "timestamp": 5}\n\n{"item": 2, "user": "é", "timestamp": 6}\n'
    )
    events = read(lines, name="a.jsonl").interactions
    assert events["user"].tolist() == ["007", "é"]
    assert (events["item"].tolist(), events["timestamp"].tolist()) == ([1, 2], [5, 6])
    assert read(gzip.compress(lines.encode()), name="a.jsonl.gz").interactions.equals(events)
    assert read(lines, name="a.txt", file_type="jsonl").interactions.equals(events)
    assert read("# made\n" + lines, name="a.jsonl", skip_lines=1).interactions.equals(events)
    said = refused(lines + '{"user": "x", "item": "two", "timestamp": 7}\n', name="a.jsonl")
    assert "line 4: item is 'two', which does not go with the rows before it" in said
    said = refused(lines + '{"user": "x" "item": 2}\n', name="a.jsonl")
    assert "line 4, character 14: no JSON object" in said
    assert "line 4: user is missing" in refused(
        lines + '{"item": 4, "timestamp": 1}\n', name="a.jsonl"
    )
    assert "line 1: expected a JSON object, got [1]" in refused("[1]\n", name="a.jsonl")
    said = refused('{"user": 1, "user": 2, "item": 3}\n', name="a.jsonl")
    assert "line 1: no JSON object that can be read (a key occurs twice)" in said


def test_a_parquet_is_known_by_its_content(read):
    whole = parquet(user=[1], item=[2])
    assert len(read(whole, name="a.bin").interactions) == 1
    assert len(read(gzip.compress(whole), name="a.parquet.gz").interactions) == 1


def test_a_parquet_with_two_columns_of_one_name_is_refused(read):
    table = pa.Table.from_arrays([pa.array([1])] * 3, names=["user", "item", "item"])
    held = io.BytesIO()
    pq.write_table(table, held)
    with pytest.raises(DataError, match="two columns are called 'item'"):
        read(held.getvalue(), name="a.parquet")


def test_the_inputs_of_a_dataset_are_checked_by_their_first_rows(tmp_path):
    rows = "".join(f"{n},{n},{n}\n" for n in range(500))
    (tmp_path / "a.csv").write_text("user,item,timestamp\n" + rows + "oops\n")
    settings = {"source": "table", "path": "a.csv"}
    preparation.check_inputs(relative_to=tmp_path, **settings)
    preparation.check_inputs(source="world")
    for wrong, said in (
        ({"user_column": "customer"}, "no column 'customer'"),
        ({"timestamp_unit": "iso"}, "line 2: timestamp is '0', expected a date"),
        ({"items_path": "none.csv"}, "no file .*none.csv"),
        ({"leave_out": ["x"]}, "leave_out names 'x'"),
    ):
        with pytest.raises(DataError, match=said):
            preparation.check_inputs(relative_to=tmp_path, **settings, **wrong)
