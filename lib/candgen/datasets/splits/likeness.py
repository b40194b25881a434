"""Validation split whose shift from train resembles that of a given test split.

A random share of each user's events resembles the rest, so it rewards models that memorize pairs.
A test split cut from the end of every history differs: later events of a user resemble each other,
differ from the earlier ones, and favour items that became popular. Without timestamps such a part
can only be imitated. Of each user's events, one is picked at random, and events are more likely to
be held out if many users share them with the picked one and if their item is popular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.numba_cache import njit

if TYPE_CHECKING:
    from candgen.datasets.splits.policies import Events

_MOST = 1000  # users of an item that are compared
_NONE = 0.1  # count of common users if there are none


def order_of_holding_out(
    events: Events, *, clustering: float, popularity: float, seed: int
) -> NDArray[np.int64]:
    """Return the rows of events grouped by user, within a user those to hold out last.

    Events of a user are drawn without replacement with probabilities proportional to
    `likeness ** clustering * count ** popularity`. Likeness is the cosine between the sets of other
    users of the event's item and of the pivot's item. The pivot is an event of the user picked at
    random; it is held out first. Count is the number of users of the item.

    Weighted sampling follows Efraimidis and Spirakis (2006).

    Args:
        events: Events that may be held out.
        clustering: Power of the likeness, at least 0; 0 ignores the pivot.
        popularity: Power of the count; 0 treats popular and rare items alike.
        seed: Seed of the pivots and the draws.
    """
    rng = np.random.default_rng(seed)
    by_user = np.argsort(events.users, kind="stable")
    users, items = events.users[by_user], events.items[by_user]
    logs = rng.gumbel(size=len(events))  # plus log weights, the largest is a weighted draw
    counts = np.bincount(items, minlength=events.n_items)
    if popularity:
        logs += popularity * np.log(counts[items])
    if clustering:
        starts = np.searchsorted(users, np.arange(events.n_users + 1))
        pivots = starts[:-1] + (rng.random(events.n_users) * np.diff(starts)).astype(np.int64)
        alike = _likeness(users, items, starts, pivots, *_users_of(events, rng), counts)
        logs += clustering * np.log(alike)
    return by_user[np.lexsort((logs, users))]


def _users_of(
    events: Events, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the users of each item, a sample of them for popular items, as starts and users."""
    shuffled = rng.permutation(len(events))  # the first events of an item become a random sample
    held = csr_array(
        (np.ones(len(events), np.int8), (events.items[shuffled], np.arange(len(events)))),
        shape=(events.n_items, len(events)),
    )
    lengths = np.diff(held.indptr)
    first = np.arange(len(events)) - np.repeat(held.indptr[:-1], lengths) < _MOST
    starts = np.concatenate([[0], np.cumsum(np.minimum(lengths, _MOST))])
    return starts.astype(np.int64), events.users[shuffled][held.indices[first]]


@njit
def _likeness(users, items, starts, pivots, item_starts, item_users, counts):
    """Return the cosine of each event's item with its user's pivot, without that user."""
    found = np.ones(len(items))
    marked = np.full(len(starts) - 1, -1, np.int64)  # the user that each user was marked last
    for u in range(len(starts) - 1):
        if starts[u] == starts[u + 1]:
            continue
        pivot = items[pivots[u]]
        for e in range(item_starts[pivot], item_starts[pivot + 1]):
            marked[item_users[e]] = u
        marked[u] = -1
        for row in range(starts[u], starts[u + 1]):
            item = items[row]
            common = 0
            for e in range(item_starts[item], item_starts[item + 1]):
                if marked[item_users[e]] == u:
                    common += 1
            # Scales the common users of two samples up to those of all users.
            scale = counts[item] / (item_starts[item + 1] - item_starts[item])
            scale *= counts[pivot] / (item_starts[pivot + 1] - item_starts[pivot])
            size = max(counts[item] - 1, 1) * max(counts[pivot] - 1, 1)
            found[row] = (common * scale + _NONE) / np.sqrt(size)
        found[pivots[u]] = np.inf
    return found
