"""Leakage of a split: future events in training, and held-out pairs in other tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.datasets.splits.policies import TEST, TRAIN, Events, Split


class FuturesSeen(NamedTuple):
    """Shares of future events that a model has seen when it predicts the test events."""

    own: float
    """Share of test events whose user has a later event outside of test."""
    of_all: float
    """Mean over test events of the share of the events outside of test that are later."""


def futures_seen(events: Events, parts: NDArray[np.uint8]) -> FuturesSeen:
    """Measure how much of training is later than the test events; equal times are not later.

    All events outside of test count as seen: train, validation and fold-in. Needs times.
    """
    test = parts == TEST
    seen_times = np.sort(events.times[~test])
    not_later = np.searchsorted(seen_times, np.sort(events.times[test]), side="right")
    of_all = 1 - not_later.mean() / len(seen_times)
    newest = np.full(events.n_users, np.iinfo(np.int64).min)
    np.maximum.at(newest, events.users[~test], events.times[~test])
    own = (newest[events.users[test]] > events.times[test]).mean()
    return FuturesSeen(float(own), float(of_all))


def leak_warnings(
    policy: str, events: Events, parts: NDArray[np.uint8], seen: FuturesSeen | None
) -> list[str]:
    """Return sentences for every report on how the split overrates models; empty if it does not.

    Args:
        policy: Name of the split.
        events: Events that were split.
        parts: Part of every event.
        seen: Result of `futures_seen`; None if the events have no times.
    """
    warnings = []
    if seen is None:
        warnings.append(
            f"Split {policy!r}: these events have no times, so the share of future events that "
            "models have seen is unknown."
        )
    elif seen.of_all > 0:
        warnings.append(
            f"Split {policy!r} shows models the future: {seen.own:.0%} of the test events have a "
            f"later event of the same user outside of test, and on average {seen.of_all:.0%} of "
            "the events models learn from are later than the event they predict. Results will "
            "look better than in use."
        )
    repeated = repeated_pairs(events, parts)
    if repeated:
        warnings.append(
            f"{repeated:,} test events repeat a pair of user and item that is known outside of "
            "test. Known items are not recommended again, so these events cannot be hits."
        )
    return warnings


def repeated_pairs(events: Events, parts: NDArray[np.uint8]) -> int:
    """Count the test events whose pair of user and item also occurs outside of test."""
    test = parts == TEST
    pairs = _keys(events.users, events.items, events.n_items)
    return int(_among(pairs[test], pairs[~test]).sum())


def held_out_rows(
    split: Split,
    events: Events,
    users: NDArray[np.int32],
    items: NDArray[np.int32] | None,
    times: NDArray[np.int64] | None,
) -> NDArray[np.bool_]:
    """Mark the rows of a further event table that would reveal held-out events to models.

    A row is held out when it is not earlier than its user's limit (the end of train for a
    timeline, the user's first held-out event for leave-last-out, always for users without a
    training event), when its item is held out entirely, or when its pair of user and item is in
    validation or test.

    Args:
        split: The split of the interactions.
        events: The interactions that were split.
        users: Dense ids, one a row.
        items: Dense ids, one a row; None for tables without items.
        times: Seconds, one a row; None for tables without times.
    """
    limits = split.known_until[users]
    out = limits <= (np.iinfo(np.int64).min if times is None else times)
    if times is None:
        out = limits != np.iinfo(np.int64).max  # without times, a user with any limit is held out
    if items is not None:
        held = (split.parts != TRAIN) & (split.parts <= TEST)
        hidden = _keys(events.users[held], events.items[held], events.n_items)
        out |= split.hidden_items[items] | _among(_keys(users, items, events.n_items), hidden)
    return out


def _keys(users: NDArray[np.int32], items: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    return users.astype(np.int64) * n_items + items


def _among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the keys that are known, on millions of keys ten times as fast as `numpy.isin`."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    known = np.sort(known)
    places = np.searchsorted(known, keys)
    return known[np.minimum(places, len(known) - 1)] == keys
