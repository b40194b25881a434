"""Accuracy of ranked candidates, per user, for every cut-off in one pass.

With `hits` held-out items among the first k, and n held out in all:

    precision@k      hits / k
    recall@k         hits / n
    capped_recall@k  hits / min(k, n)
    f1@k             2 precision recall / (precision + recall), 0 where there is no hit
    map@k            sum over hits of (hits so far / rank), divided by min(k, n)
    ndcg@k           sum over hits of gain / log2(rank + 1), divided by the best possible
    hit_rate@k       1 where there is a hit
    mrr@k            1 / rank of the first hit, 0 where there is none

The best possible order puts the min(k, n) largest gains first; gains are 1 unless graded.
These are means over users: each user counts the same. `micro_recall@k` counts each held-out item
the same, whoever holds it: hits of all users / held-out items of all users.

A list shorter than k is not forgiven: the places it leaves empty are misses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.numba_cache import njit

METRICS = ("recall", "ndcg", "precision", "capped_recall", "f1", "map", "hit_rate", "mrr")

_CELLS_PER_BLOCK = 4_000_000


def check_cutoffs(cutoffs: Iterable[int]) -> tuple[int, ...]:
    """Return cut-offs in rising order, each once.

    Raises:
        SettingError: If there is none, or one is not a whole number above 0.
    """
    cutoffs = list(cutoffs)
    wrong = [
        k for k in cutoffs if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1
    ]
    if wrong or not cutoffs:
        got = repr(wrong[0]) if wrong else "an empty list"
        raise SettingError(f"cutoffs must be whole numbers above 0, such as [10, 20]; got {got}.")
    return tuple(sorted({int(k) for k in cutoffs}))


def per_user(
    items: NDArray[np.integer],
    held_out: csr_array,
    cutoffs: Sequence[int],
    *,
    graded: bool = False,
) -> pd.DataFrame:
    """Judge ranked lists against what was held out.

    Args:
        items: Item ids, best first, shape `(n_users, k)`, padded at the end with -1. No item
            may stand twice in a row, which `Candidates` sees to.
        held_out: Held-out items of the same users, shape `(n_users, n_items)`. Every row holds at
            least one entry.
        cutoffs: Where the lists are cut, each 1 or more.
        graded: Take the stored values as gains of NDCG, each above 0, in place of ones. The gain
            is used as it is: store 2**grade - 1 if that is what you want.

    Returns:
        One row a user and one column a metric and cut-off, such as `recall@20`, all in 0 .. 1
        and never NaN.

    Raises:
        DataError: If a user has nothing held out, shapes disagree, or a gain is not above 0.
    """
    cutoffs = check_cutoffs(cutoffs)
    held_out = _checked(items, held_out, graded)
    rows = max(1, _CELLS_PER_BLOCK // max(items.shape[1], 1))
    blocks = [
        _block(items[start : start + rows], held_out[start : start + rows], cutoffs, graded)
        for start in range(0, max(len(items), 1), rows)
    ]
    return pd.concat(blocks, ignore_index=True)


def micro_recall(
    per_user: pd.DataFrame, n_held_out: NDArray[np.integer], cutoffs: Sequence[int]
) -> dict[str, float]:
    """Average recall over held-out items instead of users.

    Args:
        per_user: One row a user, with `recall@k` for each cut-off.
        n_held_out: Held-out items of the same users, shape `(n_users,)`, each 1 or more; a pair
            of user and item that occurs repeatedly counts once.
        cutoffs: Where the lists are cut.

    Returns:
        `micro_recall@k` by cut-off, in 0 .. 1. It equals the mean of `recall@k` where all users
        hold equally many items, as one each.
    """
    weights = n_held_out / n_held_out.sum()
    return {f"micro_recall@{k}": float(per_user[f"recall@{k}"] @ weights) for k in cutoffs}


def gains_of_lists(items: NDArray[np.integer], held_out: csr_array) -> NDArray[np.float64]:
    """Return the stored value of each listed item, 0 where it is not held out or is padding.

    Args:
        items: Item ids, shape `(n_users, k)`, padded with -1.
        held_out: Shape `(n_users, n_items)`, indices sorted.

    Returns:
        Gains, shape `(n_users, k)`.
    """
    gains = np.zeros(items.shape)
    starts, columns = held_out.indptr.astype(np.int64), held_out.indices
    _look_up(np.ascontiguousarray(items), starts, columns, held_out.data.astype(np.float64), gains)
    return gains


@njit(parallel=True)
def _look_up(items, starts, columns, values, gains):  # pragma: no cover - compiled
    """Write the stored value of each listed item, found by halving its user's row."""
    for row in numba.prange(len(items)):
        first, stop = starts[row], starts[row + 1]
        for place in range(items.shape[1]):
            low, high = first, stop
            while low < high:
                middle = (low + high) // 2
                if columns[middle] < items[row, place]:
                    low = middle + 1
                else:
                    high = middle
            if low < stop and columns[low] == items[row, place]:
                gains[row, place] = values[low]


def _block(
    items: NDArray, held_out: csr_array, cutoffs: tuple[int, ...], graded: bool
) -> pd.DataFrame:
    gains = gains_of_lists(items, held_out)  # (rows, width)
    hit = (gains > 0).astype(np.float64)
    n = np.diff(held_out.indptr).astype(np.float64)  # (rows,)
    rank = np.arange(1, items.shape[1] + 1)
    hits_up_to = np.cumsum(hit, axis=1)
    dcg_up_to = np.cumsum((gains if graded else hit) / np.log2(rank + 1), axis=1)
    precision_sum_up_to = np.cumsum(hit * hits_up_to / rank, axis=1)
    first_hit = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, np.inf) if len(rank) else np.inf

    columns: dict[str, NDArray[np.float64]] = {}
    for k in cutoffs:
        hits = _at(hits_up_to, k)
        most = np.minimum(k, n)
        ideal = _graded_ideal(held_out, k) if graded else _ideal(most)
        columns[f"recall@{k}"] = hits / n
        columns[f"ndcg@{k}"] = _at(dcg_up_to, k) / ideal
        columns[f"precision@{k}"] = hits / k
        columns[f"capped_recall@{k}"] = hits / most
        columns[f"f1@{k}"] = 2 * hits / (k + n)  # the harmonic mean of hits / k and hits / n
        columns[f"map@{k}"] = _at(precision_sum_up_to, k) / most
        columns[f"hit_rate@{k}"] = (hits > 0).astype(np.float64)
        columns[f"mrr@{k}"] = np.where(first_hit <= k, 1.0 / first_hit, 0.0) + np.zeros(len(n))
    by_metric = [f"{metric}@{k}" for metric in METRICS for k in cutoffs]
    return pd.DataFrame({name: columns[name] for name in by_metric})


def _at(running: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Read a running sum after k places; a shorter list ends where it ends."""
    width = running.shape[1]
    return running[:, min(k, width) - 1] if width else np.zeros(len(running))


def _ideal(most: NDArray[np.float64]) -> NDArray[np.float64]:
    """Best DCG with `most` hits of gain 1."""
    places = np.arange(1, int(most.max(initial=1)) + 1)
    return np.cumsum(1.0 / np.log2(places + 1))[most.astype(np.int64) - 1]


def _graded_ideal(held_out: csr_array, k: int) -> NDArray[np.float64]:
    """Best DCG of each row: its k largest gains, largest first."""
    n_users = held_out.shape[0]
    n = np.diff(held_out.indptr)
    row = np.repeat(np.arange(n_users), n)
    order = np.lexsort((-held_out.data, row))
    place = np.arange(len(row)) - np.repeat(held_out.indptr[:-1], n) + 1  # from 1, in each row
    worth = np.where(place <= k, held_out.data[order] / np.log2(place + 1), 0.0)
    return np.bincount(row, weights=worth, minlength=n_users)


def _checked(items: NDArray, held_out: csr_array, graded: bool) -> csr_array:
    if items.ndim != 2 or len(items) != held_out.shape[0]:
        raise DataError(
            f"items must have shape (n_users, k) for the {held_out.shape[0]} users of held_out, "
            f"got {items.shape}."
        )
    if items.size and items.max() >= held_out.shape[1]:
        raise DataError(
            f"A list holds item {items.max()}; the catalogue has {held_out.shape[1]} items."
        )
    if not np.diff(held_out.indptr).all():
        row = int(np.flatnonzero(np.diff(held_out.indptr) == 0)[0])
        raise DataError(f"Row {row} of held_out is empty: leave out users without held-out items.")
    if graded and not (held_out.data > 0).all():
        raise DataError(f"Gains must be above 0, got {held_out.data.min()}.")
    held_out = held_out.copy()
    held_out.sum_duplicates()  # which also sorts
    if not graded:
        held_out.data[:] = 1
    return held_out
