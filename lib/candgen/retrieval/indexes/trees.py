"""Annoy: many random trees in memory-mapped files.

Its `dot` metric is broken in the released version, so inner products are asked of `angular` with
one coordinate more (see `augmenting`). Nothing can be added after the building. The same seed
gives the same trees only with the same number of jobs, so one builds them unless told otherwise.

For inner products the items can be cut by length into bands of as many items, each with trees of
its own. Bands are searched from the longest items down, and the search ends where a band's
longest item could not come among the best even if it pointed as nearly along the query as any item
found so far.
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

_ORDER = "bands.npy"


@dataclass(frozen=True)
class TreeSettings:
    """How many trees, and how much of them is searched."""

    trees: int = 30
    """More find more and take more room."""
    bands: int = 1
    """Parts that the items are cut into by length, for inner products; each has so many trees."""
    search_k: int = 0
    """Nodes looked at for k items, of each band searched; 0: trees times what is fetched."""
    rerank: int = 1
    """Items fetched for each one wanted, all of them scored exactly."""
    length_quantile: float = 1.0
    """Of a band's lengths; longer items count as so long in the trees (see `augmenting`)."""
    jobs: int = 1
    """Threads that build; the same number gives the same trees."""

    def __post_init__(self) -> None:
        whole_number("trees", self.trees, at_least=1)
        whole_number("bands", self.bands, at_least=1)
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

    @property
    def n_bands(self) -> int:
        """Bands that there are; none is empty."""
        return min(self.settings.bands, self.n_items) if self.similarity == "dot" else 1

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the index files: the items by length where there are bands, and their trees."""
        more = tuple(f"index-{band}.annoy" for band in range(2, self.n_bands + 1))
        return (_ORDER, self.file, *more) if more else (self.file,)

    def _build(self) -> None:
        if self.n_bands > 1:
            lengths = np.linalg.norm(self.vectors, axis=1)
            self._order = np.argsort(-lengths, kind="stable").astype(np.int32)
        self._trees = []
        for band in range(self.n_bands):
            trees, items = self._empty(band), self.vectors[self._members(band)]
            if self.similarity == "dot":
                items = augmented_items(items, quantile=self.settings.length_quantile)
            for item, vector in enumerate(items):
                trees.add_item(item, vector)
            trees.build(self.settings.trees, n_jobs=self.settings.jobs)
            self._trees.append(trees)

    def _members(self, band: int) -> NDArray[np.int32] | slice:
        """Return the items of a band, the longest first; of the only one, all."""
        if self.n_bands == 1:
            return slice(None)
        start, end = (self.n_items * edge // self.n_bands for edge in (band, band + 1))
        return self._order[start:end]

    def _empty(self, band: int) -> Any:
        import annoy

        made = annoy.AnnoyIndex(self.dim + (self.similarity == "dot"), "angular")
        purpose = f"annoy {band}" if band else "annoy"
        made.set_seed(derive_seed(self.seed, purpose) % 2**31)
        return made

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        import numba

        looked_at = int(self.settings.search_k * effort) if self.settings.search_k else -1
        fetched = min(n * self.settings.rerank, self.n_items)
        found = np.full((len(queries), fetched * self.n_bands), -1, dtype=np.int64)

        def ask(rows: range) -> None:
            for row in rows:
                near = self._near_one(queries[row], n, fetched, looked_at)
                found[row, : len(near)] = near

        threads = min(numba.get_num_threads(), len(queries))
        if threads <= 1:
            ask(range(len(queries)))
            return Near(found)
        with ThreadPoolExecutor(threads) as pool:  # annoy releases the lock while it searches
            list(pool.map(ask, [range(t, len(queries), threads) for t in range(threads)]))
        return Near(found)

    def _near_one(
        self, query: NDArray[np.float32], n: int, fetched: int, looked_at: int
    ) -> NDArray[np.int64]:
        """Search the bands for one query, until no shorter item is likely among the first `n`."""
        asked = np.append(query, np.float32(0)) if self.similarity == "dot" else query
        vectors, found = np.asarray(self.vectors), np.zeros(0, dtype=np.int64)
        for band, trees in enumerate(self._trees):
            members = self._members(band)
            if band and _enough(query, vectors[found], n, vectors[members[0]]):
                break
            near = np.array(trees.get_nns_by_vector(asked, fetched, looked_at), dtype=np.int64)
            found = near if self.n_bands == 1 else np.append(found, members[near])
        return found

    def _write(self, name: str, path: Path) -> None:
        if name == _ORDER:
            with open(path, "wb") as file:
                np.save(file, self._order, allow_pickle=False)
        else:
            self._trees[self._band_of(name)].save(str(path))

    def _open(self, name: str, path: Path) -> None:
        if name == _ORDER:
            self._order = np.load(path, mmap_mode="r", allow_pickle=False)
            return
        band = self._band_of(name)
        trees = self._empty(band)
        try:
            trees.load(str(path))
        except OSError as error:
            raise DataError(f"{path}: annoy cannot open it ({error}). Build it again.") from None
        expected = self.n_items if self.n_bands == 1 else len(self._members(band))
        if trees.get_n_items() != expected:
            raise DataError(
                f"{path} holds {trees.get_n_items():,} items, its sidecar asks for "
                f"{expected:,}. Build the index again."
            )
        self._trees = [*self._trees, trees] if band else [trees]

    def _band_of(self, name: str) -> int:
        return [file for file in self.files if file != _ORDER].index(name)


def _enough(
    query: NDArray[np.float32], found: NDArray[np.float32], n: int, longest: NDArray[np.float32]
) -> bool:
    """Tell whether items as long as `longest` are unlikely among the first `n` of those found.

    They would have to point more nearly along the query than any that was found.
    """
    if len(found) < n:
        return False
    scores = found @ query
    least = np.partition(scores, len(scores) - n)[len(scores) - n]
    with np.errstate(invalid="ignore", divide="ignore"):
        steepest = np.nanmax(scores / np.sqrt(np.einsum("ij,ij->i", found, found)))
    return bool(steepest * np.linalg.norm(longest) < least)
