"""Inner products as distances: one coordinate more.

With M the length of the longest item x, the vector (x, sqrt(M^2 - |x|^2)) has length M, whichever
item it is. A query gets 0 there, so its inner product with an item stays as it was; and among
vectors of one length the largest inner product, the smallest angle and the smallest distance are
the same item (Bachrach and others, *Speeding up the Xbox recommender system using a Euclidean
transformation for inner-product spaces*, RecSys 2014).

Where few items are much longer than the others, M is so large that all vectors point nearly the
same way, and random splits hardly tell them apart. A smaller M, such as a quantile of the lengths,
spreads them again. Items longer than M then get 0 and are compared by direction, as if they were
of length M, which an index makes good by fetching more than it was asked for and scoring that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = 65_536  # rows whose squares are held at once


def augmented_items(vectors: NDArray[np.float32], *, quantile: float = 1.0) -> NDArray[np.float32]:
    """Return items with one coordinate more, shape `(n_items, dim + 1)`.

    Args:
        vectors: Shape `(n_items, dim)`.
        quantile: Of the lengths, which takes the place of M; at 1 all come out of one length.
    """
    n, dim = vectors.shape
    squares = _squares(vectors)
    made = np.zeros((n, dim + 1), dtype=np.float32)
    made[:, :dim] = vectors
    made[:, dim] = np.sqrt(np.maximum(np.quantile(squares, quantile) - squares, 0))
    return made


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    parts = [
        np.einsum("ij,ij->i", vectors[s : s + _ROWS], vectors[s : s + _ROWS], dtype=np.float64)
        for s in range(0, len(vectors), _ROWS)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
