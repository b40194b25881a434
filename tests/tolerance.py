"""Rounding tolerance between two correct computations of the same number."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


def rounding(dtype: DTypeLike, n_terms: int, magnitude: ArrayLike = 1.0) -> float:
    """Return the absolute tolerance for sums that were added in another order.

    Processors, block sizes and libraries add the terms of a sum in different orders, and some fuse
    a product with the addition that follows. Each way rounds at most `n_terms` times, each time by
    at most half an `eps` of the sum of the absolute terms. Two ways lie at most twice that apart:
    `n_terms * eps * magnitude`. Nothing in this bound was measured on some machine.

    Args:
        dtype: The number type that the sums were computed in.
        n_terms: The number of terms of the longest sum. For steps in a row, each of which rounds
            what the one before gave, the number of terms of all of them.
        magnitude: The sizes of the sums of absolute terms. The largest counts; infinite values,
            which mark what is not scored, do not.
    """
    sizes = np.abs(np.asarray(magnitude, dtype=float))
    largest = sizes[np.isfinite(sizes)].max(initial=0.0)
    return float(n_terms * np.finfo(dtype).eps * largest)
