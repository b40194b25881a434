"""Two indexes of faiss: all products, and a graph.

Malkov and Yashunin, *Efficient and robust approximate nearest neighbor search using hierarchical
navigable small world graphs*, PAMI 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.checks import whole_number
from candgen.retrieval.indexes.faiss_base import FaissIndex


class FlatIndex(FaissIndex):
    """All inner products, by faiss: an exact search to stand beside ours."""

    kind = "faiss-flat"
    compares_products = True

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
