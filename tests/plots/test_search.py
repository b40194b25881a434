"""Pictures of a search: each trial where its value and its settings are."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from candgen.plots.search import Dot, by_setting, history, parallel
from candgen.plots.style import ACCENT, BASELINE, MODEL

DOTS = [
    Dot(0, 0.2, "done", places=(0.5, 0.0)),
    Dot(1, 0.1, "done", places=(0.1, 1.0)),
    Dot(2, 0.05, "pruned", places=(0.2, 1.0)),
    Dot(3, None, "failed", places=(0.3, 0.0)),
    Dot(4, 0.4, "done", True, places=(0.9, math.nan)),
    Dot(5, 0.3, "done", places=(0.8, 1.0)),
]


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def marks(ax, marker: str, *, hollow: bool | None = None) -> list[tuple[float, float]]:
    """Places of all marks of one shape."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    if hollow is not None:
        lines = [line for line in lines if (line.get_markerfacecolor() == "none") == hollow]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def test_the_line_is_the_best_so_far_of_finished_trials_up_to_the_last_one(ax):
    history(DOTS, label="recall@20", ax=ax)
    line = next(line for line in ax.lines if line.get_drawstyle() == "steps-post")
    assert line.get_xdata().tolist() == [0, 1, 4, 5, 5]
    assert line.get_ydata().tolist() == [0.2, 0.2, 0.4, 0.4, 0.4]


def test_the_default_settings_are_the_dashed_line(ax):
    history(DOTS, label="recall@20", ax=ax)
    dashed = [line for line in ax.lines if line.get_color() == BASELINE and line.is_dashed()]
    assert [line.get_ydata()[0] for line in dashed] == [0.2]
    history([DOTS[1]], label="recall@20", ax=(other := ax.figure.add_subplot()))
    assert not [line for line in other.lines if line.is_dashed()]


def test_each_kind_of_trial_has_its_mark(ax):
    history(DOTS, label="recall@20", ax=ax)
    assert marks(ax, "o", hollow=False) == [(0, 0.2), (1, 0.1), (4, 0.4), (5, 0.3)]
    assert marks(ax, "v") == [(2, 0.05)]
    assert marks(ax, "x") == [(3, 0.05)]  # at the lowest value of all
    assert marks(ax, "o", hollow=True) == [(4, 0.4)]


def test_a_slice_has_the_setting_across_and_the_value_upwards(ax):
    ticks = [(0.0, "16"), (1.0, "256")]
    by_setting(DOTS, 0, name="dim", ticks=ticks, ax=ax)
    assert marks(ax, "o", hollow=False) == [(0.5, 0.2), (0.1, 0.1), (0.9, 0.4), (0.8, 0.3)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["16", "256"]
    assert ax.get_xlabel() == "dim"


def test_a_parallel_line_goes_through_its_settings_down_to_its_value(ax):
    parallel(DOTS, ["dim", "loss"], [("16", "256"), ("a", "b")], label="recall@20", ax=ax)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    by_colour = {to_hex(line.get_color()): line for line in lines}
    chosen = by_colour[ACCENT.lower()]
    np.testing.assert_allclose(chosen.get_xdata(), [0.9, math.nan, 1.0])
    assert len(lines) == 5  # the failed one is left out
    dotted = [line for line in lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted[0].get_xdata(), [0.2, 1.0, 0.0])
    assert len(dotted) == 1
    ticks = [label.get_text() for label in ax.get_yticklabels()]
    assert ticks == ["dim\n16", "loss\na", "recall@20\n0.0500"]


def test_better_trials_are_darker(ax):
    parallel(DOTS[:3], ["dim", "loss"], [("16", "256"), ("a", "b")], label="recall@20", ax=ax)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    shade = {round(float(line.get_xdata()[2]), 3): sum(line.get_color()[:3]) for line in lines}
    assert shade[1.0] < shade[round(0.05 / 0.15, 3)] < shade[0.0]


def test_searches_without_any_value_can_be_drawn(ax):
    history(DOTS[3:4], label="recall@20", ax=ax)
    parallel(DOTS[3:4], ["dim", "loss"], [("16", "256"), ("a", "b")], label="recall@20", ax=ax)
    assert marks(ax, "x") and MODEL not in [line.get_color() for line in ax.lines]
