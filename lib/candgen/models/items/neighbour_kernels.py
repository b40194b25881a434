"""Compiled cosine neighbours of rows of ones, and products of sparse rows."""

from __future__ import annotations

import numba
import numpy as np

from candgen.models.top_k_heap import replace_root, sort_best_first, worse
from candgen.numba_cache import njit

NOTHING = np.float32(-np.inf)


@njit(parallel=True)
def nearest_rows(
    starts, columns, other_starts, other_rows, other_sizes, shrinkage, n_threads, found, cosines
):
    """Write each row's most similar other rows into `found` and `cosines`, best first.

    Cosine of two rows of ones: shared columns / (sqrt(size * other size) + shrinkage). Rows that
    share no column are no neighbours. A row is never its own neighbour.

    Args:
        starts: Where each row's columns begin, shape `(n_rows + 1,)`.
        columns: Columns of the rows.
        other_starts: Where each column's entries begin in `other_rows`.
        other_rows: The other rows that hold each column. Row r among them is row r itself.
        other_sizes: Columns of each other row, shape `(n_others,)`.
        shrinkage: 0 or greater; takes weight from neighbours that share little.
        n_threads: Threads that share the work.
        found: int32, shape `(n_rows, k)`, filled with -1.
        cosines: float32, shape `(n_rows, k)`, filled with -inf.
    """
    n_rows, k = found.shape
    for thread in numba.prange(n_threads):
        shared = np.zeros(len(other_sizes), np.int32)
        touched = np.empty(len(other_sizes), np.int32)
        for row in range(thread, n_rows, n_threads):
            n_touched = 0
            for entry in range(starts[row], starts[row + 1]):
                column = columns[entry]
                for place in range(other_starts[column], other_starts[column + 1]):
                    other = other_rows[place]
                    if shared[other] == 0:
                        touched[n_touched] = other
                        n_touched += 1
                    shared[other] += 1
            size = starts[row + 1] - starts[row]
            best, items = cosines[row], found[row]
            for place in range(n_touched):
                other = touched[place]
                lengths = np.sqrt(np.float64(size) * other_sizes[other])
                cosine = np.float32(shared[other] / (lengths + shrinkage))
                shared[other] = 0
                if other != row and (best[0] == NOTHING or worse(best[0], items[0], cosine, other)):
                    replace_root(best, items, k, cosine, other)
            sort_best_first(best, items)


@njit(parallel=True)
def sparse_times_sparse(starts, columns, values, other_starts, other_columns, other_values, out):
    """Add the product of two sparse matrices to `out`, shape `(n_rows, n_columns)`."""
    for row in numba.prange(len(out)):
        for entry in range(starts[row], starts[row + 1]):
            column, value = columns[entry], values[entry]
            for place in range(other_starts[column], other_starts[column + 1]):
                out[row, other_columns[place]] += value * other_values[place]
