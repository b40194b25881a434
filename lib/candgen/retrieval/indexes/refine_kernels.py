"""Compiled last step of an approximate search: exact scores, filters, order of what was found."""

from __future__ import annotations

import numba
import numpy as np

from candgen.models.top_k_heap import replace_root, sort_best_first
from candgen.numba_cache import njit


@njit
def _holds(sorted_items, item):
    low, high = 0, len(sorted_items)
    while low < high:
        middle = (low + high) // 2
        if sorted_items[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < len(sorted_items) and sorted_items[low] == item


@njit(fastmath={"reassoc", "contract"})
def _product(query, vector):
    """Inner product, summed in any order, so that several sums run side by side."""
    total = np.float32(0)
    for d in range(len(query)):
        total += query[d] * vector[d]
    return total


@njit(parallel=True)
def refine(queries, vectors, found, starts, withheld, eligible, items, scores):
    """Rank by inner product what an index found and the filters let through.

    Args:
        queries: float32, shape `(n_queries, dim)`.
        vectors: float32, shape `(n_items, dim)`.
        found: int64, shape `(n_queries, fetched)`; -1 where the index found nothing. No item
            occurs twice in a row.
        starts: Where the withheld items of each query begin, shape `(n_queries + 1,)`.
        withheld: Items, ascending within a query.
        eligible: Mask of items that may be offered, shape `(n_items,)`, or empty for all.
        items: int32, shape `(n_queries, k)`, filled with -1.
        scores: float32, shape `(n_queries, k)`, filled with -inf.
    """
    size = items.shape[1]
    for row in numba.prange(len(queries)):
        seen = withheld[starts[row] : starts[row + 1]]
        for place in range(found.shape[1]):
            item = found[row, place]
            if item < 0 or (len(eligible) and not eligible[item]) or _holds(seen, item):
                continue
            score = _product(queries[row], vectors[item])
            worst, last = scores[row, 0], items[row, 0]
            if score > worst or (score == worst and (last < 0 or item < last)):
                replace_root(scores[row], items[row], size, score, np.int32(item))
        sort_best_first(scores[row], items[row])


@njit(parallel=True)
def keep(found, known, starts, withheld, eligible, items, scores):
    """Keep what the filters let through of an answer whose scores are exact already.

    Args:
        found: int64, shape `(n_queries, fetched)`; -1 where the index found nothing. No item
            occurs twice in a row.
        known: Their inner products, float32, of the same shape, largest first.
        starts: See `refine`.
        withheld: See `refine`.
        eligible: See `refine`.
        items: See `refine`.
        scores: See `refine`.
    """
    size = items.shape[1]
    for row in numba.prange(len(found)):
        seen = withheld[starts[row] : starts[row + 1]]
        kept = 0
        for place in range(found.shape[1]):
            item, score = found[row, place], known[row, place]
            if item < 0 or (len(eligible) and not eligible[item]) or _holds(seen, item):
                continue
            if kept == size and score < scores[row, size - 1]:
                break
            after = min(kept, size - 1)
            if kept == size and items[row, after] < item:
                continue
            scores[row, after] = score
            while after > 0 and scores[row, after - 1] == score and items[row, after - 1] > item:
                items[row, after] = items[row, after - 1]  # equal scores: the lower item first
                after -= 1
            items[row, after] = item
            kept = min(kept + 1, size)
