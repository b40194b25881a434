"""Impressions of one's own are read by the rules of events, and refused by file, row and column."""

import pandas as pd
import pytest

from candgen.datasets import given, tables
from candgen.errors import DataError, SettingError

EVENTS = "user,item,timestamp\nann,a,100\nbob,b,200\n"
SHOWN = (
    "user,item,timestamp,position,propensity,clicked,hour\nann,a,90,1,0.5,1,7\nann,b,91,2,1,0,8\n"
)


@pytest.fixture
def read(tmp_path):
    """Write events and impressions, and return the impressions as they are read."""

    def write_and_read(shown=SHOWN, events=EVENTS, suffix=".csv", **settings):
        (tmp_path / "events.csv").write_text(events)
        path = tmp_path / f"shown{suffix}"
        if isinstance(shown, pd.DataFrame):
            shown.to_parquet(path)
        else:
            path.write_text(shown)
        place = {"path": str(tmp_path / "events.csv"), "impressions_path": str(path)}
        return tables.read(**{**place, **settings}).extras["impressions"]

    return write_and_read


def test_impressions_are_read_with_their_context(read):
    assert read().to_dict("list") == {
        "user": ["ann", "ann"],
        "item": ["a", "b"],
        "engaged": [True, False],
        "timestamp": [90, 91],
        "position": [1, 2],
        "propensity": [0.5, 1.0],
        "hour": [7, 8],
    }


def test_headers_times_and_the_top_of_a_page_are_settings(read):
    shown = "who;item;at;rank;pscore;is_click\nann;a;1970-01-01T00:01;0;0.1;TRUE\n"
    found = read(
        shown,
        impressions_columns={
            "user": "who",
            "timestamp": "at",
            "position": "rank",
            "propensity": "pscore",
            "engaged": "is_click",
        },
        impressions_format={"delimiter": ";"},
        impressions_time_unit="iso",
        first_position=0,
    )
    assert found.iloc[0].to_dict() == {
        "user": "ann",
        "item": "a",
        "engaged": True,
        "timestamp": 60,
        "position": 1,
        "propensity": 0.1,
    }


def test_parquet_and_json_lines_are_read_alike(read):
    frame = pd.DataFrame({"user": ["ann"], "item": ["a"], "click": [True], "propensity": [0.25]})
    of_lines = '{"user": "ann", "item": "a", "click": true, "propensity": 0.25}\n'
    assert read(frame, suffix=".parquet").equals(read(of_lines, suffix=".jsonl"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("1,0,1", "line 2: propensity is 0, expected above 0 and at most 1"),
        ("1,1.5,1", "line 2: propensity is 1.5, expected above 0 and at most 1"),
        ("1,,1", "line 2: propensity is missing"),
        ("0,0.5,1", "line 2: position is 0, expected a whole number of 1 or greater. If positions"),
        ("1.5,0.5,1", "line 2: position is 1.5, expected a whole number"),
        ("1,0.5,2", "line 2: clicked is '2', expected 0, 1, true or false"),
        ("1,0.5,yes", "line 2: clicked is 'yes', expected 0, 1, true or false"),
        ("1,0.5,", "line 2: clicked is missing, expected 0 or 1"),
    ],
)
def test_a_wrong_cell_is_named_with_its_line_and_what_was_expected(refused, cells, message):
    said = refused(f"user,item,position,propensity,clicked\nann,a,{cells}\n")
    assert f"shown.csv, {message}" in said


def test_numbers_of_parquet_are_checked_by_row(refused):
    frame = pd.DataFrame({"user": ["ann"] * 2, "item": ["a"] * 2, "engaged": [1, 3]})
    assert "row 2: engaged is 3, expected 0, 1, true or false" in refused(frame, suffix=".parquet")


def test_a_missing_column_comes_with_the_setting_that_names_it(refused):
    said = refused("user,item,seen\nann,a,1\n")
    assert "no column 'engaged'; it has user, item, seen" in said
    assert "impressions_columns={engaged: ...}" in said


def test_a_column_that_is_none_of_ours_is_refused():
    with pytest.raises(SettingError, match=r"'click' is none of user.*header in your file"):
        tables.TableSettings(impressions_columns={"click": "is_click"})


def test_without_events_the_engagements_are_the_events(tmp_path):
    (tmp_path / "shown.csv").write_text(SHOWN)
    source = tables.read(impressions_path=str(tmp_path / "shown.csv"))
    assert source.interactions.values.tolist() == [["ann", "a", 90, 2.0]]
    assert source.interactions.columns[-1] == "inverse_propensity"
    assert "the events are the impressions that were engaged with" in source.notes[0]


def test_impressions_without_any_engagement_make_no_events(tmp_path):
    (tmp_path / "shown.csv").write_text("user,item,clicked\nann,a,0\n")
    with pytest.raises(DataError, match=r"no impression was engaged with.*Give a file of events"):
        tables.read(impressions_path=str(tmp_path / "shown.csv"))


def test_ids_have_one_type_in_all_tables(read, tmp_path):
    (tmp_path / "items.csv").write_text("item,title\n007,Bond\n8,Eight\n")
    settings = {"path": str(tmp_path / "events.csv"), "items_path": str(tmp_path / "items.csv")}
    read("user,item,clicked\n1,7,1\n", "user,item\n1,7\n2,8\n")  # writes the files
    source = tables.read(**settings, impressions_path=str(tmp_path / "shown.csv"))
    assert source.extras["impressions"]["item"].tolist() == ["7"]
    assert source.interactions["item"].tolist() == ["7", "8"]
    assert source.extras["impressions"]["user"].tolist() == [1]


def test_a_given_split_takes_impressions(tmp_path):
    (tmp_path / "train.txt").write_text("1 10\n2 11\n")
    (tmp_path / "test.txt").write_text("1 11\n")
    (tmp_path / "shown.csv").write_text("user,item,clicked\n1,10,1\n1,11,0\n")
    source = given.read(
        train_path=str(tmp_path / "train.txt"),
        test_path=str(tmp_path / "test.txt"),
        impressions_path=str(tmp_path / "shown.csv"),
    )
    assert source.extras["impressions"].values.tolist() == [[1, 10, True], [1, 11, False]]
