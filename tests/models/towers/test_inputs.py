import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen.errors import SettingError
from candgen.features import Bins, EventLog, SearchLog, Vocabulary
from candgen.models.towers.building import Shape, chosen_inputs, item_inputs, query_inputs
from candgen.models.towers.inputs import (
    Columns,
    History,
    Ids,
    Items,
    at_events,
    own_rows,
    right_now,
)
from candgen.models.towers.timed import Age, Searches, Time
from candgen.training import EmbeddingTable

N_ITEMS = 6
EVENTS = pd.DataFrame(
    {
        "user": [0, 0, 0, 0, 2, 2],
        "item": [3, 1, 4, 1, 5, 0],
        "timestamp": [10, 20, 30, 90_040, 15, 25],
    }
)
SEARCHES = pd.DataFrame(
    {"user": [0, 0, 2], "timestamp": [20, 25, 90_000], "query": ["red", "red dog", "hen"]}
)


def timed(events=EVENTS):
    return EventLog.of(events, 3)


def untimed():
    return EventLog.of(EVENTS[["user", "item"]], 3)


def table(n_rows, dim=4, **settings):
    return EmbeddingTable(n_rows, dim, seed=5, **settings)


def history(**settings):
    held = table(N_ITEMS, **settings.pop("table", {}))
    return History(held, np.arange(6, dtype=np.int32), **settings)


def searches(rows=SEARCHES, **settings):
    words = Vocabulary(SEARCHES["query"])
    return Searches(table(len(words), **settings), SearchLog.of(rows, words, 3), most=2)


# --- history


def test_the_mean_of_the_history_ends_before_the_target():
    found = history()
    vectors = found.look(at_events(timed(), np.arange(6)))
    rows = found.table.rows
    expected = [0 * rows[0], rows[3], (rows[3] + rows[1]) / 2, (rows[3] + rows[1] + rows[4]) / 3]
    np.testing.assert_allclose(vectors, [*expected, 0 * rows[0], rows[5]], atol=1e-6)


def test_only_the_last_items_are_read():
    found = history()
    rows = found.table.rows
    np.testing.assert_allclose(
        found.look(at_events(timed(), np.array([3]), n=2))[0], (rows[1] + rows[4]) / 2, atol=1e-6
    )


def test_without_times_the_history_is_all_but_the_target():
    found = history()
    rows = found.table.rows
    vectors = found.look(at_events(untimed(), np.array([1, 4]), n=2))
    np.testing.assert_allclose(vectors[0], (rows[3] + rows[4] + rows[1]) / 3, atol=1e-6)
    np.testing.assert_allclose(vectors[1], rows[0], atol=1e-6)


def test_fading_weighs_an_item_less_for_every_later_one():
    found = history(pooling="fading", fading=0.5)
    rows = found.table.rows
    expected = (rows[4] + rows[1] / 2 + rows[3] / 4) / 1.75
    np.testing.assert_allclose(
        found.look(at_events(timed(), np.array([3])))[0], expected, atol=1e-6
    )


def test_attention_looks_at_the_last_items_and_says_which_are_there():
    found = history(pooling="attention", most=3)
    vectors = found.look(at_events(timed(), np.array([0, 2, 3])))
    rows = found.table.rows
    assert found.mask().tolist() == [[0, 0, 0], [0, 1, 1], [1, 1, 1]]
    np.testing.assert_allclose(vectors[1], [0 * rows[0], rows[3], rows[1]])
    np.testing.assert_allclose(vectors[2], rows[[3, 1, 4]])


def test_attention_leaves_the_target_out_where_there_are_no_times():
    found = history(pooling="attention", most=3)
    vectors = found.look(at_events(untimed(), np.arange(4)))
    rows = found.table.rows
    expected = [rows[[1, 4, 1]], rows[[3, 4, 1]], rows[[3, 1, 1]], rows[[3, 1, 4]]]
    np.testing.assert_allclose(vectors, expected)
    found.most = 2
    np.testing.assert_allclose(found.look(at_events(untimed(), np.array([3])))[0], rows[[1, 4]])


def test_histories_are_cut_to_a_few_items_at_random_in_training():
    log = EventLog.of(pd.DataFrame({"user": 0, "item": range(6), "timestamp": range(6)}), 1)
    found = History(table(N_ITEMS), np.arange(6, dtype=np.int32), nothing=table(1), dropout=0.5)
    asked = at_events(log, np.full(4000, 5))
    vectors = found.look(asked, np.random.default_rng(0))
    rows = found.table.rows
    whole = (np.abs(vectors - rows[:5].mean(axis=0)) < 1e-6).all(axis=1)
    none = (vectors == found.nothing.rows[0]).all(axis=1)
    last_two = (np.abs(vectors - rows[3:5].mean(axis=0)) < 1e-6).all(axis=1)
    assert 0.47 < whole.mean() < 0.53
    assert 0.08 < none.mean() < 0.12 and 0.08 < last_two.mean() < 0.12
    assert (np.abs(found.look(asked) - rows[:5].mean(axis=0)) < 1e-6).all()


def test_an_empty_history_learns_a_vector_of_its_own():
    found = History(
        table(N_ITEMS, optimizer="sgd"), np.arange(6, dtype=np.int32),
        nothing=table(1, optimizer="sgd"),
    )  # fmt: skip
    before, items = found.nothing.rows.copy(), found.table.rows.copy()
    assert (found.look(at_events(timed(), np.array([0, 4]))) == before).all()
    found.learn(np.ones((2, 4), np.float32))
    for held in found.tables:
        held.update(0.5)
    np.testing.assert_allclose(found.nothing.rows, before - 1.0, atol=1e-6)
    np.testing.assert_array_equal(found.table.rows, items)


def test_at_serving_the_history_is_whole():
    found = history()
    rows = found.table.rows
    vectors = found.look(right_now(timed(), np.array([0, 1]), 99_999))
    np.testing.assert_allclose(vectors[0], rows[[3, 1, 4, 1]].mean(axis=0), atol=1e-6)
    assert not vectors[1].any()


# --- ids


def test_ids_that_occur_too_seldom_share_the_last_row():
    assert own_rows(np.array([3, 0, 1, 2])).tolist() == [0, 3, 1, 2]
    assert own_rows(np.array([3, 0, 1, 2]), at_least=2).tolist() == [0, 2, 2, 1]


def test_ids_are_hidden_at_random_in_training_and_never_at_serving():
    rows = np.arange(3, dtype=np.int32)
    found = Ids("id", table(4), rows, of="items", dropout=0.3)
    items = Items(np.zeros(5000, np.int32), None)
    hidden = (found.look(items, np.random.default_rng(0)) == found.table.rows[3]).all(axis=1)
    assert 0.27 < hidden.mean() < 0.33
    assert (found.look(items) == found.table.rows[0]).all()


# --- columns


VALUES = csr_array(np.array([[1, 0, 0.5, 0], [0, -2, 0, 0], [0, 0, 0, 1.0]], np.float32))


def columns(dropout=0.0, **settings):
    return Columns(
        "genres", table(4, **settings), VALUES, np.array([2, 3]), of="items", dropout=dropout
    )


def test_a_row_of_features_is_the_sum_of_its_columns_by_their_weights():
    found = columns()
    items = np.array([2, 0, 1, 0])
    expected = VALUES.toarray()[items] @ found.table.rows
    np.testing.assert_allclose(found.look(Items(items, None)), expected, atol=1e-6)


def test_hidden_features_are_one_of_the_spare_columns():
    found = columns(dropout=1.0)
    vectors = found.look(Items(np.zeros(400, int), None), np.random.default_rng(0))
    shares = [(vectors == row).all(axis=1).mean() for row in found.table.rows]
    assert shares[:2] == [0, 0] and min(shares[2:]) > 0.4


def test_padding_reads_nothing():
    padding = Items(np.array([-1, 1]), None)
    assert not columns().look(padding)[0].any()
    rows = np.arange(3, dtype=np.int32)
    assert not Ids("id", table(4), rows, of="items").look(padding)[0].any()


# --- moments


def time_input(**settings):
    gaps = Bins(np.log1p([0.0, 100.0, 1e6]))
    return Time(table(Time.n_rows(gaps), **settings), gaps)


def test_time_is_the_gap_the_hour_and_the_day():
    found = time_input()
    rows = found.table.rows
    first = found.look(at_events(timed(), np.array([0])))[0]  # Thursday, midnight, no gap
    np.testing.assert_allclose(first, rows[3] + rows[4] + rows[4 + 8 + 3], atol=1e-3)
    moment = 2 * 86_400 + 6 * 3600  # Saturday at six; user 1 has no event, user 2 one at 25
    now = found.look(right_now(timed(), np.array([1, 2]), moment))
    six, saturday = rows[4 + 2], rows[4 + 8 + 5]
    np.testing.assert_allclose(now[0], rows[3] + six + saturday, atol=1e-5)
    share = (np.log1p(moment - 25) - np.log1p(100)) / (np.log1p(1e6) - np.log1p(100))
    gap = (1 - share) * rows[1] + share * rows[2]
    np.testing.assert_allclose(now[1], gap + six + saturday, atol=1e-5)


def test_age_is_counted_from_when_an_item_appeared():
    day = 86_400
    found = Age(table(3), np.array([0, 5 * day]), Bins(np.log1p([0.0, 1.0, 3.0])))
    vectors = found.look(Items(np.array([0, 0, 1, 1]), np.array([1, 99, 8, 2]) * day))
    rows = found.table.rows
    np.testing.assert_allclose(vectors, [rows[1], rows[2], rows[2], rows[0]], atol=1e-6)


# --- what every input promises


def every_input(**settings):
    ids = np.arange(3, dtype=np.int32)
    return {
        "ids": Ids("id", table(4, **settings), ids, of="users"),
        "mean": history(table=settings),
        "fading": history(table=settings, pooling="fading", fading=0.5),
        "attention": history(table=settings, pooling="attention", most=3),
        "columns": Columns("c", table(4, **settings), VALUES, np.array([3]), of="users"),
        "searches": searches(**settings),
        "time": time_input(**settings),
    }


@pytest.mark.parametrize("name", list(every_input()))
def test_gradients_go_back_to_where_vectors_came_from(name):
    """Vectors are linear in the table, so a step against g lowers <g, vectors> by its square."""
    found = every_input(optimizer="sgd")[name]
    asked = at_events(timed(), np.arange(6))
    before, rows = found.look(asked), found.table.rows.copy()
    g = np.random.default_rng(0).normal(size=before.shape).astype(np.float32)
    found.learn(g)
    found.table.update(0.5)
    step = rows - found.table.rows
    assert np.abs(step).max() > 0
    fell = (g * (before - found.look(asked))).sum()
    np.testing.assert_allclose(fell, (step**2).sum() / 0.5, rtol=1e-4)


@pytest.mark.parametrize("name", list(every_input()))
def test_nothing_at_or_after_the_moment_is_read(name):
    found = every_input()[name]
    past = at_events(timed(), np.array([0, 1, 2, 4]))  # until second 30
    before = found.look(past)
    future = EVENTS.copy()
    future.loc[3, ["item", "timestamp"]] = [0, 31]
    more = pd.DataFrame({"user": [0, 1, 2], "item": [2, 2, 2], "timestamp": [40, 5, 26]})
    changed = timed(pd.concat([future, more], ignore_index=True))
    where = [0, 1, 2, 6]  # user 0 now has five events, user 1 one
    assert changed.items[where].tolist() == [3, 1, 4, 5]
    if name == "searches":
        later = pd.DataFrame({"user": [0, 0, 2], "timestamp": [30, 31, 15], "query": ["hen"] * 3})
        found.log = searches(pd.concat([SEARCHES, later], ignore_index=True)).log
    np.testing.assert_array_equal(found.look(at_events(changed, np.array(where))), before)


def test_searches_of_the_same_second_are_not_read_and_earlier_ones_are():
    found = searches()
    vectors = found.look(at_events(timed(), np.array([1, 2])))
    rows = dict(zip(Vocabulary(SEARCHES["query"]).names_, found.table.rows, strict=True))
    assert not vectors[0].any()
    np.testing.assert_allclose(vectors[1], (2 * rows["red"] + rows["dog"]) / 3, atol=1e-6)


def test_searches_are_hidden_at_random_in_training():
    found = searches()
    found.dropout = 0.3
    asked = at_events(timed(), np.full(3000, 2))
    hidden = ~found.look(asked, np.random.default_rng(0)).any(axis=1)
    assert 0.26 < hidden.mean() < 0.34
    assert found.look(asked).any(axis=1).all()


# --- from a dataset


def test_empty_lists_mean_all_that_the_dataset_has_but_the_ids_of_users(taste_world):
    assert chosen_inputs(taste_world, [], []) == (["history"], ["id"])
    assert chosen_inputs(taste_world, ["history", "id"], ["id"])[0] == ["id", "history"]


@pytest.mark.parametrize(
    ("queries", "items", "message"),
    [
        (["features"], [], "users of 'tastes' have no columns"),
        (["searches"], [], "no table 'searches'"),
        (["time"], [], "have no times"),
        ([], ["age"], "have no times"),
        ([], ["features"], "items of 'tastes' have no columns"),
        (["histery"], [], "Did you mean 'history'"),
    ],
)
def test_an_input_that_cannot_be_read_is_named(taste_world, queries, items, message):
    with pytest.raises(SettingError, match=message):
        chosen_inputs(taste_world, queries, items)


def test_inputs_are_learned_from_training_alone(taste_world):
    log = EventLog.of(taste_world.train, taste_world.n_users)
    shape = Shape(dim=8)
    (ids,) = item_inputs(taste_world, ["id"], shape, log=log)
    assert ids.row_of[-1] == len(ids.table) - 1 == taste_world.n_items - 1  # one has no event
    own, pooled = query_inputs(
        taste_world, ["id", "history"], shape, log=log, item_rows=ids.row_of, item_table=ids.table
    )
    assert pooled.table is ids.table
    assert len(np.unique(own.row_of[-13:])) == 1 and own.row_of[-1] == len(own.table) - 1
