"""Judging by the truth, where the world was invented and its oracle can be asked.

Logged events tell what users did with what they were shown. The oracle tells how relevant an item
really is to a user, shown or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candgen.columns import USER
from candgen.evaluation.judgement import Judgement

if TYPE_CHECKING:
    from candgen.datasets import Dataset
    from candgen.datasets.world import Oracle


def true_relevance(judgement: Judgement, oracle: Oracle, k: int) -> NDArray[np.float64]:
    """Return each judged user's mean true relevance over the first `k` places, in 0 .. 1.

    An empty place counts as 0, as it does for every metric.
    """
    users = judgement.per_user[USER].to_numpy()
    items = judgement.candidates.for_users(users)[:, :k]  # (n_judged, <= k), -1 where empty
    present = items >= 0
    relevance = np.zeros(items.shape)
    rows = np.repeat(users, present.sum(axis=1))
    relevance[present] = oracle.relevance_of_pairs(rows, items[present], oracle.end)
    return relevance.sum(axis=1) / k


def best_true_relevance(
    users: NDArray[np.integer],
    dataset: Dataset,
    oracle: Oracle,
    k: int,
    *,
    rows_per_block: int = 256,
) -> NDArray[np.float64]:
    """Return the most that `true_relevance` can be for each user, with what they know left out."""
    best = np.empty(len(users))
    for start in range(0, len(users), rows_per_block):
        block = slice(start, start + rows_per_block)
        relevance = oracle.relevance(users[block])  # (rows, n_items)
        relevance[dataset.history_matrix[users[block]].nonzero()] = 0
        top = np.partition(relevance, -min(k, relevance.shape[1]), axis=1)[:, -k:]
        best[block] = top.sum(axis=1) / k
    return best
