"""Filters of events, and dense ids of users and items.

The order is fixed: first repeated events are settled, then ratings are turned into positives, then
users and items with too few events are removed. Dense ids follow the sorted raw ids, so they do not
depend on the order of the events.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, RATING, TIMESTAMP, USER
from candgen.errors import DataError

Duplicates = Literal["refuse", "first", "last", "keep"]
DUPLICATES = ("refuse", "first", "last", "keep")


class Numbered(NamedTuple):
    """Dense ids of a column and the raw id behind each."""

    codes: NDArray[np.int32]  # one per event, 0 .. len(raw) - 1
    raw: pd.Index  # sorted; raw[code] is the id in the source


def number(ids: pd.Series | NDArray) -> Numbered:
    """Number ids densely in the order of the sorted raw ids (text by code point)."""
    codes, raw = pd.factorize(ids, sort=True)
    return Numbered(codes.astype(np.int32), pd.Index(raw))


def code_of(ids: pd.Series | NDArray, raw: pd.Index) -> NDArray[np.int32]:
    """Return the dense id of each raw id, -1 for an id that `raw` does not hold."""
    return raw.get_indexer(pd.Index(ids)).astype(np.int32)


def settle_duplicates(
    events: pd.DataFrame, policy: Duplicates = "refuse", *, where: str = "the events"
) -> pd.DataFrame:
    """Refuse, merge or keep events that repeat a pair of user and item.

    Args:
        events: Columns `user` and `item`; with `timestamp`, first and last refer to time, and
            equal times are ordered by row. Without it, they refer to the order of rows. The index
            counts the rows of the file from 0.
        policy: "refuse" raises, "first" and "last" keep one event a pair, "keep" keeps all.
        where: Name of the events in messages.

    Returns:
        The remaining events in their old order, with their index.

    Raises:
        DataError: If the policy is "refuse" and a pair occurs twice. The message names both rows,
            counted from 1 without a header.
    """
    if policy == "keep" or not len(events):
        return events
    pairs = _pair_keys(events)
    if not _repeats(pairs):
        return events
    if policy == "refuse":
        _refuse(events, pairs, where)
    return events[_chosen(events, pairs, policy)]


def positives(events: pd.DataFrame, at_least: float | None) -> pd.DataFrame:
    """Keep events rated `at_least` or better, the positives; None keeps all.

    Raises:
        DataError: If a threshold is given and the events have no ratings.
    """
    if at_least is None:
        return events
    if RATING not in events:
        raise no_ratings(at_least)
    return events[events[RATING].to_numpy() >= at_least]


def no_ratings(at_least: float, setting: str = "min_rating") -> DataError:
    """Return the error of a threshold on events without ratings."""
    return DataError(
        f"{setting} is {at_least:g}, but these events have no ratings. Leave {setting} out."
    )


def k_core(
    users: NDArray[np.int32], items: NDArray[np.int32], *, per_user: int, per_item: int
) -> NDArray[np.bool_]:
    """Mark the largest set of events in which every user and every item has enough events.

    Users and items below their minimum are removed, which may put others below theirs, until none
    is left below. The result does not depend on the order of removal.

    Args:
        users: Dense ids, one per event.
        items: Dense ids, one per event.
        per_user: Fewest events of a user; 1 or less removes none.
        per_item: Fewest events of an item; 1 or less removes none.

    Returns:
        One boolean per event; all False if no event is left.
    """
    stays = np.ones(len(users), dtype=bool)
    while stays.any():
        enough_u = np.bincount(users[stays], minlength=users.max() + 1) >= per_user
        enough_i = np.bincount(items[stays], minlength=items.max() + 1) >= per_item
        kept = stays & enough_u[users] & enough_i[items]
        if np.array_equal(kept, stays):
            break
        stays = kept
    return stays


def _pair_keys(events: pd.DataFrame) -> NDArray[np.int64]:
    users, items = number(events[USER]), number(events[ITEM])
    return users.codes.astype(np.int64) * len(items.raw) + items.codes


def _repeats(pairs: NDArray[np.int64]) -> bool:
    in_order = np.sort(pairs)
    return bool((in_order[1:] == in_order[:-1]).any())


def _refuse(events: pd.DataFrame, pairs: NDArray[np.int64], where: str) -> None:
    repeated = pd.Series(pairs).duplicated().to_numpy()
    second = int(repeated.argmax())
    first = int((pairs == pairs[second]).argmax())
    user, item = events[USER].iloc[second], events[ITEM].iloc[second]
    rows = sorted(events.index[[first, second]] + 1)
    raise repeated_pair(where, user, item, rows, int(repeated.sum()))


def repeated_pair(where: str, user: object, item: object, rows: list[int], count: int) -> DataError:
    """Return the error of events that repeat a pair.

    Args:
        where: Name of the events.
        user: Own id of the user of the first pair that occurs again.
        item: Own id of its item.
        rows: Two rows that hold it, counted from 1.
        count: Events that repeat an earlier one.
    """
    return DataError(
        f"{where}: user {user} and item {item} occur "
        f"together in rows {rows[0]} and {rows[1]}, counted without a header "
        f"({count:,} repeated events in all). Set duplicates to first, last or "
        "keep, or correct the file."
    )


def _chosen(
    events: pd.DataFrame, pairs: NDArray[np.int64], policy: Duplicates
) -> NDArray[np.bool_]:
    times = events[TIMESTAMP].to_numpy() if TIMESTAMP in events else np.zeros(len(events))
    order = np.lexsort((times, pairs))  # stable: equal times stay in the order of rows
    edge = pairs[order][1:] != pairs[order][:-1]
    ends = np.r_[True, edge] if policy == "first" else np.r_[edge, True]
    chosen = np.zeros(len(events), dtype=bool)
    chosen[order[ends]] = True
    return chosen
