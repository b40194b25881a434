"""Tests of query costs and stored lists, on a small world."""

import numpy as np
import pandas as pd
import pytest

from candgen import models, retrieval
from candgen.datasets import preparation
from candgen.retrieval import TopK
from candgen.studies.retrieval import serving_costs as serving


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 120, "n_items": 80, "events_per_user": 14}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=2, split="random_per_user", **sizes)


@pytest.fixture(scope="module")
def wals(data):
    return models.WALS(dim=6, epochs=4).fit(data)


def test_with_nothing_new_folding_in_finds_what_training_found(wals, data):
    users = np.arange(20)
    now = serving.queries_now(wals, data, users)
    np.testing.assert_allclose(now, wals.user_vectors(users), atol=0.02)
    assert serving.queries_now(models.TruncatedSVD(dim=4).fit(data), data, users) is None


def test_every_way_to_serve_is_timed_and_what_lies_ready_is_counted(wals, data):
    table = serving.serving_costs({"WALS": wals}, data, k=10, n=12).set_index("way")
    assert list(table.index) == [serving.STORED_WAY, "WALS, looked up", "WALS, folded in"]
    assert (table["search_ms"] > 0).all() and table.loc[serving.STORED_WAY, "query_ms"] == 0
    assert (table["p95_ms"] >= table["search_ms"]).all()
    users = (np.diff(data.history_matrix.indptr) > 0).sum()
    assert table["stored_mib"].iloc[0] == pytest.approx((users * 10 * 4 + 128) / 2**20)
    assert table["stored_mib"].iloc[1] == pytest.approx((users + data.n_items) * 6 * 4 / 2**20)


def test_storing_lists_takes_four_bytes_a_candidate(wals, data):
    store = serving.storing(wals, data, 10)
    assert store["users"] == (np.diff(data.history_matrix.indptr) > 0).sum()
    assert store["mib"] == pytest.approx(store["users"] * 11 * 4 / 2**20, abs=0.001)


def test_stored_lists_are_as_good_as_new_ones_for_users_who_did_nothing_since(wals, data):
    held = serving.ageing(wals, data, k=10, metric="recall@5")
    idle = held[held["since"] == 0]
    assert (idle["taken"] == 0).all() and (idle[serving.STORED] == idle[serving.TAKEN_OUT]).all()
    busy = held[held["since"] > 0]
    assert idle["changed"].mean() < 0.1 < busy["changed"].mean()
    assert busy["changed"].mean() > busy["taken"].mean() > 0  # what was taken is not named again
    assert held[serving.FRESH].mean() > held[serving.STORED].mean()
    assert held[serving.TAKEN_OUT].mean() >= held[serving.STORED].mean()


def test_what_was_taken_since_is_counted_by_hand(wals, data):
    held = serving.ageing(wals, data, k=10, metric="recall@5").set_index("user")
    before = data.for_validation()
    old = models.WALS(**wals.settings).fit(before)
    for user in held.index[:10]:
        stored = retrieval.top_items(old, [user], 10).items[0]
        later = set(data.history_matrix[[user]].indices) - set(
            before.history_matrix[[user]].indices
        )
        assert held.loc[user, "since"] == len(later)
        assert held.loc[user, "taken"] == pytest.approx(len(later & set(stored)) / 10)
        relevant = set(data.held_out_matrix[[user]].indices)
        recall = len(relevant & set(stored[:5])) / len(relevant)
        assert held.loc[user, serving.STORED] == pytest.approx(recall)


def test_nothing_is_said_of_age_where_test_must_not_be_looked_at(wals, data):
    assert serving.ageing(wals, data.for_validation(), k=10, metric="recall@5") is None
    assert serving.ageing(models.EASE().fit(data), data, k=10, metric="recall@5") is None


def test_dropped_items_leave_no_gap():
    lists = TopK(np.array([[4, 2, 9, 7]], np.int32), np.float32([[4, 3, 2, 1]]))
    left = serving._without(lists, np.array([[False, True, False, True]]))
    assert left.items.tolist() == [[4, 9, -1, -1]]
    assert left.scores.tolist() == [[4, 2, -np.inf, -np.inf]]


def test_groups_are_averaged_by_events_since():
    n = 40
    held = pd.DataFrame({"user": range(n), "since": [0, 2] * (n // 2)})
    held["changed"], held["taken"] = [0.0, 0.5] * (n // 2), 0.0
    for value, name in enumerate((serving.STORED, serving.TAKEN_OUT, serving.FRESH)):
        held[name] = float(value)
    table = serving.by_events_since(held, "recall@5")
    assert sorted(table["known"].unique()) == [0, 1] and (table["users"] == n).all()
    share = table[table["generator"] == "would not be found again"].set_index("known")["mean"]
    assert share.to_dict() == {0: 0.0, 1: 0.5}
    gain = serving.difference(held, serving.FRESH, serving.STORED)
    assert gain == {"mean": 2.0, "low": 2.0, "high": 2.0}


def test_ageing_is_averaged_with_its_differences():
    held = pd.DataFrame(
        {
            "since": [2, 4], "changed": [0.0, 0.5],
            serving.STORED: [0.1, 0.2], serving.TAKEN_OUT: [0.1, 0.3], serving.FRESH: [0.3, 0.4],
        }
    )  # fmt: skip
    told = serving.said_of_ageing(held)
    assert (told["since"], told["changed"]) == (3.0, 0.25)
    assert told["new"]["mean"] == pytest.approx(0.2) and told["out"]["mean"] == pytest.approx(0.05)


def test_related_items_are_the_nearest_by_angle_and_longer_ones_are_more_popular(wals, data):
    titles, told = serving.related(wals, data, 3)
    vectors = wals.item_vectors()
    most = int(np.argmax(np.where(wals.known_items_, wals.item_counts_, -1)))
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    cosines = vectors @ vectors[most] / (lengths * lengths[most])
    cosines[most] = -np.inf
    cosines[~wals.known_items_] = -np.inf
    assert titles.columns[0] == data.titles[most]
    assert titles.iloc[0, 0] == data.titles[np.argmax(cosines)] and titles.shape == (6, 3)
    assert told["dot"] >= told["cosine"]
