"""Sparse item-to-item generators: regressions and random walks that keep a few items of each.

Let X be the matrix of training events. Each generator fills a sparse matrix W, and a history x
scores x W.

SLIM (X. Ning, G. Karypis, "SLIM: Sparse linear methods for top-N recommender systems", ICDM 2011)
regresses each item on others, with weights that are not negative and an elastic net:

    w_j = argmin |x_j - X w|^2 / 2 + l2 |w|^2 / 2 + l1 |w|_1,    w >= 0, w_jj = 0

Only the nearest items by cosine may have a weight, as the authors suggest for large catalogues, so
that the cost follows the number of items and not its square.

SparseEASE is EASE on such neighbourhoods: the same ridge regression, whose weights may be negative,
solved for each item over its nearest items instead of all. SANSA (M. Spisak et al., "Scalable
approximate nonsymmetric autoencoder for collaborative filtering", RecSys 2023) has the same aim,
the weights of EASE without its dense inverse, and inverts a sparse factorization instead; here the
pattern is chosen first, column by column, as in sparse approximate inverses (M. Grote, T. Huckle,
"Parallel preconditioning with sparse approximate inverses", SIAM J. Sci. Comput. 1997).

RP3beta (B. Paudel, F. Christoffel, C. Newell, A. Bernstein, "Updatable, accurate, diverse, and
scalable recommendations for interactive applications", ACM TiiS 2017) counts random walks of three
steps from a user: item i, user u, item j. With d the degrees,

    W_ij = sum over u of (1 / d_i)^alpha (1 / d_u)^alpha / d_j^beta
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.checks import Count, NotNegative, Settings
from candgen.datasets import Dataset
from candgen.models.base import Generator
from candgen.models.items.neighbours import product
from candgen.spaces import Real, Whole

_SWEEPS = 100
_TOLERANCE = 1e-4  # of weights, which are below 1 by and large


class SLIMSettings(Settings):
    """Settings of SLIM."""

    neighbours: Annotated[Count, Whole(20, 500, log=True)] = 200
    """Nearest items that may have a weight; so many for each item, by cosine."""
    l1: Annotated[NotNegative, Real(0.0, 5.0)] = 0.1
    """Penalty on absolute weights; the larger, the fewer weights are not 0."""
    l2: Annotated[NotNegative, Real(0.1, 500.0, log=True)] = 50.0
    """Penalty on squared weights."""


class SparseEASESettings(Settings):
    """Settings of SparseEASE."""

    neighbours: Annotated[Count, Whole(20, 500, log=True)] = 200
    """Nearest items that may have a weight; so many for each item, by cosine."""
    regularization: Annotated[NotNegative, Real(10.0, 5000.0, log=True)] = 100.0
    """Penalty on the squared weights; about the number of users that two items must share before
    their weight is believed."""


class RP3betaSettings(Settings):
    """Settings of RP3beta."""

    neighbours: Annotated[Count, Whole(20, 500, log=True)] = 200
    """Nearest items that may have a weight; so many for each item, those that walks reach most."""
    alpha: Annotated[NotNegative, Real(0.0, 2.0)] = 0.5
    """Power of the probability of a step."""
    beta: Annotated[NotNegative, Real(0.0, 1.0)] = 0.4
    """Power of an item's degree that its score is divided by; more favours rare items."""


class SparseItems(Generator):
    """Base class of generators that score a history by sparse weights from item to item.

    Attributes:
        weights_: W, shape `(n_items, n_items)`, from items of a history to items scored.
    """

    def _kept(self, train: csr_array) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return empty places for the items kept of each item, and for their values."""
        n_items = train.shape[1]
        shape = (n_items, min(self.neighbours, n_items))
        return np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return 40 * n_items * min(self.neighbours, n_items)

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        scores = product(self.history_matrix_[users], self.weights_)
        return scores if items is None else scores[:, items]


class _Regression(SparseItems):
    """Base class of the regressions of each item on its nearest items."""

    def _regress(self, train: csr_array, l1: float, l2: float, signed: bool) -> None:
        import numba

        from candgen.models.items.regression_kernels import regress_on_nearest

        found, weights = self._kept(train)
        settings = (float(l1), float(l2), signed, _SWEEPS, _TOLERANCE, numba.get_num_threads())
        regress_on_nearest(*entries(train), *settings, found, weights)
        self.weights_ = _by_row(found, weights).T.tocsr()


class SLIM(_Regression):
    """Scores an item by weights, none negative, from the items of the history.

    Attributes:
        weights_: W, shape `(n_items, n_items)`, from items of a history to items scored.
    """

    name = "SLIM"
    Settings = SLIMSettings

    def _fit(self, dataset: Dataset) -> None:
        self._regress(dataset.train_matrix, self.l1, self.l2, signed=False)


class SparseEASE(_Regression):
    """Scores an item as EASE does, by signed weights from its nearest items alone.

    Attributes:
        weights_: W, shape `(n_items, n_items)`, from items of a history to items scored.
    """

    name = "SparseEASE"
    Settings = SparseEASESettings

    def _fit(self, dataset: Dataset) -> None:
        self._regress(dataset.train_matrix, 0.0, self.regularization, signed=True)


class RP3beta(SparseItems):
    """Scores an item by random walks from the items of the history, over one user each.

    Attributes:
        weights_: W, shape `(n_items, n_items)`, from items of a history to items scored.
    """

    name = "RP3beta"
    Settings = RP3betaSettings

    def _fit(self, dataset: Dataset) -> None:
        import numba

        from candgen.models.items.regression_kernels import strongest_walks

        train = dataset.train_matrix
        of_users = np.maximum(np.diff(train.indptr), 1) ** -float(self.alpha)
        of_items = np.maximum(self.item_counts_, 1) ** -float(self.beta)
        found, strengths = self._kept(train)
        threads = numba.get_num_threads()
        strongest_walks(*entries(train), of_users, of_items, threads, found, strengths)
        start = (np.maximum(self.item_counts_, 1) ** -float(self.alpha)).astype(np.float32)
        self.weights_ = _by_row(found, strengths * start[:, None])


def entries(train: csr_array) -> tuple[NDArray, ...]:
    """Return where each item's users begin, these users, and the same by user."""
    by_item = train.T.tocsr()
    found = (by_item.indptr, by_item.indices, train.indptr, train.indices)
    kinds = (np.int64, np.int32, np.int64, np.int32)
    return tuple(one.astype(kind, copy=False) for one, kind in zip(found, kinds, strict=True))


def _by_row(found: NDArray[np.int32], values: NDArray[np.float32]) -> csr_array:
    """Return the values of the items found for each row that are not 0 as a sparse matrix."""
    n_rows = len(found)
    kept = (found >= 0) & (values != 0)
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return csr_array((values[kept], found[kept], starts), shape=(n_rows, n_rows))
