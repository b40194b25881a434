"""Validation that is as unlike training as somebody else's test is.

A random part of everybody's events is like the rest: it rewards learning by heart who took what. A
test that somebody cut from the end of every history is not: what people take later hangs together,
lies apart from what they took before, and favours items that became popular. Where times were not
given along, such a part can only be imitated: of each user's events, those are likelier held out
that many others take together with one of them, picked at random, and whose item is popular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from candgen.datasets.splits.policies import Events

_MOST = 1000  # users of an item that are looked at
_NONE = 0.1  # counts for users in common where there are none


def order_of_holding_out(
    events: Events, *, clustering: float, popularity: float, seed: int
) -> NDArray[np.int64]:
    """Return the rows of events, each user's together, those to hold out last.

    An event is drawn among its user's with a probability proportional to
    `likeness ** clustering * count ** popularity`, without replacement. Likeness is the cosine of
    the sets of other users who have the event's item and the pivot's (one of the user's, picked at
    random, which is held out first), count is how many users have the item.

    An event is then held out at random as in the sampling of Efraimidis and Spirakis (2006).

    Args:
        events: What may be held out.
        clustering: At least 0; 0 looks at no pivot.
        popularity: Any power; 0 takes popular and rare items alike.
        seed: Of the pivots and the draws.
    """
    rng = np.random.default_rng(seed)
    by_user = np.argsort(events.users, kind="stable")
    users, items = events.users[by_user], events.items[by_user]
    logs = rng.gumbel(size=len(events))  # the largest of logs of weights plus these is such a draw
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
    """Return the users of each item, some of them where there are many, as starts and users."""
    shuffled = rng.permutation(len(events))  # so that the first ones of an item are any
    held = csr_array(
        (np.ones(len(events), np.int8), (events.items[shuffled], np.arange(len(events)))),
        shape=(events.n_items, len(events)),
    )
    lengths = np.diff(held.indptr)
    first = np.arange(len(events)) - np.repeat(held.indptr[:-1], lengths) < _MOST
    starts = np.concatenate([[0], np.cumsum(np.minimum(lengths, _MOST))])
    return starts.astype(np.int64), events.users[shuffled][held.indices[first]]


@njit(cache=True)
def _likeness(users, items, starts, pivots, item_starts, item_users, counts):
    """Cosine of each event's item with its user's pivot, the user itself left out."""
    found = np.ones(len(items))
    marked = np.full(len(starts) - 1, -1, np.int64)  # the last user in whose turn one was marked
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
            # Where some users stand for all, what all have in common is so many times as much.
            scale = counts[item] / (item_starts[item + 1] - item_starts[item])
            scale *= counts[pivot] / (item_starts[pivot + 1] - item_starts[pivot])
            size = max(counts[item] - 1, 1) * max(counts[pivot] - 1, 1)
            found[row] = (common * scale + _NONE) / np.sqrt(size)
        found[pivots[u]] = np.inf
    return found
