"""Compiled selection of the best items of each row.

Rows are independent and run in parallel. Each keeps a heap of its best `k` items with the worst
at the root; items are met in ascending order, so that one that ties with the root never enters
and ties go to the smaller index.
"""

from __future__ import annotations

import numba
import numpy as np

from candgen.models.top_k_heap import replace_root, sort_best_first
from candgen.numba_cache import njit

NOTHING = np.float32(-np.inf)
STRETCH = 64  # scores compared with the worst kept one at a time


@njit
def _any_above(stretch, bar):
    found = np.int32(0)
    for score in stretch:  # no early end: the comparisons run side by side in one register
        found |= np.int32(score > bar)
    return found != 0


@njit
def _scan(row, offset, scores, items):
    """Offer consecutive items to the heap; stretches without a better score are skipped."""
    size = len(scores)
    for start in range(0, len(row), STRETCH):
        stretch = row[start : start + STRETCH]
        if _any_above(stretch, scores[0]):
            for place in range(len(stretch)):
                if stretch[place] > scores[0]:
                    item = np.int32(offset + start + place)
                    replace_root(scores, items, size, stretch[place], item)


@njit
def _within(ascending, first, last):
    """Return the part of ascending items that lies in [first, last)."""
    if not len(ascending):
        return ascending
    return ascending[np.searchsorted(ascending, first) : np.searchsorted(ascending, last)]


@njit
def _offer(row, offset, withheld, forbidden, is_listed, listed, items, scores):
    """Offer the scores of consecutive items, the first of which is `offset`, to the heap."""
    last = offset + len(row)
    for item in _within(withheld, offset, last):
        row[item - offset] = NOTHING
    for item in _within(forbidden, offset, last):
        row[item - offset] = NOTHING
    if not is_listed:
        _scan(row, offset, scores, items)
        return
    for item in _within(listed, offset, last):
        if row[item - offset] > scores[0]:
            replace_root(scores, items, len(scores), row[item - offset], item)


@njit(parallel=True)
def select(block, masks, items, scores):
    """Write the best items of each row of `block` into `items` and `scores`.

    `block` is overwritten with -inf where items are withheld from a row or forbidden to all.
    Places for which no item is left keep what they arrived with, -1 and -inf.

    Args:
        block: Scores, float32, shape `(rows, n_items)`.
        masks: See `Masks` in `topk`; one entry more than rows in both arrays of starts.
        items: int32, shape `(rows, k)`, filled with -1.
        scores: float32, shape `(rows, k)`, filled with -inf.
    """
    starts, withheld, forbidden, is_listed, listed_starts, listed = masks
    for row in numba.prange(len(block)):
        seen = withheld[starts[row] : starts[row + 1]]
        mine = listed[listed_starts[row] : listed_starts[row + 1]]
        _offer(block[row], 0, seen, forbidden, is_listed, mine, items[row], scores[row])
        sort_best_first(scores[row], items[row])


@njit(parallel=True)
def select_products(queries, vectors, masks, scratch, items, scores):
    """Write the best items of each query; each thread multiplies and ranks blocks of its own.

    A block is some queries times a stretch of the catalogue, so that its scores are ranked while
    they are still in the processor's cache. Products and selection share the threads, so no pool
    of threads waits for another. The BLAS library must be limited to one thread while this runs.

    Args:
        queries: float32, shape `(n_queries, dim)`.
        vectors: Of the items, float32, shape `(n_items, dim)`.
        masks: As for `select`.
        scratch: float32, shape `(n_threads, rows, columns)`: room for a block of scores each.
        items: As for `select`, shape `(n_queries, k)`.
        scores: As for `select`, shape `(n_queries, k)`.
    """
    starts, withheld, forbidden, is_listed, listed_starts, listed = masks
    n_threads, rows, columns = scratch.shape
    for thread in numba.prange(n_threads):
        for first in range(thread * rows, len(queries), n_threads * rows):
            last = min(first + rows, len(queries))
            asked = queries[first:last]
            for offset in range(0, len(vectors), columns):
                offered = vectors[offset : offset + columns]
                room = scratch[thread].reshape(-1)[: len(asked) * len(offered)]
                block = room.reshape(len(asked), len(offered))
                np.dot(asked, offered.T, block)
                for row in range(first, last):
                    seen = withheld[starts[row] : starts[row + 1]]
                    mine = listed[listed_starts[row] : listed_starts[row + 1]]
                    _offer(
                        block[row - first], offset, seen, forbidden, is_listed, mine,
                        items[row], scores[row],
                    )  # fmt: skip
            for row in range(first, last):
                sort_best_first(scores[row], items[row])
