"""Compiled steps of the rating model, over the observed ratings and nothing else.

A step costs as much as there are ratings and parameters; empty cells, 98 of 100 in small data and
far more in large data, cost nothing.
"""

from __future__ import annotations

import numba
import numpy as np

from candgen.models.factorization.wals_kernels import _solve_in_place
from candgen.numba_cache import njit
from candgen.training import adam

_FAST = {"reassoc", "contract", "nsz", "arcp"}  # sums in any order, which lets them be vectorized


@njit(fastmath=_FAST, inline="always")
def _dot(left, right):
    total = 0.0
    for place in range(len(left)):
        total += left[place] * right[place]
    return total


@njit(fastmath=_FAST, inline="always")
def _add(out, factor, vector):
    for place in range(len(out)):
        out[place] += factor * vector[place]


@njit(parallel=True, fastmath=_FAST)
def film_step(
    starts, users, values, x, w, b, regularization, rate, n_threads, first, second, errors, moved
):
    """Move the film vectors; return the part of the cost that is theirs and that of the errors.

    Args:
        starts: Where the ratings of each film begin, int64, shape `(n_films + 1,)`.
        users: Column of each rating, in the order of films.
        values: Rating to explain, in the order of films.
        x: Film vectors before the step, shape `(n_films, dim)`.
        w: User vectors, shape `(n_users, dim)`.
        b: User biases, shape `(n_users,)`.
        regularization: Lambda.
        rate: Learning rate of this step, bias correction included.
        n_threads: Threads that share the films.
        first, second: Moments of the film vectors, changed.
        errors: Where the error of each rating goes.
        moved: Where the film vectors after the step go.
    """
    n_films, dim = x.shape
    cost = 0.0
    for thread in numba.prange(n_threads):
        gradient = np.empty(dim)
        mine = 0.0
        for film in range(thread, n_films, n_threads):
            vector, m, v, after = x[film], first[film], second[film], moved[film]
            length = 0.0
            for place in range(dim):
                gradient[place] = regularization * vector[place]
                length += vector[place] * vector[place]
            squares = 0.0
            for entry in range(starts[film], starts[film + 1]):
                other = w[users[entry]]
                error = b[users[entry]] - values[entry]
                for place in range(dim):
                    error += vector[place] * other[place]
                for place in range(dim):
                    gradient[place] += error * other[place]
                errors[entry] = error
                squares += error * error
            mine += 0.5 * (squares + regularization * length)
            for place in range(dim):
                after[place], m[place], v[place] = adam.moved(
                    vector[place], gradient[place], m[place], v[place], rate, adam.FLOAT64
                )
        cost += mine
    return cost


@njit(parallel=True, fastmath=_FAST)
def user_step(
    starts, films, entries, errors, x, w, b, regularization, rate, n_threads,
    first, second, first_b, second_b,
):  # fmt: skip
    """Move user vectors and biases in place; return the penalty's part of the cost.

    Args:
        starts: Where the ratings of each user begin, int64, shape `(n_users + 1,)`.
        films: Row of each rating, in the order of users.
        entries: Place of each rating in the order of films.
        errors: Error of each rating, in the order of films.
        x: Film vectors before this step.
        w, b, first, second, first_b, second_b: Of the users, changed.
        regularization, rate, n_threads: As for `film_step`.
    """
    n_users, dim = w.shape
    cost = 0.0
    for thread in numba.prange(n_threads):
        gradient = np.empty(dim)
        mine = 0.0
        for user in range(thread, n_users, n_threads):
            vector, m, v = w[user], first[user], second[user]
            length = 0.0
            for place in range(dim):
                gradient[place] = regularization * vector[place]
                length += vector[place] * vector[place]
            total = 0.0
            for entry in range(starts[user], starts[user + 1]):
                error = errors[entries[entry]]
                other = x[films[entry]]
                total += error
                for place in range(dim):
                    gradient[place] += error * other[place]
            mine += 0.5 * regularization * length
            for place in range(dim):
                vector[place], m[place], v[place] = adam.moved(
                    vector[place], gradient[place], m[place], v[place], rate, adam.FLOAT64
                )
            b[user], first_b[user], second_b[user] = adam.moved(
                b[user], total, first_b[user], second_b[user], rate, adam.FLOAT64
            )
        cost += mine
    return cost


@njit(parallel=True, fastmath=_FAST)
def ridge_rows(starts, columns, values, fixed, biased, penalty, n_threads, solved, biases):
    """Solve each row exactly: minimize |fixed x + bias - values|^2 + penalty |x|^2.

    The bias is free, so vectors and values are centred first and it takes up what is left. With
    fewer values than dimensions the small system of the values is solved, not that of the
    dimensions.

    Args:
        starts: Where the values of each row begin, int64, shape `(n_rows + 1,)`.
        columns: Row of `fixed` of each value.
        values: What to explain.
        fixed: Vectors of the other side, shape `(n_columns, dim)`.
        biased: Whether a row has a bias.
        penalty: Lambda, above 0.
        n_threads: Threads that share the rows.
        solved: Where the vectors go, shape `(n_rows, dim)`; zeros for a row without values.
        biases: Where the biases go if there are any, shape `(n_rows,)`.
    """
    n_rows, dim = solved.shape
    longest = 0
    for row in range(n_rows):
        longest = max(longest, starts[row + 1] - starts[row])
    for thread in numba.prange(n_threads):
        block = np.empty((longest, dim))
        wanted = np.empty(longest)
        middle = np.empty(dim)
        gram = np.empty((min(longest, dim), min(longest, dim)))
        for row in range(thread, n_rows, n_threads):
            first, x = starts[row], solved[row]
            n = starts[row + 1] - first
            x[:] = 0
            if biased:
                biases[row] = 0
            if n == 0:
                continue
            middle[:] = 0
            level = 0.0
            for entry in range(n):
                block[entry] = fixed[columns[first + entry]]
                wanted[entry] = values[first + entry]
            if biased:
                for entry in range(n):
                    middle += block[entry] / n
                    level += wanted[entry] / n
                for entry in range(n):
                    block[entry] -= middle
                    wanted[entry] -= level
            v = block[:n]
            if n < dim:
                a = gram[:n, :n]
                for line in range(n):
                    for place in range(line + 1):
                        a[line, place] = _dot(v[line], v[place])
                    a[line, line] += penalty
                _solve_in_place(a, wanted[:n])
                for entry in range(n):
                    _add(x, wanted[entry], v[entry])
            else:
                a = gram[:dim, :dim]
                a[:] = 0
                for entry in range(n):
                    for line in range(dim):
                        _add(a[line, : line + 1], v[entry, line], v[entry, : line + 1])
                    _add(x, wanted[entry], v[entry])
                for line in range(dim):
                    a[line, line] += penalty
                _solve_in_place(a, x)
            if biased:
                biases[row] = level - _dot(middle, x)
