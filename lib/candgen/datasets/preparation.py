"""Preparation of a dataset: read, settle duplicates, filter, number, split and write.

All settings are checked before any work starts and are written into the dataset's description.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationInfo, field_validator, model_validator

from candgen import folders, memory
from candgen.checks import Count, CountOrZero, Settings
from candgen.columns import ENGAGED, ITEM, PROPENSITY, RATING, TIMESTAMP, USER
from candgen.datasets import given, movielens, tables
from candgen.datasets.cells import NANOS, date_to_seconds
from candgen.datasets.dataset import SHAPED_BY_TEST, Dataset, write_dataset
from candgen.datasets.filtering import Kept, kept_events, kept_parts, where_of
from candgen.datasets.impressions.unknown import unknown_notes, unlisted
from candgen.datasets.interactions import (
    DUPLICATES,
    Duplicates,
    Numbered,
    code_of,
    number,
)
from candgen.datasets.periods import UNLISTED, stored
from candgen.datasets.prepared import described_items, described_users, info_of
from candgen.datasets.source import Source
from candgen.datasets.splits import (
    NAMES,
    TRAIN,
    Events,
    Policy,
    Rows,
    Split,
    SplitSettings,
    SplitShares,
    check_parts,
    forgotten_warnings,
    futures_seen,
    leak_warnings,
    parts_of_rows,
    split,
    tie_warnings,
    validation_from_train,
    windows,
)
from candgen.datasets.splits.positives import check_positives
from candgen.datasets.splits.windows import Window, WindowSettings
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.seeds import derive_seed

_OF_EVENTS = (USER, ITEM, TIMESTAMP)
SOURCES = ("world", "crowd", "movielens", "table", "given")
INVENTED = ("world", "crowd")
_READERS: dict[str, tuple[Callable[..., Source], type[Settings]]] = {
    "movielens": (movielens.read, movielens.MovieLensSettings),
    "table": (tables.read, tables.TableSettings),
    "given": (given.read, given.GivenSettings),
}
BEYOND_MEMORY = {
    "source": ("movielens", "table"),
    "split": ("timeline", "leave_last_out", "cold_users", "cold_items"),
}
"""Sources and splits that `memory` allows: other sources and splits hold or shuffle all events."""
LEAST_MEMORY = "1GB"
FIRST_ROWS = 100  # rows of each input that are checked before any work starts


class PreparationSettings(WindowSettings, SplitShares):
    """Settings of every preparation; each source adds its own.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    source: Literal[*SOURCES] = "world"
    """World or crowd (invented), movielens, table (your file) or given (a split)."""
    name: str = ""
    """Name of the dataset; empty: the folder's name."""
    min_rating: float = 0.0
    """Lowest rating that counts as a positive interaction; 0: all count."""
    positive_rating: float = 0.0
    """Lowest rating of a held-out event to predict; 0: all held-out events."""
    min_user_events: Count = 1
    """Fewest events of a user, applied with `min_item_events` until both hold."""
    min_item_events: Count = 1
    """Fewest events of an item."""
    duplicates: Literal["", *DUPLICATES] = ""
    """Repeats: refuse, first, last or keep; empty: last, with impressions first."""
    repeats: Literal["withhold", "allow"] = "withhold"
    """Items that users already had: withhold, or allow (orders, places)."""
    split: Literal["", Policy, windows.NAME] = ""
    """Policy by which events are held out; empty: timeline, or as given."""
    test_from: str = ""
    """Split timeline: first day of test, as an ISO date, instead of a share."""
    validation_from: str = ""
    """Split timeline: first day of validation, as an ISO date."""
    seed: CountOrZero = 0
    """Root of all random choices."""
    memory: str = ""
    """Memory to stay within, such as 4GB, with DuckDB on disk; empty: all in memory."""

    @field_validator("test_from", "validation_from")
    @classmethod
    def _is_a_date(cls, text: str, field: ValidationInfo) -> str:
        _seconds(field.field_name, text)
        return text

    @model_validator(mode="after")
    def _fit_the_source(self) -> Self:
        if self.source == "given" and self.split not in ("", "given"):
            raise SettingError(
                f"split is {self.split!r}, but source given brings its own split. Leave it empty."
            )
        if self.source == "given" and max(self.min_user_events, self.min_item_events) > 1:
            raise SettingError(
                "A given split is left as it is: leave min_user_events and min_item_events at 1."
            )
        if 0 < self.positive_rating < self.min_rating:
            raise SettingError(
                f"positive_rating is {self.positive_rating:g}, but events rated below min_rating "
                f"{self.min_rating:g} are dropped before the split, so it would change nothing. "
                "Raise positive_rating, or lower min_rating to train on more events."
            )
        _ = self.split_settings
        self._check_windows()
        if self.memory:
            self._check_beyond_memory()
        return self

    def _check_windows(self) -> None:
        defaults = WindowSettings()
        for name in WindowSettings.model_fields:
            if self.split != windows.NAME and getattr(self, name) != getattr(defaults, name):
                raise SettingError(f"{name} is for split 'windows', not {self.split!r}.")
        moments = self.cuts_in_seconds
        if moments != sorted(set(moments)):
            raise SettingError(f"cuts must be dates in rising order, got {self.cuts}.")

    @property
    def cuts_in_seconds(self) -> list[int]:
        """First seconds of the windows of a backtest; empty: they go by shares."""
        return [_seconds("cuts", cut) or 0 for cut in self.cuts]

    def _check_beyond_memory(self) -> None:
        """Refuse by name what preparation beyond memory cannot do."""
        memory.at_least("memory", self.memory, LEAST_MEMORY)
        policy = self.split if self.split == windows.NAME else self.split_settings.policy
        for name, value, known in (
            ("source", self.source, BEYOND_MEMORY["source"]),
            ("split", policy, BEYOND_MEMORY["split"]),
        ):
            if value not in known:
                raise SettingError(
                    f"memory is {self.memory!r}, but {name} {value!r} needs all events in memory; "
                    f"beyond memory {name} can be {', '.join(known)}. Leave memory empty, or "
                    "choose one of these."
                )

    @property
    def of_repeated_pairs(self) -> Duplicates:
        """Policy for repeated pairs.

        As set, else keep where repeats are allowed, last for a table, refuse for other sources.
        """
        if self.duplicates or self.repeats == "allow":
            return self.duplicates or "keep"
        return "last" if self.source == "table" else "refuse"

    @property
    def split_settings(self) -> SplitSettings:
        """Settings of the split, with dates in seconds and a seed of its own."""
        shares = {name: getattr(self, name) for name in SplitShares.model_fields}
        policy = "timeline" if self.split == windows.NAME else self.split
        return SplitSettings(
            **shares,
            policy=policy or ("given" if self.source == "given" else "timeline"),
            test_from=_seconds("test_from", self.test_from),
            validation_from=_seconds("validation_from", self.validation_from),
            seed=derive_seed(self.seed, "split"),
        )


def prepare(folder: Path | str, *, relative_to: Path | str = "", **settings: Any) -> Dataset:
    """Prepare a dataset in a folder.

    Args:
        folder: Folder of the dataset; an earlier dataset there is replaced by a whole new one.
        relative_to: Folder that relative paths among the settings start from.
        **settings: Fields of `PreparationSettings` and of the source's settings: `WorldSettings`,
            `CrowdSettings`, `MovieLensSettings`, `TableSettings` or `GivenSettings`. Settings of
            another source are accepted at their defaults.

    Raises:
        SettingError: If a setting is unknown, out of range, or belongs to another source.
        DataError: If the data is invalid, no events are left after filtering, or the folder holds
            something else than a dataset.
    """
    folder = folders.check(folder, folders.DATASET)
    own, of_source = check_settings(settings, name=folder.resolve().name)
    if own.memory:
        from candgen.datasets import beyond_memory  # DuckDB is optional

        source = _read(own, of_source, Path(relative_to), whole=False)
        return beyond_memory.prepare(folder, source, own, of_source)
    source = _read(own, of_source, Path(relative_to))
    source, window = windows.known_in_window(source, own)
    kept = kept_parts(source, own) if source.parts else kept_events(source, own)
    numbered = _number(kept, source)
    made = _split(numbered, kept, own, window)
    tables_, extras = _tables(source, numbered, made)
    check_positives(tables_, own.positive_rating)
    policy, events = own.split_settings.policy, numbered.events
    seen = None if events.times is None else futures_seen(events, made.parts)
    info = info_of(
        source,
        own,
        of_source,
        steps=kept.steps,
        notes=[*kept.notes, *unknown_notes(source, numbered.user_ids, numbered.item_ids)],
        rule=made.rule,
        facts=made.facts,
        seen=seen,
        extras=extras,
        warnings=[
            *leak_warnings(policy, events, made.parts, seen),
            *forgotten_warnings(kept.first_times, made, events.users),
            *tie_warnings(policy, events, made.parts, kept.events.get(NANOS)),
        ],
    )
    save_oracle = functools.partial(_save_oracle, source, numbered)
    return write_dataset(folder, tables_, info, beside=save_oracle)


def check_settings(
    settings: dict[str, Any], *, name: str = ""
) -> tuple[PreparationSettings, Settings]:
    """Check settings by name, type and range without reading anything.

    Args:
        settings: Fields of `PreparationSettings` and of the source's settings.
        name: Name of the dataset if the settings give none.

    Returns:
        The settings of preparation, and those of the source.

    Raises:
        SettingError: Naming the setting, what was expected and what arrived.
    """
    by_source = {source: source_settings(source) for source in SOURCES}
    names = PreparationSettings.model_fields
    known = {*names, *(key for cls in by_source.values() for key in cls.model_fields)}
    for key in settings:
        if key not in known:
            raise SettingError(f"There is no setting {key!r}.{did_you_mean(key, known)}")
    own = {key: value for key, value in settings.items() if key in names}
    own = PreparationSettings(**own | {"name": own.get("name") or name})
    of_source = {}
    for key, value in settings.items():
        if key in by_source[own.source].model_fields:
            of_source[key] = value
        elif key not in names:
            _refuse_foreign(key, value, own.source, by_source)
    made = by_source[own.source](**of_source)
    for name in ("impressions_path", "kept_columns") if own.memory else ():
        if getattr(made, name, ""):
            raise SettingError(
                f"memory is {own.memory!r}, but {name} is read in memory. Leave memory empty, or "
                f"leave out {name}."
            )
    if own.source == "table" and made.impressions_path and not own.duplicates:
        # With the last, what is missing from a history tells what will be engaged with again.
        own = own.model_copy(update={"duplicates": "first"})
    return own, made


def check_inputs(*, relative_to: Path | str = "", **settings: Any) -> None:
    """Check settings, and the header and first rows of each input, in well under a second a file.

    Args:
        relative_to: Folder that relative paths among the settings start from.
        **settings: As for `prepare`.

    Raises:
        SettingError: If a setting is unknown, out of range, or belongs to another source.
        DataError: If a file is missing, cannot be opened, lacks a column, or its first rows break a
            rule.
    """
    own, of_source = check_settings(settings)
    downloads = own.source == "movielens" and not of_source.path
    if own.source not in INVENTED and not downloads:
        _read(own, of_source, Path(relative_to), limit=FIRST_ROWS)


def source_settings(source: str) -> type[Settings]:
    """Return the settings class of a source."""
    if source == "world":
        from candgen.datasets.world import WorldSettings

        return WorldSettings
    if source == "crowd":
        from candgen.datasets.crowd import CrowdSettings

        return CrowdSettings
    return _READERS[source][1]


# --- reading


def _read(own: PreparationSettings, of_source: Settings, root: Path, **how: Any) -> Source:
    if own.source == "world":
        from candgen.datasets.world import make_world

        return make_world(of_source, derive_seed(own.seed, "world"))
    if own.source == "crowd":
        from candgen.datasets.crowd import make_crowd

        return make_crowd(of_source, derive_seed(own.seed, "crowd"))
    read, _ = _READERS[own.source]
    given_ = {k: _from(root, v) if k.endswith("path") else v for k, v in of_source}
    return read(**given_, **how)


# --- numbering and splitting


class _NumberedEvents(NamedTuple):
    """The events with dense ids, and the raw ids behind them."""

    frame: pd.DataFrame
    events: Events
    user_ids: pd.Index
    item_ids: pd.Index
    candidate_lists: dict[str, pd.DataFrame]


def _number(kept: Kept, source: Source) -> _NumberedEvents:
    events, lists = kept.events, kept.candidate_lists
    users = number(events[USER])
    listed = [frame[ITEM] for frame in lists.values()]  # a listed item may have no event
    all_ = number(pd.concat([events[ITEM], *listed], ignore_index=True) if lists else events[ITEM])
    items = Numbered(all_.codes[: len(events)], all_.raw)
    ends = np.cumsum([len(events), *map(len, listed)])
    of_lists = np.split(all_.codes, ends[:-1])[1:]
    numbered = {
        name: _number_lists(frame, users.raw, codes, source)
        for (name, frame), codes in zip(lists.items(), of_lists, strict=True)
    }
    columns = {USER: users.codes, ITEM: items.codes}
    columns |= {c: events[c] for c in (RATING, TIMESTAMP, *source.kept) if c in events}
    frame = pd.DataFrame(columns, copy=False)
    times = frame[TIMESTAMP].to_numpy() if TIMESTAMP in frame else None
    seen = Events(users.codes, items.codes, times, len(users.raw), len(items.raw))
    return _NumberedEvents(frame, seen, users.raw, items.raw, numbered)


def _number_lists(
    lists: pd.DataFrame, user_ids: pd.Index, items: NDArray[np.int32], source: Source
) -> pd.DataFrame:
    users = code_of(lists[USER], user_ids)
    if (users < 0).any():
        unknown = lists[USER].iloc[int((users < 0).argmax())]
        raise DataError(
            f"{where_of(source)}: user {unknown} has a candidate list but no events in any part."
        )
    return pd.DataFrame({USER: users, ITEM: items}).drop_duplicates(ignore_index=True)


def _split(
    numbered: _NumberedEvents, kept: Kept, own: PreparationSettings, window: Window | None
) -> Split:
    settings = own.split_settings
    if window is not None:
        made = split(numbered.events, window.dated(settings))
        return replace(made, rule=f"{window.title}: {made.rule}", facts=made.facts | window.facts)
    if kept.parts is None:
        return split(numbered.events, settings)
    parts, facts, rule = kept.parts, {}, "train and test as given in the files"
    if settings.validation_fraction and not (parts == NAMES.index("validation")).any():
        train = np.flatnonzero(parts == TRAIN)
        events = numbered.events
        rest = Events(
            events.users[train], events.items[train], None, events.n_users, events.n_items
        )
        parts = parts.copy()
        parts[train] = validation_from_train(rest, settings)
        shaped = bool(settings.validation_clustering or settings.validation_popularity)
        facts = {"validation_part": SHAPED_BY_TEST} if shaped else {}
        drawn = "an uneven" if shaped else "a random"
        rule += f"; validation is {drawn} {settings.validation_fraction:.0%} of each user's train"
    check_parts(parts, wants_validation=settings.validation_fraction > 0)
    return Split.of(numbered.events, parts, rule, facts)


# --- tables


def _tables(
    source: Source, numbered: _NumberedEvents, made: Split
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    frame = numbered.frame
    tables_ = {"interactions": frame}
    for code, name in enumerate(NAMES):
        rows = made.parts == code
        if rows.any():
            tables_[name] = frame[rows].reset_index(drop=True)
    tables_["users"] = described_users(numbered.user_ids, source.users)
    tables_["items"] = described_items(numbered.item_ids, source.items)
    tables_ |= numbered.candidate_lists
    facts = {}
    for name, extra in source.extras.items():
        frame, parts = _cut_extra(extra, numbered, made)
        cut = {name: (extra, frame, parts)}
        if PROPENSITY in extra:
            rest = unlisted(extra, numbered.user_ids, numbered.item_ids)
            cut[UNLISTED] = (rest, *_cut_extra(rest, numbered, made))
        for of, (read, frame, parts) in cut.items():
            facts[of] = {"read": len(read), "of_unknown": len(read) - len(frame)}
            for code, part in enumerate(NAMES):
                if part in tables_ and part != "fold_in":
                    tables_[stored(of, part)] = frame[parts == code].reset_index(drop=True)
                    facts[of][part] = int((parts == code).sum())
    return tables_, facts


def _cut_extra(
    extra: pd.DataFrame, numbered: _NumberedEvents, made: Split
) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Number a further event table, without unknown users and items, and find each row's part."""
    users = code_of(extra[USER], numbered.user_ids)
    items = code_of(extra[ITEM], numbered.item_ids) if ITEM in extra else None
    known = users >= 0 if items is None else (users >= 0) & (items >= 0)
    frame = extra[known].reset_index(drop=True)
    frame[USER] = users[known]
    if items is not None:
        frame[ITEM] = items[known]
    users, items, times = (frame[c].to_numpy() if c in frame else None for c in _OF_EVENTS)
    engaged = frame[ENGAGED].to_numpy(bool) if ENGAGED in frame else None
    return frame, parts_of_rows(made, numbered.events, Rows(users, items, times, engaged))


def _save_oracle(source: Source, numbered: _NumberedEvents, folder: Path) -> None:
    if source.oracle is not None:
        source.oracle.save(folder, numbered.user_ids, numbered.item_ids)


# --- settings


def _refuse_foreign(key: str, value: Any, source: str, by_source: dict[str, type]) -> None:
    owners = [name for name, known in by_source.items() if key in known.model_fields]
    defaults = [
        by_source[name].model_fields[key].get_default(call_default_factory=True) for name in owners
    ]
    if value not in defaults:
        raise SettingError(
            f"{key} is {value!r}, but it belongs to source {' and '.join(owners)}, and source is "
            f"{source!r}."
        )


def _seconds(name: str, text: str) -> int | None:
    """Return a date's first second since 1970, UTC; None for empty text."""
    if not text:
        return None
    try:
        return date_to_seconds(text)
    except ValueError:
        raise SettingError(f"{name} must be a date such as 2018-01-31, got {text!r}.") from None


def _from(root: Path, path: str) -> str:
    return str(root / Path(path).expanduser()) if path else path
