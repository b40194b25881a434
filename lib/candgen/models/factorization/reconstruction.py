"""Predictions of a factorization for pairs it was trained on, and for others.

A good objective keeps the two apart. One that sums over observed pairs alone has no reason to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.datasets import Dataset
from candgen.models.base import VectorGenerator


class Reconstruction(NamedTuple):
    """Predicted values of two samples of pairs."""

    observed: NDArray[np.float64]  # pairs of the training part, each wanted to be 1
    others: NDArray[np.float64]  # pairs without an event, of users and items that have some

    @property
    def loss(self) -> float:
        """Mean squared distance of observed pairs from 1."""
        return float(np.mean((1 - self.observed) ** 2))


def reconstruct(
    model: VectorGenerator, dataset: Dataset, n: int = 20_000, *, rng: np.random.Generator
) -> Reconstruction:
    """Predict at most `n` observed pairs and about as many others, drawn uniformly.

    Args:
        model: Fitted. Its products are the values, or its probabilities where it has some.
        dataset: The dataset it was fitted to.
        n: Pairs to draw of each kind.
        rng: For the draws.
    """
    train = dataset.train_matrix
    users = np.repeat(np.arange(dataset.n_users), np.diff(train.indptr))
    chosen = rng.permutation(train.nnz)[:n]
    observed = users[chosen], train.indices[chosen].astype(np.int64)
    drawn = rng.choice(np.unique(users), n), rng.choice(np.flatnonzero(model.known_items_), n)
    keys = users * dataset.n_items + train.indices
    unseen = ~np.isin(drawn[0] * dataset.n_items + drawn[1], keys)
    others = drawn[0][unseen], drawn[1][unseen]
    return Reconstruction(*(_predicted(model, *pairs) for pairs in (observed, others)))


def _predicted(
    model: VectorGenerator, users: NDArray[np.int64], items: NDArray[np.int64]
) -> NDArray[np.float64]:
    if model.gives_probabilities:
        return model.probability(users, items).astype(np.float64)
    distinct, places = np.unique(users, return_inverse=True)
    vectors = model.user_vectors(distinct)[places], model.item_vectors()[items]
    return np.einsum("nd,nd->n", *vectors, dtype=np.float64)
