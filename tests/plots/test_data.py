import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from candgen.plots import data as pictures


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    figure.canvas.draw()  # formatters run only now
    plt.close(figure)


def texts(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_the_tail_is_equal_when_all_items_are(ax):
    assert pictures.long_tail(np.full(20, 7), ax=ax) is ax
    curve = ax.lines[0].get_ydata()
    assert np.allclose(curve, np.linspace(0, 1, 21))
    assert "hold 10% of events" in texts(ax)


def test_the_tail_counts_the_most_popular_tenth(ax):
    pictures.long_tail(np.array([1] * 9 + [11]), ax=ax)
    assert "hold 55% of events" in texts(ax)
    assert ax.get_title(loc="left") + ax.get_title() == "10 items share 20 events"


def test_activity_draws_every_user_with_events_once(ax):
    pictures.activity(np.array([0, 0, 1, 1, 3, 500]), ax=ax)
    assert sum(bar.get_height() for bar in ax.patches) == 4
    assert "median 2" in texts(ax)


def test_activity_of_equally_active_users_is_drawn(ax):
    pictures.activity(np.array([5, 5, 5]), ax=ax)
    assert sum(bar.get_height() for bar in ax.patches) == 3


def test_rating_shares_sum_to_one(ax):
    pictures.rating_shares([0.5, 1.0, 1.0, 5.0], ax=ax)
    assert [bar.get_height() for bar in ax.patches] == [0.25, 0.5, 0.25]


def test_many_rating_values_are_put_into_bins(ax):
    pictures.rating_shares(np.linspace(0, 100, 1000), ax=ax)
    assert len(ax.patches) == 20
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)


def test_every_event_is_stacked_once_in_the_colour_of_its_part(ax):
    times = {"train": np.arange(0, 80_000, 1000), "test": np.arange(80_000, 100_000, 1000)}
    pictures.events_over_time(times, ax=ax)
    assert sum(bar.get_height() for bar in ax.patches) == 100
    colours = {bar.get_facecolor() for bar in ax.patches}
    assert len(colours) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test"]
