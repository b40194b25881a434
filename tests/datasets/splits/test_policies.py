import itertools
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from candgen.datasets.splits import (
    FOLD_IN,
    POLICIES,
    TEST,
    TRAIN,
    VALIDATION,
    Events,
    Policy,
    SplitSettings,
    futures_seen,
    leak_warnings,
    split,
    validation_from_train,
)
from candgen.errors import DataError, SettingError

SPLITS = [
    "timeline",
    "leave_last_out",
    "random_per_user",
    "random_rows",
    "held_out_users",
    "cold_users",
    "cold_items",
]


def invented(seed=0, n=3000, n_users=60, n_items=80, latest=400):
    """Random events with many ties in time."""
    rng = np.random.default_rng(seed)
    return Events(
        users=rng.integers(0, n_users, n).astype(np.int32),
        items=rng.integers(0, n_items, n).astype(np.int32),
        times=rng.integers(0, latest, n),
        n_users=n_users,
        n_items=n_items,
    )


def of(users, times, items=None):
    users = np.array(users, dtype=np.int32)
    items = np.arange(len(users), dtype=np.int32) if items is None else np.array(items)
    return Events(users, items, np.array(times), users.max() + 1, items.max() + 1)


def parts_of(events, policy, **settings):
    return split(events, SplitSettings(policy=policy, **settings)).parts


# --- what holds of every split


@pytest.mark.parametrize("policy", SPLITS)
def test_every_event_lands_in_exactly_one_part(policy):
    parts = parts_of(invented(), policy)
    assert len(parts) == 3000
    assert set(parts) <= {TRAIN, VALIDATION, TEST, FOLD_IN}
    assert (FOLD_IN in parts) == (policy == "held_out_users")


@pytest.mark.parametrize("policy", SPLITS)
def test_the_same_seed_gives_the_same_split(policy):
    assert np.array_equal(
        parts_of(invented(), policy, seed=5), parts_of(invented(), policy, seed=5)
    )


@pytest.mark.parametrize("policy", SPLITS[2:])
def test_another_seed_gives_another_split(policy):
    one, other = (parts_of(invented(), policy, seed=s) for s in (5, 6))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("policy", SPLITS)
def test_asking_for_no_validation_leaves_test_as_it_was(policy):
    with_it = parts_of(invented(), policy)
    without = parts_of(invented(), policy, validation_fraction=0)
    assert np.array_equal(with_it == TEST, without == TEST)
    assert VALIDATION not in without


@pytest.mark.parametrize("policy", ["timeline", "random_rows"])
def test_shares_are_shares_of_all_events(policy):
    parts = parts_of(invented(), policy, test_fraction=0.2, validation_fraction=0.05)
    assert np.bincount(parts).tolist() == [2250, 150, 600]


# --- timeline


@pytest.mark.parametrize("seed", range(5))
def test_nothing_in_an_earlier_part_is_later_than_a_later_part(seed):
    events = invented(seed)
    parts = parts_of(events, "timeline")
    rows = np.arange(len(events))
    for early, late in itertools.pairwise((TRAIN, VALIDATION, TEST)):
        newest = max(zip(events.times[parts == early], rows[parts == early], strict=True))
        oldest = min(zip(events.times[parts == late], rows[parts == late], strict=True))
        assert newest < oldest  # equal times in the order of rows


def test_ties_at_the_boundary_go_by_the_order_of_rows():
    parts = parts_of(of([0] * 5, [7] * 5), "timeline", test_fraction=0.4, validation_fraction=0.2)
    assert parts.tolist() == [TRAIN, TRAIN, VALIDATION, TEST, TEST]


def test_a_timeline_may_be_cut_at_dates():
    events = of([0] * 5, [10, 20, 30, 40, 50])
    parts = parts_of(events, "timeline", validation_from=20, test_from=40)
    assert parts.tolist() == [TRAIN, VALIDATION, VALIDATION, TEST, TEST]
    assert parts_of(events, "timeline", test_from=40).tolist() == [0, 0, 0, TEST, TEST]


# --- by user


def test_leave_last_out_takes_the_newest_event_and_validates_on_the_one_before():
    events = of([0, 0, 0, 1, 1, 1], [3, 1, 2, 5, 9, 7])
    parts = parts_of(events, "leave_last_out")
    assert parts.tolist() == [TEST, TRAIN, VALIDATION, TRAIN, TEST, VALIDATION]


def test_leave_last_out_breaks_ties_by_the_order_of_rows():
    parts = parts_of(of([0, 0, 0, 1, 1, 1], [4, 4, 4, 2, 2, 2]), "leave_last_out")
    assert parts.tolist() == [TRAIN, VALIDATION, TEST] * 2


def test_users_with_too_few_events_stay_in_train():
    parts = parts_of(of([0, 0, 1, 1, 1], [1, 2, 1, 2, 3]), "leave_last_out")
    assert parts.tolist() == [TRAIN, TRAIN, TRAIN, VALIDATION, TEST]


def test_random_per_user_takes_the_share_of_every_user():
    users = np.repeat([0, 1, 2], [10, 20, 1])
    parts = parts_of(of(users, np.zeros(31, dtype=int)), "random_per_user", test_fraction=0.2)
    taken = [np.bincount(parts[users == u], minlength=3).tolist() for u in range(3)]
    assert taken == [[7, 1, 2], [14, 2, 4], [1, 0, 0]]


def test_the_share_for_validation_is_of_the_same_whole_as_that_for_test():
    events = of(np.zeros(100, dtype=int), np.zeros(100, dtype=int))
    for policy in ("random_per_user", "random_rows", "timeline"):
        parts = parts_of(events, policy, test_fraction=0.5, validation_fraction=0.2)
        assert np.bincount(parts).tolist() == [30, 20, 50]


def test_random_per_user_leaves_every_user_something_to_learn_from():
    events = invented(n=200)
    settings = {"test_fraction": 0.6, "validation_fraction": 0.3}
    parts = parts_of(events, "random_per_user", **settings)
    assert set(events.users[parts == TRAIN]) == set(events.users)


@pytest.mark.parametrize("seed", range(5))
def test_stratified_by_item_each_items_events_are_split_in_the_same_proportion(seed):
    rng = np.random.default_rng(seed)
    items = rng.zipf(1.3, 4000).clip(max=90).astype(np.int32) - 1  # from hundreds to one event
    events = Events(np.zeros(4000, np.int32), items, None, 1, 90)
    told = {"test_fraction": 0.2, "validation_fraction": 0.1, "seed": seed}
    parts = parts_of(events, "random_rows", stratify_by="item", **told)
    assert np.bincount(parts).tolist() == [2800, 400, 800]
    sizes = np.bincount(items, minlength=90)
    for part, share in ((TEST, 0.2), (VALIDATION, 0.1)):
        held = np.bincount(items[parts == part], minlength=90)
        assert (np.abs(held - share * sizes) < 1 + share).all()
    plain = parts_of(events, "random_rows", **told)
    off = np.abs(np.bincount(items[plain == TEST], minlength=90) - 0.2 * sizes)
    assert off.max() > 2  # which a split of all rows does not promise


def test_which_events_of_an_item_are_held_out_depends_on_the_seed_alone():
    items = np.repeat(np.arange(6, dtype=np.int32), 50)
    events = Events(np.zeros(300, np.int32), items, None, 1, 6)
    held = [
        parts_of(events, "random_rows", stratify_by="item", seed=seed) == TEST for seed in (1, 1, 2)
    ]
    assert (held[0] == held[1]).all()
    assert (held[0] != held[2]).any()
    places = np.flatnonzero(held[0]) % 50
    assert len(set(places.tolist())) > 10  # not every tenth row


def test_held_out_users_are_absent_from_train_and_have_a_query():
    events = invented()
    parts = parts_of(events, "held_out_users", fold_in_fraction=0.75)
    trained = set(events.users[parts == TRAIN])
    tested, validated = (set(events.users[parts == p]) for p in (TEST, VALIDATION))
    assert len(tested) == len(validated) == 6
    assert not trained & (tested | validated) and not tested & validated
    assert set(events.users[parts == FOLD_IN]) == tested | validated
    out = np.isin(events.users, list(tested))
    assert (parts[out] == FOLD_IN).mean() == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(("policy", "column"), [("cold_users", "users"), ("cold_items", "items")])
def test_what_is_cold_has_all_its_events_in_one_part(policy, column):
    events = invented()
    parts, ids = parts_of(events, policy), getattr(events, column)
    held = [set(ids[parts == part]) for part in (TRAIN, VALIDATION, TEST)]
    assert not held[0] & held[1] and not held[0] & held[2] and not held[1] & held[2]
    assert len(held[2]) == len(set(ids)) // 10


def test_validation_of_a_given_split_comes_from_train_and_leaves_every_user_some():
    events = invented(n=150)
    parts = validation_from_train(events, SplitSettings(policy="given", validation_fraction=0.5))
    assert set(parts) == {TRAIN, VALIDATION}
    assert set(events.users[parts == TRAIN]) == set(events.users)


# --- refusals


def test_a_split_in_time_without_times_says_which_to_choose():
    events = replace(invented(), times=None)
    for policy in ("timeline", "leave_last_out"):
        with pytest.raises(DataError, match=f"'{policy}' needs timestamps.*random_per_user"):
            parts_of(events, policy)


def test_an_empty_part_is_named_with_the_sizes_of_the_others():
    with pytest.raises(DataError, match=r"The test part is empty \(train 2, validation 0"):
        parts_of(of([0, 1], [1, 2]), "leave_last_out")
    with pytest.raises(DataError, match="The train part is empty"):
        parts_of(of([0, 1], [1, 2]), "timeline", test_from=0)
    with pytest.raises(DataError, match="The validation part is empty"):
        parts_of(of([0] * 8, range(8)), "timeline", test_fraction=0.5, validation_fraction=0.01)


def test_settings_accept_exactly_the_policies_that_exist():
    assert set(get_args(Policy)) == set(POLICIES)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"policy": "timelines"}, "Did you mean 'timeline'"),
        ({"test_fraction": 0.0}, "test_fraction must be greater than 0, got 0.0"),
        ({"test_fraction": 1.0}, "test_fraction must be less than 1, got 1.0"),
        ({"test_fraction": 0.7, "validation_fraction": 0.3}, "leave no events to train on"),
        ({"validation_from": 5}, "validation_from needs test_from"),
        ({"validation_from": 5, "test_from": 5}, "must be earlier than test_from"),
        ({"policy": "random_rows", "test_from": 5}, "are for timeline, not random_rows"),
        ({"policy": "random_per_user", "stratify_by": "item"}, "it applies to split 'random_rows'"),
        ({"policy": "random_rows", "stratify_by": "items"}, "stratify_by must be"),
    ],
)
def test_settings_are_checked(settings, expected):
    with pytest.raises(SettingError, match=expected):
        SplitSettings(**settings)


# --- leaks


def warned(policy, events, parts):
    seen = None if events.times is None else futures_seen(events, parts)
    return leak_warnings(policy, events, parts, seen)


def test_the_future_that_is_seen_is_counted_by_hand():
    # Test is the event at 2. Outside of it lie 1, 3 and 4; the user's own are 1 and 4.
    events = of([0, 0, 1, 0], [1, 2, 3, 4])
    seen = futures_seen(events, np.array([TRAIN, TEST, TRAIN, TRAIN]))
    assert seen.own == 1
    assert seen.of_all == pytest.approx(2 / 3)


def test_equal_times_are_not_the_future():
    events = of([0, 0], [5, 5])
    assert futures_seen(events, np.array([TRAIN, TEST])) == (0, 0)


def test_a_timeline_warns_of_nothing():
    events = of([0, 0, 1, 1, 0, 1, 0, 1, 0, 1], range(10))
    assert warned("timeline", events, parts_of(events, "timeline")) == []


def test_leave_last_out_warns_of_other_users_only():
    events = of([0, 0, 0, 1, 1, 1], [1, 2, 3, 11, 12, 13])
    (warning,) = warned("leave_last_out", events, parts_of(events, "leave_last_out"))
    assert "0% of the test events have a later event of the same user" in warning
    assert "on average 25% of the events models learn from are later than" in warning


def test_a_random_split_warns_with_the_measured_share():
    events = of([0] * 4, [1, 2, 3, 4])
    (warning,) = warned("random_rows", events, np.array([TEST, TRAIN, TRAIN, TEST]))
    assert "50% of the test events have a later event of the same user" in warning


def test_a_split_without_times_says_that_nobody_can_tell():
    events = replace(of([0, 0], [1, 2]), times=None)
    (warning,) = warned("given", events, np.array([TRAIN, TEST]))
    assert "no times" in warning


def test_test_pairs_that_are_known_already_are_counted():
    events = of([0, 0, 0], [1, 2, 3], items=[4, 4, 5])
    warnings = warned("timeline", events, np.array([TRAIN, TEST, TEST]))
    assert warnings[0].startswith("1 test events repeat a pair")
