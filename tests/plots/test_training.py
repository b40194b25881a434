from typing import NamedTuple

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from candgen import plots


class Epoch(NamedTuple):
    epoch: int
    loss: float
    watched: float = float("nan")


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def falling(*watched):
    watched = watched or (float("nan"),) * 3
    return [Epoch(n + 1, 3.0 - n, value) for n, value in enumerate(watched)]


def test_the_loss_stands_alone_where_nothing_was_watched():
    (loss,) = plots.training_curves(falling())
    (line,) = loss.lines
    assert list(line.get_xdata()) == [1, 2, 3] and list(line.get_ydata()) == [3, 2, 1]
    assert loss.get_legend() is None and not loss.figure.legends


def test_what_was_watched_has_a_panel_of_its_own_with_a_ring_at_the_best():
    _, metric = plots.training_curves(falling(0.1, 0.4, float("nan"), 0.3), watched="recall@20")
    curve, ring = metric.lines
    assert list(curve.get_xdata()) == [1, 2, 4] and list(curve.get_ydata()) == [0.1, 0.4, 0.3]
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([2], [0.4])
    assert metric.get_ylabel() == "recall@20 on validation"


def test_several_trainings_have_a_colour_and_a_name_each():
    loss, metric = plots.training_curves({"shallow": falling(), "deep": falling(0.1, 0.2, 0.3)})
    assert [line.get_label() for line in loss.lines] == ["shallow", "deep"]
    assert loss.lines[0].get_color() != loss.lines[1].get_color() == metric.lines[0].get_color()
    (legend,) = loss.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["shallow", "deep"]


def test_axes_that_are_given_are_drawn_on():
    own = np.ravel(plt.subplots(1, 2)[1])
    assert list(plots.training_curves(falling(0.1, 0.2, 0.3), ax=own)) == list(own)
    alone = plt.subplots()[1]
    assert list(plots.training_curves(falling(), ax=alone)) == [alone]
