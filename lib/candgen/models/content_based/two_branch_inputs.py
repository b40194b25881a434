"""Inputs of the two branches: columns as they are, and statistics of what people took.

A user's profile is the mean rating of each value of the items' features, a little pulled towards
the user's own mean; without ratings, the share of the history that has the value. An item's
statistics are the logarithm of its training events and, with ratings, its mean rating.

A training row is taught with statistics that leave its own event out: the answer must not be among
the inputs. A row of an item drawn at random leaves out the event that it was drawn for. So within
an event only the items differ, and nothing of the statistics says which of them was taken. With
labels, the only event of an item stays: items drawn at random have one at least, so an item without
any would give itself away as taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.columns import ITEM, RATING, USER
from candgen.datasets import Dataset
from candgen.models.content_based.two_branch_network import Pairs

_FURTHEST = 5.0  # standard deviations; inputs of cold items and users stay in what was trained


class Scale(NamedTuple):
    """Mean and deviation of columns over what was trained."""

    mean: NDArray
    spread: NDArray

    @classmethod
    def of(cls, values: NDArray) -> Scale:
        """Learn from rows of training; a column that is always the same becomes zeros."""
        mean, spread = values.mean(axis=0), values.std(axis=0)
        return cls(mean, np.where(spread > 1e-6, spread, np.inf))

    def apply(self, values: NDArray, known: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Scale columns to mean 0 and deviation 1; rows not `known` get the mean."""
        made = (values - self.mean) / self.spread
        if known is not None:
            made[~known] = 0
        return np.clip(made, -_FURTHEST, _FURTHEST).astype(np.float32)


class Inputs:
    """Inputs of each branch: users, items, and the pairs that are taught."""

    def __init__(
        self,
        dataset: Dataset,
        parts: csr_array,
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        by_rating: bool,
    ) -> None:
        """Count.

        Args:
            dataset: The training part is taught; histories have fold-in events besides.
            parts: Values of the items' features, shape `(n_items, n_values)`.
            users: Columns of the users, scaled, shape `(n_users, n)`.
            items: Columns of the items, scaled, shape `(n_items, n)`.
            by_rating: Whether profiles and statistics are of ratings.
        """
        self._parts, self._users, self._items, self._rated = parts, users, items, by_rating
        history, train = _events(dataset, by_rating)
        self._taught = train
        owners, taken, ratings = history
        shape = (dataset.n_users, dataset.n_items)
        times = csr_array((np.ones(len(owners)), (owners, taken)), shape=shape)
        self._n = np.bincount(owners, minlength=dataset.n_users)
        self._counts = (times @ parts).toarray()  # (n_users, n_values)
        if by_rating:
            given = csr_array((ratings, (owners, taken)), shape=shape)
            self._sums = (given @ parts).toarray()
            self._totals = np.bincount(owners, ratings, minlength=dataset.n_users)
        self._item_counts = np.bincount(train.items, minlength=dataset.n_items)
        self._everybody, self._item_sums = 0.0, np.zeros(dataset.n_items)
        if by_rating:
            self._everybody = train.ratings.mean()
            self._item_sums = np.bincount(train.items, train.ratings, minlength=dataset.n_items)
        in_training = np.bincount(train.users, minlength=dataset.n_users) > 0
        self._of_profiles = Scale.of(self._profiles(np.flatnonzero(in_training)))
        self._of_statistics = Scale.of(self._statistics(np.flatnonzero(self._item_counts)))

    def of_users(self) -> NDArray[np.float32]:
        """Return what the user branch sees of everybody, shape `(n_users, inputs)`."""
        return self._user_rows(np.arange(len(self._n)))

    def of_items(self) -> NDArray[np.float32]:
        """Return what the item branch sees of every item, shape `(n_items, inputs)`."""
        return self._item_rows(np.arange(len(self._item_counts)))

    def of_pairs(
        self, pairs: Pairs, places: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the branches see of pairs in a world without the event of each.

        Args:
            pairs: Some of those that are taught.
            places: Theirs among all: row r is taught by event r modulo the number of events.
        """
        events = self._taught.of(places % len(self._taught.users))
        return self._user_rows(pairs.users, events), self._item_rows(pairs.items, events)

    def _user_rows(
        self, users: NDArray[np.integer], without: Events | None = None
    ) -> NDArray[np.float32]:
        known = self._n[users] - (without is not None) > 0
        profiles = self._of_profiles.apply(self._profiles(users, without), known)
        return np.hstack([profiles, self._users[users]])

    def _item_rows(
        self, items: NDArray[np.integer], without: Events | None = None
    ) -> NDArray[np.float32]:
        left_out = 0 if without is None else self._left_out(items, without)
        known = self._item_counts[items] - left_out > 0
        statistics = self._of_statistics.apply(self._statistics(items, without), known)
        return np.hstack([self._items[items], statistics])

    def _left_out(self, items: NDArray[np.integer], without: Events) -> NDArray[np.bool_]:
        own = without.items == items
        return own if self._rated else own & (self._item_counts[items] > 1)

    def _profiles(
        self, users: NDArray[np.integer], without: Events | None = None
    ) -> NDArray[np.float32]:
        counts, n = self._counts[users], self._n[users]
        sums, totals = (self._sums[users], self._totals[users]) if self._rated else (None, None)
        if without is not None:
            parts = self._parts[without.items].toarray()
            counts, n = counts - parts, n - 1
            if self._rated:
                sums, totals = sums - without.ratings[:, None] * parts, totals - without.ratings
        n = np.maximum(n, 1)[:, None]
        if not self._rated:
            return (counts / n).astype(np.float32)
        return ((sums + totals[:, None] / n) / (counts + 1)).astype(np.float32)

    def _statistics(
        self, items: NDArray[np.integer], without: Events | None = None
    ) -> NDArray[np.float32]:
        counts, sums = self._item_counts[items], self._item_sums[items]
        if without is not None:
            own = self._left_out(items, without)
            counts = counts - own
            sums = sums - np.where(own, without.ratings, 0)
        made = [np.log1p(counts)]
        if self._rated:
            made.append((sums + self._everybody) / (counts + 1))
        return np.column_stack(made).astype(np.float32)


class Events(NamedTuple):
    """Events with their ratings, or pairs with zeros where there are none."""

    users: NDArray[np.integer]
    items: NDArray[np.integer]
    ratings: NDArray[np.float64]

    def of(self, places: NDArray[np.integer]) -> Events:
        """Return some of them."""
        return Events(*(column[places] for column in self))


def pairs_of(matrix: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the users and the items of the stored entries of a matrix, row by row."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices


def _events(dataset: Dataset, by_rating: bool) -> tuple[Events, Events]:
    """Return the events of histories and those taught; labels count a repeated pair once."""
    if not by_rating:
        matrices = dataset.history_matrix, dataset.train_matrix
        return tuple(Events(*pairs_of(m), np.zeros(m.nnz)) for m in matrices)
    known = dataset.train
    if dataset.has("fold_in") and RATING in dataset.table("fold_in"):
        known = pd.concat([known, dataset.table("fold_in")], ignore_index=True)
    return tuple(
        Events(e[USER].to_numpy(), e[ITEM].to_numpy(), e[RATING].to_numpy(np.float64))
        for e in (known, dataset.train)
    )
