"""Exact top-k retrieval.

Every stage ends here: scores, or the products of vectors, become ranked candidates. The search is
exhaustive, so its answers are the ground truth when an approximate index is put on trial.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.models.threads import one_blas_thread

NO_ITEM = -1
_SCORES_BYTES = 16 * 2**20  # whole rows of scores that are held at once
_PARTS, _FEWEST_ROWS = 8, 64  # of few queries, each read the whole catalogue
_FEWEST_COLUMNS, _MOST_COLUMNS = 1_024, 8_192  # items of a block of products
_BLOCK_BYTES = 2 * 2**20  # products held at once by each thread: they stay in its cache


class TopK(NamedTuple):
    """Ranked candidates, best first, one row a query.

    Rows with fewer than `k` eligible items are padded at the end with `NO_ITEM` and a score
    of -inf.
    """

    items: NDArray[np.int32]  # (n_queries, k)
    scores: NDArray[np.float32]  # (n_queries, k)


def top_k(
    query_vectors: NDArray[np.floating],
    item_vectors: NDArray[np.floating],
    k: int,
    *,
    exclude: csr_array | None = None,
    allowed: NDArray[np.bool_] | csr_array | None = None,
    rows_per_block: int | None = None,
) -> TopK:
    """Find the `k` items with the largest inner product for each query.

    Items that score the same go by their index. Memory stays near one block of scores, whatever
    the number of queries. The same call gives the same items and scores on any number of threads.
    BLAS may round a product differently in a block of another size: with other queries beside it,
    or another `rows_per_block`, a query's scores can differ in their last digit. Only then can
    items whose scores tie up to rounding (two with the same vector, say) change places.

    Args:
        query_vectors: Shape `(n_queries, dim)`, or `(n_queries, vectors, dim)` where a query has
            several vectors: then each is searched, and an item's best score counts.
        item_vectors: Shape `(n_items, dim)`.
        k: Candidates a query, capped at `n_items`.
        exclude: Items to withhold from each query, shape `(n_queries, n_items)`; any stored
            entry counts. Usually the history of the queried users.
        allowed: Items that may be offered: a mask of shape `(n_items,)` for everybody, or stored
            entries of shape `(n_queries, n_items)`, a candidate list for each query.
        rows_per_block: Queries that a thread scores at once; by default an eighth of them, but
            64 at least, and no more than fit 2 MiB.

    Returns:
        Items and scores, each of shape `(n_queries, min(k, n_items))`.

    Raises:
        ValueError: If `k` is not positive, the shapes disagree, or a vector is not finite.
    """
    masks = {"exclude": exclude, "allowed": allowed}
    if np.ndim(query_vectors) == 3:
        return search_each(
            query_vectors,
            k,
            lambda one: top_k(one, item_vectors, k, **masks, rows_per_block=rows_per_block),
        )
    queries = np.ascontiguousarray(query_vectors, dtype=np.float32)
    items = np.ascontiguousarray(item_vectors, dtype=np.float32)
    if queries.ndim != 2 or items.ndim != 2 or queries.shape[1] != items.shape[1]:
        raise ValueError(
            f"Queries and items must live in the same space: query_vectors has shape "
            f"{queries.shape}, item_vectors has shape {items.shape}. "
            "Were both made with the same `dim`?"
        )
    for name, vectors in (("query_vectors", queries), ("item_vectors", items)):
        if not np.isfinite(vectors).all():
            raise ValueError(f"{name} holds NaN or infinite numbers; did training diverge?")
    return top_k_of_products(queries, items, k, **masks, rows_per_block=rows_per_block)


def search_each(
    query_vectors: NDArray[np.floating], k: int, search: Callable[[NDArray[np.floating]], TopK]
) -> TopK:
    """Make one search for each vector of a query, and merge what they find.

    An item's score is its best one. The first `k` by that score are among the first `k` of the
    search that gave it, so if searches are exact, so is the merged answer.

    Args:
        query_vectors: Shape `(n_queries, vectors, dim)`, one vector at least.
        k: Candidates a query.
        search: Takes vectors of shape `(n_queries, dim)`; returns their candidates.

    Returns:
        Items and scores, each of the shape that one search returns.

    Raises:
        ValueError: If queries have no vector.
    """
    if not query_vectors.shape[1]:
        raise ValueError(
            f"At least one vector a query expected, got the shape {query_vectors.shape}."
        )
    found = search(query_vectors[:, 0])
    for place in range(1, query_vectors.shape[1]):
        found = _merged(found, search(query_vectors[:, place]))
    return found


def _merged(one: TopK, other: TopK) -> TopK:
    """Keep the best of two answers to the same queries, each item once."""
    n_kept = one.items.shape[1]
    items, scores = np.hstack([one.items, other.items]), np.hstack([one.scores, other.scores])
    order = np.lexsort((-scores, items), axis=1)  # an item's better score comes first
    items, scores = (np.take_along_axis(held, order, axis=1) for held in (items, scores))
    again = np.zeros(items.shape, dtype=bool)
    again[:, 1:] = items[:, 1:] == items[:, :-1]
    items[again], scores[again] = NO_ITEM, -np.inf
    order = np.lexsort((items, -scores), axis=1)[:, :n_kept]  # ties by the smaller index
    return TopK(*(np.take_along_axis(held, order, axis=1) for held in (items, scores)))


def top_k_of_products(
    queries: NDArray[np.float32],
    items: NDArray[np.float32],
    k: int,
    *,
    exclude: csr_array | None = None,
    allowed: NDArray[np.bool_] | csr_array | None = None,
    rows_per_block: int | None = None,
) -> TopK:
    """Find the `k` largest inner products; `top_k` for vectors that were looked at before.

    For one query among many items, to see whether all numbers are finite takes longer than the
    search.

    Args:
        queries: Finite numbers, shape `(n_queries, dim)`.
        items: Finite numbers, shape `(n_items, dim)`.
        k: Candidates a query, capped at `n_items`.
        exclude: See `top_k`.
        allowed: See `top_k`.
        rows_per_block: See `top_k`.

    Raises:
        ValueError: If `k` is not positive, or a mask has another shape.
    """
    queries, items = np.ascontiguousarray(queries), np.ascontiguousarray(items)
    ranking = Ranking(len(queries), len(items), k, exclude=exclude, allowed=allowed)
    ranking.take_products(queries, items, rows_per_block)
    return ranking.found


def default_rows(n_items: int) -> int:
    """Return how many whole rows of scores are held at once, 1 at least."""
    return _SCORES_BYTES // (4 * max(n_items, 1)) or 1


class Ranking:
    """Collects the best items of all queries while their scores arrive in blocks."""

    def __init__(
        self,
        n_queries: int,
        n_items: int,
        k: int,
        *,
        exclude: csr_array | None = None,
        allowed: NDArray[np.bool_] | csr_array | None = None,
    ) -> None:
        """Check the masks; see `top_k` for their meaning."""
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}.")
        k = min(k, n_items)
        self.found = TopK(
            np.full((n_queries, k), NO_ITEM, dtype=np.int32),
            np.full((n_queries, k), -np.inf, dtype=np.float32),
        )
        shape = (n_queries, n_items)
        forbidden, listed = np.zeros(0, dtype=np.int32), None
        if isinstance(allowed, np.ndarray):
            if allowed.shape != (n_items,) or allowed.dtype != bool:
                raise ValueError(
                    f"An array for allowed must be a mask of shape ({n_items},), "
                    f"got {allowed.dtype} of shape {allowed.shape}."
                )
            forbidden = np.flatnonzero(~allowed).astype(np.int32)
        else:
            listed = allowed
        self.masks = Masks(
            *_entries("exclude", exclude, shape),
            forbidden,
            listed is not None,
            *_entries("allowed", listed, shape),
        )

    def take(self, start: int, scores: NDArray[np.float32]) -> None:
        """Rank a block of scores that belongs to the queries from `start` on; overwrites it."""
        from candgen.retrieval.topk_kernels import select

        rows = slice(start, start + len(scores))
        items, best = self.found.items[rows], self.found.scores[rows]
        select(scores, self.masks.of_rows(rows), items, best)

    def take_products(
        self, queries: NDArray[np.float32], items: NDArray[np.float32], rows: int | None = None
    ) -> None:
        """Score and rank all queries by inner product, in blocks of so many queries a thread."""
        import numba

        from candgen.retrieval.topk_kernels import select_products

        n_threads = numba.get_num_threads()
        rows = rows or rows_of_products(len(queries), len(items))
        columns = _columns(rows, len(items))
        scratch = np.empty((n_threads, max(1, min(rows, len(queries))), columns), dtype=np.float32)
        with one_blas_thread():
            select_products(queries, items, self.masks, scratch, *self.found)


def rows_of_products(n_queries: int, n_items: int) -> int:
    """Return how many queries a thread scores at once by default, of so many in all."""
    most = _BLOCK_BYTES // (4 * max(1, min(_FEWEST_COLUMNS, n_items)))
    return max(1, min(most, _rows_of_a_part(n_queries)))


def _columns(rows: int, n_items: int) -> int:
    """Return how many items a block has: the fewer queries, the more of them."""
    fit = max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, _BLOCK_BYTES // (4 * rows)))
    return max(1, min(fit, n_items))


def _rows_of_a_part(n_queries: int) -> int:
    """Share queries out for several threads, without a look at how many threads there are.

    BLAS rounds a product by its place in a block, so blocks that followed the threads would change
    the last digits of scores, and with them the order of near ties.
    """
    return -(-max(_FEWEST_ROWS, -(-n_queries // _PARTS)) // _FEWEST_ROWS) * _FEWEST_ROWS


class Masks(NamedTuple):
    """Excluded items, in the form that the compiled selection takes."""

    starts: NDArray[np.int64]  # (n_queries + 1,), where the withheld items of each query begin
    withheld: NDArray[np.int32]
    forbidden: NDArray[np.int32]  # items withheld from everybody
    is_listed: bool  # whether each query has a candidate list
    listed_starts: NDArray[np.int64]  # (n_queries + 1,)
    listed: NDArray[np.int32]

    def of_rows(self, rows: slice) -> Masks:
        """Return the masks of consecutive queries."""
        edges = slice(rows.start, rows.stop + 1)
        return self._replace(starts=self.starts[edges], listed_starts=self.listed_starts[edges])


def _entries(
    name: str, matrix: csr_array | None, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return row starts and column indices, ascending and without repeats, of stored entries."""
    if matrix is None:
        return np.zeros(shape[0] + 1, dtype=np.int64), np.zeros(0, dtype=np.int32)
    if matrix.shape != shape:
        raise ValueError(
            f"{name} must have shape (n_queries, n_items) = {shape}, got {matrix.shape}. "
            "Select the rows of the queried users first."
        )
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
