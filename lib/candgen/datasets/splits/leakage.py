"""Leakage of a split: future events in training, and held-out engagements in other tables.

A further event table, such as impressions or searches, is cut as a service would have it when it is
asked for candidates: a row is known unless it comes too late or reveals a held-out engagement.

| split | a row of a further table is hidden |
|---|---|
| timeline | from the first second of the held-out period on |
| leave_last_out | from its user's first held-out event on; users without one keep all rows |
| random_per_user, random_rows, given | never by time: events of all times are known, too |
| held_out_users, cold_users | always, for held-out users: they join after training |
| cold_items | always, for held-out items: they join after training |

In every split a row of a held-out pair is also hidden if it may reveal the engagement: it records
an engagement, or is not earlier than the held-out event. Rows of the pair that were shown in vain
before stay. Without them a pair could be a negative only if it is no answer, and a model would
learn the answers from what is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.datasets.splits.policies import ALWAYS, TEST, TRAIN, VALIDATION, Events, Split


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
    return leak_sentences(policy, seen, repeated_pairs(events, parts))


def forgotten_warnings(
    first_times: NDArray[np.int64] | None, made: Split, users: NDArray
) -> list[str]:
    """Return a sentence on held-out pairs that were known before, where only the last event counts.

    Args:
        first_times: When each pair first occurred, one per event; None: no pair was repeated.
        made: The split.
        users: Of the events.
    """
    if first_times is None:
        return []
    test = made.parts == TEST
    until = made.limits[TEST].known_until[users[test]]
    known = (first_times[test] < until) & (until != ALWAYS)
    return forgotten_sentences(int(known.sum()), int(test.sum()))


def forgotten_sentences(n: int, n_test: int) -> list[str]:
    """Return the sentence of `forgotten_warnings` on `n` of the test events; none for 0."""
    if not n:
        return []
    return [
        f"{n:,} of {n_test:,} test events repeat a pair that models would have known: of repeated "
        "pairs only the last event counts (duplicates=last), so what is missing from training "
        "tells what comes. Set duplicates=first, or repeats=allow to judge repeats."
    ]


def leak_sentences(policy: str, seen: FuturesSeen | None, repeated: int) -> list[str]:
    """Return the sentences of `leak_warnings`.

    Args:
        policy: Name of the split.
        seen: Result of `futures_seen`; None if the events have no times.
        repeated: Result of `repeated_pairs`.
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


class Rows(NamedTuple):
    """Rows of a further event table, one entry a row; None for a column that it lacks."""

    users: NDArray[np.int32]
    items: NDArray[np.int32] | None = None
    times: NDArray[np.int64] | None = None
    engaged: NDArray[np.bool_] | None = None


def parts_of_rows(split: Split, events: Events, rows: Rows) -> NDArray[np.uint8]:
    """Return the part of each row of a further event table.

    Args:
        split: The split of the interactions.
        events: The interactions that were split.
        rows: Dense users and items.

    Returns:
        TRAIN: known while validation and test are judged. VALIDATION: hidden while validation is
        judged, known while test is. TEST: always hidden.
    """
    parts = np.full(len(rows.users), TRAIN, dtype=np.uint8)
    for judged in (VALIDATION, TEST):
        parts[_hidden(split, judged, events, rows)] = judged
    return parts


def _hidden(split: Split, judged: int, events: Events, rows: Rows) -> NDArray[np.bool_]:
    """Mark the rows that a model may not read while a part is judged."""
    limits = split.limits[judged]
    until = limits.known_until[rows.users]
    # Without times nobody can tell what is late, so a user with any limit is hidden.
    hidden = until != ALWAYS if rows.times is None else rows.times >= until
    if rows.items is None:
        return hidden
    revealing = _revealing(events, split.held_out(judged), rows)
    return hidden | limits.hidden_items[rows.items] | revealing


def _revealing(events: Events, held_out: NDArray[np.bool_], rows: Rows) -> NDArray[np.bool_]:
    """Mark the rows of held-out pairs that may reveal the engagement.

    These are rows that are not earlier than the pair's first held-out event, and engagements,
    unless they are earlier and the pair has an event that is not held out. Where rows or events
    have no times, nothing is earlier; rows that do not say whether they are engagements count as
    such if they have no times either.
    """
    of_events = _keys(events.users, events.items, events.n_items)
    of_rows = _keys(rows.users, rows.items, events.n_items)
    of_held_out = _among(of_rows, of_events[held_out])
    if rows.times is None or events.times is None:
        return of_held_out if rows.engaged is None else of_held_out & rows.engaged
    late = rows.times >= _first_times(of_rows, of_events[held_out], events.times[held_out])
    if rows.engaged is None:
        return of_held_out & late
    of_known = _among(of_rows, of_events[~held_out])
    return of_held_out & (late | (rows.engaged & ~of_known))


def _first_times(
    wanted: NDArray[np.int64], keys: NDArray[np.int64], times: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the earliest time of each wanted key; any number where it does not occur."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    order = np.lexsort((times, keys))
    places = np.searchsorted(keys[order], wanted)  # the leftmost of equal keys is the earliest
    return times[order][np.minimum(places, len(keys) - 1)]


def _keys(users: NDArray[np.int32], items: NDArray[np.int32], n_items: int) -> NDArray[np.int64]:
    return users.astype(np.int64) * n_items + items


def _among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the keys that are known, on millions of keys ten times as fast as `numpy.isin`."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    known = np.sort(known)
    places = np.searchsorted(known, keys)
    return known[np.minimum(places, len(known) - 1)] == keys
