"""Annoy: many random trees in memory-mapped files.

Its `dot` metric is broken in the released version, so inner products are asked of `angular` with
one coordinate more (see `augmenting`). Nothing can be added after the building. The same seed
gives the same trees only with the same number of jobs, so one builds them unless told otherwise.

For inner products the items can be cut by length into bands of as many items, each with trees of
its own. Bands are searched from the longest items down, and the search ends where a band's
longest item could not come among the best even if it pointed as nearly along the query as any item
found so far. A band can be dealt out in parts, which threads search side by side for one query.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from candgen import files
from candgen.checks import Count, CountOrZero, Settings
from candgen.errors import DataError, SettingError
from candgen.retrieval.indexes import folders, soundness
from candgen.retrieval.indexes.approximate import ApproximateIndex, Near
from candgen.retrieval.indexes.augmenting import augmented_items
from candgen.retrieval.indexes.reader_index import search_bands
from candgen.seeds import derive_seed

_ORDER = "order.npy"


class TreeSettings(Settings):
    """Settings of the trees: their number, and the effort of a search."""

    trees: Count = 30
    """More find more and take more room."""
    bands: Count = 1
    """Bands that the items are cut into by length, for inner products."""
    parts: Count = 1
    """Parts that a band's items are dealt out in; each has so many trees."""
    search_k: CountOrZero = 0
    """Nodes looked at for k items, in each band searched; 0: trees times what is fetched."""
    rerank: Count = 1
    """Items fetched for each one wanted, all of them scored exactly."""
    length_quantile: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of a band's lengths; longer items count as so long in the trees (see `augmenting`)."""
    jobs: Count = 1
    """Threads that build; the same number gives the same trees."""


def _library() -> Any:
    try:
        import annoy
    except ImportError:
        raise SettingError(
            "An index of kind 'annoy' needs the package annoy, which is not installed. Choose "
            "another kind, such as faiss-hnsw, or install annoy: `candgen doctor` says how."
        ) from None
    return annoy


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
    def n_parts(self) -> int:
        """Parts of each band; none is empty."""
        return min(self.settings.parts, self.n_items // self.n_bands)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the index files: the order of the items where they are cut, and their trees."""
        n_forests = self.n_bands * self.n_parts
        more = tuple(f"index-{forest}.annoy" for forest in range(2, n_forests + 1))
        return (_ORDER, self.file, *more) if more else (self.file,)

    def _build(self) -> None:
        lengths = np.linalg.norm(self.vectors, axis=1)
        self._order = np.argsort(-lengths, kind="stable").astype(np.int32)
        self._forests = []
        for forest in range(self.n_bands * self.n_parts):
            trees, items = self._empty(forest), self.vectors[self._members(forest)]
            if self.similarity == "dot":
                items = augmented_items(items, quantile=self.settings.length_quantile)
            for item, vector in enumerate(items):
                trees.add_item(item, vector)
            trees.build(self.settings.trees, n_jobs=self.settings.jobs)
            self._forests.append(trees)

    def _members(self, forest: int) -> NDArray[np.int32] | slice:
        """Return the items of a forest, the longest first; of the only one, all as they come."""
        if self.n_bands * self.n_parts == 1:
            return slice(None)
        band, part = divmod(forest, self.n_parts)
        start, end = (self.n_items * edge // self.n_bands for edge in (band, band + 1))
        return self._order[start + part : end : self.n_parts]

    def _empty(self, forest: int) -> Any:
        made = _library().AnnoyIndex(self.dim + (self.similarity == "dot"), "angular")
        purpose = f"annoy {forest}" if forest else "annoy"
        made.set_seed(derive_seed(self.seed, purpose) % 2**31)
        return made

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        import numba

        threads = numba.get_num_threads()
        side_by_side = _threads(threads).map if threads > 1 else map
        looked_at = int(self.settings.search_k * effort)
        fetched = -(-min(n * self.settings.rerank, self.n_items) // self.n_parts)
        width = fetched * len(self._forests)
        found = np.full((len(queries), width), -1, dtype=np.int64)

        def ask(rows: Iterable[int], beside: Callable[..., Iterable]) -> None:
            for row in rows:
                near = self._near_one(queries[row], n, fetched, looked_at, beside)
                found[row, : len(near)] = near

        if len(queries) < threads:
            ask(range(len(queries)), side_by_side)  # the parts of a band
        else:
            shares = [range(thread, len(queries), threads) for thread in range(threads)]
            list(side_by_side(lambda rows: ask(rows, map), shares))
        return Near(found)

    def _near_one(
        self,
        query: NDArray[np.float32],
        n: int,
        fetched: int,
        looked_at: int,
        beside: Callable[..., Iterable] = map,
    ) -> NDArray[np.int64]:
        """Search the bands for one query, until no shorter item is likely among the first `n`.

        Args:
            query: Shape `(dim,)`.
            n: Items wanted.
            fetched: Items fetched from each part of a band.
            looked_at: Nodes looked at in each band; 0: as many as annoy finds right.
            beside: Searches the parts of a band, one after the other or side by side.
        """
        asked = np.append(query, np.float32(0)) if self.similarity == "dot" else query
        nodes = -(-looked_at // self.n_parts) or -1

        def near(forest: int) -> NDArray[np.int64]:
            places = self._forests[forest].get_nns_by_vector(asked, fetched, nodes)
            if len(self._forests) == 1:
                return np.array(places, dtype=np.int64)
            return self._members(forest)[places]

        firsts = range(0, len(self._forests), self.n_parts)
        longest = [0 if len(self._forests) == 1 else self._members(first)[0] for first in firsts]
        vectors = np.asarray(self.vectors)
        return search_bands(query, n, near, longest, vectors, self.n_parts, beside)

    def _write(self, name: str, path: Path) -> None:
        if name == _ORDER:
            files.write_array(path, self._order)
        else:
            try:
                self._forests[self._forest_of(name)].save(str(path))
            except OSError as error:  # its number stands in its text alone
                number = int((re.findall(r"\((\d+)\)$", str(error)) or [errno.EIO])[0])
                raise OSError(number, os.strerror(number), str(path)) from error

    def _check_files(self, folder: Path) -> None:
        if _ORDER in self.files:
            self._open(_ORDER, folder / _ORDER)
        held = {
            name: len(self.ids[self._members(self._forest_of(name))])
            for name in self.files
            if name != _ORDER
        }
        width = self.dim + (self.similarity == "dot")
        soundness.check_apart(folder, self.kind, self.package, width, held)

    def _open(self, name: str, path: Path) -> None:
        if name == _ORDER:
            self._order = np.asarray(folders.load_array(path))
            items = np.arange(self.n_items)
            if self._order.shape != items.shape or (np.sort(self._order) != items).any():
                raise DataError(f"{path} is no order of {self.n_items:,} items. Build it again.")
            return
        forest = self._forest_of(name)
        trees = self._empty(forest)
        try:
            trees.load(str(path))
        except OSError as error:
            raise DataError(f"{path}: annoy cannot open it ({error}). Build it again.") from None
        expected = len(self.ids[self._members(forest)])
        if trees.get_n_items() != expected:
            raise DataError(
                f"{path} holds {trees.get_n_items():,} items, its sidecar asks for "
                f"{expected:,}. Build the index again."
            )
        self._forests = [*self._forests, trees] if forest else [trees]

    def _forest_of(self, name: str) -> int:
        return [file for file in self.files if file != _ORDER].index(name)


@functools.cache
def _threads(n: int) -> ThreadPoolExecutor:
    """Return threads that stay; annoy lets others run while it searches."""
    return ThreadPoolExecutor(n, thread_name_prefix="annoy")


os.register_at_fork(after_in_child=_threads.cache_clear)
