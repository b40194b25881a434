"""Errors of predicted ratings on held-out ratings, beside those of the item's mean rating."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, RATING, RATING_METRICS, USER
from candgen.datasets.dataset import Dataset
from candgen.datasets.periods import INTERACTIONS
from candgen.models.base import Generator

RATED = "held_out_ratings_predicted"


def rating_errors(generator: Generator, dataset: Dataset) -> tuple[dict[str, float], int]:
    """Compare predicted ratings with held-out ones.

    Args:
        generator: A fitted generator that `predicts_ratings`.
        dataset: Its held-out events count, positive or not, if they have a rating and training
            knows user and item.

    Returns:
        A value for each of `RATING_METRICS`, and the number of ratings that were predicted; no
        values where there are none.
    """
    held_out = dataset.judging(INTERACTIONS)
    if RATING not in held_out:
        return {}, 0
    users, items = held_out[USER].to_numpy(), held_out[ITEM].to_numpy()
    given = held_out[RATING].to_numpy(dtype=np.float64, na_value=np.nan)
    means = _item_means(dataset)
    known = generator.known_users_[users] & generator.known_items_[items]
    known &= np.isfinite(given) & np.isfinite(means[items])
    if not known.any():
        return {}, 0
    users, items, given = users[known], items[known], given[known]
    off, off_by_mean = given - generator.predicted(users, items), given - means[items]
    errors = (_rms(off), _mean(off), _rms(off_by_mean), _mean(off_by_mean))
    return dict(zip(RATING_METRICS, errors, strict=True)), len(given)


def _item_means(dataset: Dataset) -> NDArray[np.float64]:
    """Return the mean rating of each item in training, shape `(n_items,)`; NaN without one."""
    train: pd.DataFrame = dataset.train
    return train.groupby(ITEM)[RATING].mean().reindex(range(dataset.n_items)).to_numpy(np.float64)


def _rms(off: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(off**2)))


def _mean(off: NDArray[np.float64]) -> float:
    return float(np.abs(off).mean())
