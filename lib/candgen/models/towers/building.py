"""From a dataset and a choice of inputs to inputs with tables, learned from training alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.checks import checked
from candgen.columns import USER
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError
from candgen.features import (
    Bins,
    Encoder,
    EventLog,
    Feature,
    SearchLog,
    Vocabulary,
    declared,
    suggested,
)
from candgen.features.event_log import appeared_at
from candgen.features.moments import QUERY
from candgen.models.towers.inputs import (
    Columns,
    History,
    Ids,
    Input,
    at_events,
    n_own_rows,
    own_rows,
)
from candgen.models.towers.timed import Age, Searches, Time
from candgen.seeds import derive_seed
from candgen.training import EmbeddingTable

QUERY_INPUTS = ("id", "history", "features", "searches", "time")
ITEM_INPUTS = ("id", "features", "age")
_BINS = 8  # of numbers, gaps and ages where nobody says how many


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Settings of the inputs; fields of the same names in `TowerSettings`."""

    dim: int = 64
    """Length of vectors of ids, history and, without hidden layers, of everything."""
    feature_dim: int = 16
    """Length of vectors of features, searches, time and age in a tower with hidden layers."""
    hidden: Sequence[int] = ()
    optimizer: str = "adam"
    spread: float = 0.1
    dropout: float = 0.1
    at_least: int = 1
    pooling: str = "mean"
    fading: float = 0.9
    history_length: int = 50
    search_length: int = 5
    uploaded: str = "upload_time"
    weighted: bool = False
    seed: int = 0

    def table(self, name: str, n_rows: int, *, feature: bool = False) -> EmbeddingTable:
        """Make a table whose start depends on the seed and its name."""
        dim = self.feature_dim if feature and self.hidden else self.dim
        return EmbeddingTable(
            n_rows,
            dim,
            spread=self.spread,
            optimizer=self.optimizer,
            seed=derive_seed(self.seed, f"table {name}"),
        )


def chosen_inputs(
    dataset: Dataset,
    query_inputs: Sequence[str],
    item_inputs: Sequence[str],
    optional: Collection[str] = (),
) -> tuple[list[str], list[str]]:
    """Return the inputs of both towers: those asked for, or else all that the dataset has.

    Unless it is asked for, the user's id is not among them: the history says the same, can be said
    of anybody at any moment, and cannot be learned by heart.

    Args:
        dataset: To be read.
        query_inputs: Names of inputs; empty: all that the dataset has.
        item_inputs: Likewise.
        optional: Which of the two, by name, leaves out what the dataset lacks.

    Raises:
        SettingError: If an input does not exist, or the dataset lacks what it reads.
    """
    lacking = _lacking(dataset)
    made = []
    for setting, asked, known in (
        ("query_inputs", query_inputs, QUERY_INPUTS),
        ("item_inputs", item_inputs, ITEM_INPUTS),
    ):
        side = setting.split("_")[0]
        if setting in optional:
            asked = [name for name in asked if (side, name) not in lacking]
        for name in asked:
            checked(setting, name, Literal[known])
            if (side, name) in lacking:
                raise SettingError(f"{setting} has {name!r}, but {lacking[side, name]}")
        there = [n for n in known if (side, n) not in lacking and (side, n) != ("query", "id")]
        made.append([n for n in known if n in asked] if asked else there)
    return made[0], made[1]


def _lacking(dataset: Dataset) -> dict[tuple[str, str], str]:
    """Return why inputs cannot be read of a dataset, by tower and input."""
    found = {}
    name = repr(dataset.name)
    if not suggested(dataset.users):
        columns = ", ".join(dataset.users)
        found["query", "features"] = (
            f"the users of {name} have no columns to read ({columns}). Leave it out."
        )
    if not suggested(dataset.items):
        columns = ", ".join(dataset.items)
        found["item", "features"] = (
            f"the items of {name} have no columns to read ({columns}). Leave it out."
        )
    timed = EventLog.of(dataset.train.head(1), dataset.n_users).has_times
    if not timed:
        for key in (("query", "time"), ("item", "age"), ("query", "searches")):
            found[key] = f"the events of {name} have no times. Leave it out."
    if not dataset.has("searches"):
        found["query", "searches"] = f"{name} has no table 'searches'. Leave it out."
    return found


def features_of(table: pd.DataFrame, described: Mapping[str, Any], what: str) -> list[Feature]:
    """Return what is declared of a table; numbers nobody declared are shared out among bins."""
    if described:
        return declared(described, table, what)
    return [replace(f, bins=_BINS) if f.kind == "numeric" else f for f in suggested(table)]


def query_inputs(
    dataset: Dataset,
    names: Sequence[str],
    shape: Shape,
    *,
    log: EventLog,
    features: Mapping[str, Any] | None = None,
    item_rows: NDArray[np.int32] | None = None,
    item_table: EmbeddingTable | None = None,
) -> list[Input]:
    """Make the inputs of a query tower.

    Args:
        dataset: Everything learned is learned from its training part.
        names: Out of `QUERY_INPUTS`, as `chosen_inputs` returned them.
        shape: How they are made.
        log: The events of training.
        features: Columns of the users table, as in `candgen.features`; None: by what they hold.
        item_rows: Row of each item in the history's table; own rows when None.
        item_table: A table that the history shares with another input; its own when None.
    """
    made: list[Input] = []
    if "id" in names:
        rows = own_rows(log.lengths, shape.at_least)
        table = shape.table("users", n_own_rows(log.lengths, shape.at_least) + 1)
        alone = len(names) == 1
        made.append(Ids("id", table, rows, of="users", dropout=0 if alone else shape.dropout))
    if "history" in names:
        counts = np.bincount(log.items, minlength=dataset.n_items)
        if item_table is None or item_rows is None:
            item_rows = own_rows(counts, shape.at_least)
            item_table = shape.table("history", n_own_rows(counts, shape.at_least) + 1)
        made.append(
            History(
                item_table,
                item_rows,
                nothing=shape.table("nothing", 1),
                pooling=shape.pooling,
                fading=shape.fading,
                most=shape.history_length or 50,
                dropout=shape.dropout if len(names) > 1 else 0.0,
                weighted=shape.weighted,
            )
        )
    if "features" in names:
        trained = log.lengths > 0
        made += _columns(dataset.users, features or {}, trained, shape, of="users")
    if "searches" in names:
        found = dataset.known("searches")
        if QUERY not in found:
            raise DataError(f"Table 'searches' needs a column {QUERY!r}; it has {list(found)}.")
        words = Vocabulary(found.loc[found[USER].isin(np.flatnonzero(log.lengths)), QUERY])
        searches = SearchLog.of(found, words, dataset.n_users)
        table = shape.table("words", len(words), feature=True)
        hidden = shape.dropout if len(names) > 1 else 0.0
        options = {"most": shape.search_length, "dropout": hidden, "vocabulary": words}
        made.append(Searches(table, searches, **options))
    if "time" in names:
        gaps = Time.gaps_of(at_events(log, np.arange(len(log))))
        bins = Bins.of(gaps[~np.isnan(gaps)], _BINS)
        made.append(Time(shape.table("time", Time.n_rows(bins), feature=True), bins))
    return made


def read_searches_of(dataset: Dataset, inputs: Sequence[Input]) -> None:
    """Let inputs read the searches that a dataset knows, in the words that were learned.

    With early stopping, less is known while a tower learns than when it is asked.
    """
    for one in inputs:
        if isinstance(one, Searches) and one.vocabulary is not None:
            one.log = SearchLog.of(dataset.known("searches"), one.vocabulary, dataset.n_users)


def item_inputs(
    dataset: Dataset,
    names: Sequence[str],
    shape: Shape,
    *,
    log: EventLog,
    features: Mapping[str, Any] | None = None,
) -> list[Input]:
    """Make the inputs of an item tower; arguments as for `query_inputs`."""
    made: list[Input] = []
    counts = np.bincount(log.items, minlength=dataset.n_items)
    if "id" in names:
        rows = own_rows(counts, shape.at_least)
        table = shape.table("items", n_own_rows(counts, shape.at_least) + 1)
        alone = len(names) == 1
        made.append(Ids("id", table, rows, of="items", dropout=0 if alone else shape.dropout))
    if "features" in names:
        made += _columns(dataset.items, features or {}, counts > 0, shape, of="items")
    if "age" in names:
        appeared = appeared_at(dataset, log, shape.uploaded)
        ages = Bins.of(Age.ages_of(appeared[log.items], log.times), _BINS)
        made.append(Age(shape.table("age", len(ages), feature=True), appeared, ages))
    return made


def _columns(
    table: pd.DataFrame,
    described: Mapping[str, Any],
    trained: NDArray[np.bool_],
    shape: Shape,
    *,
    of: str,
) -> list[Input]:
    features = features_of(table, described, of)
    encoder = Encoder(features, complete=True).fit(table[trained])
    found = encoder.encode(table)
    made: list[Input] = []
    for column, block in encoder.blocks_.items():
        name = f"{of[:-1]} {column}"
        values = found[:, block].tocsr()
        spare = encoder.spare_[column] - block.start
        held = shape.table(name, block.stop - block.start, feature=True)
        options = {"dropout": shape.dropout, "learned": encoder.learned(column)}
        made.append(Columns(name, held, values, spare, of=of, **options))
    return made
