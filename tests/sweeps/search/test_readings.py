"""Readings of test: each question once; a second one with other settings is written down."""

import json

import pytest

from sweeps.search.toy_search import Silent


@pytest.fixture
def readings(outputs):
    def read():
        return json.loads((outputs / "test_readings.json").read_text())["readings"]

    return read


def test_one_reading_for_each_chosen_run(search, readings, outputs):
    search(more="seeds: [3, 4]\n")
    found = readings()
    read = {(each["run"], each["reading"]) for each in found}  # in the order in which they end
    assert len(found) == 2 and read == {("toy-seed3", 1), ("toy-seed4", 1)}
    assert {each["dataset"] for each in found} == {"d1"}
    assert json.loads((outputs / "search.json").read_text())["test_readings"] == found


def test_the_same_settings_again_are_no_second_reading(search, readings):
    search()
    search()
    search(fresh=True)
    assert [each["reading"] for each in readings()] == [1]


def test_other_settings_are_a_second_reading_and_it_is_said(search, readings):
    first = search(trials=1)["chosen"]["params"]
    second = search(trials=20)["chosen"]["params"]
    assert first != second
    found = readings()
    assert [each["reading"] for each in found] == [1, 2]
    assert found[0]["settings"] != found[1]["settings"]
    assert any("reading 2 of the test part" in said for said in Silent.said)


def test_runs_judged_on_validation_read_nothing(search, outputs):
    search(more="    evaluate_on: validation\n")
    assert not (outputs / "test_readings.json").exists()


def test_a_damaged_file_is_said_and_stops_nothing(search, outputs):
    search()
    (outputs / "test_readings.json").write_text("{")
    search(trials=20)
    assert any("test_readings.json" in said for said in Silent.said)
    assert (outputs / "test_readings.json").read_text() == "{"
