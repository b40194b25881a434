"""Rows for a ranker: one a user and candidate, described by what was known before the answers.

A `Period` holds the lists that fitted generators offer to users, and the dataset of that time.
Features come from its known events alone, never from what it holds out:

| feature | what it holds |
|---|---|
| `G score` | score of generator G, less the mean of the user's list, over its deviation |
| `G rank` | place in the list of generator G, from 1 |
| `offered by` | how many generators offer the item |
| `popularity` | decimal logarithm of the share of users who have the item |
| `item age` | days since the item's first event; only with times |
| `history` | items in the user's history |
| `similarity` | mean cosine of the item and those of the history, by the users they share |

Scores and ranks are NaN where a generator does not offer the item: the trees treat that as a value
of its own. Scores are relative to the user's list and popularity is a share, because the generators
learn from more events when test is judged than when the ranker learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from candgen import retrieval
from candgen.columns import ITEM, TIMESTAMP
from candgen.datasets import Dataset
from candgen.evaluation import metrics
from candgen.evaluation.judging import given_lists, judged_users
from candgen.models import Generator
from candgen.retrieval import NO_ITEM, TopK, pools

_DAY = 86_400
_BLOCK = 256  # users whose similarities are held at once


@dataclass(frozen=True)
class Period:
    """Candidates of several generators for the judged users of one part of a dataset."""

    data: Dataset
    """Judged on validation or on test; its known events are those that the generators learned."""
    users: NDArray[np.int32]
    """Dense ids, shape `(n_users,)`, in rising order."""
    lists: Mapping[str, TopK]
    """Generator -> candidates, one row for each of `users`."""

    @property
    def held_out(self) -> csr_array:
        """Ones where an item is held out of a user, shape `(n_users, n_items)`."""
        return self.data.held_out_matrix[self.users]

    @cached_property
    def popularity(self) -> NDArray[np.float32]:
        """Logarithm of the share of users who have an item, shape `(n_items,)`."""
        counts = np.bincount(self.data.train_matrix.indices, minlength=self.data.n_items)
        people = int((np.diff(self.data.train_matrix.indptr) > 0).sum())
        return np.log10((counts + 1) / (people + 1)).astype(np.float32)

    @cached_property
    def ages(self) -> NDArray[np.float32] | None:
        """Days since the first known event, shape `(n_items,)`, NaN without one; None: no times."""
        now = self.data.known_until
        if now is None:
            return None
        first = self.data.train.groupby(ITEM)[TIMESTAMP].min()
        ages = np.full(self.data.n_items, np.nan, dtype=np.float32)
        ages[first.index.to_numpy()] = (now - first.to_numpy()) / _DAY
        return ages

    def similarities(self, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the mean cosine of each item and the user's history, shape of `items`."""
        known = self.data.train_matrix
        lengths = np.sqrt(np.bincount(known.indices, minlength=self.data.n_items))
        scaled = csr_array(known @ diags_array(1 / np.maximum(lengths, 1)))
        history = self.data.history_matrix[self.users]
        sizes = np.maximum(np.diff(history.indptr), 1)[:, None]
        found = np.empty(items.shape, dtype=np.float32)
        for start in range(0, len(items), _BLOCK):
            block = slice(start, start + _BLOCK)
            shared = history[block] @ scaled.T  # (rows, n_users): users who took the same items
            whole = (shared @ scaled).toarray()  # (rows, n_items)
            found[block] = np.take_along_axis(whole, np.maximum(items[block], 0), axis=1)
        return found / sizes


@dataclass(frozen=True)
class Rows:
    """Candidates of one pool with their features."""

    items: NDArray[np.int32]
    """The pool, shape `(n_users, k)`, padded with `NO_ITEM`."""
    features: Mapping[str, NDArray[np.float32]]
    """Name -> values of shape `(n_users, k)`, NaN where the pool has no item."""
    generators: tuple[str, ...]
    """Those that share the pool."""

    def table(self) -> NDArray[np.float32]:
        """Return one row for each item that is there, users in order, one column a feature."""
        there = self.items != NO_ITEM
        return np.column_stack([values[there] for values in self.features.values()])

    def ranks(self) -> list[NDArray[np.float32]]:
        """Return the ranks that each generator gives the candidates, NaN where it gives none."""
        return [self.features[f"{name} rank"] for name in self.generators]

    def groups(self) -> dict[str, list[str]]:
        """Return what is permuted together: score and rank of a generator, any other alone."""
        own = {name: [f"{name} score", f"{name} rank"] for name in self.generators}
        told = {name for pair in own.values() for name in pair}
        return own | {name: [name] for name in self.features if name not in told}


def period(
    generators: Mapping[str, Generator],
    data: Dataset,
    k: int,
    *,
    users: Sequence[int] | None = None,
) -> Period:
    """Ask fitted generators for candidates.

    Args:
        generators: Fitted to the known events of `data`.
        data: Says which users are judged, and what they are not offered.
        k: Candidates a user and generator.
        users: Some of the judged users, all of them when omitted.
    """
    asked = judged_users(data).users if users is None else np.asarray(users, dtype=np.int32)
    given = given_lists(data)
    allowed = None if given is None else given[asked]
    lists = {
        name: retrieval.top_items(model, asked, k, allowed=allowed)
        for name, model in generators.items()
    }
    return Period(data, asked, lists)


def rows_of(period: Period, k: int, *, without: str = "") -> Rows:
    """Merge the generators' lists by turns, and describe each candidate.

    Args:
        period: Lists and what was known.
        k: Size of the pool, items a user. Each generator's list is cut there, too.
        without: Name of a generator that gives no items and no features.
    """
    lists = {
        name: TopK(found.items[:, :k], found.scores[:, :k])
        for name, found in period.lists.items()
        if name != without
    }
    pool = pools.round_robin(lists, k)
    features: dict[str, NDArray[np.float32]] = {}
    offered = np.zeros(pool.shape, dtype=np.float32)
    for name, found in lists.items():
        places = places_in(found.items, pool, period.data.n_items)
        absent = places < 0
        scores = np.take_along_axis(_standard(found.scores), np.maximum(places, 0), axis=1)
        features[f"{name} score"] = np.where(absent, np.nan, scores)
        features[f"{name} rank"] = np.where(absent, np.nan, places + 1).astype(np.float32)
        offered += ~absent
    features["offered by"] = offered
    features["popularity"] = period.popularity[pool]
    if period.ages is not None:
        features["item age"] = period.ages[pool]
    sizes = np.diff(period.data.history_matrix.indptr)[period.users]
    features["history"] = np.repeat(sizes[:, None], pool.shape[1], axis=1).astype(np.float32)
    features["similarity"] = period.similarities(pool)
    for values in features.values():
        values[pool == NO_ITEM] = np.nan
    return Rows(pool, features, tuple(lists))


def answers(rows: Rows, held_out: csr_array) -> NDArray[np.bool_]:
    """Mark the items of a pool that are held out, shape `(n_users, k)`."""
    return metrics.gains_of_lists(rows.items, held_out) > 0


def places_in(
    lists: NDArray[np.int32], asked: NDArray[np.int32], n_items: int
) -> NDArray[np.int64]:
    """Return the place of each asked item in the list of its row, from 0; -1 where it is not there.

    Args:
        lists: Items, shape `(n_users, k)`, padded with `NO_ITEM`.
        asked: Items, shape `(n_users, any)`.
        n_items: Size of the catalogue.
    """
    first = np.arange(len(lists), dtype=np.int64)[:, None] * n_items
    there = lists != NO_ITEM
    keys = (first + lists)[there]
    if not len(keys):
        return np.full(asked.shape, -1, dtype=np.int64)
    places = np.broadcast_to(np.arange(lists.shape[1]), lists.shape)[there]
    order = np.argsort(keys)
    wanted = first + asked
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found = (keys[order][at] == wanted) & (asked != NO_ITEM)
    return np.where(found, places[order][at], -1)


def _standard(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores less their mean over the list, over their deviation; 0 where all are equal."""
    there = np.isfinite(scores)
    known = np.where(there, scores, 0).astype(np.float64)
    n = np.maximum(there.sum(axis=1, keepdims=True), 1)
    less = np.where(there, known - known.sum(axis=1, keepdims=True) / n, 0)
    deviation = np.sqrt((less**2).sum(axis=1, keepdims=True) / n)
    return np.divide(less, deviation, out=np.zeros_like(less), where=deviation > 0).astype(
        np.float32
    )
