"""Compiled loop of the looks at validation."""

import numba
import numpy as np

from candgen.numba_cache import njit


@njit(parallel=True)
def sum_of_gains(scores, seen_starts, seen, held_starts, held_out, gains, found):
    """Add to `found` the gain of each held-out item of a row by its rank among what is not seen.

    Both sides' items are those of sparse matrices, by `indptr` and `indices`. Scores of seen items
    become -inf in place.
    """
    for row in numba.prange(len(scores)):
        of_row = scores[row]
        for place in range(seen_starts[row], seen_starts[row + 1]):
            of_row[seen[place]] = -np.inf
        for place in range(held_starts[row], held_starts[row + 1]):
            item = held_out[place]
            if of_row[item] == -np.inf:
                continue
            above = -1  # the item itself is not above itself
            for other in range(len(of_row)):
                above += of_row[other] >= of_row[item]
            if above < len(gains):
                found[row] += gains[above]
