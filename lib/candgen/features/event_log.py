"""Events in the order in which they happened, user by user.

One long array of items and the places where each user begins: every history, window and target of
a generator that knows of order is a slice of it, so nothing is copied and memory follows the
number of events alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError, did_you_mean


@dataclass(frozen=True, eq=False)
class EventLog:
    """All events, sorted by user and within a user by time.

    Events of the same time, and all events of data without times, keep the order of their rows.
    The history of event `e` of user `u`, at most `n` long and strictly before it, is
    `items[max(offsets[u], e - n) : e]`.
    """

    offsets: NDArray[np.int64]
    """Where each user's events begin, and their number, shape `(n_users + 1,)`."""
    items: NDArray[np.int32]
    """The item of each event, shape `(n,)`."""
    times: NDArray[np.int64] | None
    """Seconds since 1970 of each event, shape `(n,)`; None where the data has no times."""
    amounts: NDArray[np.float32] | None = None
    """How much there was of each event, such as the share watched, shape `(n,)`; None: not read."""

    @classmethod
    def of(
        cls,
        events: pd.DataFrame,
        n_users: int,
        amount: str = "",
        worth: Mapping[str, float] | None = None,
    ) -> Self:
        """Sort events.

        Args:
            events: Dense users and items, and perhaps times; treated as read-only.
            n_users: Users of the dataset; those without events have an empty stretch.
            amount: Column that says how much there was of each event; empty: none is read.
            worth: How much there is for each value of that column, as text; 1 for values not named.
                None: the column holds the amounts themselves.

        Raises:
            SettingError: If there is no such column.
            DataError: If it holds anything but finite numbers of 0 or more.
        """
        users = events[USER].to_numpy()
        times = None
        if TIMESTAMP in events and events[TIMESTAMP].notna().all():
            times = events[TIMESTAMP].to_numpy(np.int64)
            order = np.lexsort((times, users))  # stable: ties keep the order of the rows
            times = times[order]
        else:
            order = np.argsort(users, kind="stable")
        offsets = np.zeros(n_users + 1, dtype=np.int64)
        np.cumsum(np.bincount(users, minlength=n_users), out=offsets[1:])
        amounts = _amounts(events, amount, worth)[order] if amount else None
        return cls(offsets, events[ITEM].to_numpy(np.int32)[order], times, amounts)

    @classmethod
    def of_training(
        cls, dataset: Dataset, amount: str = "", worth: Mapping[str, float] | None = None
    ) -> Self:
        """Sort the events to learn from; `amount` and `worth` as for `of`."""
        events = _in_the_order_of_rows(dataset.train, dataset)
        return cls.of(events, dataset.n_users, amount, worth)

    @classmethod
    def of_history(
        cls, dataset: Dataset, amount: str = "", worth: Mapping[str, float] | None = None
    ) -> Self:
        """Sort what is known of each user when candidates are asked for: training plus fold-in.

        Args:
            dataset: Where the events are.
            amount: See `of`.
            worth: See `of`.
        """
        events = dataset.train
        if dataset.has("fold_in"):
            parts = [events, dataset.table("fold_in")]
            columns = [
                c for c in (USER, ITEM, TIMESTAMP, amount) if all(c in part for part in parts)
            ]
            events = pd.concat([part[columns] for part in parts], ignore_index=True)
        return cls.of(_in_the_order_of_rows(events, dataset), dataset.n_users, amount, worth)

    def part(self, places: NDArray[np.int64]) -> Self:
        """Return the log of some events alone; `places` rise, and users are what they were."""
        offsets = np.zeros_like(self.offsets)
        np.cumsum(np.bincount(self.users[places], minlength=self.n_users), out=offsets[1:])
        times, amounts = (None if a is None else a[places] for a in (self.times, self.amounts))
        return type(self)(offsets, self.items[places], times, amounts)

    def shuffled(self, *, seed: int = 0, keep_newest: int = 0) -> Self:
        """Return the same events of each user in an order drawn at random, without times.

        Args:
            seed: Of the order.
            keep_newest: Events at the end of each history that stay where they are.
        """
        keys = np.random.default_rng(seed).random(len(self))
        to_come = self.offsets[self.users + 1] - np.arange(len(self))  # 1: the newest
        newest = to_come <= keep_newest
        keys[newest] = 1 + keep_newest - to_come[newest]  # above all others, in their order
        order = np.lexsort((keys, self.users))
        amounts = None if self.amounts is None else self.amounts[order]
        return type(self)(self.offsets, self.items[order], None, amounts)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        return len(self.offsets) - 1

    @property
    def has_times(self) -> bool:
        return self.times is not None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each user, shape `(n_users,)`."""
        return np.diff(self.offsets)

    @cached_property
    def users(self) -> NDArray[np.int32]:
        """The owner of each event, shape `(n,)`."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), self.lengths)


def _amounts(
    events: pd.DataFrame, column: str, worth: Mapping[str, float] | None
) -> NDArray[np.float32]:
    if column not in events:
        raise SettingError(
            f"The events have no column {column!r} that says how much was watched; they have "
            f"{', '.join(events)}.{did_you_mean(column, events)}"
        )
    if worth is not None:
        codes, values = pd.factorize(events[column], use_na_sentinel=False)
        return np.array([worth.get(str(value), 1.0) for value in values], np.float32)[codes]
    if not pd.api.types.is_numeric_dtype(events[column]):
        raise DataError(
            f"Column {column!r} of the events must hold numbers of 0 or more, got "
            f"{events[column].dtype}."
        )
    found = events[column].to_numpy(np.float64, na_value=np.nan)
    with np.errstate(over="ignore"):
        held = found.astype(np.float32)
    if not (np.isfinite(held).all() and held.min(initial=0) >= 0):
        row = int((~np.isfinite(held) | (held < 0)).argmax())
        raise DataError(
            f"Column {column!r} of the events must hold finite numbers of 0 or more; row {row} of "
            f"the events has {found[row]:g}. Fill what is missing, or leave such events out."
        )
    return held


def appeared_at(dataset: Dataset, log: EventLog, uploaded: str) -> NDArray[np.int64]:
    """Return when each item appeared: when it was uploaded, or its first event.

    An item of which neither is known appears with the last event.

    Args:
        dataset: Its table of items may have the column.
        log: Events with times.
        uploaded: Column of the items, seconds since 1970.

    Returns:
        Seconds since 1970, shape `(n_items,)`.
    """
    found = np.full(dataset.n_items, log.times.max(initial=0), dtype=np.int64)
    if uploaded in dataset.items and pd.api.types.is_numeric_dtype(dataset.items[uploaded]):
        known = dataset.items[uploaded].to_numpy(np.float64, na_value=np.nan)
        return np.where(np.isnan(known), found, np.nan_to_num(known)).astype(np.int64)
    np.minimum.at(found, log.items, log.times)
    return found


def _in_the_order_of_rows(events: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Put events without times back into the order that the source had them in.

    Train and validation are tables of their own, so where validation was drawn from the middle of
    histories, one after the other is not the order in which things happened.
    """
    if TIMESTAMP in events or not dataset.has("interactions"):
        return events
    whole, wanted = (
        table[USER].to_numpy(np.int64) * dataset.n_items + table[ITEM].to_numpy(np.int64)
        for table in (dataset.table("interactions"), events)
    )
    by_pair = np.argsort(whole, kind="stable")
    repeats = pd.Series(wanted).groupby(wanted).cumcount().to_numpy()
    places = np.searchsorted(whole[by_pair], wanted) + repeats
    rows = by_pair[np.minimum(places, len(whole) - 1)]
    if not len(wanted) or not np.array_equal(whole[rows], wanted):
        return events
    return events.iloc[np.argsort(rows, kind="stable")]
