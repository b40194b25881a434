import numpy as np
import pandas as pd
import pytest

from candgen.features import EventLog
from candgen.models.sequences.windows import Windows, last_events, last_times


def log_of(lengths) -> EventLog:
    """User u's events are the items 100 u, 100 u + 1, ..., so that every step can be told."""
    rows = [(u, 100 * u + n, n) for u, length in enumerate(lengths) for n in range(length)]
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    return EventLog.of(events, n_users=len(lengths))


LENGTHS = [7, 1, 0, 4, 2, 12, 3, 3]


def places(windows):
    """All places that are not empty, as (user, item, target, owner, step, row)."""
    made = windows.batch(np.arange(len(windows)))
    row = np.broadcast_to(np.arange(len(windows))[:, None], made.items.shape)
    full = made.items >= 0
    columns = (made.users, made.items, made.targets, made.owners, made.steps, row)
    return np.stack([column[full] for column in columns], axis=1)


@pytest.mark.parametrize("length", [1, 3, 5, 50])
def test_every_step_of_everybody_is_in_exactly_one_window(length):
    found = places(Windows(log_of(LENGTHS), length))
    expected = [(u, 100 * u + n) for u, size in enumerate(LENGTHS) for n in range(size - 1)]
    assert sorted(map(tuple, found[:, :2].tolist())) == expected


@pytest.mark.parametrize("length", [1, 3, 50])
def test_the_target_is_the_next_event_of_the_same_user(length):
    found = places(Windows(log_of(LENGTHS), length))
    np.testing.assert_array_equal(found[:, 2], found[:, 1] + 1)
    np.testing.assert_array_equal(found[:, 0], found[:, 2] // 100)


def test_targets_further_ahead_stay_with_the_user():
    windows = Windows(log_of(LENGTHS), length=5)
    rows = np.arange(len(windows))
    near = windows.batch(rows)
    far = windows.batch(rows, np.full((len(windows), 5), 3))
    full = near.items >= 0
    left = np.array(LENGTHS)[near.users[full]] - 1 - near.items[full] % 100  # events to come
    expected = near.items[full] + 1 + np.where(left >= 3, 2, 2 % left)
    np.testing.assert_array_equal(far.targets[full], expected)
    np.testing.assert_array_equal(far.items, near.items)
    assert (far.targets[~full] == -1).all()


@pytest.mark.parametrize("length", [1, 5, 50])
def test_windows_with_the_last_event_hold_every_event_once(length):
    windows = Windows(log_of(LENGTHS), length, with_last=True)
    found = places(windows)
    expected = [(u, 100 * u + n) for u, size in enumerate(LENGTHS) for n in range(size)]
    assert sorted(map(tuple, found[:, :2].tolist())) == expected
    assert windows.n_steps == sum(LENGTHS)
    followed = found[:, 1] % 100 < np.array(LENGTHS)[found[:, 0]] - 1
    np.testing.assert_array_equal(found[:, 2], np.where(followed, found[:, 1] + 1, -1))


def test_times_are_counted_from_the_first_event_of_a_window():
    rows = [(0, n, 1_700_000_000 + n * n) for n in range(7)] + [(1, 0, 0), (1, 1, 5 * 10**9)]
    log = EventLog.of(pd.DataFrame(rows, columns=["user", "item", "timestamp"]), 2)
    made = Windows(log, 4, with_last=True).batch(np.arange(3))
    assert sorted(made.times[made.users == 0]) == [0, 0, 1, 4, 7, 16, 27]  # two windows
    assert made.times[made.users == 1].tolist() == [0, 2**31 - 1]  # 158 years
    assert not made.times[made.users < 0].any()
    times = last_times(log, np.array([1, 0]), 3)
    np.testing.assert_array_equal(times, [[0, 2**31 - 1, 0], [0, 9, 20]])
    assert not last_times(log.shuffled(), np.array([1, 0]), 3).any()


def test_windows_are_cut_from_the_newest_event_back():
    found = places(Windows(log_of([12]), length=5))
    by_window = pd.DataFrame(found[:, [5, 3, 1]], columns=["row", "owner", "item"])
    parts = by_window.groupby(["row", "owner"])["item"].apply(list).tolist()
    assert sorted(parts) == [[0], [1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]


def test_only_the_newest_window_is_kept_if_asked():
    found = places(Windows(log_of(LENGTHS), length=3, cut="last"))
    assert sorted(found[found[:, 0] == 5, 1].tolist()) == [508, 509, 510]
    assert sorted(found[found[:, 0] == 4, 1].tolist()) == [400]


def test_steps_count_the_places_before_in_the_same_window():
    found = places(Windows(log_of(LENGTHS), length=5))
    for _, window in pd.DataFrame(found).groupby([5, 3]):
        assert window[4].tolist() == list(range(len(window)))
        assert window[0].nunique() == 1


def test_short_windows_share_rows():
    windows = Windows(log_of([3] * 50), length=10)  # two steps each
    assert len(windows) == 10
    assert (windows.batch(np.arange(10)).items >= 0).all()


def test_few_places_stay_empty_whatever_the_lengths():
    lengths = 1 + np.random.default_rng(0).geometric(0.05, 3000)
    windows = Windows(log_of(lengths), length=50)
    assert windows.n_steps == (lengths - 1).sum()
    assert windows.n_steps / (len(windows) * 50) > 0.98


def test_empty_places_are_marked():
    (row,) = zip(*Windows(log_of([3]), length=4).batch(np.array([0])), strict=True)
    items, targets, owners, steps, users, times = (part.tolist() for part in row)
    assert items == [0, 1, -1, -1] and targets == [1, 2, -1, -1]
    assert owners == users == [0, 0, -1, -1] and steps == times == [0, 1, 0, 0]


def test_nobody_with_two_events_gives_no_rows():
    assert len(Windows(log_of([1, 0, 1]), length=5)) == 0


def test_what_is_kept_does_not_grow_with_the_length():
    log = log_of([30] * 200)

    def kept(length):
        windows = Windows(log, length)
        return sum(held.nbytes for held in vars(windows).values() if isinstance(held, np.ndarray))

    assert kept(2000) <= kept(30) <= 200 * 50


def test_the_newest_events_come_oldest_first_then_nothing():
    items, counts = last_events(log_of([7, 2, 0]), np.array([1, 0, 2]), 4)
    assert items.tolist() == [[100, 101, -1, -1], [3, 4, 5, 6], [-1, -1, -1, -1]]
    assert counts.tolist() == [2, 4, 0]
