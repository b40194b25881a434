import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen.plots import BASELINE
from candgen.studies.exposure import plots


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_every_item_is_a_dot_at_what_was_shown_and_what_is_wanted():
    ax = plots.shown_and_wanted(np.array([1, 10, 1000]), np.array([0.1, 0.3, 0.2]))
    np.testing.assert_allclose(ax.collections[0].get_offsets(), [[1, 0.1], [10, 0.3], [1000, 0.2]])
    assert ax.get_xscale() == "log"
    assert ax.get_title() == "3 items"


def test_estimates_stand_in_the_row_of_their_generator_and_the_truth_is_a_bar():
    names = ["plain", "weighed", "pooled", "true"]
    means = [0.4, 0.3, 0.2, 0.25, 0.1, 0.2, 0.3, 0.35]
    table = pd.DataFrame({"generator": list("aaaabbbb"), "estimate": names * 2, "mean": means})
    ax = plots.estimates(table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05), k=20)
    bars = [line for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert [line.get_xdata()[0] for line in bars] == [0.25, 0.35]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["true", "plain", "weighed", "pooled"]
    dots = {line.get_label(): line for line in ax.lines if line.get_label() in legend[1:]}
    assert list(dots["plain"].get_xdata()) == [0.4, 0.1]
    assert np.round(dots["plain"].get_ydata()).tolist() == [0, 1]


def test_without_a_truth_no_bar_is_drawn():
    table = pd.DataFrame({"generator": "a", "estimate": ["plain", "weighed", "pooled"],
                          "mean": 0.3, "low": 0.2, "high": 0.4})  # fmt: skip
    ax = plots.estimates(table, k=20)
    assert len(ax.get_legend().get_texts()) == 3


def test_lines_over_the_bias_rise_from_left_to_right_with_names_in_the_last_panel():
    table = pd.DataFrame(
        {
            "bias": [1.0, 0.0, 0.0, 1.0], "training": ["x", "x", "y", "y"],
            "mean": [0.4, 0.2, 0.3, 0.3], "low": 0.1, "high": 0.5,
        }
    )  # fmt: skip
    figure = plots.against_bias({"one": table, "other": table})
    left, right = figure.axes
    assert left.get_title() == "one" and words(left) == [] and words(right) == ["x", "y"]
    np.testing.assert_allclose(left.lines[0].get_xydata(), [[0, 0.2], [1, 0.4]])


def test_exposure_is_drawn_beside_merit_in_order_of_merit():
    table = pd.DataFrame(
        {
            "group": ["small", "large"], "exposure": [0.5, 0.5], "merit": [0.1, 0.9],
            "gap": [0.4, -0.4], "low": [0.3, -0.5], "high": [0.5, -0.3],
        }
    )  # fmt: skip
    ax = plots.exposure_and_merit({"ours": table, "best": table}, baselines=["best"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["large", "small"]
    bars = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2
            and len(set(line.get_xdata())) == 1 and line.get_marker() == "None"]  # fmt: skip
    assert bars == [0.9, 0.1]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["merit", "ours", "best"]
    assert next(line for line in ax.lines if line.get_label() == "best").get_color() == BASELINE


def test_rounds_are_lines_and_controls_are_grey_and_broken():
    table = pd.DataFrame(
        {"round": [0, 1, 2], "relevance": [0.5, 0.4, 0.3], "gini": [0.1, 0.2, 0.3]}
    )
    figure = plots.rounds(
        {"ours": table, "at random": table}, {"relevance": "truth", "gini": "Gini"}
    )
    assert [ax.get_title() for ax in figure.axes] == ["truth", "Gini"]
    ours, control = figure.axes[0].lines
    assert control.get_color() == BASELINE and control.get_linestyle() != ours.get_linestyle()
    assert words(figure.axes[1]) == ["ours", "at random"]


def test_changes_are_coloured_only_where_the_interval_excludes_none():
    table = pd.DataFrame(
        {
            "policy": ["up", "down", "either"], "measure": "gap", "change": [0.2, -0.2, 0.05],
            "low": [0.1, -0.3, -0.1], "high": [0.3, -0.1, 0.2],
        }
    )  # fmt: skip
    ax = plots.changes(table, "gap", label="change")
    drawn = [line.get_color() for line in ax.lines if line.get_marker() == "o"]
    assert drawn[2] == BASELINE and len(set(drawn)) == 3
    assert [t.get_text() for t in ax.get_yticklabels()] == ["up", "down", "either"]
