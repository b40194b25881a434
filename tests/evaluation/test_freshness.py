import numpy as np
import pandas as pd
import pytest

from candgen import evaluation
from candgen.datasets import preparation
from candgen.datasets.world import Oracle
from candgen.evaluation import Candidates, Judgement

DAY = 86_400


@pytest.fixture(scope="module")
def small_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds") / "small"
    return preparation.prepare(folder, source="world", n_users=40, n_items=60, events_per_user=9.0)


@pytest.fixture(scope="module")
def oracle(small_world):
    return Oracle.open(small_world.folder)


def judgement_of(items) -> Judgement:
    users = np.arange(len(items))
    found = Candidates(
        users, np.array(items), -np.arange(len(items[0]))[None].repeat(len(items), 0)
    )
    return Judgement("by hand", pd.DataFrame({"user": users}), candidates=found)


def test_the_share_of_chosen_items_counts_empty_places_as_none():
    chosen = np.array([True, False, True, True])
    found = judgement_of([[0, 1, 2], [1, 3, -1]])
    np.testing.assert_allclose(evaluation.share_among(found, chosen, 3), [2 / 3, 1 / 3])
    np.testing.assert_allclose(evaluation.share_among(found, chosen, 1), [1, 0])


def test_the_last_item_is_not_taken_for_an_empty_place():
    chosen = np.array([False, False, True])
    np.testing.assert_allclose(evaluation.share_among(judgement_of([[0, -1]]), chosen, 2), [0])


def test_no_list_is_more_relevant_than_the_oracle_s_own(small_world, oracle):
    users = np.arange(40)
    best = evaluation.best_candidates(users, small_world, oracle, 5, rows_per_block=7)
    reached = evaluation.relevance_of_lists(users, best.items, oracle, 5)
    most = evaluation.best_true_relevance(users, small_world, oracle, 5)
    np.testing.assert_allclose(reached, most, rtol=1e-5)
    seen = small_world.history_matrix[users].toarray() > 0
    assert not np.take_along_axis(seen, best.items.astype(int), axis=1).any()


def test_candidates_are_set_against_what_the_catalogue_has_of_each_age():
    ages = np.array(
        [5.0, 5, 15, 15, 15, 15, -3, 99]
    )  # two young, four older, two that do not count
    found = {"even": np.array([[0, 2, 3]]), "young": np.array([[0, 1, -1], [1, 0, 2]])}
    table = evaluation.by_age(found, ages, 2, edges=(0, 10, 20, 30))
    np.testing.assert_allclose(table["even"], [0.5 * 3, 0.5 * 3 / 2, np.nan])
    np.testing.assert_allclose(table["young"], [3, 0, np.nan])
    assert table.index.name == "days since it appeared"


def test_items_appear_when_they_are_uploaded(small_world):
    moment = int(small_world.train["timestamp"].max())
    ages = evaluation.ages_of_items(small_world, moment)
    expected = (moment - small_world.items["upload_time"].to_numpy()) / DAY
    np.testing.assert_allclose(ages, expected)


def test_measures_stand_below_each_other():
    values = {"a": np.array([0.0, 1.0]), "b": np.array([1.0, 1.0])}
    table = evaluation.relevance_tables({"one": values, "two": values}, baseline="a")
    assert table.index.tolist() == [("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")]
    assert table.loc[("two", "b"), "difference"] == 0.5


def test_what_is_known_of_a_user_ends_where_training_does(small_world):
    searches = small_world.known("searches")
    user = int(searches["user"].iloc[0])
    known = evaluation.known_of(small_world, user, most=2)
    own = small_world.train[small_world.train["user"] == user].sort_values("timestamp")
    assert known["history"] == ", ".join(small_world.titles[own["item"][-2:]])
    assert f"place {small_world.users['place'][user]}" in known["columns"]
    before = searches[searches["user"] == user].sort_values("timestamp")["query"][-2:]
    assert known["searches"] == (", ".join(before) or "nothing")
