"""One vector of a logistic model, with the vectors of the other side still, by Newton's method.

A step that goes too far, as steps do from a start where all probabilities are near 0 or 1, is
halved until the loss falls.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

_NEWTON_STEPS = 20
_HALVINGS = 12  # of a step that goes too far


def solve_logistic(
    seen: NDArray[np.float64],
    weights: NDArray[np.float64],
    wanted: NDArray[np.float64],
    ridge: float,
    vector: NDArray[np.float64],
    free: NDArray[np.int64],
) -> None:
    """Minimize a weighted logistic loss over some coordinates of a vector, in place.

    The loss is the sum over rows of w (log(1 + e^x) - y x) with the scores x = seen @ vector, plus
    ridge / 2 times the squared length of the free coordinates.

    Args:
        seen: Vectors of the other side, shape `(n, dim)`.
        weights: w, shape `(n,)`.
        wanted: y, from 0 to 1, shape `(n,)`.
        ridge: Above 0.
        vector: Where to start, shape `(dim,)`.
        free: Coordinates that are solved for; the others stay.
    """
    before = _loss(seen, weights, wanted, ridge, vector, free)
    for _ in range(_NEWTON_STEPS):
        p = expit(seen @ vector)
        slope = seen[:, free].T @ (weights * (p - wanted)) + ridge * vector[free]
        curve = (seen[:, free].T * (weights * p * (1 - p))) @ seen[:, free]
        step, start = np.linalg.solve(curve + ridge * np.eye(len(free)), slope), vector[free]
        for _ in range(_HALVINGS):
            vector[free] = start - step
            after = _loss(seen, weights, wanted, ridge, vector, free)
            if after <= before:
                break
            step /= 2
        else:  # nothing is better: the last digits
            vector[free] = start
            return
        before = after


def _loss(seen, weights, wanted, ridge, vector, free) -> float:
    x = seen @ vector
    return weights @ (np.logaddexp(0, x) - wanted * x) + ridge / 2 * vector[free] @ vector[free]
