"""Losses and their slopes as NumPy arrays, for generators whose gradients need no TensorFlow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sloped(NamedTuple):
    """Losses of scores, and the derivative of each loss by its score; both of the scores' shape."""

    losses: NDArray[np.float32]
    slopes: NDArray[np.float32]


def softplus(scores: NDArray[np.float32]) -> Sloped:
    """Return log(1 + exp(x)) of scores x: the logistic loss of a label 0; of a label 1 at -x."""
    small = np.exp(-np.abs(scores))  # never overflows
    whole = 1 + small
    slopes = np.where(scores >= 0, np.float32(1), small) / whole
    return Sloped(np.maximum(scores, 0) + np.log(whole), slopes)
