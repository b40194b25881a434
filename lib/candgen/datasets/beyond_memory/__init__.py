"""Preparation of tables larger than memory, to the same dataset as `preparation.prepare` makes.

DuckDB holds the events in a file beside the dataset, sorts and joins them there, and keeps to a
limit of memory. Users, items and what describes them are held in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from candgen import files, memory
from candgen.checks import Settings
from candgen.columns import ITEM, USER
from candgen.datasets.beyond_memory.database import EventStore
from candgen.datasets.beyond_memory.output import StoredTable
from candgen.datasets.beyond_memory.parts import Parts, split
from candgen.datasets.dataset import Dataset, write_dataset
from candgen.datasets.filtering import (
    core_label,
    none_left,
    rated_label,
    repeats_label,
    repeats_note,
    where_of,
)
from candgen.datasets.interactions import no_ratings
from candgen.datasets.prepared import described_items, described_users, info_of
from candgen.datasets.reading import read_blocks
from candgen.datasets.source import Source
from candgen.datasets.splits.leakage import forgotten_sentences, leak_sentences
from candgen.datasets.splits.policies import NAMES
from candgen.datasets.splits.positives import JUDGED, check_highest
from candgen.datasets.splits.ties import BY_TIME, tie_sentences
from candgen.datasets.tables import alike

if TYPE_CHECKING:
    from candgen.datasets.preparation import PreparationSettings

_SHARE = 0.55  # of the memory for DuckDB; blocks, users and items, and libraries take the rest


def prepare(folder: Path, source: Source, own: PreparationSettings, of_source: Settings) -> Dataset:
    """Prepare a dataset whose events are still to be read.

    Args:
        folder: Folder of the dataset, checked.
        source: Source whose interactions are `unread`.
        own: Settings of the preparation, with `memory`.
        of_source: Settings of the source.

    Raises:
        SettingError: If DuckDB is not installed, or the work does not fit the memory.
        DataError: As for `preparation.prepare`.
    """
    limit = memory.parsed("memory", own.memory)
    with _scratch(folder) as scratch, EventStore(scratch, int(_SHARE * limit)) as store:
        users, items = _read(store, source)
        steps, notes = _filter(store, source, own)
        user_ids, item_ids = store.number()
        made = split(store, own.split_settings, len(user_ids), len(item_ids))
        for name in JUDGED if own.positive_rating else ():
            if made.sizes[name]:
                highest = store.highest_rating(NAMES.index(name))
                check_highest(name, highest, own.positive_rating)
        tables: dict[str, Any] = {"interactions": StoredTable(store, None, len(store))}
        for code, name in enumerate(NAMES):
            if made.sizes[name]:
                tables[name] = StoredTable(store, code, made.sizes[name])
        tables["users"] = described_users(user_ids, users)
        tables["items"] = described_items(item_ids, items)
        info = info_of(
            source,
            own,
            of_source,
            steps=steps,
            notes=notes,
            rule=made.rule,
            facts=made.facts,
            seen=made.seen,
            extras={},
            warnings=_warnings(made, own.split_settings.policy),
        )
        return write_dataset(folder, tables, info)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Give a passing folder for the database: inside the dataset's, or beside it if it is new."""
    name = folder / "events" if folder.is_dir() else folder.with_name(f"{folder.name}-events")
    files.remove_left_behind_of(name)
    scratch = files.passing_name(name)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _read(store: EventStore, source: Source) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Read the events into the store; return the tables of users and items with ids of one type."""
    unread = source.unread
    read_blocks(unread.file, unread.columns, unread.text, begin=store.begin, take=store.take)
    first = store.first_row()
    events, users, items = alike(first, source.users, source.items)
    as_text = [c for c in (USER, ITEM) if events[c].dtype != first[c].dtype]
    store.gather(as_text)
    unread.check_items(store.ids(ITEM), store.first_row_of_item)
    return users, items


def _filter(
    store: EventStore, source: Source, own: PreparationSettings
) -> tuple[list[dict[str, Any]], list[str]]:
    """Filter the events as `filtering.kept_events` does; return the counts and the notes."""
    steps, notes = [_step("read", store)], []
    policy, where = own.of_repeated_pairs, where_of(source)
    if policy != "keep":
        before = len(store)
        if dropped := store.settle(policy, where):
            notes.append(repeats_note(where, policy, dropped, before, timed=store.timed))
            steps.append(_step(repeats_label(policy), store))
    for setting in ("min_rating", "positive_rating"):
        if getattr(own, setting) and not store.rated:
            raise no_ratings(getattr(own, setting), setting)
    if own.min_rating:
        store.keep_rated(own.min_rating)
        steps.append(_step(rated_label(own), store))
    if max(own.min_user_events, own.min_item_events) > 1:
        store.keep_core(own.min_user_events, own.min_item_events)
        steps.append(_step(core_label(own), store))
    if not len(store):
        raise none_left(source, steps)
    return steps, notes


def _step(label: str, store: EventStore) -> dict[str, Any]:
    events, users, items = store.counts()
    return {"step": label, "events": events, "users": users, "items": items}


def _warnings(made: Parts, policy: str) -> list[str]:
    ties = [] if made.ties is None or policy not in BY_TIME else tie_sentences(policy, made.ties)
    forgotten = forgotten_sentences(made.forgotten, made.sizes["test"])
    return [*leak_sentences(policy, made.seen, made.repeated), *forgotten, *ties]
