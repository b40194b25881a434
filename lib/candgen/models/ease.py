"""EASE: one linear regression an item on all other items, in closed form.

H. Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019. With G = X'X + l2 I and
P its inverse, B_ij = -P_ij / P_jj off the diagonal and 0 on it; a history x scores x B.

Everything happens in place in one float32 matrix of n_items * n_items: G is counted into it,
LAPACK's Cholesky factor and then the inverse replace it, and the weights replace the inverse. Peak
memory is that matrix (40,981 items: 6.3 GiB) and little more; the work grows with n_items cubed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.models.base import Generator
from candgen.models.checks import number


class EASE(Generator):
    """Scores an item by a learned, signed weight from each item of the history.

    Attributes:
        weights_: B, float32, shape `(n_items, n_items)`.
    """

    name = "EASE"

    def __init__(self, *, l2: float = 100.0) -> None:
        """Check and keep the settings.

        Args:
            l2: Penalty on the weights, above 0; about the number of users a pair of items must
                share before it is believed.

        Raises:
            SettingError: If the penalty is out of range.
        """
        self.l2 = number("l2", l2, above=0)

    def _fit(self, dataset: Dataset) -> None:
        from scipy.linalg import lapack

        from candgen.models.ease_kernels import count_together, mirror_upper

        train, n_items = dataset.train_matrix, dataset.n_items
        _check_memory(n_items)
        weights = np.zeros((n_items, n_items), dtype=np.float32)
        by_item = train.T.tocsr()
        count_together(by_item.indptr, by_item.indices, train.indptr, train.indices, weights)
        weights[np.diag_indices(n_items)] += np.float32(self.l2)
        # The transpose is in Fortran's order, so that LAPACK works on this very memory.
        factor, failed = lapack.spotrf(weights.T, lower=1, clean=0, overwrite_a=1)
        if not failed:
            inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
        if failed:
            raise SettingError(
                f"EASE could not invert the item matrix with l2={self.l2:g}: it is too small for "
                "single precision. Try ten times as much."
            )
        weights = inverse.T
        mirror_upper(weights)
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0)
        self.weights_ = weights

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        from candgen.models.ease_kernels import sparse_times_dense

        history = self.history_matrix_[users]
        scores = np.zeros((len(users), len(self.known_items_)), dtype=np.float32)
        sparse_times_dense(history.indptr, history.indices, self.weights_, scores)
        return scores if items is None else scores[:, items]


def _check_memory(n_items: int) -> None:
    import psutil

    needed, free = 4 * n_items**2, psutil.virtual_memory().available
    if needed > free:
        raise SettingError(
            f"EASE keeps a matrix of {n_items:,} x {n_items:,} items: {needed / 2**30:.1f} GiB, "
            f"and {free / 2**30:.1f} GiB are free. Prepare the dataset with a higher minimum "
            "count of users an item, or choose ItemKNN or WALS."
        )
