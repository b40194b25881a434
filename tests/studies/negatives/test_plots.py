"""Pictures of negatives show what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from candgen.evaluation.calibration import Reliability
from candgen.studies.negatives import plots as negatives
from candgen.studies.three_posts import posts as three_posts
from candgen.studies.three_posts import study as posts_study


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_dots_are_what_was_drawn_and_the_line_is_what_was_promised():
    table = pd.DataFrame(
        {
            "popularity": [1, 4, 9],
            "drawn": [0.5, 1, 2],
            "promised": [0.6, 1, 1.9],
            "items": [5, 3, 2],
        }
    )
    ax = negatives.draws_and_promises(table, label="a sampler")
    _, promised, drawn = ax.lines
    assert promised.get_ydata().tolist() == [0.6, 1, 1.9]
    assert drawn.get_ydata().tolist() == [0.5, 1, 2] and drawn.get_linestyle() == "None"
    assert ax.get_title() == "a sampler: 10 items"


def test_shares_of_cosines_add_up_to_one():
    ax = negatives.cosines({"alike": np.ones((3, 4)), "spread": np.linspace(-1, 1, 50)})
    for outline in ax.patches:
        assert outline.get_data().values.sum() == pytest.approx(1)


def test_bins_with_few_predictions_are_not_drawn():
    edges, means = np.array([0, 0.5, 1.0]), np.array([0.25, 0.75])
    bins = Reliability(edges, means, np.zeros(2), np.array([50, 3]))
    ax = negatives.calibration_curves({"held-out events": bins}, meaning="probability")
    curve, diagonal = ax.lines
    assert curve.get_xdata().tolist() == [0.25]
    assert diagonal.get_xdata().tolist() == diagonal.get_ydata().tolist() == [0, 1]


def test_lifts_are_drawn_on_logarithmic_axes_without_zeros():
    edges, means = np.array([0, 0.5, 2, 16]), np.array([0.1, 0.9, 8.0])
    bins = Reliability(edges, means, np.array([0.0, 1.0, 4.0]), np.full(3, 30))
    ax = negatives.calibration_curves({"the oracle": bins}, meaning="lift")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert ax.lines[0].get_ydata().tolist() == [1.0, 4.0]


def test_the_median_follows_the_items():
    popularity = np.repeat([1, 16, 256], 20)
    ax = negatives.against_popularity(popularity, np.repeat([1.0, 2.0, 3.0], 20), label="length")
    assert ax.lines[1].get_ydata().tolist() == [1, 2, 3]
    assert ax.get_xscale() == "log" and ax.get_ylabel() == "length"


def test_biases_are_marked_for_own_and_for_true_taste():
    ax = negatives.biases({"one": {"own": 1.2, "true taste": 8.0}, "two": {"own": 0.5}}, k=20)
    marks = [line.get_xdata()[0] for line in ax.lines[:3]]
    assert marks == [1.2, 8.0, 0.5]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["one", "two"]


def test_every_way_to_teach_has_a_dot_where_the_user_ends():
    ways = posts_study.ways_to_train(2, weight=0.25, penalty=0.01)
    table, _ = posts_study.landings(ways, start=0.0, rate=0.1, steps=1)
    ax = negatives.landing_places(table, three_posts.POSTS)
    dots = np.concatenate([line.get_xdata() for line in ax.lines if line.get_marker() == "o"])
    assert sorted(dots) == pytest.approx(sorted(table["exact"]))


@pytest.mark.parametrize("names", [True, False])
def test_samplers_of_a_kind_share_a_colour_and_names_can_be_left_out(names):
    table = pd.DataFrame(
        {
            "label": ["a", "b", "c"],
            "negatives": ["hard", "hard", "all"],
            "x": [1, 2, 3.0],
            "y": [1, 3, 2.0],
        }
    )
    ax = negatives.sampler_map(table, x="x", y="y", x_label="across", y_label="up", names=names)
    (dots,) = ax.collections
    first, second, third = dots.get_facecolors().tolist()
    assert first == second != third
    assert len(ax.texts) == (3 if names else 0)
