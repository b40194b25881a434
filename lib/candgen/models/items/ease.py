"""EASE: one linear regression an item on all other items, in closed form.

H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019. With G = X'X + r I, where
r is the regularization, and P its inverse, B_ij = -P_ij / P_jj off the diagonal and 0 on it; a
history x scores x B.

Everything happens in place in one float32 matrix of n_items * n_items: G is counted into it, a
sweep over blocks of pivots (J. Goodnight, "A tutorial on the sweep operator", 1979) turns it into
the inverse, and the weights replace the inverse. Peak memory is that matrix and two strips of it
(40,981 items: 6.3 GiB and .6 GiB); the work grows with n_items cubed. LAPACK would do the same,
but its usual build counts in 32 bits and crashes at that size.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Positive, Settings
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.models.base import Generator
from candgen.spaces import Real

_PIVOTS = 1024  # swept at once


class EASESettings(Settings):
    """Settings of EASE."""

    regularization: Annotated[Positive, Real(10.0, 5000.0, log=True)] = 300.0
    """Penalty on the squared weights; about the number of users that two items must share before
    their weight is believed."""


class EASE(Generator):
    """Scores an item by a learned, signed weight from each item of the history.

    Attributes:
        weights_: B, float32, shape `(n_items, n_items)`.
    """

    name = "EASE"
    Settings = EASESettings

    def _fit(self, dataset: Dataset) -> None:
        from candgen.models.items.ease_kernels import count_together, mirror_lower

        train, n_items = dataset.train_matrix, dataset.n_items
        weights = np.zeros((n_items, n_items), dtype=np.float32)
        by_item = train.T.tocsr()
        count_together(by_item.indptr, by_item.indices, train.indptr, train.indices, weights)
        weights[np.diag_indices(n_items)] += np.float32(self.regularization)
        try:
            sweep(weights)
        except np.linalg.LinAlgError:
            raise SettingError(
                "EASE could not invert the item matrix with "
                f"regularization={self.regularization:g}: it is too small for single precision. "
                "Try ten times as much."
            ) from None
        mirror_lower(weights)
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0)
        self.weights_ = weights

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        strips = 3 * 4 * _PIVOTS * n_items
        return 4 * n_items**2 + strips + 5 * 8 * min(_PIVOTS, n_items) ** 2

    def _learned_numbers(self) -> dict[str, NDArray]:
        return {"weights of items": self.weights_}

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        from candgen.models.items.ease_kernels import sparse_times_dense

        history = self.history_matrix_[users]
        scores = np.zeros((len(users), len(self.known_items_)), dtype=np.float32)
        sparse_times_dense(history.indptr, history.indices, self.weights_, scores)
        return scores if items is None else scores[:, items]


def sweep(matrix: NDArray[np.float32], block: int = _PIVOTS) -> None:
    """Replace a symmetric positive definite matrix by minus its inverse, in place.

    Only the lower triangle is read and, but for squares on the diagonal, written.

    Args:
        matrix: Shape `(n, n)`.
        block: Pivots swept at once.

    Raises:
        numpy.linalg.LinAlgError: If the matrix is not positive definite in single precision.
    """
    n = len(matrix)
    update = np.empty((min(block, n), n), dtype=np.float32)
    for first in range(0, n, block):
        pivots = slice(first, min(first + block, n))
        column = np.concatenate([matrix[pivots, :first].T, matrix[first:, pivots]])  # (n, block)
        square = column[pivots].astype(np.float64)
        np.linalg.cholesky(square)
        inverse = np.linalg.inv(square)
        scaled = column @ inverse.astype(np.float32)  # (n, block)
        for start in range(0, n, block):
            rows = slice(start, min(start + block, n))
            step = update[: rows.stop - start, : rows.stop]
            np.matmul(scaled[rows], column[: rows.stop].T, out=step)
            matrix[rows, : rows.stop] -= step
        matrix[pivots, :first] = scaled[:first].T
        matrix[pivots.stop :, pivots] = scaled[pivots.stop :]
        matrix[pivots, pivots] = -inverse
