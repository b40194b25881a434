"""A heap of the best (score, item) pairs of one row, for compiled code.

The worst pair is at the root. Of two pairs that score the same, the one with the larger item is
worse. Start with scores of -inf and items of -1: such places are filled first.
"""

from __future__ import annotations

import numpy as np

from candgen.numba_cache import njit


@njit(inline="always")
def worse(score, item, other_score, other_item):
    """Return whether the first pair ranks behind the other."""
    return score < other_score or (score == other_score and item > other_item)


@njit
def replace_root(scores, items, size, score, item):
    """Put an entry in the place of the root and restore the heap of `size` entries."""
    one, size = np.uint64(1), np.uint64(size)  # unsigned: no check for negative indices
    place = np.uint64(0)
    while True:
        child = place + place + one
        if child >= size:
            break
        right = child + one
        if right < size and worse(scores[right], items[right], scores[child], items[child]):
            child = right
        if not worse(scores[child], items[child], score, item):
            break
        scores[place], items[place] = scores[child], items[child]
        place = child
    scores[place], items[place] = score, item


@njit
def sort_best_first(scores, items):
    """Turn a whole heap into a list, best first."""
    for last in range(len(scores) - 1, 0, -1):
        score, item = scores[last], items[last]
        scores[last], items[last] = scores[0], items[0]
        replace_root(scores, items, last, score, item)
