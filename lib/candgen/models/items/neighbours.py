"""Neighbours: items with the same users, and users with the same items.

Similarity is the cosine between sets, optionally shrunk. Item neighbours follow B. Sarwar,
G. Karypis, J. Konstan, J. Riedl, "Item-based collaborative filtering recommendation algorithms",
WWW 2001. Each item listens to its own `neighbours` nearest items; how their say is put together
is the setting `aggregate`, and matters as much as the neighbours do.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from candgen.checks import Count, NotNegative, Settings
from candgen.datasets import Dataset
from candgen.models.base import Generator
from candgen.spaces import OneOf, Real, Whole


class NeighbourSettings(Settings):
    """Settings of UserKNN, shared by ItemKNN."""

    neighbours: Annotated[Count, Whole(10, 500, log=True)] = 100
    """Nearest neighbours that count, of each item or each user."""
    shrinkage: Annotated[NotNegative, Real(0.0, 100.0)] = 10.0
    """Added to the denominator of the cosine; it trusts rare items and short histories less."""


class ItemKNNSettings(NeighbourSettings):
    """Settings of ItemKNN."""

    aggregate: Annotated[
        Literal["sum", "mean", "centred mean"], OneOf(("sum", "mean", "centred mean"))
    ] = "sum"
    """How the cosines are combined: sum, mean or centred mean. "sum" adds the cosines of the
    neighbours in the history; "mean" divides by the cosines of all neighbours; "centred mean"
    first subtracts from each item its share of users, and adds it back at the end."""


class ItemKNN(Generator):
    """Scores an item by those of its nearest items that are in the user's history.

    Attributes:
        neighbours_: Cosines of each item with its nearest, shape `(n_items, n_items)`.
    """

    name = "ItemKNN"
    Settings = ItemKNNSettings

    def _fit(self, dataset: Dataset) -> None:
        by_item = dataset.train_matrix.T.tocsr()
        self.neighbours_ = nearest(by_item, by_item, self.neighbours, self.shrinkage)
        listens = self.neighbours_  # (item, the items it listens to)
        self._offset = np.zeros(dataset.n_items, dtype=np.float32)
        if self.aggregate != "sum":
            whole = np.asarray(listens.sum(axis=1)).ravel()
            shares = np.divide(1, whole, out=np.zeros_like(whole), where=whole > 0)
            listens = (diags_array(shares) @ listens).tocsr()
        if self.aggregate == "centred mean":
            n_learned = np.count_nonzero(np.diff(dataset.train_matrix.indptr))
            mean = (self.item_counts_ / max(n_learned, 1)).astype(np.float32)
            self._offset = mean - listens @ mean
        self._speaks = listens.T.tocsr()  # (item, the items that listen to it)

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        scores = product(self.history_matrix_[users], self._speaks) + self._offset
        return scores if items is None else scores[:, items]

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return _bytes_of(n_items, self.neighbours, n_events)


class UserKNN(Generator):
    """Scores an item by the cosines of the user's nearest training users who took it.

    Attributes:
        neighbours_: Cosines of each user with the nearest, shape `(n_users, n_users)`.
    """

    name = "UserKNN"
    Settings = NeighbourSettings

    def _fit(self, dataset: Dataset) -> None:
        self._train = dataset.train_matrix
        self.neighbours_ = nearest(
            self.history_matrix_, self._train, self.neighbours, self.shrinkage
        )

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        scores = product(self.neighbours_[users], self._train)
        return scores if items is None else scores[:, items]

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return _bytes_of(n_users, self.neighbours, n_events)


def _bytes_of(n_rows: int, k: int, n_events: int) -> int:
    """Estimate the memory of the neighbours of so many rows, and of the matrices searched."""
    return 48 * n_rows * min(k, n_rows) + 32 * n_events


def nearest(rows: csr_array, others: csr_array, k: int, shrinkage: float = 0.0) -> csr_array:
    """Find the `k` most similar `others` of each row, by the cosine between sets of columns.

    Args:
        rows: Any stored entry counts, shape `(n_rows, n_columns)`.
        others: Likewise, shape `(n_others, n_columns)`. Row r of both is the same thing, and is
            not its own neighbour.
        k: Neighbours of a row; fewer where fewer share a column. Ties go to the smaller index.
        shrinkage: Added below the fraction.

    Returns:
        Cosines, shape `(n_rows, n_others)`, at most `k` in each row.
    """
    import numba

    from candgen.models.items.neighbour_kernels import nearest_rows

    n_rows, n_others = rows.shape[0], others.shape[0]
    shape = (n_rows, min(k, n_others))
    found = np.full(shape, -1, dtype=np.int32)
    cosines = np.full(shape, -np.inf, dtype=np.float32)
    by_column = others.T.tocsr()
    sizes = np.diff(others.indptr).astype(np.int64)
    entries = (*_entries(rows), *_entries(by_column))
    nearest_rows(*entries, sizes, float(shrinkage), numba.get_num_threads(), found, cosines)
    row, place = np.nonzero(found >= 0)
    cells = (cosines[row, place], (row, found[row, place]))
    return csr_array(cells, shape=(n_rows, n_others))


def product(left: csr_array, right: csr_array) -> NDArray[np.float32]:
    """Return the product of two sparse matrices as a dense array, computed in parallel by row."""
    from candgen.models.items.neighbour_kernels import sparse_times_sparse

    out = np.zeros((left.shape[0], right.shape[1]), dtype=np.float32)
    values = (matrix.data.astype(np.float32, copy=False) for matrix in (left, right))
    left_values, right_values = values
    sparse_times_sparse(*_entries(left), left_values, *_entries(right), right_values, out)
    return out


def _entries(matrix: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    starts = matrix.indptr.astype(np.int64, copy=False)
    return starts, matrix.indices.astype(np.int32, copy=False)
