"""Popularity within groups of users, such as users of one place.

Of users who share a value of a column (the same place, about the same age), some take an item more
often than everybody does. With n_g users of group g, c_gi of them with item i, and p_i the share of
all users with item i, the lift is the ratio of the two shares,

    lift_gi = (c_gi + trust p_i) / ((n_g + trust) p_i),

where `trust` users who do as everybody does keep small groups from saying much. A user belongs to
one group for each column; the score is log p_i plus the logarithms of the lifts, which takes the
columns to speak independently of each other (naive Bayes). One column is plain popularity of the
group.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from candgen.checks import NotNegative, Settings
from candgen.columns import USER, USER_ID
from candgen.datasets import Dataset
from candgen.errors import SettingError, did_you_mean
from candgen.features import suggested
from candgen.models.base import Generator
from candgen.spaces import Real, Whole

_TELLING = ("numeric", "categorical")


class GroupSettings(Settings):
    """Settings of GroupPopularity."""

    columns: list[str] = []
    """Columns of the users table that make groups; empty: all with numbers or one word a user."""
    trust: Annotated[NotNegative, Real(1.0, 500.0, log=True)] = 20.0
    """Users like everybody that each group is given besides its own."""
    bins: Annotated[int, Field(ge=2), Whole(2, 8)] = 4
    """Groups that a column of numbers is cut into, of about as many users each."""


class GroupPopularity(Generator):
    """Items that are popular among users with the same columns; nobody's history is read.

    Attributes:
        columns_: The columns of the users table that make the groups.
    """

    name = "GroupPopularity"
    needs = ("user columns",)
    answers_cold_users = True
    Settings = GroupSettings

    def _fit(self, dataset: Dataset) -> None:
        self.columns_ = self._chosen(dataset)
        train = dataset.train_matrix
        trained = np.diff(train.indptr) > 0
        shares = np.maximum(self.item_counts_, 0.5) / max(int(trained.sum()), 1)
        self._base = np.log(shares)
        self._groups, self._lifts = [], []
        trust = max(self.trust, 1e-6)  # an item that a group never took has no logarithm
        for column in self.columns_:
            groups = groups_of(dataset.users[column], trained, self.bins)  # (n_users,)
            taken = np.zeros((groups.max() + 1, dataset.n_items))
            np.add.at(taken, (np.repeat(groups, np.diff(train.indptr)), train.indices), 1)
            sizes = np.bincount(groups[trained], minlength=len(taken))[:, None]
            self._groups.append(groups)
            self._lifts.append(np.log((taken + trust * shares) / ((sizes + trust) * shares)))

    def _chosen(self, dataset: Dataset) -> list[str]:
        users = dataset.users
        for name in self.columns:
            if name not in users or name in (USER, USER_ID):
                raise SettingError(
                    f"The table of users has no column {name!r} to make groups of."
                    f"{did_you_mean(name, users)}"
                )
        if self.columns:
            return self.columns
        found = [f.column for f in suggested(users) if f.kind in _TELLING]
        if not found:
            raise SettingError(
                f"{self.name} needs columns that tell who users are; dataset {dataset.name!r} has "
                f"only {', '.join(users)}. Use popularity, which needs none."
            )
        return found

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        scores = np.tile(self._base, (len(users), 1))
        for groups, lifts in zip(self._groups, self._lifts, strict=True):
            scores += lifts[groups[users]]
        scores = scores.astype(np.float32)
        return scores if items is None else scores[:, items]


def groups_of(column: pd.Series, trained: NDArray[np.bool_], bins: int) -> NDArray[np.int64]:
    """Number the groups of a column. Group 0 has what is missing or was not met in training.

    Args:
        column: A column of the users table, shape `(n_users,)`.
        trained: Users who were trained on, shape `(n_users,)`.
        bins: Groups that numbers are cut into, of about as many trained users each.

    Returns:
        The group of each user, shape `(n_users,)`.
    """
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        edges = np.unique(column[trained].quantile(np.arange(1, bins) / bins))
        groups = np.searchsorted(edges, column.to_numpy(np.float64), side="right") + 1
    else:
        known = pd.Index(column[trained].dropna().unique())
        groups = known.get_indexer(column) + 1
    return np.where(column.isna(), 0, groups).astype(np.int64)
