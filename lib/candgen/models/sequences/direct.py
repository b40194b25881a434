"""A direct path from the newest items to the score, counted, beside what a network has learned.

A network of a few hundred histories learns tastes well and pairs of items badly; counts of what
followed what know the pairs and nothing else. Here they are added up, as long-term taste and local
transitions are in

    score(u, j) = state_u v_j + w * sum_b g_b (p_i(b) q_j),    g_b = fading^b / sum fading^b,

where i(b) is the user's b-th newest item and p, q factorize the logarithm of how much more often
than by chance j came within a few places after i: p_i q_j is near
log(1 + n C_ij / ((n_i + s) (m_j + s))), C counted as by a Markov chain, n_i and m_j its sums. Both
parts are products of vectors, so their sum is one, too, of vectors put one behind the other.

Counted, the path is added once the network is trained: in training it would know each answer,
which is among its counts, and leave the network nothing to learn.

S. Rendle, C. Freudenthaler, L. Schmidt-Thieme, "Factorizing personalized Markov chains for
next-basket recommendation", WWW 2010. R. He and J. McAuley, "Fusing similarity models with Markov
chains for sparse sequential recommendation", ICDM 2016 (Fossil: several of the newest items, not
one). Both learn p and q; that they can be had by factorizing such a logarithm is from O. Levy and
Y. Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS 2014. Their shifted
logarithm is cut at 0; log(1 + x) is smooth, and also never negative, so it stays sparse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.features import EventLog
from candgen.models.sequences.windows import last_events
from candgen.models.sessions.counting import transitions

_PLACES = 10  # how much later an item still counts as having followed, as 1 / places
_DAMPING = 10.0  # s: what rare items lose
_SPARE, _ROUNDS = 16, 4  # of the randomized factorization


class DirectPath(NamedTuple):
    """Two vectors an item: what it says of the items to come, and how it answers."""

    sources: NDArray[np.float32]
    """p, shape `(n_items, dim)`; zeros for items that nothing followed."""
    targets: NDArray[np.float32]
    """q, shape `(n_items, dim)`; zeros for items that followed nothing."""

    @classmethod
    def counted(cls, log: EventLog, n_items: int, dim: int, *, seed: int) -> DirectPath:
        """Count what followed what, and factorize.

        Args:
            log: The events to learn from.
            n_items: Items of the dataset.
            dim: Length of the vectors; what exceeds the number of items is filled up with zeros.
            seed: Of the randomized factorization.
        """
        lift = _log_of_lift(transitions(log, _PLACES, n_items))
        left, right = _factorized(lift, dim, np.random.default_rng(seed))
        fill = [(0, 0), (0, dim - left.shape[1])]
        return cls(np.pad(left, fill), np.pad(right, fill))

    def states(
        self, users: NDArray[np.int64], log: EventLog, *, length: int, fading: float
    ) -> NDArray[np.float32]:
        """Return the weighted mean of p over each user's newest items, shape `(n, dim)`.

        Args:
            users: Dense ids.
            log: Their histories; who has none gets zeros.
            length: Newest items that are read.
            fading: The item one place further back has this share of the say.
        """
        items, counts = last_events(log, users, length)
        back = counts[:, None] - 1 - np.arange(items.shape[1])  # 0: the newest
        say = np.where(items >= 0, np.power(fading, np.maximum(back, 0)), 0)
        say /= np.maximum(say.sum(axis=1, keepdims=True), 1e-12)
        row, place = np.nonzero(say)
        cells = (say[row, place].astype(np.float32), (row, items[row, place]))
        return csr_array(cells, shape=(len(users), len(self.sources))) @ self.sources


def _log_of_lift(counts: csr_array) -> csr_array:
    """Return log(1 + how many times as often as by chance) where something was counted."""
    counts = counts.tocoo()
    row, column = counts.coords
    before, after = (np.asarray(counts.sum(axis=a), dtype=np.float64).ravel() for a in (1, 0))
    usual = (before[row] + _DAMPING) * (after[column] + _DAMPING)
    lift = np.log1p(counts.data * before.sum() / usual).astype(np.float32)
    return csr_array((lift, (row, column)), shape=counts.shape)


def _factorized(
    matrix: csr_array, dim: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the best `left @ right.T` of at most `dim` columns, nearly."""
    width = min(dim + _SPARE, matrix.shape[0])
    right = rng.standard_normal((matrix.shape[1], width)).astype(np.float32)
    for _ in range(_ROUNDS):  # the largest singular vectors come forward
        left = np.linalg.qr(matrix @ right)[0]
        right = np.linalg.qr(matrix.T @ left)[0]
    left, values, turned = np.linalg.svd(matrix @ right, full_matrices=False)
    size = np.sqrt(values[:dim])
    return left[:, :dim] * size, right @ turned[:dim].T * size
