"""Graph filters: nothing is trained, a history is smoothed over the graph of users and items.

With R the matrix of training events, D_U and D_I the diagonal matrices of its row and column sums,

    R~ = D_U^-1/2 R D_I^-1/2,    P = R~' R~,    L = D_I^-1/2 V V' D_I^1/2,

where V holds the `dim` first right singular vectors of R~: P is a filter that keeps a frequency the
more the lower it is, and L an ideal low-pass that keeps only the lowest. Histories x score

    GF-CF    s(0) = x (P + low_pass L)
    BSPM     s(T), where ds/dt = -s P from s(0) on, and T is `sharpening`

Y. Shen, Y. Wu, Y. Zhang, C. Shan, J. Zhang, K. B. Letaief, D. Li, "How powerful is graph
convolution for recommendation?", CIKM 2021, call the first GF-CF. J. Choi, S. Hong, N. Park, S.
Cho, "Blurring-sharpening process models for collaborative filtering", SIGIR 2023, read x P as one
Euler step of the heat equation, which blurs, and solve the sharpening equation by steps of the
Runge-Kutta method of fourth order; this is their variant that sharpens the low-pass, too.

P, of items by items, is never formed. A product with it is two products with R~, for blocks of
users whose scores fit the caches; fitting is the decomposition alone.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.utils.extmath import randomized_svd

from candgen.checks import Count, CountOrZero, NotNegative, Settings
from candgen.datasets import Dataset
from candgen.models.base import Generator
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole

_ITERATIONS = 6  # of the power method
_SPARE = 32  # singular vectors that are computed and thrown away


class GFCFSettings(Settings):
    """Settings of GF-CF."""

    dim: Annotated[Count, Whole(16, 512, log=True)] = 256
    """Singular vectors of the ideal low-pass; as many as the matrix has, where that is less."""
    low_pass: Annotated[NotNegative, Real(0.0, 1.0)] = 0.3
    """Weight of the ideal low-pass, against 1 of the linear filter; 0: none is computed."""
    seed: CountOrZero = 0
    """Seed of the start of the decomposition; it changes the last digits."""


class BSPMSettings(GFCFSettings):
    """Settings of BSPM."""

    sharpening: Annotated[NotNegative, Real(0.0, 4.0)] = 1.5
    """Time for which scores are sharpened; 0: not at all, which is GF-CF."""
    steps: Count = 1
    """Runge-Kutta steps in that time."""


class GFCF(Generator):
    """Scores a history by a linear filter over the graph, plus an ideal low-pass.

    Attributes:
        normalized_: R~ by item, shape `(n_items, n_users)`.
        low_frequencies_: V, shape `(n_items, dim)`; no columns if `low_pass` is 0.
    """

    name = "GF-CF"
    Settings = GFCFSettings

    def _fit(self, dataset: Dataset) -> None:
        train = dataset.train_matrix
        by_user = diags_array(_power(np.diff(train.indptr), -0.5))
        by_item = diags_array(_power(self.item_counts_, -0.5))
        normalized = (by_user @ train @ by_item).astype(np.float32).tocsr()
        self._by_user, self.normalized_ = normalized, normalized.T.tocsr()
        self.low_frequencies_ = self._decomposed(normalized)
        self._into = self.low_frequencies_ * _power(self.item_counts_, -0.5)[:, None]
        back = self.low_frequencies_ * _power(self.item_counts_, 0.5)[:, None]
        self._back = np.float32(self.low_pass) * back  # (n_items, dim)

    def _decomposed(self, normalized: csr_array) -> NDArray[np.float32]:
        if not self.low_pass or not normalized.nnz:
            return np.zeros((normalized.shape[1], 0), dtype=np.float32)
        rows = randomized_svd(
            normalized,
            min(self.dim, *normalized.shape),
            n_oversamples=_SPARE,
            n_iter=_ITERATIONS,
            random_state=derive_seed(self.seed, "graph filter") % 2**32,
        )[2]
        return np.ascontiguousarray(rows.T, dtype=np.float32)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        sketches = 4 * min(self.dim + _SPARE, n_users, n_items) * (n_users + 2 * n_items)
        return 24 * n_events + sketches + 3 * 4 * self.dim * n_items

    def _learned_numbers(self) -> dict[str, NDArray]:
        return {"low frequencies of items": self.low_frequencies_}

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        from candgen.models.graph_filters.kernels import WIDTH, product

        history = self.history_matrix_[users]
        lowest = history @ self._into  # (n, dim)
        scores = np.empty((len(users), len(self.known_items_)), dtype=np.float32)
        for start in range(0, len(users), WIDTH):
            block = slice(start, start + WIDTH)
            n = len(users[block])
            near = np.zeros((self.normalized_.shape[1], WIDTH), dtype=np.float32)
            near[:, :n] = (history[block] @ self.normalized_).toarray().T  # (n_users, WIDTH)
            some = product(self.normalized_, near)  # (n_items, WIDTH)
            some[:, :n] += self._back @ lowest[block].T
            scores[block] = self._sharpened(some)[:, :n].T
        return scores if items is None else scores[:, items]

    def _sharpened(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores of some users, shape `(n_items, WIDTH)`, sharpened; here as given."""
        return scores


class BSPM(GFCF):
    """Blurs a history over the graph as GF-CF does, then sharpens it against the flow of heat.

    Attributes:
        normalized_: R~ by item, shape `(n_items, n_users)`.
        low_frequencies_: V, shape `(n_items, dim)`; no columns if `low_pass` is 0.
    """

    name = "BSPM"
    Settings = BSPMSettings

    def _sharpened(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        from candgen.models.graph_filters.kernels import product

        if not self.sharpening:
            return scores
        time = np.float32(self.sharpening / self.steps)
        for _ in range(self.steps):
            # For ds/dt = -P s, a step is the Taylor polynomial of the fourth degree, by Horner.
            slope = scores
            for order in (4, 3, 2, 1):
                blurred = product(self.normalized_, product(self._by_user, slope))
                slope = scores - (time / np.float32(order)) * blurred
            scores = slope
        return scores


def _power(counts: NDArray[np.int64], exponent: float) -> NDArray[np.float32]:
    """Raise counts to a power; 0 stays 0."""
    counts = counts.astype(np.float64)
    powers = np.zeros_like(counts)
    np.power(counts, exponent, out=powers, where=counts > 0)
    return powers.astype(np.float32)
