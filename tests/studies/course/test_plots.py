"""Pictures of the rating model show what they were given."""

import numpy as np

from candgen.studies.course import plots


def test_each_solver_has_its_line_over_seconds():
    curves = {"slow": ([1, 2, 3], [9, 4, 2]), "fast": ([0.1, 0.2], [9, 2])}
    ax = plots.cost_curves(curves)
    assert [line.get_label() for line in ax.lines] == ["slow", "fast"]
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[0.1, 9], [0.2, 2]])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert len({line.get_color() for line in ax.lines}) == 2


def test_given_and_predicted_ratings_stand_in_the_row_of_their_film():
    ax = plots.original_and_predicted([5, 1], [4.5, 1.4], ["Up $1 (2009)", "x" * 60], means=[3, 2])
    means, given, predicted = (dots.get_offsets().tolist() for dots in ax.collections[1:])
    assert given == [[5, 0], [1, 1]] and predicted == [[4.5, 0], [1.4, 1]]
    assert means == [[3, 0], [2, 1]]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0] == r"Up \$1 (2009)" and len(names[1]) == 38
    low, high = ax.get_xlim()
    assert low < 0.5 and high > 5


def test_means_may_be_left_out():
    ax = plots.original_and_predicted([5], [4.5], ["a"])
    assert len(ax.get_legend().get_texts()) == 2
