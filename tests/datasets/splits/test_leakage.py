"""Rows of further tables that models may know, by hand and against a row-by-row reference."""

import numpy as np
import pytest

from candgen.datasets.splits import (
    ALWAYS,
    FOLD_IN,
    TEST,
    TRAIN,
    VALIDATION,
    Events,
    Rows,
    SplitSettings,
    parts_of_rows,
    split,
)

SPLITS = [
    "timeline",
    "leave_last_out",
    "random_per_user",
    "random_rows",
    "held_out_users",
    "cold_users",
    "cold_items",
]
NAMES = {TRAIN: "train", VALIDATION: "validation", TEST: "test"}


def of(users, times, items=None):
    users = np.array(users, dtype=np.int32)
    items = np.arange(len(users), dtype=np.int32) if items is None else np.array(items)
    return Events(users, items, np.array(times), users.max() + 1, items.max() + 1)


def found(events, policy, rows, **settings):
    """Return the part of each row, given as (user, item, time, engaged)."""
    made = split(events, SplitSettings(policy=policy, **settings))
    users, items, times, engaged = map(np.array, zip(*rows, strict=True))
    return [NAMES[p] for p in parts_of_rows(made, events, Rows(users, items, times, engaged))]


def test_a_timeline_knows_what_is_earlier_than_its_cut():
    events = of([0] * 10, range(10))  # validation begins at 8, test at 9
    rows = [(0, 0, time, False) for time in (0, 7, 8, 9, 99)]
    assert found(events, "timeline", rows) == ["train", "train", "validation", "test", "test"]


def test_what_was_shown_in_vain_stays_although_the_user_engages_later():
    events = of([0] * 10, range(10))  # item 8 is validation, item 9 test
    rows = [(0, 8, 3, False), (0, 9, 7, False), (0, 9, 8, False), (0, 9, 9, True)]
    assert found(events, "timeline", rows) == ["train", "train", "validation", "test"]


def test_a_timeline_by_date_cuts_at_the_date_and_not_at_the_next_event():
    events = of([0] * 4, [0, 10, 20, 30])
    days = {"validation_from": 12, "test_from": 22}
    rows = [(0, 0, time, False) for time in (11, 12, 19, 21, 22, 25)]
    parts = ["train", *["validation"] * 3, "test", "test"]
    assert found(events, "timeline", rows, **days) == parts
    made = split(events, SplitSettings(policy="timeline", **days))
    assert made.facts == {"train_ends": 12, "test_starts": 22}


def test_leave_last_out_knows_what_precedes_the_users_own_held_out_events():
    events = of([0, 0, 0, 1, 1, 1, 2], [1, 2, 3, 11, 12, 13, 5])
    rows = [(0, 5, 1, False), (0, 5, 2, False), (0, 2, 2, False), (0, 2, 3, True)]
    rows += [(1, 0, 11, False), (1, 5, 12, False), (2, 0, 99, False)]
    parts = ["train", "validation", "validation", "test", "train", "validation", "train"]
    assert found(events, "leave_last_out", rows) == parts


@pytest.mark.parametrize("policy", ["random_rows", "random_per_user"])
def test_a_random_split_hides_the_engagement_and_what_follows_but_not_what_was_ignored(policy):
    events = of([0] * 30, range(100, 130))
    made = split(events, SplitSettings(policy=policy))
    for event, part in enumerate(made.parts):
        time = 100 + event
        rows = [(0, event, time - 1, False), (0, event, time, True), (0, event, time + 1, False)]
        assert found(events, policy, rows) == ["train", NAMES[part], NAMES[part]]


def test_an_engagement_that_was_left_out_of_the_events_reveals_the_later_one():
    # A repeated pair of which the last event was kept: the earlier engagement reveals it.
    events = of([0] * 10, range(10))
    assert found(events, "timeline", [(0, 9, 2, True)]) == ["test"]
    # Where the earlier event is known, so is its impression.
    again = of([0] * 10, range(10), items=[9, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert found(again, "timeline", [(0, 9, 0, True)]) == ["train"]


@pytest.mark.parametrize("policy", ["held_out_users", "cold_users"])
def test_held_out_users_are_hidden_everywhere_and_those_of_validation_are_known_for_test(policy):
    rng = np.random.default_rng(0)
    events = of(np.repeat(np.arange(60), 5), rng.permutation(300))
    made = split(events, SplitSettings(policy=policy))
    parts = parts_of_rows(made, events, Rows(np.arange(60), times=np.zeros(60, np.int64)))
    of_user = [set(made.parts[events.users == u].tolist()) - {FOLD_IN} for u in range(60)]
    assert [{p} for p in parts.tolist()] == of_user
    assert {TRAIN, VALIDATION, TEST} == set(parts.tolist())


def test_cold_items_are_hidden_everywhere_and_those_of_validation_are_known_for_test():
    events = of([0] * 40, range(40))
    made = split(events, SplitSettings(policy="cold_items"))
    rows = Rows(np.zeros(40, int), np.arange(40), np.zeros(40, int), np.zeros(40, bool))
    assert np.array_equal(parts_of_rows(made, events, rows), made.parts)
    assert {TRAIN, VALIDATION, TEST} == set(made.parts.tolist())


def test_without_times_only_users_without_a_limit_are_known():
    events = of([0, 0, 0, 1], [1, 2, 3, 4])
    made = split(events, SplitSettings(policy="leave_last_out"))
    assert made.limits[TEST].known_until[1] == ALWAYS
    parts = parts_of_rows(made, events, Rows(np.array([0, 1])))
    assert parts.tolist() == [TEST, TRAIN]


def reference(events, made, policy, judged, row):
    """Tell whether a row is hidden while a part is judged, from the docstring's sentences."""
    user, item, time, engaged = row
    held = [e for e in range(len(events)) if made.parts[e] in range(judged, TEST + 1)]
    others = set(range(len(events))) - set(held)
    if policy in ("timeline", "leave_last_out"):
        own = [e for e in held if policy == "timeline" or events.users[e] == user]
        if own and (time is None or time >= min(events.times[e] for e in own)):
            return True
    if policy in ("held_out_users", "cold_users") and user in events.users[held]:
        return True
    if item is None:
        return False
    if policy == "cold_items" and item in events.items[held]:
        return True
    same = [e for e in held if (events.users[e], events.items[e]) == (user, item)]
    if not same:
        return False
    if time is None or events.times is None:
        return engaged is not False
    if time >= min(events.times[e] for e in same):
        return True
    known = any((events.users[e], events.items[e]) == (user, item) for e in others)
    return engaged is True and not known


@pytest.mark.parametrize("lacking", ["", "items", "times", "engaged", "times engaged", "events"])
@pytest.mark.parametrize("policy", SPLITS)
def test_the_rule_is_that_of_the_sentences_row_by_row(policy, lacking):
    """Few users, items and times, so that pairs repeat and times tie."""
    rng = np.random.default_rng(len(policy))
    users = np.append(np.repeat(np.arange(8), 4), rng.integers(0, 8, 40)).astype(np.int32)
    items, times = rng.integers(0, 9, 72).astype(np.int32), rng.integers(0, 30, 72)
    timed = policy in ("timeline", "leave_last_out") or lacking != "events"
    events = Events(users, items, times if timed else None, 8, 9)
    made = split(events, SplitSettings(policy=policy, test_fraction=0.2, validation_fraction=0.2))
    columns = {
        "users": rng.integers(0, 8, 300),
        "items": rng.integers(0, 9, 300),
        "times": rng.integers(0, 30, 300),
        "engaged": rng.random(300) < 0.3,
    }
    rows = Rows(**{n: None if n in lacking.split() else c for n, c in columns.items()})
    parts = parts_of_rows(made, events, rows)
    told = [[None] * 300 if column is None else column.tolist() for column in rows]
    for part, row in zip(parts, zip(*told, strict=True), strict=True):
        hidden = [
            judged for judged in (VALIDATION, TEST) if reference(events, made, policy, judged, row)
        ]
        assert part == max(hidden, default=TRAIN), row
    if "times" not in lacking and "items" not in lacking:
        assert {TRAIN, VALIDATION, TEST} == set(parts.tolist())
