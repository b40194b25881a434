"""Annoy: many random trees in one memory-mapped file.

Its `dot` metric is broken in the released version, so inner products are asked of `angular` with
one coordinate more (see `augmenting`). Nothing can be added after the building. The same seed
gives the same trees only with the same number of jobs, so one builds them unless told otherwise.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.checks import number, whole_number
from candgen.errors import DataError
from candgen.retrieval.indexes.approximate import ApproximateIndex, Near
from candgen.retrieval.indexes.augmenting import augmented_items
from candgen.seeds import derive_seed


@dataclass(frozen=True)
class TreeSettings:
    """How many trees, and how much of them is searched."""

    trees: int = 30
    """More find more and take more room."""
    search_k: int = 0
    """Nodes looked at for k items; 0: trees times what is fetched."""
    rerank: int = 1
    """Items fetched for each one wanted, all of them scored exactly."""
    length_quantile: float = 1.0
    """Of the items' lengths; longer ones count as so long in the trees (see `augmenting`)."""
    jobs: int = 1
    """Threads that build; the same number gives the same trees."""

    def __post_init__(self) -> None:
        whole_number("trees", self.trees, at_least=1)
        whole_number("search_k", self.search_k)
        whole_number("rerank", self.rerank, at_least=1)
        number("length_quantile", self.length_quantile, above=0, at_most=1)
        whole_number("jobs", self.jobs, at_least=1)


class AnnoyIndex(ApproximateIndex):
    """Random projection trees of annoy, with the angular metric."""

    kind = "annoy"
    package = "annoy"
    file = "index.annoy"
    Settings = TreeSettings
    at_query = ("search_k", "rerank")

    def _build(self) -> None:
        self._trees = self._empty()
        items = self.vectors
        if self.similarity == "dot":
            items = augmented_items(items, quantile=self.settings.length_quantile)
        for item, vector in enumerate(items):
            self._trees.add_item(item, vector)
        self._trees.build(self.settings.trees, n_jobs=self.settings.jobs)

    def _empty(self) -> Any:
        import annoy

        made = annoy.AnnoyIndex(self.dim + (self.similarity == "dot"), "angular")
        made.set_seed(derive_seed(self.seed, "annoy") % 2**31)
        return made

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        import numba

        if self.similarity == "dot":
            queries = np.pad(queries, ((0, 0), (0, 1)))
        looked_at = int(self.settings.search_k * effort) if self.settings.search_k else -1
        n = min(n * self.settings.rerank, self.n_items)
        found = np.full((len(queries), n), -1, dtype=np.int64)

        def ask(rows: range) -> None:
            for row in rows:
                near = self._trees.get_nns_by_vector(queries[row], n, looked_at)
                found[row, : len(near)] = near

        threads = min(numba.get_num_threads(), len(queries))
        if threads <= 1:
            ask(range(len(queries)))
            return Near(found)
        with ThreadPoolExecutor(threads) as pool:  # annoy releases the lock while it searches
            list(pool.map(ask, [range(t, len(queries), threads) for t in range(threads)]))
        return Near(found)

    def _write(self, path: Path) -> None:
        self._trees.save(str(path))

    def _open(self, path: Path) -> None:
        self._trees = self._empty()
        try:
            self._trees.load(str(path))
        except OSError as error:
            raise DataError(f"{path}: annoy cannot open it ({error}). Build it again.") from None
        if self._trees.get_n_items() != self.n_items:
            raise DataError(
                f"{path} holds {self._trees.get_n_items():,} items, its sidecar says "
                f"{self.n_items:,}. Build the index again."
            )
