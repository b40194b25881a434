"""The statistics of an invented world beside those of MovieLens ml-latest-small."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.world import WorldSettings, make_world

pytestmark = pytest.mark.data


class Statistics(NamedTuple):
    """The shape of a table of ratings; popularity is taken over the items that occur."""

    items: int  # that occur
    item_gini: float
    top_1_percent: float  # share of the events on the most popular hundredth of the items
    top_10_percent: float
    largest_item: float  # share of the users who rated the most popular item
    rated_once: float  # share of the items
    activity_gini: float
    mean_over_median: float  # of the events a user
    fewest: int
    sparsity: float
    mean_rating: float
    rating_spread: float
    halves: float  # share of the ratings that are not whole stars


def gini(counts) -> float:
    counts = np.sort(np.asarray(counts, dtype=float))
    n = len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum()))


def statistics(events: pd.DataFrame) -> Statistics:
    items = np.sort(events["item"].value_counts())[::-1]
    activity = events["user"].value_counts()
    rating = events["rating"]
    return Statistics(
        items=len(items),
        item_gini=gini(items),
        top_1_percent=items[: len(items) // 100].sum() / len(events),
        top_10_percent=items[: len(items) // 10].sum() / len(events),
        largest_item=items[0] / len(activity),
        rated_once=(items == 1).mean(),
        activity_gini=gini(activity),
        mean_over_median=activity.mean() / activity.median(),
        fewest=activity.min(),
        sparsity=1 - len(events) / (len(activity) * len(items)),
        mean_rating=rating.mean(),
        rating_spread=rating.std(),
        halves=(rating % 1 != 0).mean(),
    )


@pytest.fixture(scope="module")
def movielens(real_data) -> pd.DataFrame:
    events = pd.read_csv(real_data / "ml-latest-small" / "ratings.csv")
    return events.rename(columns={"userId": "user", "movieId": "item"})


def world_of(n_users: int, n_items: int, movielens: pd.DataFrame, seed: int) -> pd.DataFrame:
    per_user = round(len(movielens) / n_users)
    settings = WorldSettings(n_users=n_users, n_items=n_items, events_per_user=per_user)
    return make_world(settings, seed).interactions


TOLERANCES = Statistics(
    items=800,
    item_gini=0.03,
    top_1_percent=0.03,
    top_10_percent=0.045,
    largest_item=0.1,
    rated_once=0.06,
    activity_gini=0.03,
    mean_over_median=0.2,
    fewest=2,
    sparsity=0.0015,
    mean_rating=0.06,
    rating_spread=0.04,
    halves=0.05,
)


def apart(ours: Statistics, theirs: Statistics, names) -> dict[str, tuple[float, float]]:
    """The statistics that differ by more than their tolerance, ours and theirs."""
    pairs = {name: (getattr(ours, name), getattr(theirs, name)) for name in names}
    return {
        name: (round(float(our), 4), round(float(their), 4))
        for name, (our, their) in pairs.items()
        if abs(our - their) > getattr(TOLERANCES, name)
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_where_as_many_films_are_watched_the_statistics_are_those_of_movielens(movielens, seed):
    # MovieLens lists only films that somebody rated; a catalogue has others too.
    events = world_of(610, 14_000, movielens, seed)
    assert apart(statistics(events), statistics(movielens), Statistics._fields) == {}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_catalogue_of_the_same_size_has_the_same_tail_activity_and_ratings(movielens, seed):
    events = world_of(610, 9724, movielens, seed)
    names = [name for name in Statistics._fields if name not in ("items", "rated_once", "sparsity")]
    assert apart(statistics(events), statistics(movielens), names) == {}
    assert len(events) == pytest.approx(len(movielens), rel=0.01)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_rating_histogram_is_near_that_of_movielens(movielens, seed):
    stars = np.arange(0.5, 5.5, 0.5)
    ours, theirs = (
        table["rating"].value_counts(normalize=True).reindex(stars, fill_value=0)
        for table in (world_of(610, 9724, movielens, seed), movielens)
    )
    assert 0.5 * (ours - theirs).abs().sum() < 0.075  # total variation distance
    assert ours.loc[4.0] > ours.loc[4.5] < ours.loc[5.0]  # halves are rarer than their neighbours
    assert ours.loc[3.0] > ours.loc[3.5] < ours.loc[4.0]
