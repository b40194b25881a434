"""Datasets as they would be if some users were new, made of a prepared one in memory.

Nothing is written; the tables that a generator may read are the ones of the prepared dataset, less
what it could not know.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets.dataset import Dataset
from candgen.errors import DataError, SettingError
from candgen.seeds import derive_seed

_EVENTS = ("impressions", "searches")  # further tables that tell of users


class SetApart(NamedTuple):
    """A dataset that knows nothing of some users and items, and what happened with them."""

    data: Dataset
    """Training has neither; what new users did with known items is held out."""
    users: NDArray[np.int64]
    """The new users, dense ids in rising order."""
    items: NDArray[np.int64]
    """The new items, likewise."""
    of_items: pd.DataFrame
    """What known users did with new items, in order of time."""


def set_apart(
    dataset: Dataset, users: float, items: float = 0.0, *, more_than: int = 0, seed: int = 0
) -> SetApart:
    """Take a random share of users and of items out of training, with everything they ever did.

    All events count, whatever part of the split they lie in. Where `dataset` is judged on
    validation, other users and items are new than for test, and those of test are left out
    altogether: settings chosen on the one have not met the other. What new users did with new
    items is left out, too.

    Args:
        dataset: With times.
        users: Share of the users with more than `more_than` events, above 0 and below 1.
        items: Share of the items with more than `more_than` events, 0 or more and below 1.
        more_than: Events that a new user or item has at least one more of.
        seed: Of both choices.

    Raises:
        SettingError: If a share is out of range.
        DataError: If events have no times, or nobody has so many.
    """
    for name, share in (("users", users), ("items", items)):
        if not (0 < share < 1 or (share == 0 and name == "items")):
            raise SettingError(f"The share of new {name} must lie between 0 and 1, got {share!r}.")
    events = dataset.table("interactions")
    if TIMESTAMP not in events:
        raise DataError(f"Newcomers need times; the events of {dataset.name!r} have none.")
    events = events.sort_values(TIMESTAMP, kind="stable").drop_duplicates([USER, ITEM])
    left_out = np.zeros(0, np.int64), np.zeros(0, np.int64)  # users, items
    parts = ("test", "validation") if dataset.evaluate_on == "validation" else ("test",)
    for part in parts:
        events = _neither(events, *left_out)
        new_items = _some(events, ITEM, items, more_than, derive_seed(seed, f"items of {part}"))
        of_known = events[~events[ITEM].isin(new_items)]
        new_users = _some(of_known, USER, users, more_than, derive_seed(seed, f"users of {part}"))
        forgotten = _joined(left_out, (new_users, new_items))
        left_out = new_users, new_items
    if not len(new_users):
        raise DataError(
            f"Nobody in {dataset.name!r} has more than {more_than} events that could be held out. "
            "Ask for fewer known events."
        )
    train = _neither(events, new_users, new_items)
    held_out = _only(of_known, new_users)
    tables = {"train": train, "held_out": held_out, "interactions": train}
    for name in _EVENTS:
        if dataset.has(name):
            tables[name] = _neither(dataset.table(name), *forgotten)
    of_items = events[events[ITEM].isin(new_items) & ~events[USER].isin(new_users)]
    made = _derived(dataset, tables)
    return SetApart(made, new_users, new_items, of_items.reset_index(drop=True))


def as_strangers(dataset: Dataset, share: float, *, seed: int = 0) -> Dataset:
    """Forget all events of a random share of the users; what is held out of them is to be found.

    Args:
        dataset: Read as `evaluate_on` says.
        share: Of the users with something held out, above 0 and below 1.
        seed: Of the choice.

    Raises:
        SettingError: If the share is out of range.
    """
    if not 0 < share < 1:
        raise SettingError(f"share must lie between 0 and 1, got {share!r}.")
    able = np.unique(dataset.held_out[USER])
    n = max(1, round(share * len(able)))
    chosen = np.random.default_rng(seed).choice(able, n, replace=False)
    tables = {"train": _without(dataset.train, chosen), "held_out": _only(dataset.held_out, chosen)}
    for name in _EVENTS:
        if dataset.has(name):
            tables[name] = _without(dataset.table(name), chosen)
    return _derived(dataset, tables)


def newcomers(dataset: Dataset, n_known: int, *, found_after: int | None = None) -> Dataset:
    """Judge users without a training event, once the first few of what is held out are known.

    Their first `n_known` held-out events become fold-in, the later ones are to be found. Training
    stays as it is, so a generator that was fitted to `dataset` need not learn anything.

    Args:
        dataset: With times, such as one split by date.
        n_known: Events known of a newcomer, 0 or more.
        found_after: Only events after this many are to be found, `n_known` or more. One number
            for several `n_known` asks the same question of the same users each time.

    Raises:
        DataError: If events have no times, or nobody is new and has more events than that.
    """
    found_after = n_known if found_after is None else found_after
    if found_after < n_known:
        raise SettingError(f"found_after must be n_known = {n_known} or more, got {found_after}.")
    held_out = dataset.held_out
    if TIMESTAMP not in held_out:
        raise DataError(f"Newcomers need times; the events of {dataset.name!r} have none.")
    trained = np.bincount(dataset.train[USER], minlength=dataset.n_users) > 0
    events = held_out[~trained[held_out[USER]]].sort_values([USER, TIMESTAMP], kind="stable")
    place = events.groupby(USER).cumcount().to_numpy()
    more = events.groupby(USER)[USER].transform("size").to_numpy() > found_after
    if not more.any():
        raise DataError(
            f"Nobody in {dataset.name!r} is without training events and has more than "
            f"{found_after} in {dataset.evaluate_on!r}."
        )
    tables = {"train": dataset.train, "held_out": events[more & (place >= found_after)]}
    if n_known:
        tables["fold_in"] = events[more & (place < n_known)]
    return _derived(dataset, tables)


def _derived(dataset: Dataset, tables: dict[str, pd.DataFrame]) -> Dataset:
    """Return a dataset of the same users and items, whose split is in the tables given."""
    held = {name: frame.reset_index(drop=True) for name, frame in tables.items()}
    held["test"] = held.pop("held_out")
    gone = {"validation", "fold_in"} - set(held)
    known = {name: facts for name, facts in dataset.info["tables"].items() if name not in gone}
    kept = {name: frame for name, frame in dataset._tables.items() if name in known}
    info = {**dataset.info, "tables": known | {name: {} for name in held}}
    return replace(dataset, info=info, evaluate_on="test", _tables={**kept, **held})


def _without(events: pd.DataFrame, users: np.ndarray) -> pd.DataFrame:
    return events[~events[USER].isin(users)]


def _only(events: pd.DataFrame, users: np.ndarray) -> pd.DataFrame:
    return events[events[USER].isin(users)]


def _neither(events: pd.DataFrame, users: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    kept = ~events[USER].isin(users)
    return events[kept & ~events[ITEM].isin(items)] if ITEM in events else events[kept]


def _joined(*pairs: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    users, items = zip(*pairs, strict=True)
    return np.concatenate(users), np.concatenate(items)


def _some(
    events: pd.DataFrame, column: str, share: float, more_than: int, seed: int
) -> NDArray[np.int64]:
    counts = events[column].value_counts()
    able = np.sort(counts.index[counts > more_than].to_numpy(np.int64))
    n = round(share * len(able)) or int(share > 0 and len(able) > 0)
    return np.sort(np.random.default_rng(seed).choice(able, n, replace=False))
