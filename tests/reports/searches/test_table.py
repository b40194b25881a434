import csv

import pytest

from candgen.reports import write_leaderboard
from candgen.reports.searches.table import write_trials


@pytest.fixture(scope="module")
def rows(searched_folder, tmp_path_factory) -> list[dict[str, str]]:
    with open(write_trials(searched_folder, tmp_path_factory.mktemp("aside")), newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_one_row_a_trial_of_any_state(rows):
    assert [row["run"] for row in rows] == ["wals"] * 30 + ["ease"] * 5
    states = [row["state"] for row in rows]
    assert (states.count("done"), states.count("pruned"), states.count("failed")) == (29, 4, 2)
    assert [row["trial"] for row in rows[:3]] == ["0", "1", "2"]


def test_the_chosen_trial_is_the_one_with_the_highest_value_of_those_that_finished(rows):
    for run in ("wals", "ease"):
        mine = [row for row in rows if row["run"] == run]
        best = max((row for row in mine if row["state"] == "done"), key=lambda r: float(r["value"]))
        assert [row for row in mine if row["chosen"] == "True"] == [best]


def test_each_searched_setting_has_a_column_that_is_empty_where_it_was_not_searched(rows):
    assert list(rows[0])[-3:] == ["dim", "regularization", "loss"]
    assert rows[0]["dim"] == "64" and rows[30]["dim"] == rows[30]["loss"] == ""
    assert rows[30]["regularization"] == "100.0"


def test_a_failed_trial_says_why_and_has_no_value(rows):
    assert (rows[5]["value"], rows[5]["why"]) == ("", "MemoryError: <b>no</b> memory")
    assert (rows[7]["value"], rows[7]["epochs"]) == ("0.65", "2")


def test_a_cell_that_a_spreadsheet_would_run_is_text(invented, sweep_builder, tmp_path):
    trial = invented.trial("w", 0, {"loss": "=1+1"}, 0.5) | {"why": "@SUM(A1)"}
    sweep_builder.write_sweep(tmp_path, {})
    search = invented.search("W", {"loss": ["=1+1"]}, [trial], [])
    invented.write(tmp_path, invented.record({"w": search}))
    assert write_trials(tmp_path).read_text().splitlines()[1].endswith(",'@SUM(A1),'=1+1")


def test_without_a_search_there_is_no_table(sweep_builder, tmp_path):
    sweep_builder.write_sweep(tmp_path, {})
    assert write_trials(tmp_path) is None and not (tmp_path / "trials.csv").exists()


def test_the_leaderboard_has_no_row_of_a_trial(searched_folder, tmp_path):
    with open(write_leaderboard(searched_folder, tmp_path), newline="") as file:
        runs = {row["run"] for row in csv.DictReader(file)}
    assert runs == {"wals-seed1", "wals-seed2", "ease", "item-neighbours"}
