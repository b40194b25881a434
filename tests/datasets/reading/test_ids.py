"""Ids: text that looks like a number stays text."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candgen.errors import DataError


def parquet(**columns):
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


@pytest.mark.parametrize(
    "ids",
    [
        ["007", "7", "08", "9"],
        ["7", "007", "08", "9"],
        ["9", "7", "08", "+7"],
        ["7", "007", "x"],
        ["0100000018", "0200000025"],
        ["1.0", "1"],
        ["1", "1.50"],
        ["12345678901234567890", "1"],
        ["1", "99999999999999999999"],
        ["-0", "0"],
        ["b8", "7"],
        [" 7", "7"],
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_ids_that_are_not_whole_numbers_as_written_are_text(read, ids, typed):
    if typed:
        events = read(parquet(user=ids, item=ids), name="a.parquet").interactions
    else:
        events = read("user,item\n" + "".join(f"{i},{i}\n" for i in ids)).interactions
    assert events["user"].tolist() == events["item"].tolist() == ids


def test_ids_of_integers_stay_integers(read):
    assert read("user,item\n7,0\n10,3\n").interactions["user"].tolist() == [7, 10]
    whole = parquet(user=["7"], item=pa.array([1.0]))
    events = read(whole, name="a.parquet").interactions
    assert (events["user"].tolist(), events["item"].tolist()) == (["7"], [1])


def test_ids_of_any_type_can_be_kept_as_text(read):
    whole = parquet(user=[7, 10], item=pa.array([1.0, 2.0]))
    events = read(whole, name="a.parquet", id_type="text").interactions
    assert (events["user"].tolist(), events["item"].tolist()) == (["7", "10"], ["1", "2"])
    events = read("user,item\n7,1.0\n", id_type="text").interactions
    assert (events["user"].tolist(), events["item"].tolist()) == (["7"], ["1.0"])


def test_ids_are_text_everywhere_if_one_table_says_so(read):
    source = read("user,item\n1,7\n2,8\n", items="item,title\n7,A\n08,B\n8,C\n")
    assert source.interactions["item"].tolist() == ["7", "8"]
    assert source.items["item_id"].tolist() == ["7", "08", "8"]
    source = read("user,item\n1,07\n2,8\n", items="item,title\n8,C\n")
    assert source.items["item_id"].tolist() == ["8"]


def test_text_of_a_parquet_stays_text_whatever_it_looks_like(read):
    events = read(parquet(user=["7", "b8"], item=["1", "2"]), name="a.parquet").interactions
    assert (events["user"].tolist(), events["item"].tolist()) == (["7", "b8"], ["1", "2"])


def test_a_header_in_the_middle_is_named(refused):
    assert "line 3: user is 'user', expected a whole number" in refused(
        "user,item\n1,2\nuser,item\n"
    )


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (pa.array([1.5, 2.0]), r"row 1: user is 1.5, expected a whole number or text"),
        (pa.array([[1], [2]]), r"user holds values of type list<.*expected whole numbers or text"),
        (pa.array([{"a": 1}, {"a": 2}]), r"user holds values of type struct<"),
        (pa.array([True, False]), r"user holds values of type bool"),
        (pa.array([1, 2**63], pa.uint64()), r"row 2: user is 9.22\d*e\+18, beyond 64-bit"),
        (pa.array([b"a", b"\xff"]), r"user holds bytes that are no UTF-8"),
        (pa.array([1, None]), r"row 2: user is missing"),
        (pa.array(["a", "  "]), r"row 2: user is missing"),
    ],
)
def test_ids_of_other_types_are_refused(read, ids, said):
    with pytest.raises(DataError, match=rf"a\.parquet[,:] {said}"):
        read(parquet(user=ids, item=[1, 2]), name="a.parquet")


def test_text_of_a_parquet_that_is_no_utf_8_is_refused(read):
    places = np.array([0, 1], np.int32)
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(places), pa.py_buffer(b"\xff")]
    )
    with pytest.raises(DataError, match=r"not a readable Parquet file: .*UTF8"):
        read(parquet(user=broken, item=[1]), name="a.parquet")


def test_dictionaries_decimals_and_bytes_are_ids(read):
    users = pa.array(["x", "y"]).dictionary_encode()
    items = pa.array([b"a", b"b"])
    events = read(parquet(user=users, item=items), name="a.parquet").interactions
    assert (events["user"].tolist(), events["item"].tolist()) == (["x", "y"], ["a", "b"])
