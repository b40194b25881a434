"""The statistics of an invented world beside those of MovieLens ml-latest-small."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.world import WorldSettings, make_world

pytestmark = pytest.mark.data


class Statistics(NamedTuple):
    """The shape of a table of ratings; popularity is taken over the items that occur."""

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


def statistics(events: pd.DataFrame, n_users: int, n_items: int) -> Statistics:
    items = np.sort(events["item"].value_counts())[::-1]
    activity = events["user"].value_counts()
    rating = events["rating"]
    return Statistics(
        item_gini=gini(items),
        top_1_percent=items[: len(items) // 100].sum() / len(events),
        top_10_percent=items[: len(items) // 10].sum() / len(events),
        largest_item=items[0] / n_users,
        rated_once=(items == 1).mean(),
        activity_gini=gini(activity),
        mean_over_median=activity.mean() / activity.median(),
        fewest=activity.min(),
        sparsity=1 - len(events) / (n_users * n_items),
        mean_rating=rating.mean(),
        rating_spread=rating.std(),
        halves=(rating % 1 != 0).mean(),
    )


@pytest.fixture(scope="module")
def movielens(real_data) -> pd.DataFrame:
    events = pd.read_csv(real_data / "ml-latest-small" / "ratings.csv")
    return events.rename(columns={"userId": "user", "movieId": "item"})


@pytest.fixture(scope="module", params=[0, 1])
def events(request, movielens) -> pd.DataFrame:
    n_users, n_items = movielens["user"].nunique(), movielens["item"].nunique()
    per_user = round(len(movielens) / n_users)
    settings = WorldSettings(n_users=n_users, n_items=n_items, events_per_user=per_user)
    return make_world(settings, request.param).interactions


def test_a_world_of_the_same_size_has_the_statistics_of_movielens(events, movielens):
    real = statistics(movielens, 610, 9724)
    invented = statistics(events, 610, 9724)
    tolerances = Statistics(
        item_gini=0.04,
        top_1_percent=0.03,
        top_10_percent=0.05,
        largest_item=0.15,
        rated_once=0.15,
        activity_gini=0.04,
        mean_over_median=0.3,
        fewest=3,
        sparsity=0.0005,
        mean_rating=0.08,
        rating_spread=0.06,
        halves=0.06,
    )
    apart = {
        name: (round(float(ours), 4), round(float(theirs), 4))
        for name, ours, theirs, tolerance in zip(
            real._fields, invented, real, tolerances, strict=True
        )
        if abs(ours - theirs) > tolerance
    }
    assert apart == {}


def test_the_rating_histogram_is_near_that_of_movielens(events, movielens):
    stars = np.arange(0.5, 5.5, 0.5)
    ours, theirs = (
        table["rating"].value_counts(normalize=True).reindex(stars, fill_value=0)
        for table in (events, movielens)
    )
    assert 0.5 * (ours - theirs).abs().sum() < 0.08  # total variation distance
    assert ours[stars % 1 == 0].min() > 0.01
    assert ours.loc[4.0] > ours.loc[4.5] < ours.loc[5.0]  # halves are rarer than their neighbours
