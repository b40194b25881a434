"""Ratings of finished films, in half stars from 0.5 to 5.

A rating starts from a number of stars: the sum of the film's appeal, its agreement with the user's
taste, the user's kindness and chance. Some users round it to halves, the others to whole stars, so
half stars are rarer, as in real data with a choice of half stars.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MEAN, _SPREAD = 3.66, 1.04  # of the stars behind the ratings, but for disappointments
_FROM_APPEAL, _FROM_TASTE, _FROM_KINDNESS = 0.16, 0.16, 0.20  # shares of their variance
_DISAPPOINTS, _STARS_LOST = 0.05, 2.0  # chance that a film does, and what it costs
_USES_HALVES = 0.66  # share of the users


def rate(
    rng: np.random.Generator,
    users: NDArray[np.integer],
    quality: NDArray[np.float32],
    agreement: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return a rating of every event; all arguments have shape `(n_events,)`, dense user ids."""
    n_users = int(users.max()) + 1 if len(users) else 0
    kindness, halves = rng.standard_normal(n_users), rng.random(n_users) < _USES_HALVES
    chance = 1 - _FROM_APPEAL - _FROM_TASTE - _FROM_KINDNESS
    stars = (
        np.sqrt(_FROM_APPEAL) * _standardized(quality)
        + np.sqrt(_FROM_TASTE) * _standardized(agreement)
        + np.sqrt(_FROM_KINDNESS) * kindness[users]
        + np.sqrt(chance) * rng.standard_normal(len(users))
    )
    stars = _MEAN + _SPREAD * stars - _STARS_LOST * (rng.random(len(users)) < _DISAPPOINTS)
    rounded = np.where(halves[users], np.rint(2 * stars) / 2, np.maximum(np.rint(stars), 1))
    return np.clip(rounded, 0.5, 5.0).astype(np.float32)


def _standardized(values: NDArray[np.float32]) -> NDArray[np.float64]:
    values = values.astype(np.float64)
    spread = values.std() if len(values) else 0.0
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
