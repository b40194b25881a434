"""How much is found, how quickly, at which setting: indexes on trial against exact search."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.retrieval import indexes
from candgen.retrieval.pools import recall_of

SEARCHING = {"annoy": "search_k", "faiss-ivf": "probes", "faiss-hnsw": "ef", "faiss-pq": "probes"}


def tradeoff(
    item_vectors: NDArray[np.floating],
    similarity: str,
    queries: NDArray[np.floating],
    k: int,
    efforts: Mapping[str, Sequence[int]],
    *,
    exclude: csr_array | None = None,
    held_out: csr_array | None = None,
    n_single: int = 50,
    seed: int = 0,
) -> pd.DataFrame:
    """Build each kind once, search with each effort, and compare with exact search.

    Args:
        item_vectors: Shape `(n_items, dim)`.
        similarity: dot or cosine.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        efforts: Kind -> values of its setting of searching (see `SEARCHING`); exact is added.
        exclude: Items to withhold from each query.
        held_out: Held-out items of each query, for the loss in the end; none without.
        n_single: Queries that are asked one at a time, too.
        seed: Of the building.

    Returns:
        One row a setting: `kind`, `setting`, `recall` (share of exact search's first k),
        `held_out` (recall of held-out items), `batch` and `single` (queries a second), `seconds`
        to build. The first row is exact search.
    """
    exact = indexes.build("exact", item_vectors, similarity)
    best = exact.query(queries, k, exclude=exclude).items
    rows = []
    for kind, values in {"exact": [0], **efforts}.items():
        began = time.perf_counter()
        built = indexes.build(kind, item_vectors, similarity, seed=seed)
        seconds = time.perf_counter() - began
        for value in values:
            settings = {SEARCHING[kind]: value} if kind in SEARCHING else {}
            index = built.tuned(**settings)
            found = index.query(queries, k, exclude=exclude).items
            named = ", ".join(f"{name} {v}" for name, v in settings.items())
            row: dict[str, Any] = {"kind": kind, "setting": named, "recall": agreement(found, best)}
            row["held_out"] = np.nan if held_out is None else recall_of(found, held_out)
            row |= _speeds(index, queries, k, exclude, n_single)
            rows.append(row | {"seconds": seconds})
    return pd.DataFrame(rows)


def agreement(found: NDArray[np.integer], best: NDArray[np.integer]) -> float:
    """Mean share of exact search's items that an index finds; empty rows are left out."""
    shares = [
        len(np.intersect1d(f[f >= 0], b[b >= 0])) / (b >= 0).sum()
        for f, b in zip(found, best, strict=True)
        if (b >= 0).any()
    ]
    return float(np.mean(shares)) if shares else 1.0


def pareto(table: pd.DataFrame, speed: str = "batch") -> pd.DataFrame:
    """Return the settings that nothing beats: none finds as much and is quicker."""
    ordered = table.sort_values(["recall", speed], ascending=False)
    quickest = ordered[speed].astype(float).cummax().shift(fill_value=-np.inf)
    return ordered[ordered[speed] > quickest]


def recommended(table: pd.DataFrame, target: float, speed: str = "batch") -> pd.Series:
    """Return the quickest setting that finds the target share; exact search always does."""
    enough = table[table["recall"] >= target]
    return enough.loc[enough[speed].idxmax()]


def _speeds(
    index: indexes.Index, queries: NDArray, k: int, exclude: csr_array | None, n_single: int
) -> dict[str, float]:
    def alone() -> None:
        for row in range(min(n_single, len(queries))):
            seen = None if exclude is None else exclude[[row]]
            index.query(queries[row : row + 1], k, exclude=seen)

    batch = _least(lambda: index.query(queries, k, exclude=exclude))
    return {"batch": len(queries) / batch, "single": min(n_single, len(queries)) / _least(alone)}


def _least(work: Callable[[], Any], repeats: int = 2) -> float:
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best
