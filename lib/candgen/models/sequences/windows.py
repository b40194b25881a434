"""Stretches of histories, packed into rows of one length, read from the log when they are needed.

A user with n events gives n - 1 steps, from each event to the next. Steps are cut into windows of
at most `length`, from the newest back, and short windows share a row, so that hardly a place of a
batch is empty and shapes never change. What is kept are two numbers a window; the items of a batch
are copied out of the log when the batch comes. Windows may also hold all n events, the last one
included, for those that hide events and guess them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.features import EventLog
from candgen.numba_cache import njit

_MOST_SECONDS = 2**31 - 1  # 68 years


class Batch(NamedTuple):
    """Rows of places; each array has the shape `(n, length)` and is int32."""

    items: NDArray[np.int32]
    """What happened; -1 at an empty place."""
    targets: NDArray[np.int32]
    """What happened next, or a little later; -1 at an empty place, and where nothing did."""
    owners: NDArray[np.int32]
    """The window that a place belongs to, counted from 0 in its row; -1 at an empty place."""
    steps: NDArray[np.int32]
    """How many places of the same window come before; 0 at an empty place."""
    users: NDArray[np.int32]
    """Whose window it is; -1 at an empty place."""
    times: NDArray[np.int32]
    """Seconds since the first event of the window; 0 at an empty place, and without times."""


class Windows:
    """All steps of a log, in rows of `length` places.

    Attributes:
        starts, stops: Window w holds the steps that begin at events `starts[w]:stops[w]`.
        offsets: Row r holds the windows `order[offsets[r]:offsets[r + 1]]`.
    """

    def __init__(
        self,
        log: EventLog,
        length: int,
        *,
        cut: str = "all",
        with_last: bool = False,
        seed: int = 0,
    ) -> None:
        """Cut and pack.

        Args:
            log: Events in order.
            length: Places in a row, and steps in a window at most.
            cut: "all" cuts every step into some window; "last" keeps the newest window of a user.
            with_last: Whether a user's last event has a place, too, though nothing follows.
            seed: Of which windows share a row.
        """
        self.log, self.length = log, length
        unread = 0 if with_last else 1
        n_steps = np.maximum(log.lengths - unread, 0)
        n_windows = -(-n_steps // length) if cut == "all" else np.minimum(n_steps, 1)
        user = np.repeat(np.arange(log.n_users), n_windows)
        back = np.arange(len(user)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
        self.stops = log.offsets[user + 1] - unread - back * length
        self.starts = np.maximum(self.stops - length, log.offsets[user])
        sizes = self.stops - self.starts
        shuffled = np.random.default_rng(seed).permutation(len(user))
        largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        rows = _best_fit(sizes[largest_first], length)
        by_row = np.argsort(rows, kind="stable")
        self.order = largest_first[by_row]
        self.offsets = np.zeros(rows.max(initial=-1) + 2, dtype=np.int64)
        np.cumsum(np.bincount(rows), out=self.offsets[1:])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.offsets) - 1

    @property
    def n_steps(self) -> int:
        """Steps in all windows: the places that are not empty."""
        return int((self.stops - self.starts).sum())

    def batch(self, rows: NDArray[np.int64], ahead: NDArray[np.integer] | None = None) -> Batch:
        """Copy some rows out of the log.

        Args:
            rows: Which ones, shape `(n,)`.
            ahead: How many places later each target is, shape `(n, length)`, from 1. Where the
                history ends before, counting begins again at 1. All 1 when omitted.
        """
        shape = (len(rows), self.length)
        made = Batch(*(np.full(shape, -1, dtype=np.int32) for _ in Batch._fields))
        made.steps[:] = made.times[:] = 0
        ahead = np.ones(shape, dtype=np.int64) if ahead is None else ahead
        packed = self.offsets, self.order, self.starts, self.stops
        times = np.zeros(0, np.int64) if self.log.times is None else self.log.times
        _fill(rows, ahead, *packed, self.log.offsets, self.log.items, self.log.users, times, *made)
        return made


def last_events(
    log: EventLog, users: NDArray[np.int64], length: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return each user's newest items, oldest first, then -1, and how many there are.

    Returns:
        Shapes `(n, length)` and `(n,)`.
    """
    events, filled = _newest(log, users, length)
    counts = filled.sum(axis=1)
    if not len(log):
        return np.full(events.shape, -1, dtype=np.int32), counts
    return np.where(filled, log.items[events], np.int32(-1)), counts


def last_times(log: EventLog, users: NDArray[np.int64], length: int) -> NDArray[np.int32]:
    """Return when each user's newest events happened, in seconds since the first of them.

    Returns:
        Shape `(n, length)`, oldest first, then 0; all 0 if the log has no times.
    """
    events, filled = _newest(log, users, length)
    if log.times is None or not len(log):
        return np.zeros(events.shape, dtype=np.int32)
    passed = log.times[events] - log.times[events[:, :1]]
    return np.where(filled, np.minimum(passed, _MOST_SECONDS), 0).astype(np.int32)


def _newest(
    log: EventLog, users: NDArray[np.int64], length: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the places in the log of each user's newest events, and which of them there are."""
    stops = log.offsets[users + 1]
    counts = np.minimum(stops - log.offsets[users], length)
    places = np.arange(length)
    filled = places < counts[:, None]
    return np.where(filled, (stops - counts)[:, None] + places, 0), filled


@njit
def _best_fit(sizes, length):
    """Give each window the fullest row that still has room; sizes come largest first."""
    rows = np.empty(len(sizes), np.int64)
    newest = np.full(length + 1, -1, np.int64)  # by room left: a row that has as much
    older = np.full(len(sizes), -1, np.int64)  # row -> another one with as much room
    n_rows = 0
    for window in range(len(sizes)):
        room = sizes[window]
        while room <= length and newest[room] < 0:
            room += 1
        if room > length:
            row, room = n_rows, length
            n_rows += 1
        else:
            row = newest[room]
            newest[room] = older[row]
        rows[window] = row
        room -= sizes[window]
        older[row] = newest[room]
        newest[room] = row
    return rows


@njit
def _fill(
    rows, ahead, offsets, order, starts, stops, log_offsets, log_items, log_users, log_times,
    items, targets, owners, steps, users, times,
):  # fmt: skip
    for line in range(len(rows)):
        place = 0
        first = offsets[rows[line]]
        for n in range(first, offsets[rows[line] + 1]):
            window = order[n]
            last = log_offsets[log_users[starts[window]] + 1] - 1
            for event in range(starts[window], stops[window]):
                items[line, place] = log_items[event]
                if event < last:
                    further = (ahead[line, place] - 1) % (last - event)
                    targets[line, place] = log_items[event + 1 + further]
                owners[line, place] = n - first
                steps[line, place] = event - starts[window]
                users[line, place] = log_users[event]
                if len(log_times):
                    passed = log_times[event] - log_times[starts[window]]
                    times[line, place] = min(passed, _MOST_SECONDS)
                place += 1
