"""The indexes of faiss: flat, inverted lists, a graph, and inverted lists of compressed vectors.

- Jegou and others, *Product quantization for nearest neighbor search*, PAMI 2011.
- Malkov and Yashunin, *Efficient and robust approximate nearest neighbor search using hierarchical
  navigable small world graphs*, PAMI 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.checks import whole_number
from candgen.retrieval.indexes.faiss_base import FaissIndex
from candgen.seeds import derive_seed

_TAUGHT_BY = 64  # items a list that its centre is learned from, at most


class FlatIndex(FaissIndex):
    """All inner products, by faiss: an exact search to stand beside ours."""

    kind = "faiss-flat"

    def _made(self, width: int) -> Any:
        import faiss

        return faiss.IndexFlatIP(width)

    def _items(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(self.vectors)

    def _asked(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        return queries

    def _width(self) -> int:
        return self.dim


@dataclass(frozen=True)
class ListSettings:
    """Into how many lists items are sorted, and how many of them are searched."""

    lists: int = 0
    """0: four times the square root of the number of items, eight items a list at least."""
    probes: int = 16
    """Lists searched for k items."""

    def __post_init__(self) -> None:
        whole_number("lists", self.lists)
        whole_number("probes", self.probes, at_least=1)


class ListsIndex(FaissIndex):
    """Items sorted into the lists of their nearest centres; the nearest lists are searched."""

    kind = "faiss-ivf"
    Settings = ListSettings
    at_query = ("probes",)

    @property
    def n_lists(self) -> int:
        """Lists that there are."""
        automatic = min(int(4 * self.n_items**0.5), self.n_items // 8)
        return min(self.settings.lists or max(1, automatic), self.n_items)

    def _made(self, width: int) -> Any:
        import faiss

        self._centres = faiss.IndexFlatL2(width)
        return self._taught(faiss.IndexIVFFlat(self._centres, width, self.n_lists, faiss.METRIC_L2))

    def _taught(self, made: Any) -> Any:
        made.cp.seed = derive_seed(self.seed, "lists") % 2**31
        made.cp.min_points_per_centroid = 1  # a small catalogue is no reason to complain
        made.cp.max_points_per_centroid = _TAUGHT_BY
        return made

    def _parameters(self, n: int, effort: float) -> Any:
        import faiss

        probes = min(self.n_lists, int(np.ceil(self.settings.probes * effort)))
        return faiss.SearchParametersIVF(nprobe=probes)


@dataclass(frozen=True)
class CompressedSettings(ListSettings):
    """As of lists, and how vectors are compressed and made up for."""

    numbers_a_byte: int = 4
    """Numbers of a vector that one byte stands for."""
    rerank: int = 4
    """Times k items are found by compressed vectors and scored again by the stored ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("numbers_a_byte", self.numbers_a_byte, at_least=1)
        whole_number("rerank", self.rerank, at_least=1)


class CompressedIndex(ListsIndex):
    """Lists of product-quantized vectors: the index is small, the stored vectors set it right."""

    kind = "faiss-pq"
    Settings = CompressedSettings
    at_query = ("probes", "rerank")

    def _made(self, width: int) -> Any:
        import faiss

        self._centres = faiss.IndexFlatL2(width)
        parts = next(
            n for n in range(max(1, width // self.settings.numbers_a_byte), 0, -1) if not width % n
        )
        bits = int(np.clip(np.log2(self.n_items) - 2, 1, 8))
        made = faiss.IndexIVFPQ(self._centres, width, self.n_lists, parts, bits)
        made.pq.cp.seed = derive_seed(self.seed, "codes") % 2**31
        made.pq.cp.min_points_per_centroid = 1
        return self._taught(made)

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> NDArray[np.int64]:
        return super()._nearest(queries, min(n * self.settings.rerank, self.n_items), effort)


@dataclass(frozen=True)
class GraphSettings:
    """How densely items are linked, and how widely the graph is searched."""

    links: int = 32
    """Neighbours an item keeps, twice as many on the ground floor."""
    ef_build: int = 100
    """Items looked at to find them."""
    ef: int = 100
    """Items kept while k are searched for, k at least."""

    def __post_init__(self) -> None:
        whole_number("links", self.links, at_least=2)
        whole_number("ef_build", self.ef_build, at_least=1)
        whole_number("ef", self.ef, at_least=1)


class GraphIndex(FaissIndex):
    """A graph of near neighbours on several floors (HNSW).

    Built by several threads, two graphs of the same vectors may differ in a few links.
    """

    kind = "faiss-hnsw"
    Settings = GraphSettings
    at_query = ("ef",)

    def _made(self, width: int) -> Any:
        import faiss

        made = faiss.IndexHNSWFlat(width, self.settings.links, faiss.METRIC_L2)
        made.hnsw.efConstruction = self.settings.ef_build
        return made

    def _parameters(self, n: int, effort: float) -> Any:
        import faiss

        return faiss.SearchParametersHNSW(efSearch=max(n, int(self.settings.ef * effort)))
