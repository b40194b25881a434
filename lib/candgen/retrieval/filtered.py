"""Before the search or after it: which is quicker depends on how many items a filter leaves.

*Before*: the eligible items alone are scored, exactly; the time follows their number. *After*: the
index is asked for more than `k`, in the measure in which the filter is strict, and what is not
eligible is dropped; the time follows how much is asked for, and what the index misses is missed.
`measure` times both on this machine, `Costs.choose` picks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.checks import one_of
from candgen.retrieval.indexes.base import Index
from candgen.retrieval.topk import TopK

STRATEGIES = ("auto", "before", "after")
SHARES = (0.3, 0.03)  # of the items, at which costs are measured


@dataclass(frozen=True)
class Costs:
    """Seconds a query, fitted to measurements by `fixed + slope * size`."""

    k: int
    """Candidates a query that were asked for."""
    n_items: int
    before: tuple[float, float]
    """Fixed, and for each eligible item."""
    after: tuple[float, float]
    """Fixed, and for each item that the index is asked for."""

    def seconds(self, share: float) -> dict[str, float]:
        """Return the expected seconds a query where a share of the items is eligible."""
        fetched = min(self.k / max(share, 1 / self.n_items), self.n_items)
        sizes = {"before": share * self.n_items, "after": fetched}
        return {
            name: getattr(self, name)[0] + getattr(self, name)[1] * sizes[name] for name in sizes
        }

    def choose(self, share: float) -> str:
        """Name the quicker way, before or after; before, which is exact, where they are level."""
        expected = self.seconds(share)
        return "after" if expected["after"] < expected["before"] else "before"


def measure(
    index: Index, queries: NDArray[np.floating], k: int, *, repeats: int = 2, seed: int = 0
) -> Costs:
    """Time both ways with random filters of two shares; a second or less for most catalogues.

    Args:
        index: What will be searched.
        queries: A few, such as 64; as many at once as will be asked at once.
        k: Candidates a query.
        repeats: The best of which counts, after one that compiles.
        seed: Of the random filters.
    """
    rng = np.random.default_rng(seed)
    sizes: dict[str, list[float]] = {"before": [], "after": []}
    spent: dict[str, list[float]] = {"before": [], "after": []}
    for share in SHARES:
        eligible = rng.random(index.n_items) < share
        eligible[rng.integers(index.n_items)] = True
        sizes["before"].append(float(eligible.sum()))
        sizes["after"].append(min(k / eligible.mean(), index.n_items))
        for how in spent:
            spent[how].append(_best_seconds(index, queries, k, eligible, how, repeats))
    lines = {how: _line(sizes[how], spent[how]) for how in spent}
    return Costs(k, index.n_items, **lines)


def search(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    *,
    eligible: NDArray[np.bool_],
    exclude: csr_array | None = None,
    how: str = "auto",
    costs: Costs | None = None,
) -> TopK:
    """Find the best `k` eligible items for each query, never fewer while so many are eligible.

    Args:
        index: What is searched.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        eligible: Mask of shape `(n_items,)`.
        exclude: Items to withhold from each query.
        how: "before", "after", or "auto", which takes the quicker by the costs.
        costs: Of this index, from `measure`; measured now when "auto" has none.
    """
    if one_of("how", how, STRATEGIES) == "auto":
        costs = costs or measure(index, queries[:64], k)
        how = costs.choose(float(np.mean(eligible)))
    ask = index.query_exactly if how == "before" else index.query
    return ask(queries, k, exclude=exclude, allowed=eligible)


def _best_seconds(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    eligible: NDArray[np.bool_],
    how: str,
    repeats: int,
) -> float:
    search(index, queries[:2], k, eligible=eligible, how=how)
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        search(index, queries, k, eligible=eligible, how=how)
        best = min(best, time.perf_counter() - began)
    return best / len(queries)


def _line(sizes: list[float], seconds: list[float]) -> tuple[float, float]:
    """Lay a line through two points; neither its start nor its slope is below 0."""
    run = sizes[1] - sizes[0]
    slope = max((seconds[1] - seconds[0]) / run, 0.0) if run else 0.0
    return max(min(seconds) - slope * min(sizes), 0.0), slope
