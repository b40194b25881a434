import numpy as np
import pandas as pd
import pytest

from candgen.datasets.interactions import code_of, k_core, number, positives, settle_duplicates
from candgen.errors import DataError

EVENTS = pd.DataFrame(
    {
        "user": [1, 1, 2, 1],
        "item": [7, 8, 7, 7],
        "rating": [3.0, 5.0, 4.0, 1.0],
        "timestamp": [10, 20, 30, 5],
    }
)


def test_dense_ids_follow_the_sorted_raw_ids():
    numbered = number(pd.Series([30, 10, 30, 20]))
    assert numbered.codes.tolist() == [2, 0, 2, 1]
    assert numbered.raw.tolist() == [10, 20, 30]


def test_numbers_do_not_depend_on_the_order_of_events():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 1000, 500)
    order = rng.permutation(500)
    there, shuffled = number(ids), number(ids[order])
    assert there.codes[order].tolist() == shuffled.codes.tolist()
    assert there.raw.equals(shuffled.raw)


def test_text_ids_are_sorted_as_text():
    assert number(pd.Series(["b", "10", "9"])).raw.tolist() == ["10", "9", "b"]


def test_unknown_ids_have_no_number():
    assert code_of(pd.Series([20, 99]), number(np.array([10, 20])).raw).tolist() == [1, -1]


def test_repeated_events_are_refused_with_both_rows():
    with pytest.raises(DataError) as caught:
        settle_duplicates(EVENTS, where="plays.csv")
    assert "plays.csv: user 1 and item 7 occur together in rows 1 and 4, counted" in str(
        caught.value
    )
    assert "Set duplicates to first, last or keep" in str(caught.value)


@pytest.mark.parametrize(("policy", "rating"), [("first", 1.0), ("last", 3.0)])
def test_first_and_last_are_in_time(policy, rating):
    kept = settle_duplicates(EVENTS, policy)
    assert len(kept) == 3
    assert kept.loc[(kept["user"] == 1) & (kept["item"] == 7), "rating"].tolist() == [rating]


@pytest.mark.parametrize(("policy", "rating"), [("first", 3.0), ("last", 1.0)])
def test_equal_times_are_told_apart_by_the_order_of_rows(policy, rating):
    for tied in (EVENTS.assign(timestamp=0), EVENTS.drop(columns="timestamp")):
        kept = settle_duplicates(tied, policy)
        assert kept.loc[(kept["user"] == 1) & (kept["item"] == 7), "rating"].tolist() == [rating]


def test_the_events_that_stay_keep_their_order():
    assert settle_duplicates(EVENTS, "last")["item"].tolist() == [7, 8, 7]
    assert settle_duplicates(EVENTS, "keep") is EVENTS


def test_positives_are_rated_the_threshold_or_better():
    assert positives(EVENTS, 4)["rating"].tolist() == [5.0, 4.0]
    assert positives(EVENTS, None) is EVENTS


def test_a_threshold_without_ratings_is_refused():
    with pytest.raises(DataError, match="min_rating is 4, but these events have no ratings"):
        positives(EVENTS.drop(columns="rating"), 4)


def test_one_departure_causes_the_next():
    # Item 1 has one event; without it user 1 has one; without user 1 item 0 has two of three.
    users, items = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 0])
    assert k_core(users, items, per_user=1, per_item=2).tolist() == [True, True, False, True]
    assert not k_core(users, items, per_user=2, per_item=2).any()


def by_hand(users, items, per_user, per_item):
    """The k-core, worked out slowly with one departure at a time."""
    left = set(zip(users.tolist(), items.tolist(), strict=True))
    while True:
        weak = [
            (u, i)
            for u, i in left
            if sum(a == u for a, _ in left) < per_user or sum(b == i for _, b in left) < per_item
        ]
        if not weak:
            return left
        left.discard(weak[0])


@pytest.mark.parametrize("seed", range(6))
def test_the_core_is_the_largest_fixed_point(seed):
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, 9, (45, 2)), axis=0)
    users, items = pairs.T
    stays = k_core(users, items, per_user=3, per_item=2)
    left = set(zip(users[stays].tolist(), items[stays].tolist(), strict=True))
    assert left == by_hand(users, items, 3, 2)
