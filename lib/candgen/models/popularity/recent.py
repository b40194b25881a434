"""Popularity of late: items by their newest training events, for everybody or within groups.

An event of age a days, before the newest training event, weighs 2^(-a / half_life), and nothing
from `days` on. With c_i the weights of the events of item i and n_i all its training users, the
score is

    c_i + n_i / (max n + 1),

so that items without a recent event keep the order of popularity. With a column of the users table,
the events of a user's group g count in full, and those of everybody as `trust` events,

    c_gi + trust c_i / sum(c) + n_i / (max n + 1).

Popularity of a short time is among the strongest baselines wherever events are split at a date:
what is offered then resembles what was offered last. See Y. Ji, A. Sun, J. Zhang, C. Li, "A
re-visit of the popularity baseline in recommender systems", SIGIR 2020.

The half-life that suits a dataset may be hours (news) or years (films). The default takes it from
the training events alone: of halves, quarters and so on of their span, the one under which the
newest tenth of them is the most likely, given the nine tenths before.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array

from candgen.checks import NotNegative, Settings
from candgen.columns import ITEM, TIMESTAMP, USER, USER_ID
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.models.base import Generator
from candgen.models.popularity.group_popularity import groups_of
from candgen.spaces import Real, Whole

_DAY = 86_400  # seconds
_PREDICTED = 0.1  # share of the training events that choose a half-life
_HALVINGS = 12  # the shortest half-life tried is the span by 2 to this power


class RecentSettings(Settings):
    """Settings of RecentPopularity."""

    days: Annotated[NotNegative, Real(0.0, 60.0)] = 0.0
    """Days before the newest training event that count; 0: all."""
    half_life: Annotated[NotNegative, Real(0.0, 90.0)] = 0.0
    """Days in which an event loses half of its weight; 0: none if `days` is set, else the half-life
    under which the newest tenth of the training events is the most likely."""
    column: str = ""
    """Column of the users table that makes groups; empty: everybody is one group."""
    trust: Annotated[NotNegative, Real(1.0, 500.0, log=True)] = 20.0
    """Events of everybody that each group is given besides its own."""
    bins: Annotated[int, Field(ge=2), Whole(2, 8)] = 4
    """Groups that a column of numbers is cut into, of about as many users each."""


class RecentPopularity(Generator):
    """Items by the weight of their newest training events; nobody's history is read.

    Needs times. Equal weights go by all training users of an item.

    Attributes:
        half_life_: Half-life in days that was given or chosen; infinite where nothing decays.
    """

    name = "RecentPopularity"
    needs = ("times",)
    answers_cold_users = True
    Settings = RecentSettings

    def _fit(self, dataset: Dataset) -> None:
        events = dataset.train
        if not has_times(dataset):
            raise DataError(
                f"RecentPopularity weighs events by their age, and the training events of "
                f"{dataset.name!r} lack times. Choose popularity."
            )
        times, items = events[TIMESTAMP].to_numpy(), events[ITEM].to_numpy()
        self.half_life_ = self.half_life or np.inf
        if not self.half_life and not self.days:
            self.half_life_ = likeliest_half_life(times, items, dataset.n_items)
        weights = weights_of_age(times, self.half_life_)
        if self.days:
            weights[times <= times.max(initial=0) - self.days * _DAY] = 0
        counts = np.bincount(items, weights, minlength=dataset.n_items)
        self._scores = _with_all_users(counts, self.item_counts_).astype(np.float32)
        if not self.column:
            return
        groups = self._groups(dataset)
        place = (groups[events[USER].to_numpy()], items)
        shape = (groups.max() + 1, dataset.n_items)
        self._of_group = csr_array((weights.astype(np.float32), place), shape=shape)
        self._group = groups
        base = self.trust * counts / max(counts.sum(), 1e-9)
        self._scores = _with_all_users(base, self.item_counts_).astype(np.float32)

    def _groups(self, dataset: Dataset) -> NDArray[np.int64]:
        users = dataset.users
        if self.column not in users or self.column in (USER, USER_ID):
            raise SettingError(
                f"The table of users has no column {self.column!r} to make groups of."
                f"{did_you_mean(self.column, users)}"
            )
        trained = np.diff(dataset.train_matrix.indptr) > 0
        return groups_of(users[self.column], trained, self.bins)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return 32 * n_events

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        scores = np.tile(self._scores, (len(users), 1))
        if self.column:
            scores += self._of_group[self._group[users]].toarray()
        return scores if items is None else scores[:, items]


def has_times(dataset: Dataset) -> bool:
    """Return whether every training event of a dataset has a time."""
    return TIMESTAMP in dataset.train and not dataset.train[TIMESTAMP].isna().any()


def weights_of_age(times: NDArray, half_life: float) -> NDArray[np.float64]:
    """Weigh events by their age before the newest of them.

    Args:
        times: Seconds, shape `(n,)`.
        half_life: Days in which the weight halves; infinite: all weigh 1.
    """
    ages = (times.max(initial=0) - times) / _DAY
    return np.exp2(-ages / half_life)


def likeliest_half_life(times: NDArray, items: NDArray, n_items: int) -> float:
    """Choose the half-life under which the newest tenth of the events is the most likely.

    The probability of an item is its score among all scores, learned from the events before.

    Args:
        times: Seconds, shape `(n,)`.
        items: Dense item ids, shape `(n,)`.
        n_items: Items of the dataset.

    Returns:
        Days: infinite, or the span of the earlier events halved up to 12 times. Infinite if all
        events are of one time.
    """
    if not len(times):
        return np.inf
    early = times <= np.quantile(times, 1 - _PREDICTED, method="lower")
    span = float(np.ptp(times[early])) / _DAY
    if early.all() or not span:
        return np.inf
    later = np.bincount(items[~early], minlength=n_items)
    past, taken = times[early], items[early]
    users = np.bincount(taken, minlength=n_items) + 0.5  # an item that is new is not impossible
    best, found = -np.inf, np.inf
    for half_life in (np.inf, *(span / 2.0**n for n in range(_HALVINGS + 1))):
        counts = np.bincount(taken, weights_of_age(past, half_life), minlength=n_items)
        scores = _with_all_users(counts, users)
        likelihood = later @ np.log(scores / scores.sum())
        if likelihood > best:
            best, found = likelihood, half_life
    return found


def _with_all_users(counts: NDArray, users: NDArray) -> NDArray[np.float64]:
    """Add to the weights of items a share below 1, by all their users."""
    return counts + users / (users.max(initial=0) + 1)
