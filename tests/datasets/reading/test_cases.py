"""Kinds of input that other tools were reported to misread: each is read right, or refused."""

import gzip
import io
import re
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from candgen.datasets import given, movielens, preparation, tables
from candgen.errors import DataError, SettingError

EVENTS = "user,item,timestamp\n1,a,100\n2,b,200\n3,c,300\n"


@pytest.fixture
def read(tmp_path):
    """Write events, and perhaps a table of items, and read them."""

    def write_and_read(events=EVENTS, items=None, name="a.csv", **settings):
        for held, text in ((name, events), ("items.csv", items)):
            if text is not None:
                whole = text if isinstance(text, bytes) else text.encode()
                (tmp_path / held).write_bytes(whole)
        if items is not None:
            settings["items_path"] = str(tmp_path / "items.csv")
        return tables.read(path=str(tmp_path / name), **settings)

    return write_and_read


@pytest.fixture
def refused(read):
    def message(*args, **settings):
        with pytest.raises(DataError) as caught:
            read(*args, **settings)
        return str(caught.value)

    return message


def parquet(**columns):
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


# --- times: nothing is rounded before it is sorted


@pytest.mark.parametrize(
    ("unit", "early", "late"),
    [
        ("ms", "1433231332100", "1433231332900"),
        ("us", "1433231332000001", "1433231332000002"),
        ("ns", "1433231332000000001", "1433231332000000002"),
        ("s", "1433231332.1", "1433231332.25"),
        ("s", "-100.75", "-100.5"),
        ("ms", "1433231332100.5", "1433231332100.75"),
        ("iso", "2020-09-01 11:27:40.599", "2020-09-01 11:27:40.6"),
        ("iso", "2020-09-01T11:27:40.000000001Z", "2020-09-01T11:27:40.000000002Z"),
        ("iso", "2020-09-01T13:27:40.1+02:00", "2020-09-01T11:27:40.2Z"),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_the_later_event_of_a_second_is_held_out(tmp_path, unit, early, late, typed):
    base = {"iso": "2001-01-01", "s": "-4000"}.get(unit, "1000")
    rows = [(u, i, t) for u in "xyz" for i, t in (("B" + u, late), ("A" + u, early), ("C", base))]
    path = tmp_path / ("a.parquet" if typed else "a.csv")
    if typed:
        users, items, times = zip(*rows, strict=True)
        path.write_bytes(parquet(user=users, item=items, timestamp=times))
    else:
        lines = ["user,item,timestamp", *map(",".join, rows)]
        path.write_text("\n".join(lines))
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(path), timestamp_unit=unit,
        split="leave_last_out", validation_fraction=0,
    )  # fmt: skip
    found = data.items["item_id"].to_numpy()[data.table("test")["item"]]
    assert found.tolist() == ["Bx", "By", "Bz"]
    assert not any("order of rows" in warning for warning in data.warnings)


def test_the_latest_of_repeated_pairs_is_the_latest_within_a_second(tmp_path):
    rows = ["1,a,5,1433231332900", "1,a,3,1433231332100", "2,a,1,1433231332000", "1,b,1,1000"]
    (tmp_path / "a.csv").write_text("\n".join(["user,item,rating,timestamp", *rows]))
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), timestamp_unit="ms",
        split="random_rows", test_fraction=0.4, validation_fraction=0,
    )  # fmt: skip
    assert sorted(data.table("interactions")["rating"]) == [1, 1, 5]
    with pytest.raises(DataError, match=r"in rows 1 and 2, counted"):
        preparation.prepare(
            tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), timestamp_unit="ms",
            duplicates="refuse",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2009-05-04T23:08:50Z", 1241478530),
        ("2009-05-04T23:08:50+02:00", 1241471330),
        ("2009-05-04 23:08:50-0530", 1241498330),
        ("2009-05-04 23:08:50.999 UTC", 1241478530),
        ("2009-05-04", 1241395200),
        ("1969-12-31T23:59:59.5", -1),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_dates_have_fractions_zones_and_offsets(read, written, expected, typed):
    if typed:
        whole = parquet(user=[1], item=[2], timestamp=[written])
        found = read(whole, name="a.parquet", timestamp_unit="iso")
    else:
        found = read(f"user,item,timestamp\n1,2,{written}\n", timestamp_unit="iso")
    assert found.interactions["timestamp"].tolist() == [expected]


@pytest.mark.parametrize("wrong", ["2024-02-30", "1433231332", "2024", "2024-05-01Q", "", "12:30"])
def test_what_is_no_date_is_named_by_its_line(refused, wrong):
    text = f"user,item,timestamp\n1,2,2024-05-01\n1,3,{wrong}\n"
    assert "a.csv, line 3: timestamp is" in refused(text, timestamp_unit="iso")


def test_seconds_may_be_floats_in_parquet(read):
    whole = parquet(user=[1, 1], item=[2, 3], timestamp=[1714566600.75, -0.5])
    events = read(whole, name="a.parquet").interactions
    assert events["timestamp"].tolist() == [1714566600, -1]
    assert events["nanoseconds"].tolist() == [750_000_000, 500_000_000]


def test_equal_times_are_said_to_be_no_split_by_time(tmp_path):
    lines = [f"{n // 5},{n % 5},77" for n in range(50)]
    (tmp_path / "a.csv").write_text("\n".join(["user,item,timestamp", *lines]))
    for split in ("timeline", "leave_last_out"):
        data = preparation.prepare(
            tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), split=split
        )
        assert any("all events have the same time" in warning for warning in data.warnings)


def test_ties_at_the_edge_of_a_part_are_counted(tmp_path):
    times = [1, 2, 3, 4, 5, 5, 5, 5, 6, 7]
    lines = [f"{n},{n % 3},{time}" for n, time in enumerate(times)]
    (tmp_path / "a.csv").write_text("\n".join(["user,item,timestamp", *lines]))
    made = {"source": "table", "path": str(tmp_path / "a.csv"), "validation_fraction": 0}
    tied = preparation.prepare(tmp_path / "d", **made, test_fraction=0.4)
    assert any("40% of the events have the time" in warning for warning in tied.warnings)
    clear = preparation.prepare(tmp_path / "d", **made, test_fraction=0.2)
    assert not any("the order of rows" in warning for warning in clear.warnings)


# --- ids: text that looks like a number stays text


@pytest.mark.parametrize(
    "ids",
    [
        ["007", "7", "08", "9"],
        ["7", "007", "08", "9"],
        ["9", "7", "08", "+7"],
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


def test_ids_are_text_everywhere_if_one_table_says_so(read):
    source = read("user,item\n1,7\n2,8\n", items="item,title\n7,A\n08,B\n8,C\n")
    assert source.interactions["item"].tolist() == ["7", "8"]
    assert source.items["item_id"].tolist() == ["7", "08", "8"]
    source = read("user,item\n1,07\n2,8\n", items="item,title\n8,C\n")
    assert source.items["item_id"].tolist() == ["8"]


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


def test_dictionaries_decimals_and_bytes_are_ids(read):
    users = pa.array(["x", "y"]).dictionary_encode()
    items = pa.array([b"a", b"b"])
    events = read(parquet(user=users, item=items), name="a.parquet").interactions
    assert (events["user"].tolist(), events["item"].tolist()) == (["x", "y"], ["a", "b"])


# --- titles, features and what is missing


@pytest.mark.parametrize("header", ["title", "Title", "TITLE"])
def test_titles_are_text_whatever_their_capitals_and_blank_ones_are_missing(read, header):
    items = f"item,{header}\na,1984\nb,300\nc,\nd,00123\ne,  \nf,NA\n"
    titles = read(items=items).items["title"]
    assert titles[titles.notna()].tolist() == ["1984", "300", "00123", "NA"]
    assert titles.isna().tolist() == [False, False, True, False, True, False]


def test_numbers_as_titles_of_a_parquet_are_written_without_a_point(read, tmp_path):
    whole = parquet(item=["a", "b", "c"], Title=pa.array([1984.0, None, 300.0]))
    (tmp_path / "i.parquet").write_bytes(whole)
    titles = read(items_path=str(tmp_path / "i.parquet")).items["title"]
    assert titles[titles.notna()].tolist() == ["1984", "300"]


def test_the_id_stands_in_for_a_blank_title(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,0\n2,1\n3,2\n4,0\n")
    (tmp_path / "i.csv").write_text("item,title\n0,\n1,\n2,T2\n")
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), split="random_rows",
        test_fraction=0.3, validation_fraction=0, items_path=str(tmp_path / "i.csv"),
    )  # fmt: skip
    assert data.titles.tolist() == ["0", "1", "T2"]


def test_a_column_of_titles_can_be_named_and_others_left_out_or_kept_as_text(read, refused):
    items = "item,name,code,price,price\na,A,1,2,3\nb,B,2,3,4\n"
    assert "line 1: two columns are called 'price'" in refused(items=items)
    settings = {"leave_out": ["price"], "text_columns": ["code"]}
    found = read(items=items, title_column="name", **settings).items
    assert found.to_dict("list") == {"item_id": ["a", "b"], "title": ["A", "B"], "code": ["1", "2"]}
    assert "no column 'nam'; it has" in refused(items=items, title_column="nam", **settings)
    said = refused(items="item,t\na,b\n", leave_out=["prise"])
    assert "leave_out names 'prise', but no file has such a column" in said


def test_a_column_called_rating_can_be_left_out(read):
    text = "user,item,rating,timestamp\n1,2,good,soon\n"
    found = read(text, leave_out=["rating", "timestamp"]).interactions
    assert list(found) == ["user", "item"]


@pytest.mark.parametrize("typed", [False, True])
def test_missing_means_the_same_in_every_file_and_column(read, tmp_path, typed):
    frame = pd.DataFrame(
        {
            "item": ["a", "b", "c", "d"],
            "title": ["x", None, "", "NULL"],
            "country": ["NA", None, " ", "null"],
            "price": [1.5, None, np.nan, 2],
        }
    )
    name = "items.parquet" if typed else "items.csv"
    (frame.to_parquet if typed else frame.to_csv)(tmp_path / name, index=False)
    found = read(items_path=str(tmp_path / name)).items
    assert found.isna().to_numpy().tolist() == [
        [False, False, False, False],
        [False, True, True, True],
        [False, True, True, True],
        [False, False, False, False],
    ]
    assert found["country"].tolist()[::3] == ["NA", "null"]


@pytest.mark.parametrize("word", ["", "NaN", "NA", "NULL", "null", "N/A", " "])
def test_a_missing_rating_or_time_is_named_the_same_way(refused, word):
    text = f"user,item,rating,timestamp\n1,2,3,4\n1,3,{word},5\n"
    assert "line 3: rating is missing" in refused(text)
    text = f"user,item,rating,timestamp\n1,2,3,4\n1,3,3,{word}\n"
    assert "line 3: timestamp is missing" in refused(text)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2"], [1, 2]),
        (["1", ""], [1.0, None]),
        (["1.5", "NA"], [1.5, None]),
        (["02139", "94110"], ["02139", "94110"]),
        (["12345678901234567", "1"], ["12345678901234567", "1"]),
        (["1e3", "inf"], ["1e3", "inf"]),
        (["0x10", "1"], ["0x10", "1"]),
        (["true", "False"], [True, False]),
        (["2020-01-01", "x"], ["2020-01-01", "x"]),
    ],
)
def test_features_are_numbers_only_if_all_cells_are(read, cells, expected):
    items = "item,f\n" + "".join(f"i{n},{cell}\n" for n, cell in enumerate(cells))
    found = read(items=items).items["f"]
    assert [None if pd.isna(value) else value for value in found] == expected


def test_names_of_our_columns_and_of_the_users_live_apart(tmp_path):
    (tmp_path / "a.csv").write_text("user,sku\n1,0\n2,1\n3,2\n4,0\n")
    rows = "sku,item,item_id,item_,title\n0,thing,x,p,T0\n1,thong,y,q,T1\n2,theng,z,r,T2\n"
    (tmp_path / "i.csv").write_text(rows)
    data = preparation.prepare(
        tmp_path / "d", source="table", path=str(tmp_path / "a.csv"), item_column="sku",
        items_path=str(tmp_path / "i.csv"), split="random_rows", test_fraction=0.3,
        validation_fraction=0,
    )  # fmt: skip
    assert data.items["item"].tolist() == data.items["item_id"].tolist() == [0, 1, 2]
    assert data.items["item__"].tolist() == ["thing", "thong", "theng"]
    assert data.items["item_id_"].tolist() == ["x", "y", "z"]
    assert data.items["item_"].tolist() == ["p", "q", "r"]


# --- forms of text


def test_line_breaks_in_cells_are_read_whatever_the_size(read, monkeypatch):
    from candgen.datasets.reading import text

    rows = "".join(f'{n},{n % 7},{n},"a\r\nb\rc\n{n}"\n' for n in range(300))
    whole = "user,item,timestamp,review\n" + rows
    expected = list(range(300))
    for block in (1 << 24, 100, 1000):
        monkeypatch.setattr(text, "BLOCK", block)
        assert read(whole).interactions["timestamp"].tolist() == expected


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_line_ends_may_be_of_any_system(read, refused, end):
    events = read(EVENTS.replace("\n", end)).interactions
    assert events["timestamp"].tolist() == [100, 200, 300]
    assert "line 3: timestamp is 'x'" in refused(EVENTS.replace("200", "x").replace("\n", end))


@pytest.mark.parametrize("after", [0, 3, 40_000])
def test_an_open_quote_is_named_by_its_line(refused, after):
    rows = "".join(f"{n},{n},{n}\n" for n in range(after))
    said = refused('user,item,timestamp\n1,2,3\n"alice,1,100\n' + rows)
    assert "line 3: a quote opens in this record and never closes" in said
    said = refused('user,item,timestamp,note\n1,2,3,"x\n' + rows)
    assert "line 2: a quote opens" in said


def test_text_after_a_closing_quote_is_refused_and_read_without_quotes(read, refused):
    items = 'item,title\na,"Weird" Al\nb,"x"\n'
    assert "line 2: text follows a closing quote" in refused(items=items)
    titles = read(items=items, items_format={"quote": ""}).items["title"]
    assert titles.tolist() == ['"Weird" Al', '"x"']


def test_a_cell_may_be_larger_than_what_csv_readers_take(read):
    items = f'item,title\na,{"x" * 200_000}\nb,"{"y" * 140_000},\n"\n'
    assert [len(title) for title in read(items=items).items["title"]] == [200_000, 140_002]


def test_short_and_long_lines_are_named_with_the_column(refused):
    assert "line 3: expected 3 cells separated by ',', got 2 (see column timestamp)" in refused(
        "user,item,timestamp\n1,2,3\n1,2\n"
    )
    assert "line 2: expected 3 cells separated by ',', got 4" in refused(
        "user,item,timestamp\n1,2,3,4\n"
    )


def test_a_column_named_twice_is_refused(read, refused):
    assert "line 1: two columns are called 'item'" in refused("user,item,item\n1,2,3\n")
    with pytest.raises(SettingError, match="user_column and item_column are both 'item'"):
        read(user_column="item")
    said = refused(EVENTS, timestamp_column="item")
    assert "the column 'item' is named for item and for timestamp" in said


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("user;item;timestamp\n1;a;100\n2;b;200\n3;c;300\n", {"delimiter": ";"}),
        ("user\titem\ttimestamp\n1\ta\t100\n2\tb\t200\n3\tc\t300\n", {"delimiter": "\\t"}),
        ("user\titem\ttimestamp\n1\ta\t100\n2\tb\t200\n3\tc\t300\n", {"delimiter": "tab"}),
        ("'user','item',timestamp\n1,'a','100'\n2,b,200\n3,c,300\n", {"quote": "'"}),
        ("# made by us\n\n" + EVENTS, {"skip_lines": 2}),
        (EVENTS.partition("\n")[2], {"column_names": ["user", "item", "timestamp"]}),
        ("no\n" + EVENTS.partition("\n")[2],
         {"column_names": ["user", "item", "timestamp"], "skip_lines": 1}),
        (" user , item,timestamp\n1,a,100\n2,b,200\n3,c,300\n", {}),
        (EVENTS.encode("utf-16"), {"encoding": "utf-16"}),
        (b"\xef\xbb\xbf" + EVENTS.encode(), {}),
    ],
)  # fmt: skip
def test_formats_are_set(read, text, settings):
    events = read(text, **settings).interactions
    assert events["user"].tolist() == [1, 2, 3]
    assert events["item"].tolist() == ["a", "b", "c"]
    assert events["timestamp"].tolist() == [100, 200, 300]


def test_an_escaped_delimiter_belongs_to_the_cell(read):
    items = 'item,title\na,One\\, two\nb,\\"three\\"\n'
    titles = read(items=items, escape="\\").items["title"]
    assert titles.tolist() == ["One, two", '"three"']


def test_each_file_has_a_format_of_its_own(read, tmp_path):
    (tmp_path / "u.txt").write_bytes("1|zoë\n2|bob\n".encode("latin-1"))
    source = read(
        items="item;title\na;A\n",
        items_format={"delimiter": ";"},
        users_path=str(tmp_path / "u.txt"),
        users_format={"delimiter": "|", "encoding": "latin-1", "column_names": ["user", "name"]},
    )
    assert source.items["title"].tolist() == ["A"]
    assert source.users["name"].tolist() == ["zoë", "bob"]
    with pytest.raises(SettingError, match=r"items_format: There is no setting 'delimeter'. Did"):
        read(items="item\n1\n", items_format={"delimeter": ";"})


def test_a_header_beside_column_names_is_refused(refused):
    said = refused(EVENTS, column_names=["User", "item", "timestamp"])
    assert "line 1: a header that repeats column_names" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"quote": "''"}, "quote must be one character"),
        ({"escape": "é"}, "escape must be one character"),
        ({"delimiter": '"'}, "delimiter, quote and escape must differ"),
        ({"delimiter": "::"}, "delimiter must be one character"),
        ({"column_names": ["a", "a"]}, "column_names has 'a' twice"),
        ({"encoding": "idna"}, "encoding must be one that Python knows"),
        ({"compression": "gz"}, "compression must be one of .*gzip"),
        ({"file_type": "json"}, "file_type must be one of .*jsonl"),
    ],
)
def test_settings_of_formats_are_checked(read, settings, said):
    with pytest.raises(SettingError, match=said):
        read(**settings)


# --- encodings


def test_latin_1_is_used_only_for_what_is_not_utf_8_and_said_either_way(read):
    text = "user,item\nzoë,1\n"
    as_utf8 = read(text.encode(), encoding="latin-1")
    assert as_utf8.interactions["user"].tolist() == ["zoë"]
    assert as_utf8.notes == [
        "a.csv was read as utf-8, because it is valid as such, rather than as latin-1."
    ]
    as_latin1 = read(text.encode("latin-1"), encoding="latin-1")
    assert as_latin1.interactions["user"].tolist() == ["zoë"]
    assert as_latin1.notes == ["a.csv was read as latin-1."]


def test_a_movielens_saved_again_as_utf_8_keeps_its_titles(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::10::4::978300760\n")
    (tmp_path / "users.dat").write_text("1::F::1::10::48067\n")
    for encoding in ("utf-8", "latin-1"):
        films = "10::Misérables, Les (1995)::Drama\n"
        (tmp_path / "movies.dat").write_text(films, encoding=encoding)
        source = movielens.read(path=str(tmp_path))
        assert source.items["title"].tolist() == ["Misérables, Les (1995)"]
        assert any(note.startswith(f"movies.dat was read as {encoding}") for note in source.notes)


def test_other_encodings_are_asked_for(refused):
    assert "is UTF-16. Save it as UTF-8, or set encoding=utf-16" in refused(EVENTS.encode("utf-16"))
    assert "line 2: not utf-8 (byte 0xeb)" in refused("user,item\nzoë,1\n".encode("latin-1"))


@pytest.mark.parametrize("path", ["/tmp/\udcff.csv", "a\0b", "x" * 5000])
def test_an_impossible_path_is_refused(path):
    with pytest.raises(DataError, match="path"):
        tables.read(path=path)
    with pytest.raises(DataError, match="path"):
        movielens.read(path=path)


# --- compression, Parquet and JSON lines


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


# --- given files


@pytest.fixture
def split(tmp_path):
    def write_and_read(train, test="0 6\n1 7\n", **settings):
        (tmp_path / "train.txt").write_text(train)
        (tmp_path / "test.txt").write_text(test)
        paths = {"train_path": str(tmp_path / "train.txt"), "test_path": str(tmp_path / "test.txt")}
        return given.read(**paths, **settings).parts

    return write_and_read


@pytest.mark.parametrize("header", ["user item", "userId movie", "u i", "User ITEM"])
def test_a_header_of_pairs_is_refused_by_its_line_or_skipped(split, header):
    train = f"{header}\n0 0\n0 1\n1 2\n"
    with pytest.raises(DataError, match=r"train\.txt, line 1: .* header.*skip_lines"):
        split(train, layout="pairs")
    found = split(train, "to,skip\n0 6\n", layout="pairs", skip_lines=1)
    assert found["train"].to_numpy().tolist() == [[0, 0], [0, 1], [1, 2]]
    assert found["test"].to_numpy().tolist() == [[0, 6]]


def test_a_header_of_text_ids_is_refused(split):
    with pytest.raises(DataError, match=r"line 1: 'user item' looks like a header"):
        split("user item\nann x\nbob y\n", "ann y\n", layout="pairs")
    with pytest.raises(DataError, match=r"line 1: 'user item rating' looks like a header"):
        split("user item rating\n1 2 3\n", "1 3 3\n", layout="triples")


def test_given_ids_are_text_in_all_parts_if_one_needs_it(split):
    found = split("7 1\n8 2\n", "007 1\n", layout="pairs")
    assert found["train"]["user"].tolist() == ["7", "8"]
    assert found["test"]["user"].tolist() == ["007"]


def test_given_files_may_have_delimiters_quotes_and_compression(split, tmp_path):
    found = split('"a b",x\nc,"y, z"\n', "c,x\n", layout="pairs", delimiter=",")
    assert found["train"].to_numpy().tolist() == [["a b", "x"], ["c", "y, z"]]
    with pytest.raises(DataError, match=r"train\.txt, line 2: a quote opens"):
        split('a,x\nc,"y\n', "c,x\n", layout="pairs", delimiter=",")
    (tmp_path / "t.gz").write_bytes(gzip.compress(b"0 1 2\n"))
    parts = given.read(train_path=str(tmp_path / "t.gz"), test_path=str(tmp_path / "t.gz")).parts
    assert parts["train"].to_numpy().tolist() == [[0, 1], [0, 2]]


# --- first rows


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
