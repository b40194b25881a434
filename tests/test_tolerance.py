"""The bound on rounding holds for sums in any order, and is not so wide that errors pass."""

import numpy as np
import pytest

from tolerance import rounding


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [3, 64, 1000])
def test_the_same_sum_in_another_order_lies_within_the_bound(dtype, n):
    rng = np.random.default_rng(n)
    for _ in range(50):
        terms = rng.normal(0, 5, n).astype(dtype)
        one_by_one, backwards = (np.cumsum(t)[-1] for t in (terms, terms[::-1]))
        in_pairs = terms.sum()
        spread = np.ptp([one_by_one, backwards, in_pairs])
        assert spread <= rounding(dtype, n, np.abs(terms).sum())


def test_the_largest_size_counts_and_what_is_not_scored_does_not():
    eps = 2.0**-23
    assert rounding(np.float32, 10, [1.0, -4.0, -np.inf, np.nan]) == 40 * eps
    assert rounding(np.float32, 10, []) == 0


def test_a_term_left_out_is_no_rounding():
    terms = np.ones(300, np.float32)
    assert terms.sum() - terms[1:].sum() > rounding(np.float32, 300, terms.sum())
