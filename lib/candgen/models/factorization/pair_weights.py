"""Weights of observed pairs in a factorization.

The weight of a pair may come from a column of the events, from how often its user and its item
occur, or from both, multiplied. Weights by frequency keep the busiest users and the most popular
items from dominating the objective:

    w_ui proportional to (n_u n_i)^-weight_power, with mean 1 over the training pairs.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from candgen.columns import ITEM, USER
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError


def pair_weights(
    dataset: Dataset, events: pd.DataFrame, weight_by: str = "", weight_power: float = 0.0
) -> csr_array:
    """Return the weight of each pair of `events`, shape `(n_users, n_items)`, float32.

    Args:
        dataset: Whose training part says how often items occur.
        events: The events to weight; fold-in events may be among them.
        weight_by: Column to sum over the events of a pair; empty: every pair weighs 1.
        weight_power: 0 weighs frequent and rare alike; larger values favour the rare.

    Raises:
        SettingError: If there is no such column.
        DataError: If the column holds anything but finite numbers above 0.
    """
    weights = _by_column(dataset, events, weight_by) if weight_by else dataset.matrix(events)
    if weight_power:
        scale = _rarity(dataset.train_matrix, dataset.train_matrix, weight_power).mean()
        rarity = _rarity(weights, dataset.train_matrix, weight_power) / scale
        weights.data *= rarity.astype(np.float32)
    return weights


def _rarity(pairs: csr_array, train: csr_array, power: float) -> np.ndarray:
    """Return (n_u n_i)^-power of each stored pair."""
    n_u = np.diff(pairs.indptr).astype(np.float64)
    n_i = np.bincount(train.indices, minlength=train.shape[1]).clip(1).astype(np.float64)
    return (np.repeat(n_u, np.diff(pairs.indptr)) * n_i[pairs.indices]) ** -power


def _by_column(dataset: Dataset, events: pd.DataFrame, column: str) -> csr_array:
    if column not in events:
        raise SettingError(
            f"weight_by names no column of the training events: {column!r}. "
            f"Columns: {', '.join(events)}."
        )
    given = events[column].to_numpy(dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        found = given.astype(np.float32)
        pairs = (events[USER].to_numpy(), events[ITEM].to_numpy())
        summed = csr_array((found, pairs), shape=(dataset.n_users, dataset.n_items))
        summed.sum_duplicates()
    if not (np.isfinite(summed.data).all() and (found > 0).all()):
        raise DataError(
            f"Weights of observed pairs must be finite in single precision, repeats summed, and "
            f"above 0; column {column!r} ranges from {given.min():g} to {given.max():g}."
        )
    return summed
