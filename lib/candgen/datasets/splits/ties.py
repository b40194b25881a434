"""Ties in time at the edges of a split: there the order of rows decides what is held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from candgen.datasets.splits.policies import FOLD_IN, TEST, TRAIN, Events

BY_TIME = ("timeline", "leave_last_out")
"""Splits by the order of times."""
_FEW = 0.01  # share of events (timeline) or users (leave_last_out) that is not worth a warning


def tie_warnings(
    policy: str, events: Events, parts: NDArray[np.uint8], nanos: ArrayLike | None = None
) -> list[str]:
    """Return sentences for every report on splits that equal times leave to the order of rows.

    Args:
        policy: Name of the split.
        events: Events that were split.
        parts: Part of every event.
        nanos: What rounding to seconds took from the times of the events; None: nothing.
    """
    if events.times is None or policy not in BY_TIME:
        return []
    times = events.times
    if nanos is not None:  # exact times as ranks
        exact = np.stack([times, np.asarray(nanos)], axis=1)
        times = np.unique(exact, axis=0, return_inverse=True)[1].ravel()
    if len(events) > 1 and (times == times[0]).all():
        return tie_sentences(policy, Ties(all_alike=True))
    if policy == "timeline":
        return tie_sentences(policy, Ties(_tied_events(times, parts), len(times)))
    users = np.unique(events.users[parts == TEST])
    return tie_sentences(policy, Ties(_tied_users(events, times, parts), len(users)))


class Ties(NamedTuple):
    """Counts of ties at the edges of a split."""

    tied: int = 0
    """Events with the time at which a part ends (timeline), or users whose held-out event has the
    time of one that models know (leave_last_out)."""
    of: int = 0
    """All events, or all users with a held-out event."""
    all_alike: bool = False
    """Whether all events have the same time."""


def tie_sentences(policy: str, ties: Ties) -> list[str]:
    """Return the sentences of `tie_warnings` for a split by times."""
    if ties.all_alike:
        return [
            f"Split {policy!r}: all events have the same time, so the order of rows decides which "
            "are held out. This is not a split by time. Check timestamp_column and timestamp_unit."
        ]
    if ties.tied <= _FEW * ties.of:
        return []
    share = f"{ties.tied / ties.of:.0%}"
    if policy == "timeline":
        return [
            f"Split 'timeline': {share} of the events have the time at which a part "
            "ends; among them the order of rows decides which are held out."
        ]
    return [
        f"Split {policy!r}: {share} of the users have a held-out event with the "
        "time of an event that models know; there the order of rows decides which is held out."
    ]


def _tied_events(times: NDArray[np.int64], parts: NDArray[np.uint8]) -> int:
    """Count the events with the time of an edge between two parts."""
    tied = 0
    for later in range(TRAIN + 1, FOLD_IN):
        if (parts == later).any() and (parts < later).any():
            edge = times[parts == later].min()
            if edge == times[parts < later].max():
                tied += int((times == edge).sum())
    return tied


def _tied_users(events: Events, times: NDArray[np.int64], parts: NDArray[np.uint8]) -> int:
    """Count the users whose test event has the time of one of their events outside of test."""
    newest = np.full(events.n_users, np.iinfo(np.int64).min)
    test = parts == TEST
    np.maximum.at(newest, events.users[~test], times[~test])
    tied = newest[events.users[test]] == times[test]
    return len(np.unique(events.users[test][tied]))
