import math
from itertools import pairwise

import matplotlib.pyplot as plt
import pytest

from candgen.plots import comparison
from candgen.plots.comparison import Mark
from candgen.plots.style import BASELINE

MARKS = [Mark("popularity", 0.2, 0.1, 0.3, BASELINE), Mark("wals", 0.5, 0.4, 0.6)]


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def dots(ax) -> list[tuple[float, float]]:
    """Return the positions of single points."""
    lines = [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
    return [tuple(map(float, xy[0])) for xy in lines if len(xy) == 1]


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_marks_go_from_top_to_bottom(ax):
    comparison.intervals(MARKS, label="recall@20", ax=ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["popularity", "wals"]
    assert dots(ax) == [(0.2, 0.0), (0.5, 1.0)]
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_the_reference_is_a_dashed_line_at_its_value(ax):
    comparison.intervals(MARKS, label="recall@20", ax=ax, reference="popularity")
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [list(line.get_xdata()) for line in dashed] == [[0.2, 0.2]]


def test_values_begin_at_zero_and_every_interval_is_inside(ax):
    comparison.intervals(MARKS, label="recall@20", ax=ax)
    left, right = ax.get_xlim()
    assert left == 0
    assert right > 0.6


def test_a_mark_without_an_interval_is_a_dot_alone(ax):
    comparison.intervals([Mark("one", 0.4)], label="recall@20", ax=ax)
    assert dots(ax) == [(0.4, 0.0)]
    assert len(ax.lines) == 1


def test_differences_show_zero_and_the_margin_even_when_all_lie_far_to_the_right(ax):
    comparison.differences([Mark("wals", 0.3, 0.2, 0.4)], label="difference", margin=0.05, ax=ax)
    left, right = ax.get_xlim()
    assert left < -0.05
    assert right > 0.4
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert (band.x0, band.x1) == (pytest.approx(-0.05), pytest.approx(0.05))


def test_lines_over_groups_are_named_where_they_end(ax):
    lines = {"wals": ([0.1, 0.2, 0.3], "#0072B2"), "popularity": ([0.1, 0.1, math.nan], BASELINE)}
    comparison.across_groups(["head", "middle", "tail"], lines, label="recall@20", ax=ax)
    ax.figure.canvas.draw()
    assert sorted(words(ax)) == ["popularity", "wals"]
    assert ax.get_ylim()[0] == 0


def test_names_at_the_bottom_stay_above_the_axis_and_apart(ax):
    lines = {name: ([0.9, 0.0], "#0072B2") for name in "abcde"}
    comparison.across_groups(["head", "tail"], lines, label="recall@20", ax=ax)
    heights = sorted(text.xy[1] for text in ax.texts)
    assert heights[0] >= 0
    gaps = [b - a for a, b in pairwise(heights)]
    assert min(gaps) > 0.02


def test_a_cost_of_zero_still_has_a_place_on_a_logarithmic_axis(ax):
    comparison.trade_off(
        MARKS, [0.0, 10.0], x_label="seconds", y_label="recall@20", ax=ax, logarithmic=True
    )
    assert dots(ax) == [(0.001, 0.2), (10.0, 0.5)]
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels() if label.get_text()]
    assert sorted(words(ax)) == ["popularity", "wals"]


def test_a_linear_cost_begins_at_zero(ax):
    comparison.trade_off(MARKS, [100.0, 900.0], x_label="MiB", y_label="recall@20", ax=ax)
    assert ax.get_xlim()[0] == 0


def test_names_of_dots_close_together_do_not_cover_each_other(ax):
    marks = [comparison.Mark(name, 0.4) for name in "ABCD"]
    across = [1.0, 1.05, 1.1, 1.15]
    comparison.trade_off(marks, across, x_label="seconds", y_label="recall@20", ax=ax)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 4
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)
