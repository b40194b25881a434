"""Forms of text files: delimiters, quotes, line ends, headers, encodings."""

import pytest

from candgen.datasets import movielens, tables
from candgen.errors import DataError, SettingError

EVENTS = "user,item,timestamp\n1,a,100\n2,b,200\n3,c,300\n"


def test_line_breaks_in_cells_are_read_whatever_the_size(read, monkeypatch):
    from candgen.datasets.reading import text

    rows = "".join(f'{n},{n % 7},{n},"a\r\nb\rc\n{n}"\n' for n in range(300))
    whole = "user,item,timestamp,review\n" + rows
    expected = list(range(300))
    for block in (1 << 24, 100, 1000):
        monkeypatch.setattr(text, "BLOCK", block)
        assert read(whole).interactions["timestamp"].tolist() == expected


def test_a_record_of_several_lines_is_named_by_its_first(refused):
    text = 'user,item,timestamp,n\n1,2,3,"a\nb"\n\n1,3,{},"c\nd"{}\n'
    assert "line 5: timestamp is 'x'" in refused(text.format("x", ""))
    assert "line 5: expected 4 cells" in refused(text.format("4", ",more"))


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
    said = refused('user,item,timestamp,note\n1,2,3,x\n1,2,3,"x\n' + rows)
    assert "line 3: a quote opens" in said


def test_text_after_a_closing_quote_is_refused_and_read_without_quotes(read, refused):
    items = 'item,title\nb,"x"\na,"Weird" Al\n'
    assert "line 3: text follows a closing quote" in refused(items=items)
    titles = read(items=items, items_format={"quote": ""}).items["title"]
    assert titles.tolist() == ['"x"', '"Weird" Al']


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


def test_delimiter_quote_escape_and_encoding_are_shared_unless_a_file_differs(read):
    events = "user;item\n'1';a\n".encode("utf-16")
    items = "item;title\na;'A; \\'B'\n".encode("utf-16")
    settings = {"delimiter": ";", "quote": "'", "escape": "\\", "encoding": "utf-16"}
    assert read(events, items=items, **settings).items["title"].tolist() == ["A; 'B"]


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
    with pytest.raises(DataError, match=r"is not UTF-8|cannot be a path"):
        tables.read(path=path)
    with pytest.raises(DataError, match=r"is not UTF-8|cannot be a path"):
        movielens.read(path=path)
