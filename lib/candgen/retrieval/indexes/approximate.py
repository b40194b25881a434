"""Base class of approximate indexes: filters apply after the search, which widens when needed.

An index is asked for more than `k`, its answer is scored exactly unless it is so already, and what
is withheld or not eligible is dropped. Where fewer than `k` are left, it is asked for four times as
many, and so on; once exact search costs no more, exact search answers.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.retrieval.indexes.base import Index
from candgen.retrieval.subsets import top_k_among
from candgen.retrieval.topk import Ranking, TopK

_WIDER = 4
_TOO_WIDE = 4  # an answer of a quarter of the items is better found exactly
_SLACK = 1.2  # fetched beyond what the share of eligible items asks for


class Near(NamedTuple):
    """Search result of a library, each array of shape `(n_queries, n)`."""

    items: NDArray[np.int64]
    """Missing ones are -1, and none occurs twice in a row."""
    scores: NDArray[np.float32] | None = None
    """Inner products with the stored vectors, largest first; None where a library has others."""


class ApproximateIndex(Index):
    """An index that may miss some of the best items."""

    def _search(
        self,
        queries: NDArray[np.float32],
        k: int,
        exclude: csr_array | None,
        eligible: NDArray[np.bool_] | None,
    ) -> TopK:
        withheld = _counts(exclude, len(queries))
        there = self.n_items if eligible is None else int(eligible.sum())
        wanted = np.minimum(k, there - _counts(exclude, len(queries), eligible))
        share = there / self.n_items
        fetch = _buckets(k, withheld, share)
        found = TopK(
            np.full((len(queries), k), -1, dtype=np.int32),
            np.full((len(queries), k), -np.inf, dtype=np.float32),
        )
        pending = np.flatnonzero(wanted > 0)
        while len(pending):
            for width in np.unique(fetch[pending]):
                rows = pending[fetch[pending] == width]
                seen = None if exclude is None else exclude[rows]
                answer = self._answer(queries[rows], k, int(width), seen, eligible)
                found.items[rows], found.scores[rows] = answer
            short = (found.items[pending] >= 0).sum(axis=1) < wanted[pending]
            pending = pending[short]
            fetch[pending] *= _WIDER
        return found

    def _answer(
        self,
        queries: NDArray[np.float32],
        k: int,
        width: int,
        exclude: csr_array | None,
        eligible: NDArray[np.bool_] | None,
    ) -> TopK:
        if width > k and width * _TOO_WIDE >= self.n_items:
            return top_k_among(queries, self.vectors, k, eligible=eligible, exclude=exclude)
        from candgen.retrieval.indexes.refine_kernels import keep, refine

        width = min(width, self.n_items)
        near = self._nearest(queries, width, width / k)
        ranking = Ranking(len(queries), self.n_items, k, exclude=exclude)
        mask = np.zeros(0, dtype=bool) if eligible is None else eligible
        rules = (ranking.masks.starts, ranking.masks.withheld, mask)
        if near.scores is None:
            vectors = np.asarray(self.vectors)
            refine(queries, vectors, near.items, *rules, *ranking.found)
        else:
            keep(*near, *rules, *ranking.found)
        return ranking.found

    @abstractmethod
    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        """Find about the `n` nearest items of each query.

        Args:
            queries: As they were asked, of length 1 where cosines are compared.
            n: Items a query.
            effort: How many times as much as for `k` items should be looked at, 1 or more.
        """


def _counts(
    exclude: csr_array | None, n: int, eligible: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Count the distinct items withheld from each query, out of the eligible ones."""
    if exclude is None:
        return np.zeros(n, dtype=np.int64)
    if not exclude.has_canonical_format:
        exclude = exclude.copy()
        exclude.sum_duplicates()
    if eligible is None:
        return np.diff(exclude.indptr).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(eligible[exclude.indices])])
    return ends[exclude.indptr[1:]] - ends[exclude.indptr[:-1]]


def _buckets(k: int, withheld: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return the number of items to fetch: one of a few widths, so that queries form few groups."""
    if share == 1 and not withheld.any():
        return np.full(len(withheld), k, dtype=np.int64)
    slack = 1.0 if share == 1 else _SLACK
    needed = np.ceil((k / max(share, 1e-9)) * slack + withheld)
    steps = np.ceil(np.log(needed / k) / np.log(1.5))
    return np.ceil(k * 1.5 ** np.maximum(steps, 0)).astype(np.int64)
