"""Freshness of candidates, compared with the freshness of the best possible lists.

New items have few events, so a generator that learns from events recommends too few of them. An
oracle tells how many would be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import USER
from candgen.evaluation.candidates import Candidates
from candgen.evaluation.judgement import Judgement
from candgen.features.event_log import EventLog, appeared_at

if TYPE_CHECKING:
    from candgen.datasets import Dataset
    from candgen.datasets.world import Oracle

AGE_EDGES = (-365, 0, 30, 60, 120, 240, 480, 960, 9999)  # days; below 0: still to come


def share_among(judgement: Judgement, chosen: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Return the share of each judged user's first `k` places that hold chosen items.

    Args:
        judgement: With candidates.
        chosen: Which items count, such as those of the last weeks, shape `(n_items,)`.
        k: Places that are looked at; an empty one holds nothing.
    """
    items = judgement.candidates.for_users(judgement.per_user[USER].to_numpy())[:, :k]
    return (chosen[items] & (items >= 0)).sum(axis=1) / k


def best_candidates(
    users: NDArray[np.integer],
    dataset: Dataset,
    oracle: Oracle,
    k: int,
    *,
    rows_per_block: int = 256,
) -> Candidates:
    """Return the lists that the oracle would give: the truly most relevant, less what users have.

    Args:
        users: Dense ids, shape `(n,)`.
        dataset: Says what they have.
        oracle: Asked about the world's end, as `true_relevance` does.
        k: Candidates a user, capped at the number of items.
        rows_per_block: Users asked about at once.
    """
    k = min(k, dataset.n_items)
    items, scores = np.empty((len(users), k), np.int32), np.empty((len(users), k), np.float32)
    for start in range(0, len(users), rows_per_block):
        block = slice(start, start + rows_per_block)
        relevance = oracle.relevance(users[block])  # (rows, n_items)
        relevance[dataset.withheld_matrix[users[block]].nonzero()] = 0
        items[block] = np.argsort(-relevance, axis=1, kind="stable")[:, :k]
        scores[block] = np.take_along_axis(relevance, items[block], axis=1)
    return Candidates(users, items, scores)


def ages_of_items(
    dataset: Dataset, moment: int, *, uploaded: str = "upload_time"
) -> NDArray[np.float64]:
    """Return days between when each item appeared and a moment; below 0: it is still to come.

    An item appears when the column says or, without one, with its first training event.
    """
    log = EventLog.of(dataset.train, dataset.n_users)
    return (moment - appeared_at(dataset, log, uploaded)) / 86_400


def by_age(
    found: Mapping[str, NDArray[np.integer]],
    ages: NDArray[np.floating],
    k: int,
    *,
    edges: Sequence[float] = AGE_EDGES,
) -> pd.DataFrame:
    """Compare how often items of each age are among candidates and in the catalogue.

    Args:
        found: Candidates by name, best first, each of shape `(n, at least k)`; -1: empty.
        ages: Of the items in days, below 0 for what is still to come, shape `(n_items,)`.
        k: Places that are looked at.
        edges: Of the age groups, in days, rising; items outside are not counted.

    Returns:
        One row an age group, one column a name: the group's share of the candidates, divided by
        its share of the catalogue, so that 1 is what chance would give; NaN if it has no items.
    """
    catalogue = _shares(ages, edges)
    columns = {}
    for name, items in found.items():
        items = items[:, :k]
        shares = _shares(ages[items[items >= 0]], edges)
        columns[name] = np.divide(
            shares, catalogue, out=np.full(len(shares), np.nan), where=catalogue > 0
        )
    names = ["to come" if high <= 0 else f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return pd.DataFrame(columns, index=pd.Index(names, name="days since it appeared"))


def _shares(ages: NDArray[np.floating], edges: Sequence[float]) -> NDArray[np.float64]:
    counts = np.histogram(ages, edges)[0]
    return counts / max(counts.sum(), 1)
