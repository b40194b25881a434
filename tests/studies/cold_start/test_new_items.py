"""Tests of the study of new items and new raters."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from candgen import models
from candgen.columns import ITEM, RATING, USER
from candgen.datasets import preparation
from candgen.datasets.cold_users import make_cold
from candgen.datasets.world import oracle_of
from candgen.errors import DataError
from candgen.models import WALS
from candgen.studies.cold_start.new_items import NewItems, ratings_of_new_users, said_of_stars

KNOWN = [0, 1, 4]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 150, "n_items": 80, "events_per_user": 15}
    return preparation.prepare(tmp_path_factory.mktemp("world"), source="world", seed=2, **sizes)


@pytest.fixture(scope="module")
def apart(data):
    return make_cold(data, 0.2, 0.3, more_than=4, seed=1)


@pytest.fixture(scope="module")
def wals(apart):
    return WALS(dim=6).fit(apart.data)


@pytest.fixture(scope="module")
def items(apart, data):
    return NewItems(apart, KNOWN, oracle=oracle_of(data), headline="recall@10")


def takers(apart, item):
    events = apart.of_items[apart.of_items[ITEM] == item]
    return events.sort_values("timestamp", kind="stable")[USER].to_numpy()


def test_first_users_of_an_item_are_the_first_in_time(items, apart):
    for n in KNOWN:
        held = items.first(n)
        for row, item in enumerate(items.items):
            assert set(held[[row]].indices) == set(takers(apart, item)[:n])


def test_an_item_is_offered_to_users_of_training_but_not_again_to_its_first(items, apart, wals):
    trained = np.unique(apart.data.train[USER])
    for n in KNOWN:
        found = items.audience(wals, n)
        assert np.isin(found, trained).all()
        for item, users in zip(items.items, found, strict=True):
            assert not np.isin(users, takers(apart, item)[:4]).any()


def test_a_factorization_finds_who_fits_the_vector_folded_in(items, wals):
    vectors = wals.fold_in_items(items.first(4))
    scores = vectors @ wals._users.T
    scores[:, ~items.offered] = -np.inf
    scores[items.withheld.nonzero()] = -np.inf
    np.testing.assert_array_equal(items.audience(wals, 4)[:, 0], scores.argmax(axis=1))


def test_without_users_the_active_stand_in(items, wals, apart):
    np.testing.assert_array_equal(items.audience(wals, 0), items.active)
    counts = apart.data.train[USER].value_counts()
    busiest = counts.index[counts == counts.max()]
    withheld = items.withheld.toarray()[:, busiest].any(axis=1)
    assert np.isin(items.active[~withheld, 0], busiest).all()


def test_found_are_those_who_took_it_later(items, apart, wals):
    table = items.by_users({"WALS": wals})
    row = table.query("known == 4 and measure == 'recall@10' and generator == 'WALS'")
    by_hand = [
        np.isin(takers(apart, item)[4:], users).mean()
        for item, users in zip(items.items, items.audience(wals, 4), strict=True)
    ]
    assert row["mean"].item() == pytest.approx(np.mean(by_hand))
    assert row["users"].item() == len(items.items)


def test_an_audience_is_as_relevant_as_the_oracle_says_and_never_more_than_there_is(
    items, wals, data
):
    oracle, best = oracle_of(data), items.best_possible()
    content = models.ItemContent(popularity_weight=0.0).fit(items.apart.data)
    table = items.by_users({"WALS": wals, "ItemContent": content})
    truth = table[table["measure"] == "true relevance@10"]
    assert (truth["mean"] <= best["true relevance@10"]).all()
    found = items.audience(content, 0)
    by_hand = [oracle.relevance(u, [i]).mean() for i, u in zip(items.items, found, strict=True)]
    row = truth.query("known == 0 and generator == 'ItemContent'")
    assert row["mean"].item() == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_items_that_too_few_took_are_named(apart):
    with pytest.raises(DataError, match="more than 999 users"):
        NewItems(apart, [999])


@pytest.fixture(scope="module")
def stars(apart):
    """A table over ratings where users lie above or below a film's mean, always by as much."""
    rng = np.random.default_rng(0)
    above = rng.choice([-1.0, 1.0], apart.data.n_users)
    mean = rng.choice([2.0, 3.0, 4.0], apart.data.n_items)

    def rated(frame):
        frame = frame.copy()
        frame[RATING] = (mean[frame[ITEM]] + above[frame[USER]]).astype(np.float32)
        return frame

    held = {name: rated(apart.data.table(name)) for name in ("train", "test")}
    made = replace(apart.data, _tables={**apart.data._tables, **held})
    told = ratings_of_new_users(
        apart._replace(data=made), KNOWN, dim=2, regularization=5.0, sweeps=20
    )
    return told.pivot(index="known", columns="generator", values="mean")


def test_without_ratings_the_film_means_are_predicted_or_nothing_at_all(stars):
    assert stars.loc[0, "mean-normalized"] == pytest.approx(stars.loc[0, "film means"])
    assert stars.loc[0, "film means"] == pytest.approx(1, abs=0.35)
    assert stars.loc[0, "not normalized"] == pytest.approx(3, abs=0.5)


def test_a_few_ratings_tell_how_far_above_the_means_a_user_lies(stars):
    assert stars.loc[4, "mean-normalized"] < 0.5 * stars.loc[0, "mean-normalized"]
    assert stars.loc[4, "not normalized"] < stars.loc[0, "not normalized"]
    assert stars["film means"].nunique() == 1


def test_users_with_too_few_ratings_are_named(apart):
    with pytest.raises(DataError, match="rated more than 999 films"):
        ratings_of_new_users(apart, [999], dim=2, regularization=1.0)


def test_new_raters_are_judged_by_what_they_rate_later(apart):
    table = ratings_of_new_users(apart, [0, 4], dim=2, regularization=5.0)
    counts = apart.data.train_matrix.sum(axis=0)
    means = np.array(apart.data.train.groupby(ITEM)[RATING].mean().reindex(range(len(counts))))
    off = []
    for _, events in apart.data.held_out.sort_values("timestamp", kind="stable").groupby(USER):
        events = events[counts[events[ITEM]] > 0]
        if len(events) > 4:
            later = events.iloc[4:]
            off.append(np.abs(later[RATING] - means[later[ITEM]]).mean())
    held = table.query("generator == 'film means'")
    np.testing.assert_allclose(held["mean"], np.mean(off), rtol=1e-5)
    assert (held["users"] == len(off)).all()


def test_errors_in_stars_are_read_at_both_ends():
    rows = [(n, way, n / 10 + place) for n in (0, 4) for place, way in enumerate(
        ("mean-normalized", "not normalized", "film means")
    )]  # fmt: skip
    told = said_of_stars(pd.DataFrame(rows, columns=["known", "generator", "mean"]))
    assert (told["few"], told["many"]) == (0, 4)
    assert (told["before"], told["plain"]) == (0.0, 1.0)
    assert (told["after"], told["plain_after"], told["means"]) == (0.4, 1.4, 2.4)
