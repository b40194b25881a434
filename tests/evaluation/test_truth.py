import numpy as np
import pytest

from candgen.datasets import preparation
from candgen.datasets.world import Oracle
from candgen.evaluation import (
    Candidates,
    best_true_relevance,
    judge_candidates,
    relevance_of_lists,
    relevance_table,
    titles_side_by_side,
    true_relevance,
)


@pytest.fixture(scope="module")
def small_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    sizes = {"n_users": 30, "n_items": 20, "events_per_user": 6}
    return preparation.prepare(folder, source="world", seed=1, **sizes)


@pytest.fixture(scope="module")
def oracle(small_world):
    return Oracle.open(small_world.folder)


def judged(data, items) -> object:
    users = np.arange(data.n_users, dtype=np.int32)
    items = np.asarray(items, dtype=np.int32)
    scores = -np.arange(items.shape[1], dtype=np.float32) + np.zeros(items.shape, np.float32)
    scores[items < 0] = -np.inf
    return judge_candidates(Candidates(users, items, scores), data, cutoffs=[2])


def test_true_relevance_is_the_mean_of_what_the_oracle_says(small_world, oracle):
    n_users = small_world.n_users
    found = judged(small_world, np.tile([3, 5], (n_users, 1)))
    users = found.per_user["user"].to_numpy()
    expected = oracle.relevance(users)[:, [3, 5]].mean(axis=1)
    np.testing.assert_allclose(true_relevance(found, oracle, 2), expected, rtol=1e-5)


def test_an_empty_place_is_worth_nothing(small_world, oracle):
    n_users = small_world.n_users
    one, two = (judged(small_world, np.tile(row, (n_users, 1))) for row in ([3, -1], [3, 5]))
    users = one.per_user["user"].to_numpy()
    expected = oracle.relevance(users)[:, 3] / 2
    np.testing.assert_allclose(true_relevance(one, oracle, 2), expected, rtol=1e-5)
    assert (true_relevance(one, oracle, 2) <= true_relevance(two, oracle, 2)).all()


@pytest.mark.parametrize("rows_per_block", [1, 7, 1000])
def test_nothing_beats_the_best_possible(small_world, oracle, rows_per_block):
    data = small_world
    seen = data.history_matrix.toarray() > 0
    relevance = np.where(seen, 0, oracle.relevance(np.arange(data.n_users)))
    order = np.argsort(-relevance, axis=1)[:, :2]
    found = judged(data, order)
    users = found.per_user["user"].to_numpy()
    best = best_true_relevance(users, data, oracle, 2, rows_per_block=rows_per_block)
    np.testing.assert_allclose(true_relevance(found, oracle, 2), best, rtol=1e-5)


def test_a_tick_marks_what_is_held_out_and_only_that(small_world):
    data = small_world
    user = int(data.held_out["user"].iloc[0])
    wanted = int(data.held_out_matrix[[user]].indices[0])
    other = next(i for i in range(data.n_items) if i not in data.held_out_matrix[[user]].indices)
    found = judged(data, np.tile([other, wanted], (data.n_users, 1)))
    table = titles_side_by_side([found], data, user, k=2)
    assert table.iloc[:, 0].tolist() == [data.titles[other], f"✓ {data.titles[wanted]}"]
    assert table.index.tolist() == [1, 2]


def test_lists_of_anybody_are_looked_at_up_to_k(small_world, oracle):
    lists = np.array([[3, 5, 7], [5, -1, 3]])
    expected = oracle.relevance([0, 1])[[[0, 0], [1, 1]], [[3, 5], [5, 5]]]
    found = relevance_of_lists(np.array([0, 1]), lists, oracle, 2)
    np.testing.assert_allclose(found, [expected[0].mean(), expected[1, 0] / 2], rtol=1e-5)


def test_differences_are_paired_user_by_user():
    users = np.random.default_rng(0).random(200)
    found = relevance_table({"popularity": users, "better": users + 0.01}, baseline="popularity")
    better = found.set_index("generator").loc["better"]
    np.testing.assert_allclose(
        better[["difference", "difference_low", "difference_high"]].astype(float), 0.01, atol=1e-9
    )
    assert better["low"] < users.mean() < better["high"]  # means vary far more than the difference
    assert (found["users"] == 200).all()
