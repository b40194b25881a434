"""Tests of the two stages, on a small world."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from candgen import evaluation
from candgen.datasets import preparation
from candgen.errors import DataError, SettingError
from candgen.retrieval import NO_ITEM, TopK, pools
from candgen.studies.ranking import measures, pictures, rows, stages
from candgen.sweeps.notebook_parameters import read_notebook

NAMES = ["WALS", "ItemKNN", "popularity"]
SETTINGS = {"WALS": {"epochs": 3}}
RANKER = {"trees": 8, "leaves": 4, "leaf_size": 20}
KNOWN_LATER = {"interactions", "test"}  # tables that hold events of the test period


class Guarded:
    """A dataset that refuses to read what the test period holds, whoever asks."""

    def __init__(self, data, monkeypatch):
        self.asked = []
        read = type(data).table

        def table(held, name):
            self.asked.append((held.evaluate_on, name))
            if held.evaluate_on == "validation" and name in KNOWN_LATER:
                raise AssertionError(f"{name} was read while the ranker learned")
            return read(held, name)

        monkeypatch.setattr(type(data), "table", table)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    sizes = {"n_users": 150, "n_items": 90, "events_per_user": 14}
    folder = tmp_path_factory.mktemp("world")
    return preparation.prepare(folder, source="world", seed=3, split="timeline", **sizes)


def made(data, **more):
    options = {"parameters": {"dim": 5, "seed": 4}, "k": 20, "ranker": RANKER, "seed": 2}
    return stages.Stages(NAMES, SETTINGS, data, **(options | more))


@pytest.fixture(scope="module")
def both(data):
    return made(data)


def scrambled(data, seed):
    """The same dataset with other users and items in what test holds out."""
    rng, test = np.random.default_rng(seed), data.table("test")
    changed = test.assign(
        user=rng.integers(0, data.n_users, len(test)),
        item=rng.integers(0, data.n_items, len(test)),
        timestamp=rng.permutation(test["timestamp"].to_numpy()) + 10_000_000,
    )
    tables = {name: data.table(name) for name in ("train", "validation", "users", "items")}
    everything = pd.concat([tables["train"], tables["validation"], changed], ignore_index=True)
    tables |= {"test": changed.astype(test.dtypes), "interactions": everything}
    return replace(data, _tables=tables)


# --- the protocol: nothing of test reaches what learns


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_whatever_test_holds_out_the_ranker_learns_the_same(data, both, seed):
    other = made(scrambled(data, seed))
    assert (data.held_out_matrix != scrambled(data, seed).held_out_matrix).nnz > 50
    ours, theirs = (rows.rows_of(found.learning, 20) for found in (both, other))
    np.testing.assert_array_equal(ours.table(), theirs.table())
    np.testing.assert_array_equal(ours.items, theirs.items)
    asked = rows.rows_of(both.judging, 20)
    chances = [found.learned(20).chances(asked) for found in (both, other)]
    np.testing.assert_array_equal(*chances)


def test_no_table_with_events_of_the_test_period_is_read_while_anything_learns(data, monkeypatch):
    fresh = replace(data, _tables={})
    guard = Guarded(fresh, monkeypatch)
    found = made(fresh)
    found.learned(20)
    assert "train" in {name for _, name in guard.asked}
    assert not [name for _, name in guard.asked if name in KNOWN_LATER]
    rows.rows_of(found.judging, 20)
    found.learned(20)
    assert {asked for asked in guard.asked if asked[1] in KNOWN_LATER} <= {("test", "test")}


def test_features_of_test_know_train_and_validation_and_not_test(data, both):
    other = made(scrambled(data, 5))
    shared = np.intersect1d(both.judging.users, other.judging.users)
    assert len(shared) > 20
    ours, theirs = (rows.rows_of(found.judging, 20) for found in (both, other))
    ours_at = np.isin(both.judging.users, shared)
    theirs_at = np.isin(other.judging.users, shared)
    np.testing.assert_array_equal(ours.items[ours_at], theirs.items[theirs_at])
    for name, values in ours.features.items():
        np.testing.assert_array_equal(values[ours_at], theirs.features[name][theirs_at])


def test_a_ranker_is_not_judged_on_the_part_it_learns_from(data):
    with pytest.raises(SettingError, match="judged on test"):
        made(data.for_validation())


def test_the_ranker_learns_from_some_users_of_validation_alone(data):
    few = made(data, most_users=15)
    judged = evaluation.judging.judged_users(data.for_validation()).users
    assert len(few.learning.users) == 15 and set(few.learning.users) <= set(judged)


def test_a_pool_needs_several_generators(data):
    with pytest.raises(SettingError, match="two or more"):
        stages.Stages(["WALS", "WALS"], {}, data, parameters={}, k=5)


def test_the_page_has_the_ranker_s_own_defaults(root):
    page = read_notebook(root / "notebooks" / "86_ranking_the_pool.ipynb").parameters
    own = stages.RankerSettings().model_dump()
    assert {name: page[name].default for name in own} == own


# --- features


def test_a_feature_says_what_a_generator_offered_and_where(both):
    pool = rows.rows_of(both.judging, 10)
    found = both.judging.lists["ItemKNN"].items[:, :10]
    for user in range(0, len(found), 7):
        for place, item in enumerate(pool.items[user]):
            rank = pool.features["ItemKNN rank"][user, place]
            at = np.flatnonzero(found[user] == item)
            assert np.isnan(rank) if not len(at) else rank == at[0] + 1
    offered = sum(~np.isnan(ranks) for ranks in pool.ranks())
    there = pool.items != NO_ITEM
    np.testing.assert_array_equal(pool.features["offered by"][there], offered[there])


def test_places_are_found_row_by_row():
    lists = np.array([[3, 1, NO_ITEM], [0, 2, 1]], np.int32)
    asked = np.array([[1, 0, 3, NO_ITEM], [1, 3, 0, 2]], np.int32)
    assert rows.places_in(lists, asked, 4).tolist() == [[1, -1, 0, -1], [2, -1, 0, 1]]


def test_similarity_is_the_mean_cosine_to_the_history(both, data):
    pool = rows.rows_of(both.judging, 6)
    known = data.train_matrix.toarray()
    unit = known / np.maximum(np.linalg.norm(known, axis=0), 1e-9)
    cosines = unit.T @ unit
    for row in (0, 3, 9):
        history = np.flatnonzero(data.history_matrix[[both.judging.users[row]]].toarray()[0])
        expected = cosines[np.ix_(pool.items[row], history)].mean(axis=1)
        np.testing.assert_allclose(pool.features["similarity"][row], expected, rtol=1e-4, atol=1e-6)


def test_age_and_popularity_come_from_known_events(both, data):
    pool, known = rows.rows_of(both.judging, 6), data.train
    item = pool.items[0, 0]
    of_item = known[known["item"] == item]
    age = (data.known_until - of_item["timestamp"].min()) / 86_400
    assert pool.features["item age"][0, 0] == pytest.approx(age, rel=1e-5)
    share = (of_item["user"].nunique() + 1) / (known["user"].nunique() + 1)
    assert 10 ** pool.features["popularity"][0, 0] == pytest.approx(share, rel=1e-4)


def test_scores_of_a_list_have_mean_nothing_and_deviation_one():
    found = rows._standard(np.array([[3.0, 1.0, -np.inf], [2.0, 2.0, 2.0]], np.float32))
    assert found[:, :2].tolist() == [[1, -1], [0, 0]]


# --- orders


def toy(items, ranks, held):
    """A pool of two generators with given ranks, and what is held out of its users."""
    features = {f"{name} {what}": np.array(r, np.float32)
                for name, r in ranks.items() for what in ("score", "rank")}  # fmt: skip
    return rows.Rows(np.array(items, np.int32), features, tuple(ranks)), csr_array(np.array(held))


def test_fusion_adds_reciprocal_ranks_over_the_lists_that_hold_an_item():
    nan = np.nan
    pool, _ = toy([[0, 1, 2, NO_ITEM]], {"a": [[2, nan, 3, nan]], "b": [[nan, 1, 2, nan]]}, [[0]])
    # 1/62, 1/61 and 1/63 + 1/62: the item of both lists comes first, then the better place.
    assert stages.fused(pool).tolist() == [[2, 1, 0, NO_ITEM]]


def test_a_ranker_that_is_shown_the_answer_finds_it():
    rng = np.random.default_rng(0)
    items = np.tile(np.arange(40, dtype=np.int32), (60, 1))
    held = rng.random((60, 40)) < 0.2
    ranks = np.where(held, 1.0, np.nan)
    pool, wanted = toy(items, {"a": ranks, "b": np.ones_like(ranks)}, held)
    chances = stages.Ranker(stages.RankerSettings(**RANKER)).fit(pool, wanted).chances(pool)
    assert chances[held].min() > chances[~held].max()
    first = stages.by_worth(pool.items, chances)
    assert all(held[u, first[u, : held[u].sum()]].all() for u in range(60))


def test_a_pool_without_hits_teaches_nothing_and_says_so():
    pool, nothing = toy([[0, 1]], {"a": [[1, 2]], "b": [[2, 1]]}, [[0, 0]])
    with pytest.raises(DataError, match="0 of 2 candidates are held out on validation"):
        stages.Ranker(stages.RankerSettings()).fit(pool, nothing)


def test_orders_hold_the_same_items(both):
    found = stages.orders(both, 12)
    for items in found.values():
        np.testing.assert_array_equal(np.sort(items), np.sort(found[stages.TURNS]))
    judged = stages.judged(found, both.judging, [12])
    assert len({round(one.mean("recall@12"), 9) for one in judged.values()}) == 1
    again = stages.orders(both, 12)
    np.testing.assert_array_equal(found[stages.RANKED], again[stages.RANKED])


# --- measures


def test_worth_is_the_paired_difference_to_a_pool_without_the_generator(both, data):
    table = measures.worth(both, 12, "ndcg@10").set_index("generator")
    assert list(table.index) == NAMES
    lists = {"whole": both.ordered(12), "less": both.ordered(12, without="ItemKNN")}
    judged = stages.judged(lists, both.judging, [10, 12])
    expected = judged["whole"].mean("ndcg@10") - judged["less"].mean("ndcg@10")
    row = table.loc["ItemKNN"]
    assert row["adds"] == pytest.approx(expected, abs=1e-9)
    assert row["low"] <= row["adds"] <= row["high"]
    found = judged["whole"].mean("recall@12") - judged["less"].mean("recall@12")
    assert row["recall_adds"] == pytest.approx(found, abs=1e-9)
    assert not set(rows.rows_of(both.judging, 12, without="ItemKNN").groups()) & {"ItemKNN"}


def test_a_larger_pool_has_more_recall_and_a_higher_ceiling(both):
    table = measures.by_size(both, [5, 10, 20], "ndcg@10")
    assert table["k"].tolist() == [5, 10, 20]
    assert table["recall"].is_monotonic_increasing and table["ceiling"].is_monotonic_increasing
    assert (table["ranked"] <= table["ceiling"] + 1e-12).all()
    assert ((table["low"] <= table["ranked"]) & (table["ranked"] <= table["high"])).all()
    pool = rows.rows_of(both.judging, 10).items
    assert table["recall"][1] == pytest.approx(pools.recall_of(pool, both.judging.held_out))


def test_a_feature_that_says_nothing_has_no_importance(both):
    table = measures.importance(both, 20, "ndcg@10", rounds=1).set_index("feature")
    assert {*NAMES, "popularity", "history", "similarity", "item age"} <= set(table.index)
    assert table["drop"].is_monotonic_decreasing
    assert "WALS rank" not in table.index  # score and rank are shuffled together


def test_shuffling_what_the_ranker_reads_lowers_the_metric_and_the_rest_does_not(both):
    class Reads:
        def chances(self, asked):
            return np.where(asked.items == NO_ITEM, -np.inf, asked.features["popularity"])

    class Fixed:
        judging, seed = both.judging, 0

        def learned(self, k):
            return Reads()

    table = measures.importance(Fixed(), 20, "ndcg@10").set_index("feature")
    assert table.index[0] == "popularity" and table.loc["popularity", "drop"] > 0
    assert (table.drop("popularity")["drop"] == 0).all()


def test_pictures_show_each_size_and_each_feature():
    sizes = pd.DataFrame({"k": [5, 10], "recall": [0.2, 0.4], "ranked": [0.1, 0.12],
                          "low": [0.05, 0.1], "high": [0.12, 0.2], "fused": [0.09, 0.1],
                          "ceiling": [0.3, 0.5]})  # fmt: skip
    ax = pictures.by_size(sizes, metric="ndcg@10")
    assert [text.get_text() for text in ax.texts] == ["k = 5", "k = 10"]
    drawn = {line.get_label(): line.get_ydata().tolist() for line in ax.lines}
    assert drawn["ranker"] == [0.1, 0.12] and drawn["perfect ranker"] == [0.3, 0.5]
    table = pd.DataFrame({"feature": ["WALS", "age"], "drop": [0.03, -0.001], "low": [0.01, -0.01],
                          "high": [0.05, 0.01]})  # fmt: skip
    ax = pictures.importance(table, metric="ndcg@10")
    assert {"WALS", "age"} <= {text.get_text() for text in ax.get_yticklabels()}


def test_an_unused_list_is_left_out(both):
    lists = {
        "empty": TopK(np.full((2, 3), NO_ITEM, np.int32), np.full((2, 3), -np.inf, np.float32))
    }
    assert rows.places_in(lists["empty"].items, np.zeros((2, 1), np.int32), 5).tolist() == [
        [-1],
        [-1],
    ]
