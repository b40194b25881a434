"""Faults of a dataset's settings and files are found before anything is prepared."""

import pandas as pd
import pytest

from candgen.datasets import first_look

HEAD = 1 << 16  # characters, more than the first rows have
NAMED = {"user_column": "userId", "item_column": "movieId"}


@pytest.fixture
def look(tmp_path):
    """Write files by their setting, then look at them with these and further settings."""

    def look(files, **settings):
        paths = {}
        for setting, content in files.items():
            paths[setting] = str(tmp_path / f"{setting}.csv")
            (tmp_path / f"{setting}.csv").write_text(content)
        return first_look.fault_of({"source": "table", **paths, **settings})

    return look


EVENTS = "userId,movieId,rating,ts\n1,10,4,2024-01-01\n2,11,3,2024-01-02\n"


@pytest.mark.parametrize(
    ("settings", "setting", "instead", "message"),
    [
        ({}, "user_column", "userId", "path.csv has no column 'user'; it has userId"),
        ({"user_column": "userId"}, "item_column", "", "has no column 'item'"),
        (NAMED | {"rating_column": "stars"}, "rating_column", "", "has no column 'stars'"),
        (NAMED | {"timestamp_column": "when"}, "timestamp_column", "", "no column 'when'"),
        (NAMED | {"timestamp_column": "ts"}, "timestamp_unit", "iso", "line 2: ts is '2024-01-01'"),
        (NAMED | {"rating_scale": [5.0, 9.0], "rating_column": "rating"}, "", "", "5 to 9"),
        (NAMED | {"delimiter": ";"}, "delimiter", "", "its only one is"),
        (NAMED | {"min_item_events": 0}, "min_item_events", "", "must be 1 or greater, got 0"),
        (NAMED | {"split": "leave_last"}, "split", "", "Did you mean 'leave_last_out'"),
        (NAMED | {"test_fraction": 2.0}, "test_fraction", "", "got 2.0"),
        (NAMED | {"encodin": "x"}, "", "", "Did you mean 'encoding'"),
        ({"source": "tabel"}, "source", "", "Did you mean 'table'"),
    ],
)
def test_a_fault_comes_with_the_setting_to_change(look, settings, setting, instead, message):
    found = look({"path": EVENTS}, **settings)
    assert (found.setting, found.instead) == (setting, instead) and message in found.message


def test_tables_of_users_and_items_are_opened_too(look):
    found = look({"path": EVENTS, "items_path": "movie;title\n1;a\n"}, **NAMED)
    assert (
        found.setting == "items_format.delimiter"
        and "items_path.csv has no column" in found.message
    )
    found = look({"path": EVENTS, "users_path": "usrId,age\n1,30\n"}, **NAMED)
    assert (found.setting, found.instead) == ("user_column", "usrId")
    assert look({"path": EVENTS, "users_path": "userId,age\n1,30\n"}, **NAMED) is None


def test_what_is_right_passes(look):
    assert look({"path": EVENTS}, **NAMED, timestamp_column="ts", timestamp_unit="iso") is None
    assert first_look.fault_of({"source": "world", "n_users": 30}) is None
    text = "user,item,note\n" + "".join(f'{n % 30},{n % 7},"a\n""b"""\n' for n in range(9_000))
    assert len(text) > HEAD and look({"path": text}, duplicates="keep") is None
    wide = "user,item,note\n1,2," + "x" * HEAD + "\n"
    assert look({"path": wide}) is None


def test_a_file_that_is_missing_or_not_what_it_says_is_named(look, tmp_path):
    assert "There is no file" in first_look.fault_of({"source": "table", "path": "no.csv"}).message
    assert first_look.fault_of({"source": "table"}).setting == "path"
    pd.DataFrame({"user": [1], "thing": [2]}).to_parquet(tmp_path / "e.parquet")
    found = first_look.fault_of({"source": "table", "path": str(tmp_path / "e.parquet")})
    assert found.setting == "item_column"
    (tmp_path / "f.parquet").write_text("no")
    found = first_look.fault_of({"source": "table", "path": str(tmp_path / "f.parquet")})
    assert "f.parquet is not a" in found.message


def test_given_files_are_read_as_their_layout_says(look):
    def given(train, test="1 5\n", **settings):
        return look({"train_path": train, "test_path": test}, source="given", path="", **settings)

    assert given("1 2 3\n2 4\n") is None
    assert "had line 1 already" in given("1 2 3\n1 4\n").message
    assert "expected 2 cells (layout=pairs), got 3" in given("1 2 3\n", layout="pairs").message
    assert given("1 2\n", test="").message.endswith("the file is empty.")


def test_a_folder_without_movielens_is_named(tmp_path):
    found = first_look.fault_of({"source": "movielens", "path": str(tmp_path)})
    assert "has no ratings.csv" in found.message
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,9,3\n")
    found = first_look.fault_of({"source": "movielens", "path": str(tmp_path)})
    assert "line 2: rating is 9, expected 0.5 to 5" in found.message
    assert first_look.fault_of({"source": "movielens"}).setting == "path"
    assert first_look.fault_of({"source": "movielens", "variant": "32m"}) is None
