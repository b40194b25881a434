"""Steps of trainings, in a file as they happen."""

import json

import pytest

from candgen.training import steps


@pytest.fixture(autouse=True)
def kept(tmp_path):
    steps.keep_in(tmp_path)
    yield
    steps.keep_in(None)


def test_steps_are_read_as_they_were_written_and_what_is_not_finite_is_left_out(tmp_path):
    name = steps.begin("TwoTower")
    steps.write(name, [(1, 0.25), (2, float("nan")), (3, 0.5)])
    assert steps.read(tmp_path, "TwoTower") == steps.read(tmp_path) == [(1, 0.25), (3, 0.5)]


def test_a_second_training_of_a_name_does_not_replace_the_first(tmp_path):
    first, second = steps.begin("GMF"), steps.begin("GMF")
    steps.write(first, [(1, 0.1)])
    steps.write(second, [(1, 0.9)])
    assert (first, second) == ("GMF", "GMF 2")
    assert steps.read(tmp_path, "GMF") == [(1, 0.1)]
    assert steps.read(tmp_path, "GMF 2") == [(1, 0.9)]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"trainings": {}}', '{"trainings": {"A": [1]}}'])
def test_a_missing_or_broken_file_has_no_steps(tmp_path, text):
    assert steps.read(tmp_path, "A") == steps.read(tmp_path) == []
    (tmp_path / steps.STEPS).write_text(text)
    assert steps.read(tmp_path, "A") == steps.read(tmp_path) == []


def test_without_a_folder_nothing_is_written(tmp_path):
    steps.keep_in(None)
    steps.write(steps.begin("A"), [(1, 0.1)])
    assert list(tmp_path.iterdir()) == []


def test_the_file_names_its_format(tmp_path):
    steps.write(steps.begin("A"), [(1, 0.1)])
    found = json.loads((tmp_path / steps.STEPS).read_text())
    assert found == {"format": 1, "trainings": {"A": [[1, 0.1]]}}
