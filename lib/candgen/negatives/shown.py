"""Ignored impressions: items that a user was shown and did not engage with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.columns import ITEM, USER
from candgen.datasets import Dataset
from candgen.datasets.feedback import LABEL, labels
from candgen.errors import DataError
from candgen.numba_cache import njit


class Shown(NamedTuple):
    """Items shown to each user and never engaged with: `items[starts[u] : starts[u + 1]]`."""

    starts: NDArray[np.int64]  # (n_users + 1,)
    items: NDArray[np.int32]  # (n,), ascending within a user


def shown_in_vain(dataset: Dataset) -> Shown:
    """Return each user's items that were shown and not engaged with, of what models know.

    An item in the user's training events is left out, whatever its impressions say. An item that
    the user engages with later stays: nobody knows that yet.

    Raises:
        DataError: If the dataset has no impressions.
    """
    if not dataset.has("impressions"):
        raise DataError(
            "Negatives of kind 'impressions' need a dataset that says what was shown; "
            f"{dataset.name!r} has no table 'impressions'. Choose another kind, such as "
            "'uniform', prepare the dataset with impressions_path, or take the invented world."
        )
    known = labels(dataset.known("impressions"))
    left = dataset.matrix(known.loc[known[LABEL] == 0, [USER, ITEM]])
    left = csr_array(left - left.multiply(dataset.train_matrix))
    left.eliminate_zeros()
    left.sort_indices()
    return Shown(left.indptr.astype(np.int64), left.indices.astype(np.int32))


class KnownItems:
    """Tells which of a batch's shared items are in the history of an example's user."""

    def __init__(self, history: csr_array) -> None:
        """Keep the history, shape `(n_users, n_items)`; any stored entry counts."""
        self._starts = history.indptr.astype(np.int64)
        self._items = history.indices.astype(np.int32)
        self._first = np.full(history.shape[1], -1, np.int32)

    def mark(self, users: NDArray[np.int32], shared: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return whether each user has each shared item, shape `(len(users), len(shared))`."""
        known = np.zeros((len(users), len(shared)), dtype=np.bool_)
        _mark(self._starts, self._items, users, shared, self._first, known)
        return known


@njit
def _mark(starts, items, users, shared, first, known):
    """Set `known` where a user's row holds a shared item; `first` is -1 before and after."""
    following = np.empty(len(shared), np.int32)  # the next place of the same item, or -1
    for place in range(len(shared)):
        if shared[place] >= 0:
            following[place] = first[shared[place]]
            first[shared[place]] = place
    for row in range(len(users)):
        user = users[row]
        if user < 0:
            continue
        for entry in range(starts[user], starts[user + 1]):
            place = first[items[entry]]
            while place >= 0:
                known[row, place] = True
                place = following[place]
    for item in shared:
        if item >= 0:
            first[item] = -1
