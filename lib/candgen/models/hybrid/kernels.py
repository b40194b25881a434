"""Compiled search for the negatives of WARP, and their slopes."""

from __future__ import annotations

import numpy as np

from candgen.numba_cache import njit

_FAST = {"reassoc", "contract", "nsz"}  # sums in any order, which lets them run in registers
NOBODY = -1


@njit
def _has(known, first, last, item):
    """Return whether `known[first:last]`, which rises, holds an item."""
    end = last
    while first < last:
        middle = (first + last) // 2
        if known[middle] < item:
            first = middle + 1
        else:
            last = middle
    return first < end and known[first] == item


@njit(fastmath=_FAST)
def first_violators(
    queries, positives, pool, pool_items, begin, users, starts, known, margin, places, tries, short
):
    """Find for each example the first item of the pool that scores too high.

    Args:
        queries: float32, shape `(n, width)`.
        positives: Vectors of the items taken, float32, shape `(n, width)`.
        pool: Vectors of the items drawn, float32, shape `(m, width)`.
        pool_items: The items drawn, int32, shape `(m,)`.
        begin: Where each example begins to walk around the pool, shape `(n,)`.
        users: User of each example, shape `(n,)`.
        starts: Where each user's items begin in `known`, shape `(n_users + 1,)`.
        known: Items of each user, which rise; they are passed over without being counted.
        margin: By how much a positive should score higher than all others.
        places: Gets the place in the pool, int64, shape `(n,)`; `NOBODY` where none violates.
        tries: Gets the items looked at, the violator among them, int64, shape `(n,)`.
        short: Gets by how much the positive misses the margin, float32, shape `(n,)`; else 0.
    """
    size, width = pool.shape
    for example in range(len(queries)):
        wanted = np.float32(0)
        for column in range(width):
            wanted += queries[example, column] * positives[example, column]
        first, last = starts[users[example]], starts[users[example] + 1]
        n, found, missing = 0, NOBODY, np.float32(0)
        for step in range(size):
            place = (begin[example] + step) % size
            score = np.float32(0)
            for column in range(width):
                score += queries[example, column] * pool[place, column]
            miss = margin - wanted + score
            # Few items violate, so whether the user has an item is asked of those alone ...
            if miss > 0 and not _has(known, first, last, pool_items[place]):
                n, found, missing = step + 1, place, miss
                break
        passed = 0  # ... and at the end of those that were looked at
        for step in range(n):
            if _has(known, first, last, pool_items[(begin[example] + step) % size]):
                passed += 1
        places[example], tries[example], short[example] = found, n - passed, missing


@njit(fastmath=_FAST)
def slopes(queries, positives, pool, places, gains, of_queries, of_positives, of_pool):
    """Add up the slopes of gain * (margin - <q, positive> + <q, negative>).

    Args:
        queries: float32, shape `(n, width)`.
        positives: float32, shape `(n, width)`.
        pool: float32, shape `(m, width)`.
        places: Negative of each example in the pool, or `NOBODY`.
        gains: Weight of each example, float32, shape `(n,)`.
        of_queries: Zeros of the shape of `queries`; get the slopes. Likewise the others.
        of_positives: See there.
        of_pool: See there.
    """
    for example in range(len(queries)):
        place, gain = places[example], gains[example]
        if place == NOBODY:
            continue
        for column in range(queries.shape[1]):
            query = gain * queries[example, column]
            of_queries[example, column] = gain * (pool[place, column] - positives[example, column])
            of_positives[example, column] = -query
            of_pool[place, column] += query
