"""Bootstrap intervals for means over users, paired tests between generators, and verdicts.

Intervals are percentile bootstrap intervals over users and, where a mean covers several training
seeds, over seeds too: users and seeds are drawn independently with replacement (the pigeonhole
bootstrap of Owen, 2007). Two generators are compared on the same users, by the differences user by
user: an interval for the mean difference, and a sign-flip permutation test, which asks how often a
difference this large appears if the two names are swapped at random for each user. Holm's
correction keeps the chance of any false alarm at the level when several generators are compared at
once. A generator that was chosen because it is best on the same users is compared by intervals that
hold for all pairs of candidates at once (max-type, Westfall and Young, 1993).

Every verdict of this project comes from `verdict`: a difference counts only if its interval lies
beyond the margin.

Bloom, Minimum detectable effects, Evaluation Review 19, 1995; Efron and Tibshirani, An Introduction
to the Bootstrap, 1993; Holm, Scand. J. Statistics 6, 1979; Owen, The pigeonhole bootstrap, Annals
of Applied Statistics 1, 2007; Rao and Wu, Resampling inference with complex survey data, JASA 83,
1988; Westfall and Young, Resampling-Based Multiple Testing, 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from candgen.errors import DataError

BETTER, WORSE = "better", "worse"
SAME, UNDECIDED = "no practical difference", "undecided"
MARGIN = 0.005
"""Differences of accuracy up to this size mean nothing in practice, unless a caller says more."""
LEVEL = 0.95
N_RESAMPLES = 1_000
N_FLIPS = 9_999
POWER = 0.8
"""Share of studies in which a difference is found, where one speaks of what could be seen."""

_DRAWS_PER_BLOCK = 2_000_000
_NO_ERROR = 1e-12  # standard errors below this are rounding


class Intervals(NamedTuple):
    """Ends of one interval a column, each of shape `(n_columns,)`."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bootstrap_intervals(
    values: NDArray[np.floating],
    *,
    level: float = LEVEL,
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
    return ends_of(bootstrap_means(values, n_resamples=n_resamples, seed=seed), level=level)


def ends_of(means: NDArray[np.floating], *, level: float) -> Intervals:
    """Return percentile intervals from resampled means, shape `(n_resamples, n_columns)`."""
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


def seed_weights(n_seeds: int, n_resamples: int, *, seed: int) -> NDArray[np.float64]:
    """Draw training seeds with replacement: the weight of each seed in each resampled mean.

    Plain draws of n seeds understate the variance of their mean by the factor (n - 1) / n, half of
    it for two seeds, so weights are stretched around 1 / n by sqrt(n / (n - 1)) (Rao and Wu, 1988).
    Few seeds still say little about the spread of all seeds: with two or three, an interval that
    seeds dominate is rather too narrow.

    Args:
        n_seeds: At least 1; a single seed always weighs 1.
        n_resamples: Number of rows.
        seed: Same seed, same weights.

    Returns:
        Shape `(n_resamples, n_seeds)`; each row adds up to 1.
    """
    even = 1 / n_seeds
    drawn = np.random.default_rng(seed).multinomial(n_seeds, np.full(n_seeds, even), n_resamples)
    return even + (drawn / n_seeds - even) * np.sqrt(n_seeds / max(n_seeds - 1, 1))


def over_seeds(means: NDArray[np.floating], *, seed: int) -> NDArray[np.float64]:
    """Draw training seeds again, and average the resampled means of each seed.

    Args:
        means: Resampled means by seed, shape `(n_resamples, n_seeds, n_columns)`.
        seed: Same seed, same draws.

    Returns:
        Shape `(n_resamples, n_columns)`.
    """
    n_resamples, n_seeds, _ = means.shape
    return np.einsum("rsc,rs->rc", means, seed_weights(n_seeds, n_resamples, seed=seed))


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


class PairsOfCandidates(NamedTuple):
    """Standard errors of all pairwise differences, and their common critical values."""

    errors: NDArray[np.float64]
    """Shape `(n, n)`, 0 where two candidates are equal for every user."""
    largest: NDArray[np.float64]
    """Largest standardized deviation of any pair, one a resample."""

    def interval(
        self, difference: float, one: int, other: int, level: float = LEVEL
    ) -> tuple[float, float]:
        """Return an interval for the difference; those of all pairs hold at once."""
        reach = float(np.quantile(self.largest, level)) * self.errors[one, other]
        return difference - reach, difference + reach

    def p_value(self, difference: float, one: int, other: int) -> float:
        """Return the single-step max-T p-value of one difference, corrected for all pairs."""
        error = self.errors[one, other]
        if error == 0:
            return 1.0 if difference == 0 else 1 / (len(self.largest) + 1)
        extreme = int((self.largest >= abs(difference) / error).sum())
        return (1 + extreme) / (len(self.largest) + 1)


def pairs_of_candidates(means: NDArray[np.float64]) -> PairsOfCandidates:
    """Gather what intervals for all pairwise differences need, to compare with a selected best.

    The best of several candidates on the same users is too good by chance. Intervals that hold for
    all pairs at once hold for the pairs with the best one too, however it was chosen.

    Args:
        means: Resampled means, one column a candidate, shape `(n_resamples, n)`.
    """
    apart = means - means.mean(axis=0)
    n = means.shape[1]
    errors, largest = np.zeros((n, n)), np.zeros(len(means))
    for one in range(n - 1):
        less = apart[:, one + 1 :] - apart[:, [one]]  # (n_resamples, n - one - 1)
        of_one = less.std(axis=0)
        known = of_one > _NO_ERROR
        errors[one, one + 1 :][known] = of_one[known]
        standardized = np.abs(less[:, known]) / of_one[known]
        largest = np.maximum(largest, standardized.max(axis=1, initial=0))
    return PairsOfCandidates(errors + errors.T, largest)


class Verdicts(NamedTuple):
    """Verdicts on several differences, one each."""

    p: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    words: list[str]


def verdicts(
    difference: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    *,
    margin: float,
    p: Sequence[float] | None = None,
    level: float = LEVEL,
) -> Verdicts:
    """Decide on several differences at once, with Holm's correction over all of them.

    Args:
        difference: Mean differences.
        low: Lower ends of their intervals, each at `level`.
        high: Upper ends.
        margin: Differences up to this size mean nothing in practice.
        p: p-values of no difference; by default from a normal approximation, with the standard
            error that the interval implies.
        level: Level of the intervals and of the decisions.
    """
    if p is None:
        p = normal_p_values(difference, low, high, level=level)
    p_adjusted = holm(p)
    words = [
        verdict(*ends, p_adjusted=adjusted, margin=margin, level=level)
        for *ends, adjusted in zip(low, high, p_adjusted, strict=True)
    ]
    return Verdicts(np.asarray(p, dtype=np.float64), p_adjusted, words)


def normal_p_values(
    difference: Sequence[float], low: Sequence[float], high: Sequence[float], *, level: float
) -> NDArray[np.float64]:
    """Two-sided p-values of no difference, from intervals that are about normal; 1 for NaN."""
    difference, low, high = (np.asarray(v, dtype=np.float64) for v in (difference, low, high))
    errors = (high - low) / (2 * ndtri((1 + level) / 2))
    sizes = np.abs(difference) / np.maximum(errors, _NO_ERROR)
    return np.nan_to_num(2 * ndtr(-sizes), nan=1.0)


def smallest_visible(error: float, reach: float, *, margin: float, power: float = POWER) -> float:
    """Return the smallest true difference that `verdict` finds with a given power.

    An estimate scatters around the true difference d with the standard error e, about normally.
    `verdict` says "better" if estimate - reach > margin, which has the probability
    `power` = Phi((d - reach - margin) / e). Hence d = margin + reach + Phi^-1(power) e: the minimum
    detectable effect of Bloom (1995), (t_alpha + t_power) e, with `reach` for t_alpha e and the
    margin added. A difference of this size is found in `power` of all such studies.

    Args:
        error: Standard error of the mean difference, from the spread of paired differences.
        reach: Half the width of the interval on which the verdict rests.
        margin: Differences up to this size mean nothing in practice.
        power: In 0 .. 1.
    """
    return margin + reach + float(ndtri(power)) * error


def verdict(
    low: float, high: float, *, margin: float, p_adjusted: float = 0.0, level: float = LEVEL
) -> str:
    """Put a comparison in words: the one rule for every page, table and report.

    "no practical difference": the whole interval lies within the margin. "better" or "worse": the
    whole interval lies beyond the margin, and the test finds a difference after correction.
    "undecided": neither, or an end of the interval is unknown; more users or seeds would tell.

    Args:
        low: Lower end of the interval of the difference.
        high: Upper end.
        margin: Differences up to this size mean nothing in practice.
        p_adjusted: p-value of no difference, corrected for all comparisons made. Leave it out where
            only one was made, or where the interval is corrected itself.
        level: The test decides at 1 - level.
    """
    if -margin <= low and high <= margin:
        return SAME
    if p_adjusted < 1 - level:
        if low > margin:
            return BETTER
        if high < -margin:
            return WORSE
    return UNDECIDED
