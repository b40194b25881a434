"""Exact search among some of the items: the filter comes before the search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.retrieval.topk import TopK, top_k_of_products

_GATHERED = 0.6  # of the items: of more, it is quicker to score all and to mask


def top_k_among(
    query_vectors: NDArray[np.float32],
    item_vectors: NDArray[np.float32],
    k: int,
    *,
    eligible: NDArray[np.bool_] | None,
    exclude: csr_array | None = None,
) -> TopK:
    """Find the `k` best of the eligible items; the time follows their number.

    Args:
        query_vectors: Finite numbers, float32, shape `(n_queries, dim)`.
        item_vectors: Finite numbers, float32, shape `(n_items, dim)`.
        k: Candidates a query.
        eligible: Mask of shape `(n_items,)`, for all queries; None lets all through.
        exclude: Items to withhold from each query, shape `(n_queries, n_items)`.

    Returns:
        Items (of the whole catalogue) and scores, of shape `(n_queries, min(k, n_items))`, as
        `top_k` with a mask gives them.
    """
    n_items = len(item_vectors)
    if eligible is None or eligible.mean() > _GATHERED:
        return top_k_of_products(query_vectors, item_vectors, k, exclude=exclude, allowed=eligible)
    chosen = np.flatnonzero(eligible).astype(np.int32)
    width = min(k, n_items)
    found = TopK(
        np.full((len(query_vectors), width), -1, dtype=np.int32),
        np.full((len(query_vectors), width), -np.inf, dtype=np.float32),
    )
    if not len(chosen):
        return found
    among = None if exclude is None else _columns(exclude, chosen)
    best = top_k_of_products(query_vectors, item_vectors[chosen], k, exclude=among)
    there = best.items.shape[1]
    found.items[:, :there] = np.where(best.items >= 0, chosen[best.items], -1)
    found.scores[:, :there] = best.scores
    return found


def _columns(matrix: csr_array, chosen: NDArray[np.int32]) -> csr_array:
    """Select columns; stored zeros stay stored, which SciPy's own selection also keeps."""
    place = np.full(matrix.shape[1], -1, dtype=np.int32)
    place[chosen] = np.arange(len(chosen), dtype=np.int32)
    moved = place[matrix.indices]
    kept = moved >= 0
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[kept]
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_array((ones, (rows, moved[kept])), shape=(matrix.shape[0], len(chosen)))
