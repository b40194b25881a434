"""Bootstrap intervals for means over users, and paired tests between generators.

Intervals are percentile bootstrap intervals over users. Two generators are compared on the same
users, by the differences user by user: an interval for the mean difference, and a sign-flip
permutation test, which asks how often a difference this large appears if the two names are swapped
at random for each user. Holm's correction keeps the chance of any false alarm at the level when
several generators are compared at once.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Holm, Scand. J. Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.errors import DataError

N_RESAMPLES = 1_000
N_FLIPS = 9_999

_DRAWS_PER_BLOCK = 2_000_000


class Intervals(NamedTuple):
    """Ends of one interval a column, each of shape `(n_columns,)`."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bootstrap_intervals(
    values: NDArray[np.floating],
    *,
    level: float = 0.95,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Intervals:
    """Give a percentile interval for the mean of each column.

    Every column is resampled with the same users, so columns stay comparable. Memory stays near
    twenty megabytes beside the values, however many users there are.

    Args:
        values: One row a user, one column a metric, shape `(n_users, n_columns)`, no NaN.
        level: Share of the resampled means between the two ends, in 0 .. 1.
        n_resamples: How often the users are drawn again, with replacement.
        seed: Same seed, same interval.

    Raises:
        DataError: If there is no user, or a value is NaN.
    """
    means = bootstrap_means(values, n_resamples=n_resamples, seed=seed)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return Intervals(low, high)


def bootstrap_means(
    values: NDArray[np.floating], *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """Draw the users again and again, and return the mean of each column for each time.

    Args:
        values: One row a user, one column a metric, shape `(n_users, n_columns)`, no NaN.
        n_resamples: How often the users are drawn again, with replacement.
        seed: Same seed, same users.

    Returns:
        Shape `(n_resamples, n_columns)`.

    Raises:
        DataError: If there is no user, or a value is NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise DataError(f"An interval needs at least one user, got values of {values.shape}.")
    if np.isnan(values).any():
        raise DataError("A value is NaN; leave out users without a value, and count them.")
    n_users, rng = len(values), np.random.default_rng(seed)
    rows = max(1, _DRAWS_PER_BLOCK // n_users)
    means = []
    for start in range(0, n_resamples, rows):
        size = min(rows, n_resamples - start)
        drawn = rng.integers(0, n_users, size=(size, n_users))
        drawn += np.arange(size)[:, None] * n_users
        times = np.bincount(drawn.ravel(), minlength=size * n_users).reshape(size, n_users)
        means.append(times.astype(np.float64) @ values / n_users)  # (size, n_columns)
    return np.concatenate(means)


def sign_flip_test(
    differences: NDArray[np.floating], *, n_flips: int = N_FLIPS, seed: int = 0
) -> float:
    """Two-sided p-value for a mean difference of zero, by swapping names user by user.

    With few users that differ, all ways to swap are counted and the value is exact; otherwise
    `n_flips` random ones are, and the value is never below 1 / (n_flips + 1). It is 1 when
    no user differs.

    Args:
        differences: One value a user, shape `(n_users,)`.
        n_flips: Number of random swaps.
        seed: Same seed, same value.
    """
    differences = np.asarray(differences, dtype=np.float64)
    differences = differences[differences != 0]  # swapping equals changes nothing
    n = len(differences)
    observed = abs(differences.sum())
    as_large = observed * (1 - 1e-9)  # rounding must not tell equal sums apart
    if 2**n <= n_flips + 1:
        swapped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs(_flipped_sums(differences, swapped)) >= as_large))
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWS_PER_BLOCK // n)
    extreme = 1  # the swap that changes nothing is one of them
    for start in range(0, n_flips, rows):
        size = min(rows, n_flips - start)
        drawn = np.frombuffer(rng.bytes(size * ((n + 7) // 8)), dtype=np.uint8)
        swapped = np.unpackbits(drawn.reshape(size, -1), axis=1, count=n)
        extreme += int((np.abs(_flipped_sums(differences, swapped)) >= as_large).sum())
    return extreme / (n_flips + 1)


def _flipped_sums(differences: NDArray, swapped: NDArray) -> NDArray[np.float64]:
    return differences.sum() - 2 * (swapped.astype(np.float64) @ differences)


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Adjust p-values for having looked several times, in the order they came.

    The smallest is multiplied by the number of tests, the next by one less, and so on; a larger
    p-value never gets a smaller result, and none exceeds 1.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def verdict(
    difference: float, low: float, high: float, p_adjusted: float, *, margin: float, level: float
) -> str:
    """Put a comparison in words.

    "no practical difference": the whole interval lies within the margin. "better" or "worse": the
    test finds a difference after correction, and its size exceeds the margin. "undecided":
    neither; more users would tell.
    """
    if -margin <= low and high <= margin:
        return "no practical difference"
    if p_adjusted < 1 - level and abs(difference) > margin:
        return "better" if difference > 0 else "worse"
    return "undecided"
