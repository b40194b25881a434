"""Compiled product of a sparse matrix with a few dense columns."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.numba_cache import njit

WIDTH = 64  # columns: as many as fit registers; known when compiling, so that loops are unrolled


def product(matrix: csr_array, columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply a sparse matrix by `WIDTH` dense columns, in parallel by row.

    Args:
        matrix: float32, shape `(n_rows, n)`.
        columns: Shape `(n, WIDTH)`, contiguous by row.

    Returns:
        The product, shape `(n_rows, WIDTH)`.
    """
    out = np.empty((matrix.shape[0], WIDTH), dtype=np.float32)
    _multiply(matrix.indptr, matrix.indices, matrix.data, columns, out)
    return out


@njit(parallel=True)
def _multiply(starts, indices, values, columns, out):
    for row in numba.prange(len(out)):
        sums = np.zeros(WIDTH, np.float32)
        for entry in range(np.uint64(starts[row]), np.uint64(starts[row + 1])):
            value, other = values[entry], np.uint64(indices[entry])
            for place in range(WIDTH):
                sums[place] += value * columns[other, place]
        for place in range(WIDTH):
            out[row, place] = sums[place]
