"""Inverted lists of faiss, of whole and of compressed vectors.

Items are sorted by direction, into the lists of the centres they point to, and where inner products
are compared each of these is cut by length into bands. A band's centre is the mean of its vectors,
so that a query's inner product with it says what to expect inside: of the directions near the
query, the bands of long items are searched first, and those of short ones seldom.

- Jegou and others, *Product quantization for nearest neighbor search*, PAMI 2011.
- Bands by length follow the idea of Yan and others, *Norm-ranging LSH for maximum inner product
  search*, NeurIPS 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Count, CountOrZero, Settings
from candgen.models.base import unit_rows
from candgen.retrieval.indexes.approximate import Near
from candgen.retrieval.indexes.faiss_base import FaissIndex, as_many_threads, widened
from candgen.seeds import derive_seed

_TAUGHT_BY = 64  # items a direction that its centre is learned from, at most
_CODES_TAUGHT_BY = 65_536  # items that compression is learned from, about
_ROUNDS = 10  # of k-means


class ListSettings(Settings):
    """Into how many lists items are sorted, and how many of them are searched."""

    lists: CountOrZero = 0
    """Directions and bands together, about; 0: four times the square root of the number of items,
    eight items a list at least."""
    bands: Count = 3
    """Lists that the items of one direction are cut into by length, for inner products."""
    probes: Count = 16
    """Lists searched for k items."""


class ListsIndex(FaissIndex):
    """Items sorted into lists by direction and length; the most promising lists are searched."""

    kind = "faiss-ivf"
    Settings = ListSettings
    at_query = ("probes",)

    @property
    def n_lists(self) -> int:
        """Lists that there are; none is empty."""
        return self._faiss.nlist

    def _build(self) -> None:
        import faiss

        items = widened(self.vectors)
        with as_many_threads():
            chosen, centres = self._sorted(items)
            self._centres = faiss.IndexFlatIP(items.shape[1])
            self._centres.add(centres)
            self._faiss = self._made(items, chosen)
            ids = np.arange(len(items), dtype=np.int64)
            self._faiss.add_core(len(items), *map(faiss.swig_ptr, (items, ids, chosen)))

    def _made(self, items: NDArray[np.float32], chosen: NDArray[np.int64]) -> Any:
        """Return an index of faiss without items, ready to take them."""
        import faiss

        width, n_lists = items.shape[1], self._centres.ntotal
        made = faiss.IndexIVFFlat(self._centres, width, n_lists, faiss.METRIC_INNER_PRODUCT)
        made.is_trained = True
        return made

    def _sorted(self, items: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the list of each item and the centres of the lists."""
        import faiss

        bands = self.settings.bands if self.similarity == "dot" else 1
        automatic = min(int(4 * self.n_items**0.5), self.n_items // 8)
        n_directions = min(max(1, (self.settings.lists or automatic) // bands), self.n_items)
        directions = unit_rows(items)
        means = faiss.Kmeans(
            items.shape[1], n_directions, niter=_ROUNDS, spherical=True,
            seed=derive_seed(self.seed, "lists") % 2**31,
            min_points_per_centroid=1,  # a small catalogue is no reason to complain
            max_points_per_centroid=_TAUGHT_BY,
        )  # fmt: skip
        means.train(directions)
        near = means.assign(directions)[1].astype(np.int64)
        banded = near * bands + band_of(near, np.linalg.norm(items, axis=1), bands)
        _, chosen = np.unique(banded, return_inverse=True)
        chosen = chosen.astype(np.int64)
        order, counts = np.argsort(chosen, kind="stable"), np.bincount(chosen)
        starts = np.cumsum(counts) - counts
        centres = np.add.reduceat(items[order], starts, axis=0, dtype=np.float32)
        return chosen, centres / counts[:, None].astype(np.float32)

    def _parameters(self, n: int, effort: float) -> Any:
        import faiss

        probes = min(self.n_lists, int(np.ceil(self.settings.probes * effort)))
        return faiss.SearchParametersIVF(nprobe=probes)


def band_of(
    groups: NDArray[np.int64], lengths: NDArray[np.floating], bands: int
) -> NDArray[np.int64]:
    """Cut each group into bands of as many members, by length; return each member's band."""
    order = np.lexsort((lengths, groups))
    counts = np.bincount(groups)
    place = np.empty(len(groups), dtype=np.int64)
    place[order] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place * bands // counts[groups]


class CompressedSettings(ListSettings):
    """As of lists, and how vectors are compressed and made up for."""

    numbers_a_byte: Count = 4
    """Numbers of a vector that one byte stands for."""
    rerank: Count = 4
    """Times k items are found by compressed vectors and scored again by the stored ones."""


class CompressedIndex(ListsIndex):
    """Lists of product-quantized vectors: the index is small, the stored vectors set it right."""

    kind = "faiss-pq"
    scores_exactly = False
    Settings = CompressedSettings
    at_query = ("probes", "rerank")

    def _made(self, items: NDArray[np.float32], chosen: NDArray[np.int64]) -> Any:
        import faiss

        width, n_lists = items.shape[1], self._centres.ntotal
        most = max(1, width // self.settings.numbers_a_byte)
        parts = next(n for n in range(most, 0, -1) if not width % n)
        bits = int(np.clip(np.log2(self.n_items) - 2, 1, 8))
        made = faiss.IndexIVFPQ(
            self._centres, width, n_lists, parts, bits, faiss.METRIC_INNER_PRODUCT
        )
        made.pq.cp.seed = derive_seed(self.seed, "codes") % 2**31
        made.pq.cp.min_points_per_centroid = 1
        taught = np.arange(0, len(items), max(1, len(items) // _CODES_TAUGHT_BY))
        taught = np.resize(taught, max(len(taught), 2**bits))  # a catalogue of one repeats itself
        examples, near = np.ascontiguousarray(items[taught]), chosen[taught]
        made.train_encoder(len(taught), faiss.swig_ptr(examples), faiss.swig_ptr(near))
        made.is_trained = True
        return made

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        return super()._nearest(queries, min(n * self.settings.rerank, self.n_items), effort)
