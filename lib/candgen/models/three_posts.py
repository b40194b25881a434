"""Three posts on a line, and where a user who saw two of them ends up.

The posts have one number each: their ids 0, 1, 2. The user engaged with post 1 and left post 2,
and was never shown post 0. Two ways to teach the user's number u, both quadratic in u, so that
gradient descent can be set beside the point at which it must end:

- *product*: label = u * post, squared error, label 1 for what was engaged with and 0 for the rest;
- *closeness*: towards the posts engaged with and, more weakly, away from the negatives,
  sum of (u - post)^2 over the former minus weight * (u - post)^2 over the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.checks import number, whole_number
from candgen.errors import SettingError

POSTS = (0.0, 1.0, 2.0)
ENGAGED = (1.0,)
LEFT = (2.0,)  # shown, not engaged with
NEVER_SHOWN = (0.0,)


class Slope(NamedTuple):
    """The derivative of a loss, `steepness * u - pull`, written with two numbers."""

    steepness: float
    pull: float

    @property
    def landing(self) -> float:
        """Where the derivative is zero, in closed form."""
        return self.pull / self.steepness

    def descend(self, *, start: float, rate: float, steps: int) -> NDArray[np.float64]:
        """Follow the slope down by hand; returns u before and after every step, `(steps + 1,)`.

        Raises:
            SettingError: If the rate is so large that the steps run away.
        """
        number("rate", rate, above=0.0)
        whole_number("steps", steps)
        if rate * self.steepness >= 2:
            raise SettingError(
                f"rate must be below {2 / self.steepness:g} here, or every step overshoots by "
                f"more than the one before; got {rate!r}."
            )
        path = [float(start)]
        for _ in range(steps):
            path.append(path[-1] - rate * (self.steepness * path[-1] - self.pull))
        return np.array(path)


def product_slope(engaged: Sequence[float], negatives: Sequence[float] = ()) -> Slope:
    """The slope of the squared error of u * post against 1 (engaged) and 0 (negatives)."""
    shown = np.array([*engaged, *negatives])
    labels = np.array([1.0] * len(engaged) + [0.0] * len(negatives))
    return _descending(2 * float(shown @ shown), 2 * float(shown @ labels))


def closeness_slope(
    engaged: Sequence[float], negatives: Sequence[float] = (), *, weight: float = 0.25
) -> Slope:
    """The slope of closeness; a negative that is given twice pushes twice.

    Raises:
        SettingError: If the negatives outweigh what was engaged with: the user would run away.
    """
    number("weight", weight)
    steepness = 2 * (len(engaged) - weight * len(negatives))
    return _descending(steepness, 2 * (sum(engaged) - weight * sum(negatives)))


def _descending(steepness: float, pull: float) -> Slope:
    if steepness <= 0:
        raise SettingError(
            "Nothing holds the user: the negatives weigh as much as what was engaged with, or "
            "every post is 0. Lower the weight or take fewer negatives."
        )
    return Slope(steepness, pull)
