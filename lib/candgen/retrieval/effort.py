"""Search effort of an index, chosen to reach a target recall.

Each approximate kind has one setting of searching that buys recall with time: the nodes that
annoy looks at, the lists that are probed, the items that a graph keeps. Here it is raised until
enough is found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.retrieval.indexes.base import Index

SEARCHING = {"annoy": "search_k", "faiss-ivf": "probes", "faiss-hnsw": "ef", "faiss-pq": "probes"}
_HALVINGS = 2  # once enough is found, how often the last step is cut in two
_NO_GAIN = 0.002  # of recall by twice the effort: more of it would not help


class Reached(NamedTuple):
    """An index as it has to be searched, and what it then finds."""

    index: Index
    recall: float


def shares_found(found: NDArray[np.integer], best: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each query's share of exact search's items that were found; NaN where there are none.

    Args:
        found: Items, shape `(n_queries, k)`, padded with -1; none occurs twice in a row.
        best: Those of exact search, likewise.
    """
    n = max(found.max(initial=0), best.max(initial=0)) + 1
    rows = np.arange(len(best), dtype=np.int64)[:, None] * n
    hits = (np.isin(rows + best, (rows + found)[found >= 0]) & (best >= 0)).sum(axis=1)
    there = (best >= 0).sum(axis=1)
    return np.divide(hits, there, out=np.full(len(best), np.nan), where=there > 0)


def agreement(found: NDArray[np.integer], best: NDArray[np.integer]) -> float:
    """Mean share of exact search's items that an index finds; empty rows are left out."""
    shares = shares_found(found, best)
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else 1.0


def with_effort(index: Index, effort: int) -> Index:
    """Return the index searched with so much effort, in the unit of its kind; nothing is built."""
    name = SEARCHING.get(index.kind)
    return index.tuned(**{name: effort}) if name else index


def effort_of(index: Index, k: int) -> int:
    """Return the effort that an index is searched with for `k` items; 0 for one that is exact."""
    name = SEARCHING.get(index.kind)
    if name is None:
        return 0
    return getattr(index.settings, name) or index.settings.trees * k  # annoy's own choice


def most_effort(index: Index) -> int:
    """Return an effort beyond which nothing more is looked at; 0 for an index that is exact."""
    return {
        "annoy": lambda: index.n_items * index.settings.trees,
        "faiss-ivf": lambda: index.n_lists,
        "faiss-pq": lambda: index.n_lists,
        "faiss-hnsw": lambda: index.n_items,
    }.get(index.kind, lambda: 0)()


def reaching(
    index: Index, queries: NDArray[np.floating], best: NDArray[np.integer], target: float
) -> Reached:
    """Raise the effort until an index finds the target share of what exact search finds.

    The effort is doubled until that is so, then the last step is halved twice, in ratio.

    Args:
        index: Of any kind; one that is exact is returned as it is.
        queries: Shape `(n_queries, dim)`.
        best: What exact search finds for them, shape `(n_queries, k)`.
        target: Share to find, such as 0.95.

    Returns:
        The index with that effort; with the most that helped where the target is out of reach.
    """
    k = best.shape[1]

    def tried(effort: int) -> Reached:
        made = with_effort(index, effort)
        return Reached(made, agreement(made.query(queries, k).items, best))

    most = most_effort(index)
    low, high = 0, min(_least_effort(index, k), most)
    found = most_found = tried(high)
    helped = True
    while found.recall < target and high < most:
        low, high, before = high, min(2 * high, most), found.recall
        found = tried(high)
        most_found = max(most_found, found, key=lambda reached: reached.recall)
        gained = found.recall - before  # a loss may be chance; two in a row are not
        if found.recall < target and gained < _NO_GAIN and (gained > 0 or not helped):
            break
        helped = gained >= _NO_GAIN
    if found.recall < target or not low:
        return most_found
    for _ in range(_HALVINGS):
        middle = round((low * high) ** 0.5)
        if middle in (low, high):
            break
        between = tried(middle)
        low, high, found = (
            (low, middle, between) if between.recall >= target else (middle, high, found)
        )
    return found


def _least_effort(index: Index, k: int) -> int:
    """Return an effort below which an index would hardly come by `k` items at all."""
    if index.kind in ("faiss-ivf", "faiss-pq"):
        return -(-2 * k * index.n_lists // index.n_items)  # lists that hold twice as many
    return {"annoy": 4 * k}.get(index.kind, k)
