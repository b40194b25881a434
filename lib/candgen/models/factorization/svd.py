"""Truncated singular value decomposition of the history matrix, missing pairs taken for zeros.

P. Cremonesi, Y. Koren, R. Turrin, "Performance of recommender algorithms on top-N recommendation
tasks", RecSys 2010, call it PureSVD. With X about U S V', item vectors are the rows of V, and a
history x has the vector x V: for trained users that is U S, and anybody else folds in the same way.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from candgen.checks import Count, CountOrZero, Settings
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.models.base import VectorGenerator
from candgen.seeds import derive_seed
from candgen.spaces import Whole


class SVDSettings(Settings):
    """Settings of TruncatedSVD."""

    dim: Annotated[Count, Whole(8, 256, log=True)] = 64
    """Singular vectors kept, fewer than there are users and items."""
    seed: CountOrZero = 0
    """Seed of the start of the iteration; it changes the last digits."""


class TruncatedSVD(VectorGenerator):
    """The best approximation of the training matrix with `dim` dimensions.

    Attributes:
        singular_values_: Largest first, shape `(dim,)`.
    """

    name = "TruncatedSVD"
    Settings = SVDSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`, orthonormal by column."""
        self._known("known_items_")
        return self._items

    def _fit(self, dataset: Dataset) -> None:
        train = dataset.train_matrix
        if self.dim >= min(train.shape):
            raise SettingError(
                f"dim must be below the number of users ({train.shape[0]:,}) and of items "
                f"({train.shape[1]:,}), got {self.dim}."
            )
        rng = np.random.default_rng(derive_seed(self.seed, "singular vectors"))
        start = rng.standard_normal(min(train.shape), dtype=np.float32)
        _, values, rows = svds(train, k=self.dim, v0=start, return_singular_vectors="vh")
        best_first = np.argsort(-values, kind="stable")
        self.singular_values_ = values[best_first]
        vectors = rows[best_first].T  # (n_items, dim)
        largest = np.abs(vectors).argmax(axis=0)
        vectors *= np.sign(vectors[largest, np.arange(self.dim)])  # the sign is free: fix it
        vectors[~self.known_items_] = 0
        self._items = np.ascontiguousarray(vectors, dtype=np.float32)

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.history_matrix_[users] @ self._items
