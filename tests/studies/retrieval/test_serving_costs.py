"""Tests of query costs and stored lists, on a small world."""

import numpy as np
import pandas as pd
import pytest

from candgen import evaluation, models, retrieval
from candgen.datasets import preparation
from candgen.retrieval import TopK
from candgen.studies.retrieval import serving_costs as serving
from candgen.studies.retrieval import tradeoff


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
    share = table[table["generator"] == "would not be named again"].set_index("known")["mean"]
    assert share.to_dict() == {0: 0.0, 1: 0.5}
    gain = serving.difference(held, serving.FRESH, serving.STORED)
    assert gain == {"mean": 2.0, "low": 2.0, "high": 2.0}


def test_what_is_lost_is_paired_with_exact_search(wals, data):
    users = evaluation.judge(wals, data, k=10, cutoffs=[5]).per_user["user"].to_numpy()
    builds = {"faiss-ivf": [{"lists": 30}]}
    table = tradeoff.tradeoff(
        wals.item_vectors(), "dot", wals.user_vectors(users), 10, {"faiss-ivf": [1]}, builds=builds
    )
    asked = {"metric": "recall@5", "margin": 0.01, "k": 10, "cutoffs": [5]}
    lost = serving.lost_to_approximation(wals, data, table, **asked)
    assert lost["generator"].tolist() == ["faiss-ivf"] and lost["users"].iloc[0] == len(users)
    exact = evaluation.judge(wals, data, k=10, cutoffs=[5]).mean("recall@5")
    assert lost["baseline_mean"].iloc[0] == pytest.approx(exact)


def test_two_settings_of_a_kind_are_told_apart(wals, data):
    users = evaluation.judge(wals, data, k=10, cutoffs=[5]).per_user["user"].to_numpy()
    table = tradeoff.tradeoff(
        wals.item_vectors(), "dot", wals.user_vectors(users), 10, {"faiss-ivf": [1, 30]},
        builds={"faiss-ivf": [{"lists": 30}]},
    )  # fmt: skip
    asked = {"metric": "recall@5", "margin": 0.01, "k": 10, "cutoffs": [5]}
    lost = serving.lost_to_approximation(wals, data, table, **asked).set_index("generator")
    named = [f"faiss-ivf, lists 30, probes {probes}" for probes in (1, 30)]
    assert sorted(lost.index) == named
    assert lost["difference"][named[1]] == 0, "all lists are looked at"


def test_what_is_lost_is_told_as_a_loss():
    lost = pd.DataFrame(
        {"generator": ["a", "b"], "difference": [-0.02, 0.0], "low": [-0.03, 0], "high": [0.01, 0]}
    )
    assert serving.said_of(lost) == "a 0.0200 (-0.0100 to 0.0300); b 0.0000 (0.0000 to 0.0000)"


def test_it_is_told_from_which_size_a_kind_pays():
    rows = [(n, kind, times, 0.99) for n, kind, times in (
        (10, "exact", 1.0), (10, "a", 0.5), (90, "exact", 1.0), (90, "a", 2.0),
    )]  # fmt: skip
    table = pd.DataFrame(rows, columns=["n_items", "kind", "times", "recall"])
    table["times_single"] = 0.5
    table = table.assign(build_seconds=1.0, load_seconds=0.1, disk_mib=7.0)
    told = serving.said_of_sizes(table, 0.95)
    assert told["together"] == "a from 90 items" and told["alone"] == "a at none of these"
    assert told["stand"].startswith("a 2.00 times exact search's speed all at once, 0.50 one")
