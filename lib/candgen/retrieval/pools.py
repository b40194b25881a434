"""One pool of candidates from several generators, under a budget.

Each generator hands in a list a user, best first. A pool takes from all of them, an item once,
until the budget is full. Who gives how much is fixed by shares (equal ones take turns), learned
on validation as shares, or decided item by item by calibrated scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError, did_you_mean
from candgen.retrieval.topk import NO_ITEM, TopK

Lists = Mapping[str, TopK]
_STEPS = 20  # parts of the budget that are given away one by one


def by_shares(lists: Lists, budget: int, shares: Mapping[str, float]) -> NDArray[np.int32]:
    """Merge lists so that each generator gives its share of every beginning of the pool.

    An item that several generators name counts for whoever names it first; the others go on with
    their next. Once a list is used up, the others fill its place.

    Args:
        lists: Generator -> candidates, all of the same users.
        budget: Items a user.
        shares: Generator -> 0 or greater, not all 0; a generator without one gives nothing.

    Returns:
        Items, shape `(n_users, budget)`, padded with `NO_ITEM`.

    Raises:
        SettingError: If a share names no generator, is negative, or none is above 0.
    """
    for name, share in shares.items():
        if name not in lists:
            raise SettingError(f"There is no generator {name!r}.{did_you_mean(name, lists)}")
        if not share >= 0:
            raise SettingError(f"The share of {name} must be 0 or greater, got {share!r}.")
    giving = [name for name in lists if shares.get(name, 0) > 0]
    if not giving:
        raise SettingError("At least one generator needs a share above 0.")
    _check(lists)
    items = np.concatenate([lists[name].items for name in giving], axis=1)
    turns = [np.arange(1, lists[name].items.shape[1] + 1) / shares[name] for name in giving]
    worth = np.broadcast_to(-np.concatenate(turns), items.shape)
    return _merged(items, worth, budget)


def round_robin(lists: Lists, budget: int) -> NDArray[np.int32]:
    """Merge lists that take turns; see `by_shares`."""
    return by_shares(lists, budget, dict.fromkeys(lists, 1.0))


class Calibrated:
    """Scores of several generators as chances of a hit, learned on held-out events.

    For each generator the chance is a function of the score that never falls (isotonic), so that
    the order of a list stays and different lists become comparable. An item that several
    generators name counts with its best chance.
    """

    def __init__(self, lists: Lists, held_out: csr_array) -> None:
        """Learn from lists of users and what was held out of them.

        Args:
            lists: Generator -> candidates of the users of `held_out`.
            held_out: Shape `(n_users, n_items)`; any stored entry is a hit. Take validation's.
        """
        from sklearn.isotonic import IsotonicRegression

        _check(lists)
        self._chances = {}
        for name, found in lists.items():
            there = found.items != NO_ITEM
            chance = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            chance.fit(found.scores[there].astype(float), _hits(found.items, held_out)[there])
            self._chances[name] = chance

    def chances(self, name: str, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the chance that an item of a generator's score is a hit; -inf scores have none."""
        if name not in self._chances:
            raise SettingError(
                f"Nothing was learned of {name!r}.{did_you_mean(name, self._chances)}"
            )
        finite = np.where(np.isfinite(scores), scores, 0).astype(float)
        found = self._chances[name].predict(finite.ravel()).reshape(scores.shape)
        return np.where(np.isfinite(scores), found, -np.inf)

    def merge(self, lists: Lists, budget: int) -> NDArray[np.int32]:
        """Merge lists by chance, the better place in its list first where chances tie."""
        _check(lists)
        items = np.concatenate([found.items for found in lists.values()], axis=1)
        worth = [self.chances(name, found.scores) for name, found in lists.items()]
        late = [np.arange(found.items.shape[1]) * 1e-9 for found in lists.values()]
        return _merged(items, np.concatenate(worth, axis=1) - np.concatenate(late), budget)


def learn_shares(lists: Lists, held_out: csr_array, budget: int) -> dict[str, float]:
    """Learn shares on held-out events: each part of the budget goes where it adds most hits.

    Greedy, a twentieth of the budget at a time; what is counted is hits that the pool does not
    hold yet.

    Args:
        lists: Generator -> candidates of the users of `held_out`.
        held_out: Shape `(n_users, n_items)`. Take validation's, never the test's.
        budget: Items a user.

    Returns:
        Generator -> share; they sum to 1.
    """
    _check(lists)
    step = max(1, budget // _STEPS)
    given = dict.fromkeys(lists, 0)
    while sum(given.values()) + step <= budget:
        gains = {}
        for name, found in lists.items():
            if given[name] + step > found.items.shape[1]:
                continue
            tried = {**given, name: given[name] + step}
            gains[name] = _hits(_union(lists, tried), held_out).sum()
        if not gains:
            break
        best = max(gains, key=lambda name: gains[name])
        given[best] += step
    total = sum(given.values())
    if not total:
        raise DataError(f"No list is as long as a part of the budget, {step} items.")
    return {name: depth / total for name, depth in given.items()}


def contributions(lists: Lists, held_out: csr_array, budget: int) -> pd.DataFrame:
    """Recall that each generator contributes: alone, at the margin, and exclusively.

    Returns:
        One row a generator: `alone`, the recall of its first `budget` items; `without`, that of
        the others' pool by turns; `adds`, what the pool of all has beyond that; `unique`, the
        share of its items that no other list holds. Recall is averaged over users with something
        held out.
    """
    _check(lists)
    whole = recall_of(round_robin(lists, budget), held_out)
    rows = []
    for name, found in lists.items():
        others = {other: held for other, held in lists.items() if other != name}
        without = recall_of(round_robin(others, budget), held_out) if others else 0.0
        alone = recall_of(found.items[:, :budget], held_out)
        row = {"generator": name, "alone": alone, "without": without, "adds": whole - without}
        rows.append(row | {"unique": _unique(found, others, budget)})
    return pd.DataFrame(rows)


def recall_of(items: NDArray[np.int32], held_out: csr_array) -> float:
    """Mean share of held-out items in a pool, over users with something held out."""
    return float(recalls_of(items, held_out).mean())


def recalls_of(items: NDArray[np.int32], held_out: csr_array) -> NDArray[np.float64]:
    """Share of held-out items in a pool, of each user with something held out, in their order."""
    n = np.diff(held_out.indptr)
    return _hits(items, held_out).sum(axis=1)[n > 0] / n[n > 0]


def _merged(
    items: NDArray[np.int32], worth: NDArray[np.floating], budget: int
) -> NDArray[np.int32]:
    """Take the items of most worth in each row, each once."""
    if budget < 1:
        raise SettingError(f"The budget must be 1 or greater, got {budget}.")
    worth = np.where(items == NO_ITEM, -np.inf, worth)
    order = np.argsort(-worth, axis=1, kind="stable")
    ranked = np.take_along_axis(items, order, axis=1)
    by_item = np.argsort(ranked, axis=1, kind="stable")
    sorted_items = np.take_along_axis(ranked, by_item, axis=1)
    repeated = np.zeros(ranked.shape, dtype=bool)
    again = np.concatenate(
        [np.zeros((len(ranked), 1), bool), sorted_items[:, 1:] == sorted_items[:, :-1]], axis=1
    )
    np.put_along_axis(repeated, by_item, again, axis=1)
    kept = ~repeated & (ranked != NO_ITEM)
    place = np.cumsum(kept, axis=1) - 1
    pool = np.full((len(items), budget), NO_ITEM, dtype=np.int32)
    rows, columns = np.nonzero(kept & (place < budget))
    pool[rows, place[rows, columns]] = ranked[rows, columns]
    return pool


def _union(lists: Lists, depths: Mapping[str, int]) -> NDArray[np.int32]:
    items = np.concatenate([lists[name].items[:, :depth] for name, depth in depths.items()], axis=1)
    return _merged(items, np.zeros(items.shape), items.shape[1])


def _hits(items: NDArray[np.int32], held_out: csr_array) -> NDArray[np.bool_]:
    """Mark the items of each row that are held out for it."""
    if len(items) != held_out.shape[0]:
        raise DataError(
            f"Lists are of {len(items):,} users, held_out of {held_out.shape[0]:,}: "
            "the same expected."
        )
    n_items = held_out.shape[1]
    rows = np.repeat(np.arange(held_out.shape[0]), np.diff(held_out.indptr))
    wanted = rows * n_items + held_out.indices
    asked = np.arange(len(items))[:, None] * n_items + items
    return np.isin(asked, wanted) & (items != NO_ITEM)


def _unique(found: TopK, others: Lists, budget: int) -> float:
    there = found.items[:, :budget] != NO_ITEM
    if not others or not there.any():
        return float(there.any())
    known = np.concatenate([held.items[:, :budget] for held in others.values()], axis=1)
    shared = np.stack([np.isin(a, b) for a, b in zip(found.items[:, :budget], known, strict=True)])
    return float((~shared)[there].mean())


def _check(lists: Lists) -> None:
    if not lists:
        raise SettingError("A pool needs the lists of one generator at least.")
    rows = {name: len(found.items) for name, found in lists.items()}
    if len(set(rows.values())) > 1:
        raise DataError(f"All lists must be of the same users, got {rows} rows.")
