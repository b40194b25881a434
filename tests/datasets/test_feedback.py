"""A label says what happened after an item was shown; what was not shown has none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from candgen.datasets import feedback
from candgen.errors import DataError

# User 0 left item 1 twice and took it at last; user 1 left item 0; nobody was shown item 2.
SHOWN = pd.DataFrame(
    {"user": [0, 0, 0, 1, 0], "item": [1, 1, 1, 0, 0], "engaged": [False, True, False, False, True]}
)


def test_a_pair_engaged_with_once_is_1_however_often_it_was_left():
    assert feedback.labels(SHOWN).values.tolist() == [[0, 0, 1], [0, 1, 1], [1, 0, 0]]


def test_what_was_not_shown_is_neither_1_nor_0():
    matrix = feedback.label_matrix(SHOWN, n_users=2, n_items=3)
    np.testing.assert_array_equal(matrix, [[1, 1, np.nan], [0, np.nan, np.nan]])


def test_every_pair_has_one_of_three_meanings():
    counts = feedback.count_meanings(SHOWN, n_users=2, n_items=3)
    assert counts["label"].tolist() == ["1", "0", "?"]
    assert counts["pairs"].tolist() == [2, 1, 3]
    assert counts["share"].tolist() == [2 / 6, 1 / 6, 3 / 6]


def test_samples_hold_the_meaning_they_are_drawn_for_and_reach_every_pair_of_it():
    rng = np.random.default_rng(0)
    drawn = feedback.sample_meanings(SHOWN, 300, n_users=2, n_items=3, rng=rng)
    found = [set(map(tuple, pairs.values.tolist())) for pairs in drawn.values()]
    assert found == [{(0, 0), (0, 1)}, {(1, 0)}, {(0, 2), (1, 1), (1, 2)}]
    assert all(len(pairs) == 300 for pairs in drawn.values())


def test_unknown_pairs_are_drawn_evenly():
    rng = np.random.default_rng(0)
    drawn = feedback.sample_meanings(SHOWN, 30_000, n_users=2, n_items=3, rng=rng)
    sizes = drawn["not yet shown"].groupby(["user", "item"]).size()
    assert sizes.between(9_600, 10_400).all()


def test_no_pair_is_drawn_for_a_meaning_that_does_not_occur():
    everything = pd.DataFrame({"user": [0, 0], "item": [0, 1], "engaged": [True, True]})
    drawn = feedback.sample_meanings(
        everything, 5, n_users=1, n_items=2, rng=np.random.default_rng(0)
    )
    assert [len(pairs) for pairs in drawn.values()] == [5, 0, 0]


def test_a_log_without_impressions_has_no_zeros():
    events = pd.DataFrame({"user": [0, 1], "item": [2, 0], "rating": [0.5, 5.0]})
    data = SimpleNamespace(has=lambda table: False, train=events)
    assert feedback.labels(feedback.impressions_of(data))["label"].tolist() == [1, 1]


def test_impressions_are_preferred_where_a_dataset_has_them():
    data = SimpleNamespace(has=lambda table: table == "impressions", known=lambda table: SHOWN)
    assert feedback.impressions_of(data) is SHOWN


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (SHOWN.drop(columns="engaged"), r"lack the columns \['engaged'\]"),
        (SHOWN.assign(engaged=0.5), "must be true or false in every impression"),
        (SHOWN.assign(item=7), r"item ids from 7 to 7, expected 0 .. 2"),
        (SHOWN.assign(user=-1), r"user ids from -1 to -1, expected 0 .. 1"),
    ],
)
def test_unfit_impressions_are_named(table, message):
    with pytest.raises(DataError, match=message):
        feedback.label_matrix(table, n_users=2, n_items=3)


def test_a_matrix_too_large_to_write_out_is_refused():
    with pytest.raises(DataError, match=r"1,000,000 users by 1,000,000 items is too large"):
        feedback.label_matrix(SHOWN, n_users=10**6, n_items=10**6)
