import numpy as np
import pandas as pd
import pytest

from candgen.datasets import tables
from candgen.datasets.reading import text as reading
from candgen.errors import DataError, SettingError

PLAYS = "who,what,stars,when\nann,x,4,100\nbob,y,2,200\nann,y,5,300\n"
NAMES = {
    "user_column": "who",
    "item_column": "what",
    "rating_column": "stars",
    "timestamp_column": "when",
}


@pytest.fixture
def read(tmp_path):
    """Write a text and read it as a table."""

    def write_and_read(text=PLAYS, suffix=".csv", encoding="utf-8", **settings):
        path = tmp_path / f"plays{suffix}"
        path.write_bytes(text.encode(encoding))
        return tables.read(path=str(path), **(NAMES | settings))

    return write_and_read


def test_columns_are_named_by_settings(read):
    events = read().interactions
    assert events["user"].tolist() == ["ann", "bob", "ann"]
    assert events["item"].tolist() == ["x", "y", "y"]
    assert events["rating"].tolist() == [4, 2, 5]
    assert events["timestamp"].tolist() == [100, 200, 300]


def test_columns_called_rating_and_timestamp_are_found_without_being_named(tmp_path):
    (tmp_path / "a.csv").write_text("item,user,timestamp,rating\n1,2,3,4\n")
    events = tables.read(path=str(tmp_path / "a.csv")).interactions
    assert events.to_dict("list") == {"user": [2], "item": [1], "rating": [4.0], "timestamp": [3]}


def test_ratings_and_times_may_be_absent(tmp_path):
    (tmp_path / "a.csv").write_text("user,item\n1,2\n")
    assert list(tables.read(path=str(tmp_path / "a.csv")).interactions) == ["user", "item"]


def test_parquet_reads_like_csv(read, tmp_path):
    frame = read().interactions.rename(columns={"user": "u", "item": "i"})
    frame.to_parquet(tmp_path / "a.parquet")
    source = tables.read(path=str(tmp_path / "a.parquet"), user_column="u", item_column="i")
    assert source.interactions.equals(read().interactions)


def test_the_first_row_decides_whether_ids_are_integers(read):
    ids = read("who,what,stars,when\n7,1.50,1,1\n8,2,1,1\n").interactions
    assert ids["user"].tolist() == [7, 8]
    assert ids["item"].tolist() == ["1.50", "2"]


def test_text_among_integer_ids_is_named_by_its_line(refused):
    message = refused("who,what,stars,when\n7,1,1,1\nb8,2,1,1\n")
    assert (
        "plays.csv, line 3: who is 'b8', expected a whole number as in the rows before" in message
    )
    assert "id_type=text" in message


def test_ids_can_be_kept_as_text(read):
    text = "who,what,stars,when\n007,1,1,1\n7,2,1,1\n"
    assert read(text, id_type="text").interactions["user"].tolist() == ["007", "7"]


def test_ids_can_be_insisted_to_be_integers(refused):
    message = refused(id_type="integer")
    assert "plays.csv, line 2: who is 'ann', expected a whole number." in message


def test_a_title_may_hold_the_delimiter_a_quote_and_a_line_break(read, tmp_path):
    (tmp_path / "items.csv").write_text('what,title,genres,price\nx,"A, ""B""\nC",War|Drama,3\n')
    items = read(items_path=str(tmp_path / "items.csv")).items
    assert items["title"].tolist() == ['A, "B"\nC']
    assert items["genres"].tolist() == [["War", "Drama"]]
    assert items["price"].tolist() == [3]


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("s", "1714566600"),
        ("ms", "1714566600999"),
        ("us", "1714566600999999"),
        ("iso", "2024-05-01T12:30:00"),
    ],
)
def test_times_become_seconds(read, unit, written):
    text = f"who,what,stars,when\na,b,1,{written}\n"
    assert read(text, timestamp_unit=unit).interactions["timestamp"].tolist() == [1714566600]


def test_times_of_parquet_become_seconds(tmp_path):
    moments = pd.to_datetime(["2024-05-01T12:30:00"])
    frame = pd.DataFrame({"user": [1], "item": [2], "timestamp": moments})
    frame.to_parquet(tmp_path / "a.parquet")
    source = tables.read(path=str(tmp_path / "a.parquet"))
    assert source.interactions["timestamp"].tolist() == [1714566600]


def test_dates_read_as_numbers_are_refused_with_the_setting_that_helps(refused):
    message = refused("who,what,stars,when\na,b,1,2024-05-01\n")
    assert "line 2: when is '2024-05-01', expected seconds since 1970" in message
    assert "set timestamp_unit=iso" in message


def test_milliseconds_taken_for_seconds_are_refused(refused):
    message = refused("who,what,stars,when\na,b,1,1714566600999\n")
    assert "line 2: when is 1714566600999, after the year 3000 in s; set timestamp_unit" in message


def test_a_date_that_is_none_is_named(refused):
    message = refused("who,what,stars,when\na,b,1,2024-05-01\na,c,1,soon\n", timestamp_unit="iso")
    assert "line 3: when is 'soon', expected a date" in message


def test_a_wrong_delimiter_is_recognized(refused, read):
    semicolons = PLAYS.replace(",", ";")
    assert "separated by ';': set the delimiter" in refused(semicolons)
    assert len(read(semicolons, delimiter=";").interactions) == 3


def test_latin_1_is_refused_by_line_and_read_when_said(refused, read):
    text = PLAYS + "zoë,y,5,300\n"
    assert "plays.csv, line 5: not utf-8" in refused(text, encoding="latin-1")


def test_latin_1_is_read_when_it_is_said(tmp_path):
    (tmp_path / "a.csv").write_bytes("user,item\nzoë,1\n".encode("latin-1"))
    source = tables.read(path=str(tmp_path / "a.csv"), encoding="latin-1")
    assert source.interactions["user"].tolist() == ["zoë"]


def test_a_missing_id_is_named_by_its_line(refused):
    assert "plays.csv, line 5: who is missing." in refused(PLAYS + ",y,3,400\n")


def test_blank_lines_do_not_shift_the_line_that_is_named(refused):
    assert "plays.csv, line 7: stars is 'x'" in refused(PLAYS + "\n\nann,z,x,400\n")


@pytest.mark.parametrize("block", [80, 200, 1 << 20])
@pytest.mark.parametrize("rows_before", [0, 7, 90])
def test_the_line_that_is_named_does_not_depend_on_blocks(refused, monkeypatch, block, rows_before):
    monkeypatch.setattr(reading, "BLOCK", block)
    rows = ["ann,x,4,100", "", *[f"bob,{i},2,{i}" for i in range(rows_before)], "cid,y,oops,5"]
    message = refused("\n".join(["who,what,stars,when", *rows, "dan,y,oops,5"]))
    assert f"plays.csv, line {rows_before + 4}: stars is 'oops'" in message


def test_a_rating_out_of_the_stated_scale_is_named(refused):
    message = refused(PLAYS + "bob,z,9,400\n", rating_scale=[1, 5])
    assert "plays.csv, line 5: stars is 9, expected 1 to 5." in message


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("user", [1, -4], "row 2: user is -4, expected 0 or greater"),
        ("user", [1.0, np.nan], "row 2: user is missing"),
        ("rating", [1.0, np.nan], "row 2: rating is missing"),
        ("rating", [1.0, 7.0], "row 2: rating is 7, expected 1 to 5"),
    ],
)
def test_parquet_rows_are_named(tmp_path, column, values, expected):
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]})
    frame[column] = values
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet, {expected}"):
        tables.read(path=str(tmp_path / "a.parquet"), rating_scale=[1, 5])


def test_a_parquet_without_a_column_is_named(tmp_path):
    pd.DataFrame({"user": [1], "items": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no column 'item'; it has user, items. Did you mean"):
        tables.read(path=str(tmp_path / "a.parquet"))


def test_a_text_file_called_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text(PLAYS)
    with pytest.raises(DataError, match="is not a Parquet file"):
        tables.read(path=str(tmp_path / "a.parquet"))


def test_an_id_that_occurs_twice_in_the_table_of_items_is_named(read, tmp_path):
    (tmp_path / "items.csv").write_text("what,title\nx,A\ny,B\nx,C\n")
    with pytest.raises(DataError, match=r"items\.csv: what x occurs twice, in rows 1 and 3"):
        read(items_path=str(tmp_path / "items.csv"))


def test_a_negative_id_in_the_table_of_users_is_named(read, tmp_path):
    (tmp_path / "users.csv").write_text("who,age\n3,20\n-3,30\n")
    with pytest.raises(DataError, match=r"users\.csv, line 3: who is -3, expected 0 or greater"):
        read(users_path=str(tmp_path / "users.csv"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"id_type": "integers"}, "id_type must be one of auto, .* Did you mean 'integer'"),
        ({"timestamp_unit": "sec"}, "timestamp_unit must be one of s, ms, us, ns, iso; got 'sec'"),
        ({"delimiter": "::"}, "delimiter must be one character .*, got '::'"),
        ({"rating_scale": [5, 1]}, r"rating_scale must be \[lowest, highest\] or empty, got \[5"),
    ],
)
def test_settings_are_checked(read, settings, expected):
    with pytest.raises(SettingError, match=expected):
        read(**settings)


def test_an_unknown_encoding_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"encoding must be .*, got 'utf-88'\. Did you"):
        tables.read(path=str(tmp_path / "a.csv"), encoding="utf-88")


def test_an_absent_file_is_named_with_its_setting(tmp_path):
    with pytest.raises(DataError, match=r"no file .*absent\.csv \(path: the events\)"):
        tables.read(path=str(tmp_path / "absent.csv"))
    with pytest.raises(SettingError, match="path is empty: give the file with the events"):
        tables.read()
