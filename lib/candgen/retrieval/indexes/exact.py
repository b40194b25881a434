"""Exact search behind the interface of an index: nothing is built, nothing is lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.retrieval.indexes.base import Index
from candgen.retrieval.subsets import top_k_among
from candgen.retrieval.topk import TopK


class ExactIndex(Index):
    """Products with all eligible items, and a compiled selection of the best."""

    kind = "exact"

    def _build(self) -> None:
        """Nothing to make."""

    def _search(
        self,
        queries: NDArray[np.float32],
        k: int,
        exclude: csr_array | None,
        eligible: NDArray[np.bool_] | None,
    ) -> TopK:
        return top_k_among(queries, self.vectors, k, eligible=eligible, exclude=exclude)
