import numpy as np
import pandas as pd
import pytest

from candgen.datasets import preparation
from candgen.datasets.world import Oracle
from candgen.errors import DataError
from candgen.evaluation import Candidates, best_candidates, judge_candidates
from candgen.evaluation.unbiased import (
    held_out_exposure,
    recall_estimates,
    true_recall,
    weighed_recall,
)


def judged(data, lists, users=None):
    users = np.arange(len(lists)) if users is None else users
    items = np.asarray(lists, np.int32)
    scores = np.where(items < 0, -np.inf, -np.arange(items.shape[1]))
    return judge_candidates(Candidates(users, items, scores), data, cutoffs=[items.shape[1]])


@pytest.fixture
def shop(make, events):
    """User 0: items 1 and 2 are held out; user 1: items 2, 3 and 4. Item i was shown 2**i times."""
    train = events((0, 0), (1, 0))
    test = events((0, 1), (0, 2), (1, 2), (1, 3), (1, 4))
    return make(train, test, n_users=2, n_items=5)


EXPOSURE = np.array([1, 2, 4, 8, 16])


def test_weighed_recall_worked_out_by_hand(shop):
    found = judged(shop, [[1, 3], [4, 2]])
    # User 0 finds 1/2 of 1/2 + 1/4; user 1 finds 1/16 + 1/4 of 1/4 + 1/8 + 1/16.
    expected = [2 / 3, (5 / 16) / (7 / 16)]
    np.testing.assert_allclose(weighed_recall(found, shop, 2, exposure=EXPOSURE), expected)
    # With half the power the weights are 1/sqrt(2), 1/2, 1/sqrt(8), 1/4.
    a, b, c, d = 2**-0.5, 0.5, 8**-0.5, 0.25
    halved = weighed_recall(found, shop, 2, exposure=EXPOSURE, power=0.5)
    np.testing.assert_allclose(halved, [a / (a + b), (d + b) / (b + c + d)])


def test_only_the_first_places_count(shop):
    found = judged(shop, [[3, 1], [2, 4]])
    expected = [0, (1 / 4) / (7 / 16)]
    np.testing.assert_allclose(weighed_recall(found, shop, 1, exposure=EXPOSURE), expected)


def test_pooled_the_ratio_is_that_of_the_sums(shop):
    found = judged(shop, [[1, 3], [4, 2]])
    values = weighed_recall(found, shop, 2, exposure=EXPOSURE, pooled=True)
    assert values.mean() == pytest.approx((1 / 2 + 5 / 16) / (3 / 4 + 7 / 16))


def test_without_power_it_is_plain_recall(shop):
    found = judged(shop, [[1, 3], [4, -1]])
    plain = weighed_recall(found, shop, 2, exposure=EXPOSURE, power=0)
    np.testing.assert_allclose(plain, found.values("recall@2"))


def test_a_common_factor_of_exposure_changes_nothing(shop):
    found = judged(shop, [[1, 3], [4, 2]])
    once, often = (weighed_recall(found, shop, 2, exposure=e) for e in (EXPOSURE, 1000 * EXPOSURE))
    np.testing.assert_allclose(once, often)


def test_exposure_of_nothing_is_refused(shop):
    with pytest.raises(DataError, match="Item 3 has an exposure of 0"):
        weighed_recall(judged(shop, [[1], [2]]), shop, 1, exposure=np.array([1, 1, 1, 0, 1]))


def test_exposure_is_that_of_the_held_out_time(make, events):
    train, test = events((0, 0)), events((0, 1), (0, 2))
    shown = events((0, 0), (0, 3)).assign(engaged=False)
    later = events((0, 1), (0, 1), (0, 1), (0, 3), (0, 3)).assign(engaged=False)
    extras = {"impressions": shown, "impressions_test": later}
    data = make(train, test, n_users=1, n_items=4, **extras)
    assert held_out_exposure(data).tolist() == [1, 3, 1, 2]


def test_a_log_that_shows_favourites_flatters_who_repeats_them(make, events):
    """Everybody likes an item with the same probability, but ten items are shown ten times more.

    The truth is the recall if all were shown alike. With five events a user, the weighed estimate
    comes half of the way to it, and the pooled one all of it.
    """
    rng = np.random.default_rng(0)
    n_users, n_items, k = 400, 30, 6
    wish = rng.uniform(0.2, 0.8, n_items)
    chance = np.where(np.arange(n_items) < 10, 0.9, 0.09)  # of being shown
    taken = rng.random((n_users, n_items)) < wish * chance
    taken[:, 0] = False
    users, items = np.nonzero(taken)
    train = events(*[(u, 0) for u in range(n_users)])
    data = make(train, pd.DataFrame({"user": users, "item": items}), n_users=n_users, n_items=30)
    favourites = 1 + np.argsort(-wish[1:10], kind="stable")[:k]
    found = judged(data, np.tile(favourites, (n_users, 1)))
    truth = wish[favourites].sum() / wish[1:].sum()
    exposure = np.round(1000 * chance).astype(int)
    plain, weighed, pooled = (
        weighed_recall(found, data, k, exposure=exposure, **how).mean()
        for how in ({"power": 0}, {}, {"pooled": True})
    )
    assert plain - truth > 0.3
    assert abs(weighed - truth) < 0.5 * (plain - truth)
    assert abs(pooled - truth) < 0.05 * (plain - truth)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    sizes = {"n_users": 60, "n_items": 60, "events_per_user": 8.0}
    return preparation.prepare(tmp_path_factory.mktemp("w"), source="world", seed=2, **sizes)


def test_true_recall_is_the_share_of_relevance_that_was_found(world):
    oracle = Oracle.open(world.folder)
    users = np.arange(world.n_users)
    found = judge_candidates(best_candidates(users, world, oracle, 5), world, cutoffs=[5])
    user = int(found.per_user["user"].iloc[3])
    relevance = oracle.relevance([user])[0].astype(float)
    relevance[world.history_matrix[[user]].indices] = 0
    expected = np.sort(relevance)[-5:].sum() / relevance.sum()
    for rows in (7, 256):
        values = true_recall(found, world, oracle, 5, rows_per_block=rows)
        assert values[3] == pytest.approx(expected, rel=1e-5)


def test_estimates_stand_beside_each_other_with_intervals(world):
    oracle = Oracle.open(world.folder)
    users = np.arange(world.n_users)
    best = judge_candidates(best_candidates(users, world, oracle, 5), world, cutoffs=[5])
    table = recall_estimates({"best": best}, world, 5, oracle=oracle)
    assert table["estimate"].tolist() == ["plain", "weighed", "pooled", "true"]
    assert table["mean"].iloc[0] == pytest.approx(best.mean("recall@5"))
    assert ((table["low"] <= table["mean"]) & (table["mean"] <= table["high"])).all()
    assert len(recall_estimates({"best": best}, world, 5)) == 3
