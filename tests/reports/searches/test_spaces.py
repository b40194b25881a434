import math

import pytest

from candgen.reports.searches.spaces import read_space, spelled

SPACE = read_space(
    {
        "dim": {"int": [16, 256], "log": True},
        "share": {"float": [0.0, 0.5], "step": 0.1},
        "hidden": [[], [64], [128, 64]],
        "correction": [True, False],
        "epochs": [1, 2.0, 4],
    }
)


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("dim", 16, 0.0), ("dim", 64, 0.5), ("dim", 256, 1.0), ("share", 0.1, 0.2),
        ("hidden", [64], 0.5), ("hidden", [128, 64], 1.0), ("correction", False, 1.0),
        ("epochs", 1.0, 0.0), ("epochs", 2, 0.5),
    ],
)  # fmt: skip
def test_values_stand_between_the_ends_of_their_axis(name, value, place):
    assert SPACE[name].place(value) == pytest.approx(place)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dim", 15), ("dim", "64"), ("share", 0.6), ("share", True), ("hidden", [32]),
     ("epochs", True), ("correction", 1), ("dim", None)],
)  # fmt: skip
def test_a_value_outside_of_the_space_has_no_place(name, value):
    assert not SPACE[name].holds(value) and math.isnan(SPACE[name].place(value))


def test_ranges_and_choices_are_told_in_words():
    assert SPACE["dim"].words == "16 to 256, logarithmic"
    assert SPACE["share"].words == "0 to 0.5"
    assert SPACE["hidden"].words == "[], [64], [128, 64]"
    assert SPACE["correction"].words == "true, false"


def test_the_middle_of_a_logarithmic_range_is_the_geometric_one():
    assert SPACE["dim"].ticks == [(0.0, "16"), (pytest.approx(0.5), "64"), (1.0, "256")]
    assert SPACE["share"].ticks[1] == (pytest.approx(0.5), "0.25")
    assert [text for _, text in SPACE["hidden"].ticks] == ["[]", "[64]", "[128, 64]"]


def test_the_end_of_a_range_is_told_and_that_of_a_list_is_not():
    assert SPACE["dim"].at_an_end(16) and SPACE["dim"].at_an_end(256)
    assert not SPACE["dim"].at_an_end(20)
    assert not SPACE["hidden"].at_an_end([])


def test_a_range_of_one_value_and_what_is_no_range_can_be_drawn():
    odd = read_space({"one": {"int": [4, 4]}, "text": "softmax", "lone": [3], "cut": {"int": [1]}})
    assert odd["one"].place(4) == odd["text"].place("softmax") == odd["lone"].place(3) == 0.5
    assert odd["one"].ticks == [(0.0, "4"), (1.0, "4")]
    assert odd["cut"].words == '{"int": [1]}'
    assert spelled(1e-4) == "0.0001"
