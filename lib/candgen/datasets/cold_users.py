"""Datasets with cold users and cold items, made in memory from a prepared dataset.

A cold user or item has no training event. All functions return a new `Dataset` whose tables lack
the events of the users and items made cold; nothing is written to disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets.dataset import Dataset
from candgen.datasets.periods import FURTHER, INTERACTIONS, PARTS, stored
from candgen.datasets.splits import NAMES, Events, SplitSettings, split
from candgen.errors import DataError, SettingError
from candgen.seeds import derive_seed

_NO_TIMES = (
    "Dataset {!r} has no timestamps, and the order of a cold user's events needs them. Name the "
    "column of timestamps when you prepare it."
)


class ColdSplit(NamedTuple):
    """A dataset without training events of some users and items, and those events."""

    data: Dataset
    """The dataset; events of cold users with warm items are held out."""
    users: NDArray[np.int64]
    """The cold users, dense ids in ascending order."""
    items: NDArray[np.int64]
    """The cold items, dense ids in ascending order."""
    of_items: pd.DataFrame
    """Events of warm users with cold items, in order of time."""


def make_cold(
    dataset: Dataset, users: float, items: float = 0.0, *, more_than: int = 0, seed: int = 0
) -> ColdSplit:
    """Remove all events of a random share of users and of items from training.

    The events of all parts of the split count. If `dataset` is judged on validation, the cold
    users and items differ from those of test, and those of test are removed from the dataset:
    settings tuned on validation have not seen the users and items of test. Events of cold users
    with cold items are dropped.

    Args:
        dataset: Needs timestamps.
        users: Share of the users with more than `more_than` events, above 0 and below 1.
        items: Share of the items with more than `more_than` events, 0 or more and below 1.
        more_than: Number of events that every cold user and item exceeds.
        seed: Seed of the choice of users and of items.

    Raises:
        SettingError: If a share is out of range.
        DataError: If events have no timestamps, or no user has enough events.
    """
    for name, share in (("users", users), ("items", items)):
        if not (0 < share < 1 or (share == 0 and name == "items")):
            raise SettingError(f"The share of cold {name} must lie between 0 and 1, got {share!r}.")
    events = dataset.table("interactions")
    if TIMESTAMP not in events:
        raise DataError(_NO_TIMES.format(dataset.name))
    events = events.sort_values(TIMESTAMP, kind="stable").drop_duplicates([USER, ITEM])
    none = np.zeros(0, np.int64)
    left_out = none, none  # users, items
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
            f"No user of {dataset.name!r} has more than {more_than} events that could be held out. "
            "Lower the number of known events."
        )
    train = _neither(events, new_users, new_items)
    held_out = _only(of_known, new_users)
    tables = {"train": train, "test": held_out, "interactions": train}
    for name in filter(dataset.has, FURTHER):
        rows = dataset.everything(name)
        tables[name] = _neither(rows, *forgotten)
        tables[stored(name, "test")] = _neither(_only(rows, new_users), none, forgotten[1])
    of_items = events[events[ITEM].isin(new_items) & ~events[USER].isin(new_users)]
    made = _derived(dataset, tables, policy="cold_users")
    return ColdSplit(made, new_users, new_items, of_items.reset_index(drop=True))


def make_users_cold(dataset: Dataset, share: float, *, seed: int = 0) -> Dataset:
    """Remove all known events of a random share of the users with held-out events.

    Only their held-out events remain to be predicted; other users are not judged.

    Args:
        dataset: Judged on the part that its `evaluate_on` names.
        share: Share of the users with held-out events, above 0 and below 1.
        seed: Seed of the choice of users.

    Raises:
        SettingError: If the share is out of range.
    """
    if not 0 < share < 1:
        raise SettingError(f"share must lie between 0 and 1, got {share!r}.")
    able = np.unique(dataset.held_out[USER])
    n = max(1, round(share * len(able)))
    chosen = np.random.default_rng(seed).choice(able, n, replace=False)
    known = {name: _without(rows, chosen) for name, rows in _known(dataset).items()}
    judging = {name: _only(rows, chosen) for name, rows in _judging(dataset).items()}
    return _derived(dataset, known | judging)


def hold_out_users(dataset: Dataset, share: float, *, known: float = 0.8, seed: int = 0) -> Dataset:
    """Split a dataset anew by users, as the split held_out_users of a prepared dataset does.

    A random share of users is absent from training; a part of their events is fold-in, and the
    rest is held out. As many other users are held out for validation. Further event tables, such
    as searches, are left out; the first event of each pair of a user and an item counts.

    Args:
        dataset: What it is judged on, validation or test, stays.
        share: Share of the users, for test and for validation each, above 0 and below 0.5.
        known: Share of their events that becomes fold-in, above 0 and below 1.
        seed: Seed of the choice of users and of events.

    Raises:
        SettingError: If a share is out of range.
        DataError: If a part would be empty.
    """
    shares = {"test_fraction": share, "validation_fraction": share, "fold_in_fraction": known}
    settings = SplitSettings(policy="held_out_users", seed=seed, **shares)
    events = dataset.table(INTERACTIONS).drop_duplicates([USER, ITEM], ignore_index=True)
    ids = (events[name].to_numpy(np.int32) for name in (USER, ITEM))
    made = split(Events(*ids, None, dataset.n_users, dataset.n_items), settings)
    tables = {name: events[made.parts == place] for place, name in enumerate(NAMES)}
    derived = _derived(dataset, tables | {INTERACTIONS: events}, policy=settings.policy)
    text = f"{dataset.digest} {settings.model_dump_json()}"  # another split is another dataset
    info = {**derived.info, "digest": hashlib.sha256(text.encode()).hexdigest()}
    return replace(derived, info=info, evaluate_on=dataset.evaluate_on)


def fold_in_cold_users(
    dataset: Dataset, n_known: int, *, found_after: int | None = None
) -> Dataset:
    """Use the first held-out events of cold users as fold-in and hold out the later ones.

    Only users without a training event are judged. Training stays unchanged, so a generator that
    was fitted to `dataset` can be judged without fitting again.

    Args:
        dataset: Needs timestamps, as after a split by date.
        n_known: Number of events of each cold user that become fold-in, 0 or more.
        found_after: Number of first events that are never held out, at least `n_known`. The
            same number for several `n_known` gives the same held-out events each time.

    Raises:
        SettingError: If `found_after` is less than `n_known`.
        DataError: If events have no timestamps, or no cold user has enough events.
    """
    found_after = n_known if found_after is None else found_after
    if found_after < n_known:
        raise SettingError(f"found_after must be n_known = {n_known} or more, got {found_after}.")
    held_out = dataset.judging(INTERACTIONS)
    if TIMESTAMP not in held_out:
        raise DataError(_NO_TIMES.format(dataset.name))
    trained = np.bincount(dataset.train[USER], minlength=dataset.n_users) > 0
    events = held_out[~trained[held_out[USER]]].sort_values([USER, TIMESTAMP], kind="stable")
    place = events.groupby(USER).cumcount().to_numpy()
    more = events.groupby(USER)[USER].transform("size").to_numpy() > found_after
    if not more.any():
        raise DataError(
            f"No user of {dataset.name!r} is without training events and has more than "
            f"{found_after} events in {dataset.evaluate_on!r}. Lower the number of known events, "
            "or prepare the dataset with a split by date."
        )
    tables = _known(dataset) | _judging(dataset)
    tables["test"] = events[more & (place >= found_after)]
    if n_known:
        tables["fold_in"] = events[more & (place < n_known)]
    return _derived(dataset, tables)


def _known(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Return what a model knows of each event table, by the name of a table of train."""
    names = [INTERACTIONS, *filter(dataset.has, FURTHER)]
    return {stored(name, "train"): dataset.known(name) for name in names}


def _judging(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Return what judges a model of each event table, by the name of a table of test."""
    names = filter(dataset.judges, (INTERACTIONS, *FURTHER))
    return {stored(name, "test"): dataset.judging(name) for name in names}


def _derived(dataset: Dataset, tables: dict[str, pd.DataFrame], **split: str) -> Dataset:
    """Return a dataset with the same users and items, judged on test.

    Args:
        dataset: Its tables of users and items are kept.
        tables: The event tables, by the name under which they are stored; all others are gone.
        **split: What the description of the split says instead.
    """
    held = {name: frame.reset_index(drop=True) for name, frame in tables.items()}
    events = {stored(name, part) for name in (INTERACTIONS, *FURTHER) for part in PARTS}
    gone = (events | {"fold_in"}) - set(held)
    known = {name: facts for name, facts in dataset.info["tables"].items() if name not in gone}
    kept = {name: frame for name, frame in dataset._tables.items() if name in known}
    info = {**dataset.info, "tables": known | {name: {} for name in held}}
    info["split"] = split or dataset.info.get("split", {})
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
