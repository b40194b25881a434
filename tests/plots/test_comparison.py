import math
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from candgen.plots import comparison
from candgen.plots.comparison import Mark
from candgen.plots.style import BASELINE
from candgen.reports.results import new_figure

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
    assert dots(ax) == [(pytest.approx(0.001), 0.2), (10.0, 0.5)]
    ax.figure.canvas.draw()
    assert [label.get_text() for label in ax.get_xticklabels() if label.get_text()]
    assert sorted(words(ax)) == ["popularity", "wals"]


def test_a_linear_cost_begins_at_zero(ax):
    comparison.trade_off(MARKS, [100.0, 900.0], x_label="MiB", y_label="recall@20", ax=ax)
    assert ax.get_xlim()[0] == 0


@pytest.mark.parametrize("end", [0.0, 0.3, float("nan")])
@pytest.mark.parametrize("names", [["upper", "lower"], ["lower", "upper"]])
def test_names_of_lines_with_equal_ends_stand_as_the_lines_come_in(ax, names, end):
    values = {"upper": [0.5, 0.4, end], "lower": [0.5, 0.2, end]}
    lines = {name: (values[name], "C0") for name in names}
    comparison.across_groups(["head", "middle", "tail"], lines, label="recall@20", ax=ax)
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    placed = {text.get_text(): text.xy[1] for text in ax.texts}
    assert placed["upper"] > placed["lower"], heights


def test_names_of_dots_close_together_do_not_cover_each_other(ax):
    marks = [comparison.Mark(name, 0.4) for name in "ABCD"]
    across = [1.0, 1.05, 1.1, 1.15]
    comparison.trade_off(marks, across, x_label="seconds", y_label="recall@20", ax=ax)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 4
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)


@pytest.fixture(params=[(8.6, 3.9), (4.2, 3.2)], ids=["wide", "narrow"])
def sized(request):
    """Axes as wide as a report draws them."""
    figure, ax = new_figure(*request.param)
    figure.subplots_adjust(left=0.2)
    return ax


def boxes_of(ax):
    ax.figure.canvas.draw()
    renderer = ax.figure.canvas.get_renderer()
    return [Text.get_window_extent(text, renderer) for text in ax.texts]  # without their lines


def test_names_of_many_runs_stay_apart_and_inside_in_every_width(sized):
    rng = np.random.default_rng(3)
    marks = [
        Mark(f"two-tower-dim{n}-negatives-in-batch", 0.2 + 0.02 * rng.random()) for n in range(24)
    ]
    seconds = 10 ** rng.uniform(0, 1.5, len(marks))
    labels = {"x_label": "seconds", "y_label": "recall@20", "ax": sized}
    comparison.trade_off(marks, seconds, **labels, logarithmic=True)
    boxes = boxes_of(sized)
    assert len(boxes) >= 8
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)
    inside = sized.get_window_extent().padded(1)
    assert all(inside.containsx(b.x0) and inside.containsx(b.x1) for b in boxes)
    assert all(inside.containsy(b.y0) and inside.containsy(b.y1) for b in boxes)


def test_names_cover_no_dot(sized):
    marks = [Mark(f"run {n}", 0.3 + 0.01 * n) for n in range(8)]
    comparison.trade_off(marks, [5.0 + n for n in range(8)], x_label="s", y_label="r", ax=sized)
    at = sized.transData.transform([(5.0 + n, mark.value) for n, mark in enumerate(marks)])
    assert not any(box.contains(*xy) for box in boxes_of(sized) for xy in at)


def test_a_far_reference_list_stands_at_the_edge_and_leaves_the_models_their_room(ax):
    models = [Mark(name, value) for name, value in (("a", 0.40), ("b", 0.42), ("c", 0.45))]
    near = Mark("popularity", 0.39, colour=BASELINE, reference=True)
    far = Mark("random", 0.01, colour=BASELINE, reference=True)
    comparison.trade_off([near, far, *models], [2, 1, 3, 4, 5], x_label="s", y_label="r", ax=ax)
    low, high = ax.get_ylim()
    assert 0.05 < high - low < 0.1
    assert (2.0, 0.39) in dots(ax)
    edge = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "v"]
    assert [tuple(xy) for xy in edge] == [(1.0, pytest.approx(low))]
    assert "random" in words(ax)


def test_a_short_logarithmic_axis_still_names_values(ax):
    comparison.trade_off(
        MARKS, [230.0, 290.0], x_label="seconds", y_label="r", ax=ax, logarithmic=True
    )
    ax.figure.canvas.draw()
    left, right = ax.get_xlim()
    ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    assert sum(left < x < right and bool(label.get_text()) for x, label in ticks) >= 2
