"""Compiled row solves of weighted matrix factorization.

With the item vectors v_i still, the vector x of a user minimizes

    sum over observed i of w_i (y_i - x.v_i)^2  +  x'G x  +  r |x|^2,
    G = w0 * sum over all i of v_i v_i'

so it solves (G + r I + sum w_i v_i v_i') x = sum w_i y_i v_i. Rows are independent. Each thread
takes every n-th block of rows, which spreads the heavy ones, and calls BLAS for the block's product
with G: BLAS must be limited to one thread meanwhile.
"""

from __future__ import annotations

import numba
import numpy as np

from candgen.numba_cache import njit

ROWS = 32  # rows that take their steps together, so that G is read once for all of them
_FAST = {"reassoc", "contract", "nsz"}  # sums in any order, which lets them run in registers


@njit(fastmath=_FAST, inline="always")
def _dot(vectors, row, x):
    total = np.float32(0)
    for place in range(len(x)):
        total += vectors[row, place] * x[place]
    return total


@njit(fastmath=_FAST, inline="always")
def _add(out, factor, vectors, row):
    for place in range(len(out)):
        out[place] += factor * vectors[row, place]


@njit(parallel=True, fastmath=_FAST)
def cg_rows(starts, columns, weights, values, fixed, gram, penalties, steps, n_threads, solved):
    """Improve each row of `solved` by conjugate gradients, starting from what it is.

    Args:
        starts: Where the observations of each row begin, int64, shape `(n_rows + 1,)`.
        columns: Row of `fixed` of each observation, int32.
        weights: Weight of each observation, float32.
        values: Value to fit of each observation, float32.
        fixed: Vectors of the other side, float32, shape `(n_columns, dim)`.
        gram: G, float32, shape `(dim, dim)`.
        penalties: r of each row, float32.
        steps: Steps of conjugate gradients.
        n_threads: Threads that share the work.
        solved: Vectors to improve, float32, shape `(n_rows, dim)`. Rows without observations
            become zero, which is their solution.
    """
    n_rows, dim = solved.shape
    for thread in numba.prange(n_threads):
        residual = np.empty((ROWS, dim), np.float32)
        direction = np.empty((ROWS, dim), np.float32)
        image = np.empty((ROWS, dim), np.float32)
        norms = np.empty(ROWS, np.float32)
        for first in range(thread * ROWS, n_rows, n_threads * ROWS):
            n = min(ROWS, n_rows - first)
            np.dot(solved[first : first + n], gram, image[:n])
            for slot in range(n):
                row = first + slot
                x, r = solved[row], residual[slot]
                if starts[row] == starts[row + 1]:
                    x[:] = 0
                    image[slot] = 0
                for place in range(dim):
                    r[place] = -image[slot, place] - penalties[row] * x[place]
                for entry in range(starts[row], starts[row + 1]):
                    missing = values[entry] - _dot(fixed, columns[entry], x)
                    _add(r, weights[entry] * missing, fixed, columns[entry])
                direction[slot] = r
                norms[slot] = _dot(residual, slot, r)
            for _ in range(steps):
                np.dot(direction[:n], gram, image[:n])
                for slot in range(n):
                    row = first + slot
                    x, r, p, image_p = solved[row], residual[slot], direction[slot], image[slot]
                    for place in range(dim):
                        image_p[place] += penalties[row] * p[place]
                    for entry in range(starts[row], starts[row + 1]):
                        along = _dot(fixed, columns[entry], p)
                        _add(image_p, weights[entry] * along, fixed, columns[entry])
                    curvature = _dot(direction, slot, image_p)
                    if curvature <= 0 or norms[slot] <= 0:  # solved already
                        p[:] = 0
                        continue
                    length = norms[slot] / curvature
                    for place in range(dim):
                        x[place] += length * p[place]
                        r[place] -= length * image_p[place]
                    norm = _dot(residual, slot, r)
                    turn = norm / norms[slot]
                    norms[slot] = norm
                    for place in range(dim):
                        p[place] = r[place] + turn * p[place]


@njit(fastmath=_FAST)
def _solve_in_place(a, b):
    """Solve a x = b for a positive definite `a` given by its lower triangle; x replaces b.

    Where `a` is not positive definite in double precision, all of x is NaN.
    """
    dim = len(b)
    for row in range(dim):
        for column in range(row + 1):
            total = a[row, column]
            for place in range(column):
                total -= a[row, place] * a[column, place]
            if row == column:
                if not total > 0:
                    b[:] = np.nan
                    return
                a[row, row] = np.sqrt(total)
            else:
                a[row, column] = total / a[column, column]
    for row in range(dim):
        total = b[row]
        for place in range(row):
            total -= a[row, place] * b[place]
        b[row] = total / a[row, row]
    for row in range(dim - 1, -1, -1):
        b[row] /= a[row, row]
        for place in range(row):
            b[place] -= a[row, place] * b[row]


@njit(fastmath=_FAST)
def _solve_every(first, step, starts, columns, weights, values, fixed, gram, penalties, solved):
    """Solve every `step`-th row from `first`, exactly and in double precision."""
    dim = solved.shape[1]
    a = np.empty((dim, dim))
    b = np.empty(dim)
    for row in range(first, len(solved), step):
        if starts[row] == starts[row + 1]:
            solved[row] = 0
            continue
        b[:] = 0
        for line in range(dim):
            for place in range(line + 1):
                a[line, place] = gram[line, place]
            a[line, line] += penalties[row]
        for entry in range(starts[row], starts[row + 1]):
            column, weight = columns[entry], np.float64(weights[entry])  # heavy ones need the room
            for line in range(dim):
                scaled = weight * fixed[column, line]
                b[line] += values[entry] * scaled
                for place in range(line + 1):
                    a[line, place] += scaled * fixed[column, place]
        _solve_in_place(a, b)
        for place in range(dim):
            solved[row, place] = b[place]


@njit(parallel=True, fastmath=_FAST)
def cholesky_rows(starts, columns, weights, values, fixed, gram, penalties, n_threads, solved):
    """Solve each row exactly, in double precision; arguments as for `cg_rows`."""
    for thread in numba.prange(n_threads):
        _solve_every(
            thread, n_threads, starts, columns, weights, values, fixed, gram, penalties, solved
        )


@njit(fastmath=_FAST)
def cholesky_few_rows(starts, columns, weights, values, fixed, gram, penalties, solved):
    """Solve rows as `cholesky_rows` does, in this thread: none is woken and none is waited for."""
    _solve_every(0, 1, starts, columns, weights, values, fixed, gram, penalties, solved)


@njit(parallel=True, fastmath=_FAST)
def squared_errors(starts, columns, weights, values, rows, fixed):
    """Return each row's weighted sum of squared errors over its observations.

    They are summed elsewhere: a sum over threads would depend on their number.
    """
    found = np.zeros(len(rows))
    for row in numba.prange(len(rows)):
        for entry in range(starts[row], starts[row + 1]):
            missing = values[entry] - _dot(fixed, columns[entry], rows[row])
            found[row] += np.float64(weights[entry]) * missing * missing
    return found
