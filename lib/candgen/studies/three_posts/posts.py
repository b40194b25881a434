"""Three posts on a line, and the losses of a user who was shown two of them.

The posts have one number each: their ids 0, 1, 2. The user engaged with post 1, ignored post 2,
and was never shown post 0. The user's number u minimizes one of three losses:

- *squared*: the loss is a parabola, so its minimum has a closed form;
- *logistic*: softplus(-score) of each engaged post, softplus(score) of each negative;
- *softmax*: minus the log of an engaged post's share in the exponentials of its own score and those
  of the negatives.

And the score of a post is one of two:

- *product*: u * post. The squared loss has label 1 for engaged posts and 0 for negatives;
- *closeness*: -(u - post)^2. The squared loss is the sum of (u - post)^2 over engaged posts, minus
  weight * (u - post)^2 over negatives: engaged posts attract u, and negatives push it away.

Logistic and softmax have no closed form in general: the place where the slope is zero is found by
root finding. Where the loss falls without limit in one direction, a penalty on u^2 keeps it finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, softmax

from candgen.checks import CountOrZero, NotNegative, Positive, checked
from candgen.errors import SettingError

POSTS = (0.0, 1.0, 2.0)
ENGAGED = (1.0,)
LEFT = (2.0,)  # shown, not engaged with
NEVER_SHOWN = (0.0,)
SCORES = ("product", "closeness")

_NEAR, _FAR = 4.0, 2.0**20  # where a zero of a slope is looked for first and last
_PIECES = 4096


class Slope(NamedTuple):
    """The derivative of a parabola, `steepness * u - pull`, written with two numbers."""

    steepness: float
    pull: float

    @property
    def how(self) -> str:
        """Method that finds the landing."""
        return "closed form"

    @property
    def landing(self) -> float:
        """The number where the derivative is zero, in closed form."""
        return self.pull / self.steepness

    def derivative(self, u: float) -> float:
        """The derivative of the loss at u."""
        return self.steepness * u - self.pull

    def descend(self, *, start: float, rate: float, steps: int) -> NDArray[np.float64]:
        """Descend the slope step by step; returns u before and after every step, `(steps + 1,)`.

        Raises:
            SettingError: If the rate is so large that the steps run away.
        """
        return _descend(self.derivative, self.steepness, start=start, rate=rate, steps=steps)


@dataclass(frozen=True)
class Bend:
    """The derivative of a loss that is no parabola."""

    derivative: Callable[[float], float]
    steepness: float
    """Upper bound of the second derivative, which bounds the rate of descent."""
    how: str = "root finding"
    """Method that finds the landing."""

    @property
    def landing(self) -> float:
        """The number where the derivative is zero, bracketed and then found by Brent's method.

        Raises:
            SettingError: If it is zero nowhere, or in more than one place.
        """
        reach = _NEAR
        while not self.derivative(-reach) < 0 < self.derivative(reach):
            reach *= 2
            if reach > _FAR:
                raise SettingError(
                    "The loss has no minimum: it falls without limit in one direction. Give it a "
                    "penalty above 0, or a negative on the other side."
                )
        places = np.linspace(-reach, reach, _PIECES + 1)
        rising = np.array([self.derivative(place) > 0 for place in places])
        changes = np.flatnonzero(rising[:-1] != rising[1:])
        if len(changes) > 1:
            raise SettingError(
                "The loss has more than one valley: where the user lands depends on the start. "
                "Lower the weight or take fewer negatives."
            )
        left = changes[0]
        return float(brentq(self.derivative, places[left], places[left + 1], xtol=1e-13))

    def descend(self, *, start: float, rate: float, steps: int) -> NDArray[np.float64]:
        """Descend the slope step by step; returns u before and after every step, `(steps + 1,)`.

        Raises:
            SettingError: If the rate is so large that steps could run away.
        """
        return _descend(self.derivative, self.steepness, start=start, rate=rate, steps=steps)


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
    checked("weight", weight, NotNegative)
    steepness = 2 * (len(engaged) - weight * len(negatives))
    return _descending(steepness, 2 * (sum(engaged) - weight * sum(negatives)))


def _descending(steepness: float, pull: float) -> Slope:
    if steepness <= 0:
        raise SettingError(
            "The loss has no minimum: the negatives weigh as much as the engaged posts, or every "
            "post is 0. Lower the weight or take fewer negatives."
        )
    return Slope(steepness, pull)


def logistic_slope(
    engaged: Sequence[float],
    negatives: Sequence[float] = (),
    *,
    score: str = "product",
    weight: float = 1.0,
    penalty: float = 0.0,
) -> Bend:
    """The slope of the logistic loss; each negative weighs `weight` of what was engaged with.

    Args:
        engaged: Posts that shall score high.
        negatives: Posts that shall score low; one that is given twice counts twice.
        score: One of `SCORES`.
        weight: Of a negative.
        penalty: Times u^2, added to the loss.
    """
    checked("score", score, Literal[SCORES])
    checked("weight", weight, NotNegative), checked("penalty", penalty, NotNegative)
    posts = np.array([*engaged, *negatives])
    signs = np.array([-1.0] * len(engaged) + [1.0] * len(negatives))
    weights = np.where(signs < 0, 1.0, weight)

    def derivative(u: float) -> float:
        scores, slopes = _scores(u, posts, score)
        return float(weights * signs * expit(signs * scores) @ slopes) + 2 * penalty * u

    # softplus bends by at most 1/4 of the squared slope of the score; softplus(d^2) by less than 3.
    bends = posts**2 / 4 if score == "product" else np.full(len(posts), 3.0)
    return Bend(derivative, float(weights @ bends) + 2 * penalty)


def softmax_slope(
    engaged: Sequence[float],
    negatives: Sequence[float] = (),
    *,
    score: str = "product",
    penalty: float = 0.0,
) -> Bend:
    """The slope of the softmax of each engaged post among itself and the negatives.

    By closeness u^2 is in every score and falls out, so what is left bends like the product's.

    Args:
        engaged: Posts that shall score high.
        negatives: Posts that shall score low; one that is given twice counts twice.
        score: One of `SCORES`.
        penalty: Times u^2, added to the loss.
    """
    checked("score", score, Literal[SCORES])
    checked("penalty", penalty, NotNegative)
    compared = [np.array([post, *negatives]) for post in engaged]

    def derivative(u: float) -> float:
        slope = 2 * penalty * u
        for posts in compared:
            scores, slopes = _scores(u, posts, score)
            slope += float(softmax(scores) @ slopes) - slopes[0]
        return float(slope)

    stretch = 1.0 if score == "product" else 2.0
    bend = sum(
        (stretch * np.ptp(posts)) ** 2 / 4 for posts in compared
    )  # the most a variance can be
    return Bend(derivative, float(bend) + 2 * penalty)


def _scores(
    u: float, posts: NDArray[np.float64], score: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the score of each post at u, and its derivative by u."""
    if score == "product":
        return u * posts, posts
    return -((u - posts) ** 2), -2 * (u - posts)


def _descend(
    derivative: Callable[[float], float],
    steepness: float,
    *,
    start: float,
    rate: float,
    steps: int,
) -> NDArray[np.float64]:
    checked("rate", rate, Positive)
    checked("steps", steps, CountOrZero)
    if rate * steepness >= 2:
        raise SettingError(
            f"rate must be below {2 / steepness:g} here, or steps may overshoot by more and more; "
            f"got {rate!r}."
        )
    path = [float(start)]
    for _ in range(steps):
        path.append(path[-1] - rate * derivative(path[-1]))
    return np.array(path)
