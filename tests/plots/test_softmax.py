import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen import plots

PARTS = pd.DataFrame(
    [
        ("history", "input", 900, 32, 28800),
        ("user place", "input", 7, 16, 112),
        ("ReLU 1", "hidden", 48, 64, 3136),
        ("user vector", "user vector", 64, 32, 2080),
        ("id", "row", 901, 32, 28832),
        ("bias", "row", 901, 1, 901),
    ],
    columns=["part", "kind", "rows", "width", "numbers"],
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_a_network_shows_every_part_with_its_sizes():
    said = texts(plots.network(PARTS, n_items=900))
    assert "history\n900 x 32" in said and "place\n7 x 16" in said
    assert "ReLU 1 · 64" in said and "user vector · 32" in said
    assert "row of each item · 32 + bias" in said
    assert any("900 items" in text for text in said)


def test_inputs_stand_below_layers_and_the_softmax_on_top():
    ax = plots.network(PARTS, n_items=900)
    height = {
        text.get_text().split(" ")[0].split("\n")[0]: text.get_position()[1] for text in ax.texts
    }
    assert height["history"] < height["ReLU"] < height["user"] < height["inner"]


def test_the_truth_is_dashed_and_every_name_has_its_values():
    index = pd.Index(["0 to 30", "30 to 60"], name="days since it appeared")
    table = pd.DataFrame({"with": [0.5, 1.2], "truth": [2.0, 1.0]}, index=index)
    ax = plots.ages_of_candidates(table, truth="truth")
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["truth"].get_linestyle() == "--" and lines["with"].get_linestyle() == "-"
    np.testing.assert_array_equal(lines["with"].get_ydata(), [0.5, 1.2])
    assert ax.get_xlabel() == "days since it appeared"


def test_axes_that_are_given_are_drawn_on():
    ax = plt.subplots()[1]
    assert plots.network(PARTS, n_items=3, ax=ax) is ax
