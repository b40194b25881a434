"""Embeddings small enough to follow: solve one side with the other fixed, then both in turn.

A pair scores `level + user . film`. With films fixed every user is a small least-squares problem
of their own, and the other way round; alternating the two can only lower

    sum over pairs of weight * (label - score)^2 + penalty * (sum of squares of all vectors)

where a shown pair weighs 1 and one not yet shown counts as label 0 with `unknown_weight`. These
functions teach; `candgen.models.factorization.wals` does the same at full size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.checks import Count, CountOrZero, NotNegative, Positive, checked
from candgen.errors import SettingError


class Step(NamedTuple):
    """Embeddings after a number of sweeps, with the objective."""

    sweep: int
    users: NDArray[np.float64]  # (n_users, dim)
    films: NDArray[np.float64]  # (n_films, dim)
    objective: float


def explained(
    scores: NDArray[np.float64], labels: NDArray[np.float64], names: list[str]
) -> pd.DataFrame:
    """Tell how well scores set what each user watched apart from the rest.

    Args:
        scores: Shape `(n_users, n_films)`.
        labels: 1 (watched), 0 (the rest) or NaN (left out), same shape. Everybody has a 1 and a 0.
        names: One a user.

    Returns:
        A row a user: the mean score of `watched` and of `the rest`, the `gap` between them, and
        `in order`, the share of pairs (one watched, one not) whose watched film scores higher;
        a tie counts half, so 0.5 is as good as guessing.
    """
    rows = []
    for score, label in zip(scores, labels, strict=True):
        yes, no = score[label == 1], score[label == 0]
        ahead = yes[:, None] - no  # (n_watched, n_rest)
        rows.append(
            {
                "watched": yes.mean(),
                "the rest": no.mean(),
                "gap": yes.mean() - no.mean(),
                "in order": ((ahead > 0) + 0.5 * (ahead == 0)).mean(),
            }
        )
    return pd.DataFrame(rows, index=names)


def best_numbers(axis: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give every user the number in [-1, 1] with the widest gap along one axis.

    The gap grows in proportion to the number, so the best is always an end of the scale.

    Args:
        axis: One number a film, shape `(n_films,)`.
        labels: 1 (watched), 0 (the rest) or NaN (left out), shape `(n_users, n_films)`.

    Returns:
        -1 or 1 a user (1 where both are as good).
    """
    gaps = np.array([axis[row == 1].mean() - axis[row == 0].mean() for row in labels])
    return np.where(gaps < 0, -1.0, 1.0)


def solve_users(
    films: NDArray[np.float64],
    labels: NDArray[np.float64],
    *,
    penalty: float = 0.1,
    unknown_weight: float = 0.0,
    level: float = 0.0,
) -> NDArray[np.float64]:
    """Find the vector of every user that explains their labels best, with the films fixed.

    Args:
        films: Vectors, shape `(n_films, dim)`.
        labels: 1, 0 or NaN (not yet shown), shape `(n_users, n_films)`.
        penalty: Of long vectors; greater than 0, which makes the answer unique.
        unknown_weight: How much a pair not yet shown counts as a 0, against 1 for shown pairs.
        level: What every pair scores before the vectors speak.

    Returns:
        Shape `(n_users, dim)`.

    Raises:
        SettingError: If a setting is out of range, or the shapes disagree.
    """
    checked("penalty", penalty, Positive)
    checked("unknown_weight", unknown_weight, NotNegative)
    if labels.shape[1] != len(films):
        raise SettingError(
            f"labels must have one column a fixed vector, got shape {labels.shape} "
            f"and {len(films)} vectors. Solving the films? Pass labels.T."
        )
    weights, targets = _weighted(labels, unknown_weight, level)
    ridge = penalty * np.eye(films.shape[1])
    return np.array(
        [
            np.linalg.solve((films.T * w) @ films + ridge, films.T @ (w * t))
            for w, t in zip(weights, targets, strict=True)
        ]
    )


def solve_films(
    users: NDArray[np.float64], labels: NDArray[np.float64], **settings: float
) -> NDArray[np.float64]:
    """Find the vector of every film, with the users fixed; the mirror of `solve_users`."""
    return solve_users(users, labels.T, **settings)


def objective(
    users: NDArray[np.float64],
    films: NDArray[np.float64],
    labels: NDArray[np.float64],
    *,
    penalty: float = 0.1,
    unknown_weight: float = 0.0,
    level: float = 0.0,
) -> float:
    """Compute what both solvers lower; arguments as in `solve_users`."""
    weights, targets = _weighted(labels, unknown_weight, level)
    missed = (weights * (targets - users @ films.T) ** 2).sum()
    return float(missed + penalty * ((users**2).sum() + (films**2).sum()))


def learn(
    labels: NDArray[np.float64],
    *,
    dim: int = 2,
    sweeps: int = 30,
    rng: np.random.Generator,
    **settings: float,
) -> list[Step]:
    """Learn both sides from nothing: random films, then users and films in turn.

    Args:
        labels: 1, 0 or NaN, shape `(n_users, n_films)`.
        dim: Length of the vectors.
        sweeps: How often both sides are solved.
        rng: Draws the first, short vectors of both sides.
        **settings: `penalty`, `unknown_weight` and `level`, as in `solve_users`.

    Returns:
        The start and every sweep, `sweeps + 1` steps; the objective never rises.
    """
    checked("dim", dim, Count)
    checked("sweeps", sweeps, CountOrZero)
    users, films = (rng.normal(scale=0.3, size=(n, dim)) for n in labels.shape)
    steps = [Step(0, users, films, objective(users, films, labels, **settings))]
    for sweep in range(1, sweeps + 1):
        users = solve_users(films, labels, **settings)
        films = solve_films(users, labels, **settings)
        steps.append(Step(sweep, users, films, objective(users, films, labels, **settings)))
    return steps


def cosines(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of the angle between every two vectors, shape `(n, n)`; 0 beside an empty one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit @ unit.T


class Agreement(NamedTuple):
    """Count how often two users did the same, each of shape `(n_users, n_users)`."""

    same: NDArray[np.int64]  # films that both watched or both left
    both: NDArray[np.int64]  # films that both were shown


def agreement(labels: NDArray[np.float64]) -> Agreement:
    """Count the films shown to both of two users, and those with which they did the same."""
    shown = ~np.isnan(labels)
    same = labels[:, None] == labels  # (n_users, n_users, n_films); NaN equals nothing
    return Agreement(same.sum(axis=2), (shown[:, None] & shown).sum(axis=2))


def _weighted(
    labels: NDArray[np.float64], unknown_weight: float, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights, and what the product alone should come to."""
    unknown = np.isnan(labels)
    return np.where(unknown, unknown_weight, 1.0), np.where(unknown, 0.0, labels) - level
