"""The study of new items and new raters: users found for an item, and ratings predicted for a user,
by the number of known users or ratings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import models, retrieval
from candgen.columns import ITEM, RATING, TIMESTAMP, USER
from candgen.datasets import rated_films
from candgen.datasets.cold_users import ColdSplit
from candgen.datasets.world import Oracle
from candgen.errors import DataError
from candgen.evaluation import metrics
from candgen.models.base import unit_rows
from candgen.models.ratings import ratings
from candgen.studies.cold_start.new_users import known_table, sorted_numbers

ACTIVE = "active users"
MEANS = "film means"
_WAYS = ("mean-normalized", "not normalized")


class NewItems:
    """New items, the users that they may be offered to, and the users to find.

    An item is offered to the users whose vectors fit best. To be found are the users who interacted
    with it after the first few; the first few are not offered it again.

    Attributes:
        items: New items with users to find, dense ids.
        known: Numbers of first users that are known.
        offered: Users of training, shape `(n_users,)`.
    """

    def __init__(
        self,
        apart: ColdSplit,
        known: Sequence[int],
        *,
        oracle: Oracle | None = None,
        headline: str = "recall@20",
        seed: int = 0,
    ) -> None:
        """Choose the items to judge and the users to find.

        Raises:
            DataError: If no new item has more users than the largest of `known`.
        """
        self.apart, self.known = apart, sorted_numbers("known", known)
        self.oracle, self.headline, self.seed = oracle, headline, seed
        self.cut = int(headline.split("@")[1])
        events = apart.of_items.sort_values([ITEM, TIMESTAMP], kind="stable")
        events = events.assign(place=events.groupby(ITEM).cumcount())
        most = self.known[-1]
        self.items = np.unique(events.loc[events["place"] >= most, ITEM]).astype(np.int64)
        if not len(self.items):
            raise DataError(
                f"None of the {len(apart.items)} new items has more than {most} users. "
                "Ask for fewer known users, or set apart more items."
            )
        self._events = events[events[ITEM].isin(self.items)]
        self.offered = np.diff(apart.data.train_matrix.indptr) > 0
        self.withheld = self.first(most)
        self._wanted = self._matrix(self._events[self._events["place"] >= most])

    @property
    def measures(self) -> list[str]:
        """The headline and, where an oracle knows it, true relevance at the same cut-off."""
        return [self.headline, *([f"true relevance@{self.cut}"] if self.oracle else [])]

    def first(self, n: int) -> csr_array:
        """Return the first `n` users of each item, shape `(len(items), n_users)`."""
        return self._matrix(self._events[self._events["place"] < n])

    def _matrix(self, events: pd.DataFrame) -> csr_array:
        rows = np.searchsorted(self.items, events[ITEM])
        ones = np.ones(len(events), dtype=np.float32)
        shape = (len(self.items), self.apart.data.n_users)
        return csr_array((ones, (rows, events[USER].to_numpy())), shape=shape)

    def audience(self, model: models.VectorGenerator, n: int) -> NDArray[np.int32]:
        """Return the users that a fitted generator finds for each item, best first.

        A factorization solves for the item's vector from its first `n` users, with the users
        still; without any it has none, and the active users stand in. Others read features.
        """
        users = np.flatnonzero(self.offered)
        vectors = model.user_vectors(users)
        if model.folds_in_items:
            items = model.fold_in_items(self.first(n))
        else:
            items = model.item_vectors()[self.items]
        if model.searched_by == "cosine":
            vectors, items = unit_rows(vectors), unit_rows(items)
        found = self._offer(items, vectors)
        nothing = ~items.any(axis=1)
        found[nothing] = self.active[nothing]
        return found

    @property
    def active(self) -> NDArray[np.int32]:
        """The most active users for each item, best first."""
        counts = np.diff(self.apart.data.train_matrix.indptr)[self.offered]
        ones = np.ones((len(self.items), 1), np.float32)
        return self._offer(ones, counts.astype(np.float32)[:, None])

    def _offer(self, items: NDArray[np.float32], users: NDArray[np.float32]) -> NDArray[np.int32]:
        everybody = np.zeros((len(self.offered), users.shape[1]), dtype=np.float32)
        everybody[self.offered] = users
        options = {"exclude": self.withheld, "allowed": self.offered}
        return retrieval.top_k(items, everybody, self.cut, **options).items

    def by_users(self, asked: Mapping[str, models.VectorGenerator]) -> pd.DataFrame:
        """Judge fitted generators once for each number of known users."""
        tables, active = [], self._measured(self.active)
        for n in self.known:
            held = {ACTIVE: active}
            held |= {name: self._measured(self.audience(m, n)) for name, m in asked.items()}
            for measure in self.measures:
                values = {name: found[measure] for name, found in held.items()}
                tables.append(known_table(values, measure, n, baseline=ACTIVE, seed=self.seed))
        return pd.concat(tables, ignore_index=True)

    def _measured(self, found: NDArray[np.int32]) -> dict[str, NDArray[np.float64]]:
        per_item = metrics.per_user(found, self._wanted, [self.cut])
        values = {self.headline: per_item[self.headline].to_numpy()}
        if self.oracle:
            values[self.measures[1]] = self._relevance(found)
        return values

    def _relevance(self, users: NDArray[np.int32]) -> NDArray[np.float64]:
        present = users >= 0
        relevance = np.zeros(users.shape)
        items = np.repeat(self.items, present.sum(axis=1))
        end = self.oracle.end
        relevance[present] = self.oracle.relevance_of_pairs(users[present], items, end)
        return relevance.sum(axis=1) / self.cut

    def best_possible(self) -> dict[str, float]:
        """Return the mean true relevance of the best possible audiences, if an oracle knows it."""
        if not self.oracle:
            return {}
        users = np.flatnonzero(self.offered)
        relevance = self.oracle.relevance(users, self.items).T  # (n_items, n_users)
        relevance[self.withheld[:, users].nonzero()] = 0
        best = np.sort(relevance, axis=1)[:, -self.cut :].sum(axis=1) / self.cut
        return {self.measures[1]: float(best.mean())}


def ratings_of_new_users(
    apart: ColdSplit,
    known: Sequence[int],
    *,
    dim: int,
    regularization: float,
    sweeps: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Predict later ratings of new users from their first few, with and without film means.

    Films are learned once, from others' ratings. Then each new user's vector and bias are solved
    for from the first ratings, with the films fixed. Films without training ratings are left out.

    Args:
        apart: The training part without the new users, and what they did.
        known: Numbers of first ratings that are known.
        dim: Length of the vectors.
        regularization: Lambda of `candgen.models.ratings.ratings`, above 0.
        sweeps: Of alternating least squares.
        seed: Of the start.

    Returns:
        One row a number and way: how many stars predictions are off, averaged user by user, in the
        columns of `evaluation.relevance_table`; differences are from the film means.

    Raises:
        DataError: If there are no ratings, or no new user has any after the largest of `known`.
    """
    known = sorted_numbers("known", known)
    rated = rated_films.of_dataset(apart.data)
    means, counts = rated.means, rated.counts
    events = apart.data.held_out.sort_values([USER, TIMESTAMP], kind="stable")
    events = events[counts[events[ITEM]] > 0]
    histories = [e for _, e in events.groupby(USER) if len(e) > known[-1]]
    if not histories:
        raise DataError(f"No new user has rated more than {known[-1]} films that others rated.")
    start = ratings.random_start(rated, dim, rng=np.random.default_rng(seed))
    options = {"sweeps": sweeps, "regularization": regularization}
    learned = {
        _WAYS[0]: (ratings.fit_als(ratings.normalized(rated)[0], start, **options), means),
        _WAYS[1]: (ratings.fit_als(rated, start, **options), np.zeros_like(means)),
    }
    tables = []
    for n in known:
        off = {MEANS: [_off(e, None, means, n, known[-1], regularization) for e in histories]}
        for way, (fitted, added) in learned.items():
            x = fitted.vectors.x
            off[way] = [_off(e, x, added, n, known[-1], regularization) for e in histories]
        values = {way: np.array(held) for way, held in off.items()}
        tables.append(known_table(values, "error in stars", n, baseline=MEANS, seed=seed))
    return pd.concat(tables, ignore_index=True)


def _off(
    events: pd.DataFrame,
    x: NDArray[np.float64] | None,
    added: NDArray[np.float64],
    n: int,
    most: int,
    regularization: float,
) -> float:
    """Return how far predictions of the ratings after `most` are off, knowing the first `n`."""
    items, given = events[ITEM].to_numpy(), events[RATING].to_numpy(np.float64)
    predicted = added[items[most:]]
    if x is not None:
        first = items[:n]
        w, b = ratings.solve_user(x[first], given[:n] - added[first], regularization)
        predicted = predicted + x[items[most:]] @ w + b
    return float(np.abs(given[most:] - predicted).mean())


def said_of_stars(table: pd.DataFrame) -> dict[str, float]:
    """Return the errors of `ratings_of_new_users` for the fewest and the most known ratings.

    Returns:
        The numbers `few` and `many`; errors in stars with normalization, `before` and `after`,
        without, `plain` and `plain_after`; and of the film means with many known, `means`.
    """
    errors = table.pivot(index="known", columns="generator", values="mean")
    few, many = (int(n) for n in errors.index[[0, -1]])
    early, late = errors.loc[few], errors.loc[many]
    return {
        "few": few,
        "many": many,
        "before": early[_WAYS[0]],
        "plain": early[_WAYS[1]],
        "after": late[_WAYS[0]],
        "plain_after": late[_WAYS[1]],
        "means": late[MEANS],
    }
