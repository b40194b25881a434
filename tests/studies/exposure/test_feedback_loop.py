"""Rounds of training on one's own recommendations, in a small world."""

import numpy as np
import pytest
from scipy import stats

from candgen import evaluation, models
from candgen.datasets import preparation
from candgen.datasets.world import Oracle
from candgen.errors import SettingError
from candgen.studies.exposure import feedback_loop as loop

ROUNDS = {"rounds": 2, "k": 10, "shown": 5, "seed": 1}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    sizes = {"n_users": 150, "n_items": 120, "events_per_user": 10.0, "days": 60}
    return preparation.prepare(tmp_path_factory.mktemp("w"), source="world", seed=2, **sizes)


@pytest.fixture(scope="module")
def oracle(world):
    return Oracle.open(world.folder)


@pytest.fixture(scope="module")
def groups(world):
    return {"providers": evaluation.groups_by(world, "provider")}


def popular(number):
    return models.Popularity()


def test_the_oracle_shows_the_most_relevant_items(world, oracle):
    found = loop.feedback_rounds(loop.by_relevance(oracle), world, oracle, **ROUNDS)
    users = np.flatnonzero(np.diff(world.history_matrix.indptr) > 0)
    best = evaluation.best_true_relevance(users, world, oracle, 10)
    np.testing.assert_allclose(found.relevance[0], best, rtol=1e-5)
    # What was taken is not offered again, so the best that is left gets worse and worse.
    assert np.all(np.diff(found.relevance.mean(axis=1)) < 0)


def test_no_policy_beats_the_oracle(world, oracle):
    best, other = (
        loop.feedback_rounds(policy, world, oracle, **ROUNDS).relevance[0]
        for policy in (loop.by_relevance(oracle), loop.by_generator(popular))
    )
    assert np.all(other <= best + 1e-6)


def test_what_is_taken_follows_relevance_and_attention(oracle, world):
    """One user is shown the same page many times; each place is taken as often as it should be."""
    user = 3
    items = np.argsort(-oracle.relevance([user])[0], kind="stable")[[0, 10, 30]]
    n = 4000
    page = loop.show(
        np.full(n, user), np.tile(items, (n, 1)), oracle, position_bias=1.0,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    relevance = oracle.relevance([user], items)[0]
    for place, wanted in enumerate(relevance, start=1):
        at = page.places == place
        assert stats.binomtest(int(page.engaged[at].sum()), n, wanted / place).pvalue > 0.001


def test_an_empty_place_shows_nothing(oracle):
    items = np.array([[4, -1], [-1, -1]])
    page = loop.show(np.array([0, 1]), items, oracle, position_bias=0.0,
                     rng=np.random.default_rng(0))  # fmt: skip
    assert page.users.tolist() == [0] and page.items.tolist() == [4] and page.places.tolist() == [1]


def test_the_log_grows_by_what_was_taken_and_by_what_was_shown(world):
    page = loop.Page(
        np.array([0, 0, 5]), np.array([7, 9, 7]), np.array([1, 2, 1]), np.array([True, False, True])
    )
    grown = loop.with_page(world, page, 2_000_000_000)
    n = len(world.train)
    assert grown.train["user"].iloc[n:].tolist() == [0, 5]
    assert grown.train["item"].iloc[n:].tolist() == [7, 7]
    assert grown.train["timestamp"].iloc[n:].tolist() == [2_000_000_001, 2_000_000_001]
    shown = grown.known("impressions").iloc[len(world.known("impressions")) :]
    assert shown["item"].tolist() == [7, 9, 7] and shown["engaged"].tolist() == [True, False, True]
    assert grown.history_matrix[[0]].toarray()[0, 7] == 1
    assert grown.digest != world.digest
    for name in ("train", "impressions"):
        before = world.train if name == "train" else world.known(name)
        assert (grown.table(name).dtypes == before.dtypes).all()
        assert grown.table(name).iloc[: len(before)].equals(before)


def test_a_generator_sees_nothing_of_the_oracle_but_what_was_drawn(world, oracle):
    """A spy gets the tables of the world and, below, rows that the page alone explains."""
    seen = []

    def spy(dataset, users, k, number):
        seen.append(dataset)
        return np.tile(np.arange(k), (len(users), 1))

    loop.feedback_rounds(spy, world, oracle, **ROUNDS)
    first, second, _ = seen
    assert first is world
    assert set(second.info["tables"]) <= set(world.info["tables"])
    before = world.known("impressions")
    assert second.known("impressions").iloc[: len(before)].equals(before)
    new = second.known("impressions").iloc[len(before) :]
    assert new["watched"].isna().all()  # the watched share is not drawn
    assert set(new["item"]) == set(range(5))
    taken = second.train.iloc[len(world.train) :]
    assert taken["rating"].isna().all()
    assert len(taken) == new["engaged"].sum()
    assert 0 < len(taken) < len(new)


def test_what_was_taken_is_not_offered_again(world, oracle):
    offered, taken = [], []

    def watching(dataset, users, k, number):
        items = loop.by_generator(popular)(dataset, users, k, number)
        taken.append(dataset.history_matrix[users].toarray())
        offered.append(items)
        return items

    loop.feedback_rounds(watching, world, oracle, **ROUNDS)
    for items, history in zip(offered, taken, strict=True):
        assert not np.take_along_axis(history, items, axis=1).any()
    assert taken[2].sum() > taken[1].sum() > taken[0].sum()


def test_the_same_seed_gives_the_same_rounds(world, oracle, groups):
    one, same, other = (
        loop.feedback_rounds(
            loop.by_generator(popular), world, oracle, groups=groups, **{**ROUNDS, "seed": seed}
        )
        for seed in (1, 1, 2)
    )
    columns = [c for c in one.table if c != "seconds"]
    assert one.table[columns].equals(same.table[columns])
    assert one.table["taken"].tolist() != other.table["taken"].tolist()


def test_the_last_round_is_compared_with_the_first(world, oracle, groups):
    found = {
        "best": loop.feedback_rounds(
            loop.by_relevance(oracle), world, oracle, groups=groups, **ROUNDS
        )
    }
    merited = loop.merits(world, oracle, groups)
    table = loop.changes(found, merited).set_index("measure")
    assert table.index.tolist() == ["relevance", "gap providers"]
    np.testing.assert_allclose(table["change"], table["last"] - table["first"])
    assert (table["low"] <= table["change"]).all() and (table["change"] <= table["high"]).all()
    assert table.loc["relevance", "high"] < 0


def test_more_shown_than_found_is_refused(world, oracle):
    with pytest.raises(SettingError, match="shown is 11, but there are only k = 10"):
        loop.feedback_rounds(loop.by_generator(popular), world, oracle, **{**ROUNDS, "shown": 11})
