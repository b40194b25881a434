"""Exposure of item groups compared with their merit.

A group's exposure is its share of the places of the lists, its merit its share of the true
relevance. Where the two agree, attention goes to items as users want them (Singh and Joachims,
*Fairness of exposure in rankings*, KDD 2018; Biega, Gummadi and Weikum, *Equity of attention*,
SIGIR 2018). Both are shares of a user, averaged over users, so that every user counts alike:

    exposure(g) = mean over users of (places of the first k that hold g / k)
    merit(g)    = mean over users of (relevance of the items of g / relevance of all items)
    gap(g)      = exposure(g) - merit(g)
    gap         = half the sum of |gap(g)|: the share of the places that would have to move

A list of the k best items is not drawn in proportion to relevance, so it has a gap, too. Compare
with the gap of the best possible lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.datasets.dataset import Dataset
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.evaluation.groups import POPULARITY, popularity_groups
from candgen.evaluation.significance import bootstrap_intervals, bootstrap_means
from candgen.seeds import derive_seed

if TYPE_CHECKING:
    from candgen.datasets.world import Oracle

UNKNOWN = "unknown"
_MERIT_ROWS = 256


class Groups(NamedTuple):
    """Groups of items."""

    names: list[str]
    shares: NDArray[np.float64]
    """How much of each item is each group's, shape `(n_items, n_groups)`; rows sum to 1."""


class Gap(NamedTuple):
    """The share of the places that would have to move, with a 95 % interval over users.

    A sum of absolute values is never below 0, and chance alone makes it larger: of groups whose
    exposure is exactly as merited, a sample of users finds a small gap.
    """

    value: float
    low: float
    high: float


def groups_by(dataset: Dataset, column: str) -> Groups:
    """Group items by a column of the items table; an item of several groups is split evenly.

    Args:
        dataset: Its items.
        column: Holds a word or a list of words an item, such as a provider or genres.

    Raises:
        SettingError: If there is no such column.
    """
    if column not in dataset.items:
        hint = did_you_mean(column, list(dataset.items))
        raise SettingError(f"The items of {dataset.name!r} have no column {column!r}.{hint}")
    named = [_words(value) for value in dataset.items[column]]
    names = sorted({word for words in named for word in words})
    place = {name: n for n, name in enumerate(names)}
    shares = np.zeros((len(named), len(names)))
    for item, words in enumerate(named):
        shares[item, [place[word] for word in words]] = 1 / len(words)
    return Groups(names, shares)


def groups_by_popularity(dataset: Dataset) -> Groups:
    """Group items into head, middle and tail, a third of the training events each."""
    number = popularity_groups(item_popularity(dataset))
    return Groups(list(POPULARITY), np.eye(len(POPULARITY))[number])


def exposure_shares(items: NDArray[np.integer], groups: Groups, k: int) -> NDArray[np.float64]:
    """Return each user's share of the first `k` places that each group holds.

    Args:
        items: Candidates, best first, shape `(n_users, at least k)`; -1 is an empty place, which
            nobody holds.
        groups: Of the items.
        k: Places that count, all of them alike.

    Returns:
        Shape `(n_users, n_groups)`; rows sum to 1 where no place is empty.
    """
    items = items[:, :k]
    shares = np.zeros((len(items), len(groups.names)))
    for place in items.T:
        shares += np.where(place[:, None] >= 0, groups.shares[place], 0)
    return shares / k


def merit_shares(
    users: NDArray[np.integer], dataset: Dataset, oracle: Oracle, groups: Groups
) -> NDArray[np.float64]:
    """Return the share of each user's true relevance that each group holds.

    All items count that the user does not have, as of the world's end.

    Args:
        users: Dense ids, shape `(n,)`.
        dataset: Says what they have.
        oracle: Of its world.
        groups: Of the items.

    Returns:
        Shape `(n, n_groups)`; rows sum to 1, or to 0 for a user without any relevant item.
    """
    found = np.empty((len(users), len(groups.names)))
    for start in range(0, len(users), _MERIT_ROWS):
        block = slice(start, start + _MERIT_ROWS)
        relevance = oracle.relevance(users[block]).astype(np.float64)  # (rows, n_items)
        relevance[dataset.withheld_matrix[users[block]].nonzero()] = 0
        total = np.maximum(relevance.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        found[block] = relevance @ groups.shares / total
    return found


def gap_table(
    exposed: NDArray[np.float64],
    merited: NDArray[np.float64],
    names: Sequence[str],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Set exposure and merit of each group beside each other.

    Args:
        exposed: From `exposure_shares`, shape `(n_users, n_groups)`.
        merited: From `merit_shares`, of the same users.
        names: Of the groups.
        seed: Of the bootstrap.

    Returns:
        One row a group: `group`, `exposure`, `merit`, `gap` (their difference) with `low` and
        `high` (95 %, over users), and `ratio` (exposure over merit; NaN without merit).
    """
    _check_same(exposed, merited)
    seed = derive_seed(seed, "bootstrap")
    low, high = bootstrap_intervals(exposed - merited, seed=seed)
    exposure, merit = exposed.mean(axis=0), merited.mean(axis=0)
    ratio = np.divide(exposure, merit, out=np.full(len(merit), np.nan), where=merit > 0)
    return pd.DataFrame(
        {
            "group": list(names),
            "exposure": exposure,
            "merit": merit,
            "gap": exposure - merit,
            "low": low,
            "high": high,
            "ratio": ratio,
        }
    )


def gap_of(exposed: NDArray[np.float64], merited: NDArray[np.float64], *, seed: int = 0) -> Gap:
    """Return the share of the places that would have to move for exposure to be as merited."""
    _check_same(exposed, merited)
    less = exposed - merited
    drawn = bootstrap_means(less, seed=derive_seed(seed, "bootstrap"))
    return _interval(_half_sum(less.mean(axis=0)), _half_sum(drawn))


def gap_change(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    merited: NDArray[np.float64],
    *,
    seed: int = 0,
) -> Gap:
    """Return by how much the gap grew from one set of lists to another of the same users.

    Args:
        before: Exposure of each user's groups, shape `(n_users, n_groups)`.
        after: Likewise, later or by another generator.
        merited: Likewise, of merit.
        seed: Of the bootstrap, which draws the same users for both.

    Returns:
        Above 0 where the gap grew.
    """
    _check_same(before, merited), _check_same(after, merited)
    both = np.hstack([after - merited, before - merited])
    drawn = bootstrap_means(both, seed=derive_seed(seed, "bootstrap"))
    n = merited.shape[1]
    mean = both.mean(axis=0)
    value = _half_sum(mean[:n]) - _half_sum(mean[n:])
    return _interval(value, _half_sum(drawn[:, :n]) - _half_sum(drawn[:, n:]))


def _half_sum(gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(gaps).sum(axis=-1) / 2


def _interval(value: float, drawn: NDArray[np.float64]) -> Gap:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Gap(float(value), float(low), float(high))


def _words(value: object) -> list[str]:
    if isinstance(value, (list, tuple, np.ndarray)):
        return sorted({str(word) for word in value}) or [UNKNOWN]
    return [UNKNOWN] if pd.isna(value) else [str(value)]


def _check_same(exposed: NDArray[np.float64], merited: NDArray[np.float64]) -> None:
    if exposed.shape != merited.shape:
        raise DataError(
            "Exposure and merit must be of the same users and groups, got shapes "
            f"{exposed.shape} and {merited.shape}."
        )
