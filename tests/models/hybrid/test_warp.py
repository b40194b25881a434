"""Hybrid WARP on the taste world, against the formulas in plain NumPy, and where events lack."""

import math

import numpy as np
import pandas as pd
import pytest
from contract import VectorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import ColdStartError, SettingError
from candgen.models import HybridWARP
from candgen.models.hybrid import kernels

SMALL = {
    "dim": 6, "epochs": 10, "batch_size": 128, "n_negatives": 10, "learning_rate": 0.1,
}  # fmt: skip
N_TASTES, N_USERS, N_ITEMS = 4, 84, 40
COLD_USERS, COLD_ITEMS = np.arange(80, 84), np.arange(36, 40)


class TestHybridWARP(VectorContract):
    def make(self, **settings):
        return HybridWARP(**{**SMALL, **settings})


class TestHybridWARPOfIdsAlone(VectorContract):
    def make(self, **settings):
        return HybridWARP(**{**SMALL, "query_inputs": ["id"], "item_inputs": ["id"], **settings})


def described(folder):
    """User u and item i are of taste u % 4 and i % 4, and their tables say so.

    The last users have no events, and so have the last items.
    """
    rng = np.random.default_rng(0)
    events = [
        (user, item, 60 * at)
        for user in range(COLD_USERS[0])
        for at, item in enumerate(rng.permutation(np.arange(user % 4, COLD_ITEMS[0], 4))[:6])
    ]
    train = pd.DataFrame(events, columns=["user", "item", "timestamp"])
    users = {"place": [f"p{u % 4}" for u in range(N_USERS)], "age": np.arange(N_USERS) % 7 + 20.0}
    items = {"kinds": [[f"k{i % 4}", "all"] for i in range(N_ITEMS)]}
    tables = {
        "interactions": train, "train": train, "test": train[:4],
        "users": pd.DataFrame({"user": range(N_USERS), "user_id": range(N_USERS), **users}),
        "items": pd.DataFrame({"item": range(N_ITEMS), "item_id": range(N_ITEMS), **items}),
    }  # fmt: skip
    return write_dataset(folder, tables, {"name": "described"})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return described(tmp_path_factory.mktemp("described"))


@pytest.fixture(scope="module")
def fitted(world):
    settings = {"query_inputs": ["id", "features"], "id_dropout": 0.5, "epochs": 30}
    return HybridWARP(**{**SMALL, **settings}).fit(world)


# --- sums of what is known


def test_vectors_are_the_sums_of_ids_and_columns_and_items_have_biases(fitted, world):
    tables = {name: table.rows.astype(float) for name, table in fitted._learned.tables.items()}
    user, item, cold = 6, 11, 37
    kinds = {"all": 0} | {f"k{n}": 1 + n for n in range(4)}  # their rows, by name
    age = world.users["age"].to_numpy()
    knots = np.unique(np.quantile(age[: COLD_USERS[0]], np.linspace(0, 1, 8)))
    of_age = [np.interp(age[user], knots, hat) for hat in np.eye(len(knots))]
    query = tables["query/id"][user] + tables["query/user place"][user % 4]
    query = query + np.array(of_age) @ tables["query/user age"][: len(knots)]
    columns = tables["item/item kinds"]
    found = columns[kinds["all"]] + columns[kinds[f"k{item % 4}"]] + tables["item/id"][item]
    np.testing.assert_allclose(fitted.item_vectors()[item], found, rtol=1e-4, atol=1e-5)
    expected = query @ found[:-1] + found[-1]
    assert fitted.score([user], [item])[0, 0] == pytest.approx(expected, rel=1e-4)
    unknown = columns[kinds["all"]] + columns[kinds[f"k{cold % 4}"]] + tables["item/id"][-1]
    np.testing.assert_allclose(fitted.item_vectors()[cold], unknown, rtol=1e-4, atol=1e-5)
    assert np.abs(fitted.item_vectors()[:36, -1]).max() > 0.01  # biases are learned


def test_users_and_items_without_events_are_found_by_their_columns(fitted):
    for users in (COLD_USERS, np.arange(COLD_USERS[0])):
        for items, n in ((np.arange(36), 9), (COLD_ITEMS, 1)):
            best = items[np.argsort(-fitted.score(users, items), axis=1)[:, :n]]
            assert (best % N_TASTES == users[:, None] % N_TASTES).mean() > 0.9  # chance: 1 in 4


def test_without_columns_the_unseen_are_refused(world):
    model = HybridWARP(dim=4, epochs=1, query_inputs=["id", "history"], item_inputs=["id"])
    model.fit(world)
    with pytest.raises(ColdStartError, match="HybridWARP answers for users"):
        model.user_vectors(COLD_USERS)
    with pytest.raises(ColdStartError, match="HybridWARP scores items"):
        model.score([0], COLD_ITEMS)
    assert not model.item_vectors()[COLD_ITEMS].any()


# --- the loss


def found_by_hand(queries, positives, pool, items, begin, known, margin):
    """Place, tries and shortfall of one example after the other, in plain Python."""
    for query, positive, first, own in zip(queries, positives, begin, known, strict=True):
        tries = 0
        for step in range(len(pool)):
            place = (first + step) % len(pool)
            if items[place] in own:
                continue
            tries += 1
            short = margin - query @ positive + query @ pool[place]
            if short > 0:
                yield place, tries, short
                break
        else:
            yield -1, None, 0.0


def test_items_are_drawn_until_one_of_others_comes_too_near():
    rng = np.random.default_rng(1)
    n, size, width = 60, 30, 5
    queries, positives = rng.normal(size=(2, n, width)).astype(np.float32)
    positives += 0.7 * queries  # so that violators are rare enough
    pool = rng.normal(size=(size, width)).astype(np.float32)
    items, begin = rng.integers(20, size=size).astype(np.int32), rng.integers(size, size=n)
    known = [np.unique(rng.integers(20, size=user)).astype(np.int32) for user in range(8)]
    users = rng.integers(8, size=n).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum([len(own) for own in known])])
    places, tries = np.empty(n, np.int64), np.empty(n, np.int64)
    short = np.empty(n, np.float32)
    kernels.first_violators(
        queries, positives, pool, items, begin, users, starts, np.concatenate(known),
        np.float32(0.5), places, tries, short,
    )  # fmt: skip
    own = [known[user] for user in users]
    expected = list(found_by_hand(queries, positives, pool, items, begin, own, 0.5))
    assert places.tolist() == [place for place, _, _ in expected]
    there = places >= 0
    assert 5 < there.sum() < n - 5 and (tries[there] > 3).any()
    assert tries[there].tolist() == [t for _, t, _ in expected if t]
    np.testing.assert_allclose(short, [s for _, _, s in expected], atol=1e-5)


def learner(data, **settings):
    plain = {"dim": 3, "id_dropout": 0.0, "optimizer": "sgd", "spread": 0.4, "n_negatives": 25}
    model = HybridWARP(**{**plain, **settings})
    model.query_inputs_, model.item_inputs_ = model.query_inputs, model.item_inputs
    return model._learner(data)


def test_the_gradient_is_the_slope_of_the_sum_of_losses(world):
    examples, weights = np.array([0, 14, 15, 200, 401, 77, 90]), np.ones(7, np.float32)
    weights[-1] = 0

    def loss(name=None, row=0, column=0, by=0.0):
        made = learner(world, seed=5, n_negatives=3)  # so few that examples share them
        if name:
            made.tables[name].rows[row, column] += by
        return 6 * made.learn(examples, weights, 0.0, np.random.default_rng(2)), made

    total, made = loss()
    assert total > 0
    before = {name: table.rows.copy() for name, table in made.tables.items()}
    for table in made.tables.values():
        table.update(1.0)  # one plain step of rate 1: minus the gradient
    assert len(made.tables) == 7
    for name, table in made.tables.items():
        slopes = before[name] - table.rows
        moved = np.argsort(-np.abs(slopes).sum(axis=1), kind="stable")[:3]
        for row, column in ((row, c) for row in moved for c in (0, slopes.shape[1] - 1)):
            up, down = (loss(name, row, column, by)[0] for by in (0.001, -0.001))
            assert slopes[row, column] == pytest.approx((up - down) / 0.002, abs=2e-2), name


def test_the_loss_weighs_by_the_estimated_rank(world):
    """All items tie at 0, so the first one that the user lacks violates by the whole margin."""
    made = learner(world, spread=0.0, loss_margin=0.5, query_inputs=["id"], item_inputs=["id"])
    ones = np.ones(8, np.float32)
    loss = made.learn(np.arange(8), ones, 0.0, np.random.default_rng(0))
    rank = 36 - 6  # items of training that the user does not have, found at the first try
    assert loss == pytest.approx(0.5 * sum(1 / n for n in range(1, rank + 1)), rel=1e-5)


def test_items_that_the_user_has_are_no_negatives(world):
    made = learner(world, optimizer="sgd", query_inputs=["id"], item_inputs=["id"])
    of_user = made.log.items[made.log.offsets[0] : made.log.offsets[1]]
    before = made.tables["item/id"].rows.copy()
    assert not before[:, -1].any()  # biases
    made.learn(np.zeros(64, np.int64), np.ones(64, np.float32), 0.0, np.random.default_rng(0))
    made.tables["item/id"].update(1.0)
    moved = np.flatnonzero(np.abs(made.tables["item/id"].rows - before).sum(axis=1))
    assert set(moved) & set(of_user) == {made.log.items[0]} and len(moved) > 5


def test_where_nobody_violates_nothing_is_learned(world):
    made = learner(world, loss_margin=1e-6, query_inputs=["id"], item_inputs=["id"])
    for item, row in enumerate(made.tables["item/id"].rows[:36]):
        row[:] = [item % N_TASTES == 0, item % N_TASTES == 1, item % N_TASTES == 2, 0]
    made.tables["query/id"].rows[:] = 0
    made.tables["query/id"].rows[0] = [9, 0, 0]
    before = made.tables["item/id"].rows.copy()
    own = np.setdiff1d(np.arange(0, 36, 4), made._known[made._starts[0] : made._starts[1]])
    made.tables["item/id"].rows[own] = before[own] = 0  # the taste's items that the user lacks
    loss = made.learn(np.arange(4), np.ones(4, np.float32), 0.0, np.random.default_rng(0))
    made.tables["item/id"].update(1.0)
    assert loss == 0 and math.isclose(np.abs(made.tables["item/id"].rows - before).max(), 0)


# --- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"query_inputs": ["searches"]}, "query_inputs"),
        ({"item_inputs": []}, "item_inputs"),
        ({"loss_margin": 0.0}, "loss_margin must be greater than 0"),
        ({"fading": 1.5}, "fading must be at most 1"),
        ({"hidden": [8]}, "HybridWARP has no setting 'hidden'"),
    ],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        HybridWARP(**settings)


def test_inputs_that_a_dataset_lacks_are_refused_where_they_are_asked_for(taste_world):
    assert HybridWARP(dim=4, epochs=1).fit(taste_world).query_inputs_ == ["id", "history"]
    with pytest.raises(SettingError, match="have no columns to read"):
        HybridWARP(query_inputs=["features"]).fit(taste_world)
