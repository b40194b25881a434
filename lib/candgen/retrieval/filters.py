"""Filters: masks of eligible items for all queries, and items to withhold from each query.

A mask marks the eligible items (`allowed` of a search); a matrix marks the items withheld from each
query (`exclude`). Masks are combined with `&`, matrices with `together`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.retrieval.topk import NO_ITEM, TopK

_EARTH_KM = 6371.0088

# --- masks, for everybody


def only(n_items: int, items: ArrayLike) -> NDArray[np.bool_]:
    """Allow the listed items and no others."""
    mask = np.zeros(n_items, dtype=bool)
    mask[_checked("items", items, n_items)] = True
    return mask


def without(n_items: int, items: ArrayLike) -> NDArray[np.bool_]:
    """Allow all items but the listed ones."""
    return ~only(n_items, items)


def matching(items: pd.DataFrame, **wanted: Any) -> NDArray[np.bool_]:
    """Allow items whose columns hold what is wanted, such as `place="Eastvale"`.

    Args:
        items: One row an item.
        **wanted: Column -> a value, or a collection of which one suffices. A column of lists
            holds all values of its lists. An item without a value holds nothing.

    Raises:
        DataError: If there is no such column.
    """
    mask = np.ones(len(items), dtype=bool)
    for column, value in wanted.items():
        if column not in items:
            raise DataError(
                f"Items have no column {column!r} to filter by."
                f"{did_you_mean(column, map(str, items.columns))}"
            )
        accepted = set(value) if _is_collection(value) else {value}
        mask &= np.fromiter(
            (
                not accepted.isdisjoint(held) if _is_collection(held) else held in accepted
                for held in items[column]
            ),
            dtype=bool,
            count=len(items),
        )
    return mask


def available(
    moment: float, *, since: ArrayLike | None = None, until: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Allow items that have appeared by a moment and are not gone yet.

    Args:
        moment: Seconds since 1970, as are the others.
        since: When each item appears, itself included; NaN has always been there.
        until: When each item goes; at that second it is gone. NaN stays.
    """
    if since is None and until is None:
        raise ValueError("available needs since, until or both.")
    mask = np.ones(len(np.asarray(until if since is None else since)), dtype=bool)
    if since is not None:
        mask &= ~(np.asarray(since, dtype=float) > moment)
    if until is not None:
        mask &= ~(np.asarray(until, dtype=float) <= moment)
    return mask


def near(where: ArrayLike, place: ArrayLike, kilometres: float) -> NDArray[np.bool_]:
    """Allow items within a distance of a place, such as the user's.

    Args:
        where: Latitude and longitude of each item in degrees, shape `(n_items, 2)`; an item
            without a place (NaN) is near nobody.
        place: Latitude and longitude.
        kilometres: How far, 0 or more.
    """
    if not kilometres >= 0:
        raise SettingError(f"kilometres must be 0 or more, got {kilometres!r}.")
    return distances(where, place) <= kilometres


def distances(where: ArrayLike, place: ArrayLike) -> NDArray[np.float64]:
    """Return the kilometres from each item to a place, along the ground; NaN without a place.

    By the haversine formula on a ball of the earth's mean radius, right within half a percent.

    Args:
        where: Latitude and longitude of each item in degrees, shape `(n_items, 2)`.
        place: Latitude and longitude.
    """
    found = np.radians(np.asarray(where, dtype=float))
    here = np.radians(np.asarray(place, dtype=float))
    if found.ndim != 2 or found.shape[1] != 2 or here.shape != (2,):
        raise DataError(
            f"Places are latitudes and longitudes, shapes (n_items, 2) and (2,) expected, got "
            f"{found.shape} and {here.shape}."
        )
    north, east = ((found - here) / 2).T
    half = np.sin(north) ** 2 + np.cos(here[0]) * np.cos(found[:, 0]) * np.sin(east) ** 2
    return 2 * _EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1)))


# --- matrices, for each query


def shown_recently(
    shown: pd.DataFrame, users: ArrayLike, n_items: int, *, moment: float, seconds: float
) -> csr_array:
    """Mark what each user was shown in the last `seconds` before a moment: not the same again.

    Args:
        shown: Events with user, item and timestamp, such as impressions.
        users: Who asks, one row each.
        n_items: Size of the catalogue.
        moment: When they ask; what was shown then or later does not count.
        seconds: How long an item is kept away.

    Returns:
        Ones of shape `(len(users), n_items)`, to be withheld.
    """
    times = shown[TIMESTAMP].to_numpy()
    recent = shown[(times >= moment - seconds) & (times < moment)]
    pairs = (recent[USER].to_numpy(), recent[ITEM].to_numpy())
    n_users = 1 + max(int(np.max(users, initial=0)), int(pairs[0].max(initial=0)))
    ones = np.ones(len(recent), dtype=np.float32)
    return csr_array((ones, pairs), shape=(n_users, n_items))[np.asarray(users)]


def together(*withheld: csr_array | None) -> csr_array | None:
    """Withhold what any of the matrices withholds; None where all are None."""
    there = [matrix for matrix in withheld if matrix is not None]
    if len({matrix.shape for matrix in there}) > 1:
        shapes = ", ".join(str(matrix.shape) for matrix in there)
        raise DataError(f"Matrices of what to withhold must have one shape, got {shapes}.")
    if len(there) < 2:
        return there[0] if there else None
    rows = np.concatenate([np.repeat(np.arange(m.shape[0]), np.diff(m.indptr)) for m in there])
    columns = np.concatenate([m.indices for m in there])
    joined = csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=there[0].shape)
    joined.sum_duplicates()
    return joined


# --- after the search


def prefer_recent(
    found: TopK, ages: NDArray[np.floating], k: int, *, half_life: float, weight: float
) -> TopK:
    """Rank candidates again with a bonus for what is new; search for more than `k` before.

    The score of an item gains `weight` times the spread of its row's scores (their standard
    deviation) times 0.5 ** (age / half_life).

    Args:
        found: Candidates, best first.
        ages: Of each item of the catalogue; those below 0 count as 0.
        k: Candidates that stay.
        half_life: Age at which the bonus is half, in the unit of the ages.
        weight: 0 changes nothing.
    """
    there = found.items != NO_ITEM
    scores = np.where(there, found.scores, np.nan)
    spread = np.zeros(len(scores))
    filled = there.sum(axis=1) > 1
    spread[filled] = np.nanstd(scores[filled], axis=1)
    new = 0.5 ** (np.maximum(ages, 0)[found.items] / half_life)
    gained = np.where(there, found.scores + weight * spread[:, None] * new, -np.inf)
    order = np.argsort(-gained, axis=1, kind="stable")[:, :k]
    items = np.take_along_axis(found.items, order, axis=1)
    return TopK(items, np.take_along_axis(gained, order, axis=1).astype(np.float32))


def _is_collection(value: Any) -> bool:
    return isinstance(value, (Collection, Iterable)) and not isinstance(value, (str, bytes))


def _checked(name: str, items: ArrayLike, n_items: int) -> NDArray[np.int64]:
    found = np.asarray(items, dtype=np.int64)
    if found.size and (found.min() < 0 or found.max() >= n_items):
        raise DataError(
            f"{name} must be dense ids in 0 .. {n_items - 1}, got {found.min()} .. {found.max()}."
        )
    return found
