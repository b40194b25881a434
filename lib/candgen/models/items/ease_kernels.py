"""Compiled parts of EASE that would otherwise copy a matrix of `n_items * n_items`."""

from __future__ import annotations

import numba

from candgen.numba_cache import njit

TILE = 64  # side of a square that fits the innermost cache


@njit(parallel=True)
def count_together(item_starts, item_users, user_starts, user_items, out):
    """Add to `out`, shape `(n_items, n_items)`, how many users took both items."""
    for item in numba.prange(len(out)):
        for entry in range(item_starts[item], item_starts[item + 1]):
            user = item_users[entry]
            for place in range(user_starts[user], user_starts[user + 1]):
                out[item, user_items[place]] += 1


@njit(parallel=True)
def mirror_lower(matrix):
    """Copy the lower triangle onto the upper one, square by square."""
    n = len(matrix)
    n_tiles = (n + TILE - 1) // TILE
    for tile in numba.prange(n_tiles):
        first = tile * TILE
        for left in range(0, first + 1, TILE):
            for row in range(first, min(first + TILE, n)):
                for column in range(left, min(left + TILE, row)):
                    matrix[column, row] = matrix[row, column]


@njit(parallel=True)
def sparse_times_dense(starts, columns, dense, out):
    """Add to each row of `out` the rows of `dense` that its stored columns name."""
    for row in numba.prange(len(out)):
        mine = out[row]
        for entry in range(starts[row], starts[row + 1]):
            other = dense[columns[entry]]
            for place in range(len(mine)):
                mine[place] += other[place]
