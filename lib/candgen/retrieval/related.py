"""Items related to an item: its neighbours among the item vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from candgen.retrieval.indexes.base import Index
from candgen.retrieval.topk import TopK


def related_items(
    index: Index, items: ArrayLike, n: int, *, allowed: NDArray[np.bool_] | None = None
) -> TopK:
    """Find the `n` nearest other items of each item.

    Nearness is the index's: by cosine, items that the same people take; by dot, also long vectors,
    which are mostly popular items, whatever is asked for.

    Args:
        index: Of item vectors; build it for the similarity that is wanted.
        items: Dense ids, shape `(m,)`.
        n: Neighbours of each, itself not among them.
        allowed: Items that may be named, such as those that the generator knows.

    Returns:
        Items and scores, each of shape `(m, min(n, n_items))`.
    """
    items = np.asarray(items, dtype=np.int64)
    own = (np.ones(len(items), np.float32), (np.arange(len(items)), items))
    itself = csr_array(own, shape=(len(items), index.n_items))
    return index.query(index.vectors[items], n, exclude=itself, allowed=allowed)
