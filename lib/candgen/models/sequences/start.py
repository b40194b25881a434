"""Initial item vectors from co-occurrence in histories.

Counts C of which items occur within a few places of each other, damped for items that occur often,
are factorized: v_i v_j is near C_ij / sqrt((n_i + s) (n_j + s)). From there a network has to learn
what the order adds, and not first which items are kin; with few events that is most of the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags_array

from candgen.features import EventLog
from candgen.models.sessions.counting import transitions
from candgen.seeds import derive_seed
from candgen.training import EmbeddingTable

_PLACES = 10  # how far apart items may be to be neighbours
_DAMPING = 10.0  # s: what rare items lose
_SPARE, _ROUNDS = 16, 4  # of the randomized factorization


def item_table(log: EventLog, n_items: int, settings: Any, further: int = 0) -> EmbeddingTable:
    """Draw the table of items, from chance or from neighbours, as `settings.initial_vectors` says.

    Args:
        log: The events to learn from.
        n_items: Items of the dataset.
        settings: Have `dim`, `spread`, `optimizer`, `initial_vectors` and `seed`.
        further: Rows behind those of the items, from chance.
    """
    table = EmbeddingTable(
        n_items + further,
        settings.dim,
        spread=settings.spread,
        optimizer=settings.optimizer,
        seed=derive_seed(settings.seed, "items"),
    )
    if settings.initial_vectors == "neighbours":
        seed = derive_seed(settings.seed, "neighbours")
        table.rows[:n_items] = vectors_of_neighbours(
            log, n_items, settings.dim, spread=settings.spread, seed=seed
        )
    return table


def vectors_of_neighbours(
    log: EventLog, n_items: int, dim: int, *, spread: float, seed: int
) -> NDArray[np.float32]:
    """Factorize the counts of items that occur near each other.

    Args:
        log: The events to learn from.
        n_items: Items of the dataset.
        dim: Length of a vector.
        spread: Standard deviation of what is returned, over all items that have neighbours.
        seed: Of the factorization, and of the vectors of items without neighbours.

    Returns:
        One vector an item, shape `(n_items, dim)`.
    """
    rng = np.random.default_rng(seed)
    random = (spread * rng.standard_normal((n_items, dim))).astype(np.float32)
    followed = transitions(log, _PLACES, n_items)
    beside = followed + followed.T
    counts = np.asarray(beside.sum(axis=1), dtype=np.float64).ravel()
    if not counts.any():
        return random
    damped = diags_array(((counts + _DAMPING) ** -0.5).astype(np.float32))
    beside = (damped @ beside @ damped).tocsr()
    width = min(dim + _SPARE, n_items)
    found = rng.standard_normal((n_items, width)).astype(np.float32)
    for _ in range(_ROUNDS):  # the largest eigenvectors come forward
        found = np.linalg.qr(beside @ found)[0]
    values, turned = np.linalg.eigh(found.T @ (beside @ found))
    best = np.argsort(-values, kind="stable")[: min(dim, width)]
    vectors = found @ turned[:, best] * np.sqrt(np.maximum(values[best], 0))
    there = counts > 0
    vectors = vectors[there] * (spread / max(float(vectors[there].std()), 1e-12))
    random[there, : vectors.shape[1]] = vectors
    return random
