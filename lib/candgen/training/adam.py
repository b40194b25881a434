"""One step of Adam for one number, inlined into the kernels that update tables and vectors.

D. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, in the form of the end of
section 2: the bias of both moments is corrected in the learning rate, once a step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from candgen.numba_cache import njit

_FAST = {"reassoc", "contract", "nsz"}  # sums in any order, which lets them run in registers


class Constants(NamedTuple):
    """Constants of Adam in one floating-point type; kernels compute in the type they get."""

    one: np.floating | float
    decay: np.floating | float
    square_decay: np.floating | float
    epsilon: np.floating | float


FLOAT32 = Constants(np.float32(1), np.float32(0.9), np.float32(0.999), np.float32(1e-8))
FLOAT64 = Constants(1.0, 0.9, 0.999, 1e-7)  # epsilon as in Keras


@njit(fastmath=_FAST, inline="always")
def step_rate(rate, step, constants):
    """Return the rate of a step, counted from 1, with the bias of both moments corrected."""
    bias = constants.one - constants.decay**step
    return rate * math.sqrt(constants.one - constants.square_decay**step) / bias


@njit(fastmath=_FAST, inline="always")
def moved(value, gradient, first, second, rate, constants):
    """Return a number after one step of Adam, and its two moments; `rate` as of `step_rate`."""
    first += (constants.one - constants.decay) * (gradient - first)
    second += (constants.one - constants.square_decay) * (gradient * gradient - second)
    return value - rate * first / (math.sqrt(second) + constants.epsilon), first, second
