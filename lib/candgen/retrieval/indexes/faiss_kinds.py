"""Two indexes of faiss: all products, and a graph.

Where inner products are compared, the graph links what has the largest of them, not what is near:
long items then have many links to them, and a search meets them early. Some short items are linked
from nowhere, and the fewer links there are, the more: no effort of searching finds those.

- Malkov and Yashunin, *Efficient and robust approximate nearest neighbor search using hierarchical
  navigable small world graphs*, PAMI 2020.
- Morozov and Babenko, *Non-metric similarity graphs for maximum inner product search*, NeurIPS
  2018.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from candgen.checks import Count, Settings
from candgen.retrieval.indexes.faiss_base import FaissIndex


class FlatIndex(FaissIndex):
    """All inner products, by faiss: an exact search to stand beside ours."""

    kind = "faiss-flat"

    def _made(self, width: int) -> Any:
        import faiss

        return faiss.IndexFlatIP(width)


class GraphSettings(Settings):
    """How densely items are linked, and how widely the graph is searched."""

    links: Annotated[int, Field(ge=2)] = 64
    """Neighbours an item keeps, twice as many on the ground floor."""
    ef_build: Count = 100
    """Items looked at to find them."""
    ef: Count = 100
    """Items kept while k are searched for, k at least."""


class GraphIndex(FaissIndex):
    """A graph of near neighbours on several floors (HNSW).

    Built by several threads, two graphs of the same vectors may differ in a few links.
    """

    kind = "faiss-hnsw"
    Settings = GraphSettings
    at_query = ("ef",)

    def _made(self, width: int) -> Any:
        import faiss

        made = faiss.IndexHNSWFlat(width, self.settings.links, faiss.METRIC_INNER_PRODUCT)
        made.hnsw.efConstruction = self.settings.ef_build
        return made

    def _parameters(self, n: int, effort: float) -> Any:
        import faiss

        return faiss.SearchParametersHNSW(efSearch=max(n, int(self.settings.ef * effort)))
