import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.features import EventLog

EVENTS = pd.DataFrame(
    {
        "user": [2, 0, 2, 0, 2, 0],
        "item": [5, 1, 4, 0, 3, 2],
        "timestamp": [30, 9, 10, 9, 20, 1],
    }
)


def of_user(log, user):
    return log.items[log.offsets[user] : log.offsets[user + 1]].tolist()


def test_events_of_each_user_come_in_the_order_of_time():
    log = EventLog.of(EVENTS, n_users=4)
    assert of_user(log, 2) == [4, 3, 5]
    assert log.times[log.offsets[2] : log.offsets[3]].tolist() == [10, 20, 30]


def test_events_of_one_time_keep_the_order_of_their_rows():
    assert of_user(EventLog.of(EVENTS, n_users=4), 0) == [2, 1, 0]
    many = pd.DataFrame({"user": 0, "item": np.arange(999), "timestamp": 7})
    assert of_user(EventLog.of(many, n_users=1), 0) == list(range(999))


@pytest.mark.parametrize("times", [None, [1, 2, None, 4, 5, 6]])
def test_without_times_the_order_is_that_of_the_rows(times):
    events = EVENTS.drop(columns="timestamp")
    if times is not None:
        events["timestamp"] = times
    log = EventLog.of(events, n_users=4)
    assert not log.has_times
    assert (of_user(log, 0), of_user(log, 2)) == ([1, 0, 2], [5, 4, 3])


def test_users_without_events_have_an_empty_stretch():
    log = EventLog.of(EVENTS, n_users=4)
    assert log.n_users == 4
    assert log.lengths.tolist() == [3, 0, 3, 0]
    assert of_user(log, 1) == of_user(log, 3) == []


def test_every_event_has_its_owner():
    log = EventLog.of(EVENTS, n_users=4)
    assert log.users.tolist() == [0, 0, 0, 2, 2, 2]
    assert len(log) == 6


def test_no_events_make_an_empty_log():
    log = EventLog.of(EVENTS[:0], n_users=3)
    assert len(log) == 0
    assert log.offsets.tolist() == [0, 0, 0, 0]


def test_repeated_events_stay():
    again = pd.DataFrame({"user": [0, 0, 0], "item": [7, 3, 7], "timestamp": [1, 2, 3]})
    assert of_user(EventLog.of(again, n_users=1), 0) == [7, 3, 7]


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_shuffling_changes_the_order_of_everything_but_the_newest(kept):
    rows = [(user, 1000 * user + n) for user in range(3) for n in range(100)]
    log = EventLog.of(pd.DataFrame(rows, columns=["user", "item"]), n_users=3)
    mixed = log.shuffled(seed=1, keep_newest=kept)
    for user in range(3):
        before, after = of_user(log, user), of_user(mixed, user)
        assert sorted(after) == before and after != before
        assert after[100 - kept :] == before[100 - kept :]
        moved = np.array(before[: 100 - kept]) != after[: 100 - kept]
        assert moved.mean() > 0.9
    assert log.shuffled(seed=2).items.tolist() != log.shuffled(seed=3).items.tolist()


def test_histories_shorter_than_what_is_kept_stay_as_they_are():
    log = EventLog.of(EVENTS, n_users=4)
    assert log.shuffled(keep_newest=9).items.tolist() == log.items.tolist()


def test_the_events_given_are_not_changed():
    before = EVENTS.copy()
    EventLog.of(EVENTS, n_users=4)
    pd.testing.assert_frame_equal(EVENTS, before)


def test_the_history_is_training_and_fold_in_together(tmp_path):
    tables = {
        "train": EVENTS[:4],
        "fold_in": EVENTS[4:].assign(user=1),
        "test": EVENTS[:1],
        "interactions": EVENTS,
        "users": pd.DataFrame({"user": range(3), "user_id": list("abc")}),
        "items": pd.DataFrame({"item": range(6), "item_id": list("uvwxyz")}),
    }
    log = EventLog.of_history(write_dataset(tmp_path, tables, {"name": "small"}))
    assert [of_user(log, user) for user in range(3)] == [[1, 0], [2, 3], [4, 5]]


def test_a_part_of_a_log_keeps_its_users_and_their_order():
    log = EventLog(np.array([0, 3, 3, 5]), np.int32([7, 8, 9, 1, 2]), np.arange(5) * 10)
    part = log.part(np.array([0, 2, 4]))
    assert part.items.tolist() == [7, 9, 2] and part.times.tolist() == [0, 20, 40]
    assert part.users.tolist() == [0, 0, 2] and part.offsets.tolist() == [0, 2, 2, 3]


@pytest.mark.parametrize("repeats", [False, True])
def test_without_times_validation_goes_back_to_where_it_was_taken_from(tmp_path, repeats):
    """User 0 took 5, 3, 4, 1 and user 1 took 2, 0, 5; the second event of each is validation."""
    rows = [(0, 5), (1, 2), (0, 3), (0, 4), (1, 0), (0, 1), (1, 5)]
    if repeats:
        rows += [(0, 5), (0, 3)]
    events = pd.DataFrame(rows, columns=["user", "item"])
    drawn = events.index.isin([2, 4])
    tables = {
        "interactions": events,
        "train": events[~drawn],
        "validation": events[drawn],
        "test": events[:1],
        "users": pd.DataFrame({"user": range(2), "user_id": list("ab")}),
        "items": pd.DataFrame({"item": range(6), "item_id": list("uvwxyz")}),
    }
    data = write_dataset(tmp_path, tables, {"name": "given"})
    for log in (EventLog.of_training(data), EventLog.of_history(data)):
        assert of_user(log, 0) == [5, 3, 4, 1] + [5, 3] * repeats
        assert of_user(log, 1) == [2, 0, 5]
    assert of_user(EventLog.of_training(data.for_validation()), 1) == [2, 5]
