"""Datasets as they would be if some users were new, made of a prepared one in memory.

Nothing is written; the tables that a generator may read are the ones of the prepared dataset, less
what it could not know.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from candgen.columns import TIMESTAMP, USER
from candgen.datasets.dataset import Dataset
from candgen.errors import DataError, SettingError

_EVENTS = ("impressions", "searches")  # further tables that tell of users


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


def newcomers(dataset: Dataset, n_known: int) -> Dataset:
    """Judge users without a training event, once the first few of what is held out are known.

    Their first `n_known` held-out events become fold-in, the later ones are to be found. Training
    stays as it is, so a generator that was fitted to `dataset` need not learn anything.

    Args:
        dataset: With times, such as one split by date.
        n_known: Events known of a newcomer, 0 or more.

    Raises:
        DataError: If events have no times, or nobody is new and has more events than that.
    """
    held_out = dataset.held_out
    if TIMESTAMP not in held_out:
        raise DataError(f"Newcomers need times; the events of {dataset.name!r} have none.")
    trained = np.bincount(dataset.train[USER], minlength=dataset.n_users) > 0
    events = held_out[~trained[held_out[USER]]].sort_values([USER, TIMESTAMP], kind="stable")
    place = events.groupby(USER).cumcount().to_numpy()
    more = events.groupby(USER)[USER].transform("size").to_numpy() > n_known
    if not more.any():
        raise DataError(
            f"Nobody in {dataset.name!r} is without training events and has more than {n_known} "
            f"in {dataset.evaluate_on!r}."
        )
    tables = {"train": dataset.train, "held_out": events[more & (place >= n_known)]}
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
