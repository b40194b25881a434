"""Exact top-k retrieval over the workers of a cluster, in blocks of queries.

The item vectors are whole in each worker; one task a block ranks them for its queries. Blocks begin
where the blocks of one process begin, so BLAS rounds every product alike, and the items and scores
are those of one process to the last bit.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.cluster import block_files
from candgen.retrieval.topk import Ranking, TopK, rows_of_products, top_k

if TYPE_CHECKING:
    from candgen.cluster.workers import Cluster


def top_k_on(
    cluster: Cluster,
    query_vectors: NDArray[np.floating],
    item_vectors: NDArray[np.floating],
    k: int,
    *,
    exclude: csr_array | None = None,
    allowed: NDArray[np.bool_] | csr_array | None = None,
    rows_per_block: int | None = None,
) -> TopK:
    """Find the `k` items with the largest inner product for each query, over a cluster.

    Arguments, result and errors are those of `candgen.retrieval.top_k`.
    """
    n_queries, n_items = len(query_vectors), len(item_vectors)
    found = Ranking(n_queries, n_items, k, exclude=exclude, allowed=allowed).found
    rows = rows_per_block or rows_of_products(n_queries, n_items)
    edges = block_files.edges(n_queries, cluster.n_workers, rows)
    everybodys = allowed if isinstance(allowed, np.ndarray) else None
    own = None if everybodys is not None else allowed
    with cluster.job("ranking") as folder:
        block_files.write(folder / "items.npz", vectors=item_vectors, allowed=everybodys)
        items = cluster.table(_read_vectors, str(folder / "items.npz"))
        offered = cluster.table(_read_allowed, str(folder / "items.npz"))
        calls = []
        for first, end in pairwise(edges):
            path = folder / f"queries-{first}.npz"
            block_files.write(
                path,
                vectors=query_vectors[first:end],
                exclude=None if exclude is None else exclude[first:end],
                allowed=None if own is None else own[first:end],
            )
            calls.append((str(path), items, offered, k, rows))
        for place, top in cluster.each(_rank, calls):
            block = slice(edges[place], edges[place + 1])
            found.items[block], found.scores[block] = top.items, top.scores
    return found


def _rank(
    path: str,
    item_vectors: NDArray[np.floating],
    allowed: NDArray[np.bool_] | None,
    k: int,
    rows: int,
) -> TopK:
    """Rank the items for the queries of one block, on a worker."""
    held = block_files.read(path)
    return top_k(
        held["vectors"],
        block_files.usable(item_vectors),
        k,
        exclude=held.get("exclude"),
        allowed=held.get("allowed", allowed),
        rows_per_block=rows,
    )


def _read_vectors(path: str) -> NDArray[np.floating]:
    return block_files.read(path)["vectors"]


def _read_allowed(path: str) -> NDArray[np.bool_] | None:
    return block_files.read(path).get("allowed")
