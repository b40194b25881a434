"""From raw events to a prepared dataset: read, settle, filter, number, split, write.

This is the one place where these steps meet. Every setting is checked before any work is done,
and all of them are written into the dataset's description.
"""

from __future__ import annotations

import dataclasses
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, ITEM_ID, RATING, TIMESTAMP, USER, USER_ID
from candgen.datasets import given, movielens, tables
from candgen.datasets.cells import date_to_seconds
from candgen.datasets.dataset import Dataset, write_dataset
from candgen.datasets.interactions import (
    DUPLICATES,
    Numbered,
    code_of,
    k_core,
    number,
    positives,
    settle_duplicates,
)
from candgen.datasets.source import Source
from candgen.datasets.splits import (
    NAMES,
    TRAIN,
    Events,
    Split,
    SplitSettings,
    check_parts,
    futures_seen,
    held_out_rows,
    leak_warnings,
    split,
    validation_from_train,
)
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.seeds import derive_seed

SOURCES = ("world", "movielens", "table", "given")
HELD_OUT = "_held_out"
_READERS: dict[str, Callable[..., Source]] = {
    "movielens": movielens.read,
    "table": tables.read,
    "given": given.read,
}


@dataclasses.dataclass(frozen=True)
class PreparationSettings:
    """What is decided about any source; what a source needs itself is decided by its reader.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    source: str = "world"
    """world, movielens, table or given."""
    name: str = ""
    """What to call the dataset; the folder's name when empty."""
    min_rating: float = 0.0
    """Keep events rated this or better, as positives; 0 keeps all."""
    min_user_events: int = 1
    """Fewest events of a user that stays, with `min_item_events` repeated to a fixed point."""
    min_item_events: int = 1
    """Fewest events of an item that stays."""
    duplicates: str = "refuse"
    """A pair of user and item that repeats: refuse, first, last or keep."""
    split: str = ""
    """A policy of `splits.POLICIES`; empty: timeline, and for source given what is given."""
    test_fraction: float = 0.1
    """Share that is held out for test: of events, users or items, as the split says."""
    validation_fraction: float = 0.1
    """Share that is held out for validation, taken from what test left; 0: none."""
    validation_clustering: float = 0.0
    """Source given: how strongly a user's validation events hang together; 0: not at all."""
    validation_popularity: float = 0.0
    """Source given: power of an item's events that makes them likely to be validation; 0: none."""
    test_from: str = ""
    """Timeline: the ISO date at which test begins, instead of a share."""
    validation_from: str = ""
    """Timeline: the ISO date at which validation begins."""
    fold_in_fraction: float = 0.8
    """held_out_users: share of their events that is known when candidates are asked for."""
    seed: int = 0
    """Root of all random choices."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), field.default)
        _one_of("source", self.source, SOURCES)
        _one_of("duplicates", self.duplicates, DUPLICATES)
        for name in ("min_user_events", "min_item_events"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} is {getattr(self, name)}, expected 1 or greater.")
        if self.seed < 0:
            raise SettingError(f"seed is {self.seed}, expected 0 or greater.")
        if self.source == "given" and self.split not in ("", "given"):
            raise SettingError(f"split is {self.split!r}, but source given brings its own split.")
        if self.source == "given" and max(self.min_user_events, self.min_item_events) > 1:
            raise SettingError("A given split is left as it is: leave the minimum counts at 1.")
        _ = self.split_settings

    @property
    def split_settings(self) -> SplitSettings:
        policy = self.split or ("given" if self.source == "given" else "timeline")
        return SplitSettings(
            policy=policy,
            test_fraction=self.test_fraction,
            validation_fraction=self.validation_fraction,
            validation_clustering=self.validation_clustering,
            validation_popularity=self.validation_popularity,
            test_from=_date("test_from", self.test_from),
            validation_from=_date("validation_from", self.validation_from),
            fold_in_fraction=self.fold_in_fraction,
            seed=derive_seed(self.seed, "split"),
        )


def prepare(folder: Path | str, *, relative_to: Path | str = "", **settings: Any) -> Dataset:
    """Prepare a dataset in a folder.

    Args:
        folder: Where the dataset goes; an earlier one there is replaced.
        relative_to: The folder that relative paths among the settings count from.
        **settings: Fields of `PreparationSettings`, and those of the source: the arguments of
            `movielens.read`, `tables.read` or `given.read`, or the fields of `WorldSettings`.
            Settings of another source may be passed as long as they are left at their defaults.

    Raises:
        SettingError: If a setting is misspelt, out of range, or belongs to another source.
        DataError: If the data is not what it should be, or nothing is left of it.
    """
    folder = Path(folder)
    own, of_source = check_settings(settings, name=folder.resolve().name)
    source = _read(own, of_source, Path(relative_to))
    kept = _kept_parts(source, own) if source.parts else _kept_events(source, own)
    numbered = _number(kept, source)
    made = _split(numbered, kept, own)
    tables_, extras = _tables(source, numbered, made)
    policy = own.split_settings.policy
    events = numbered.events
    seen = None if events.times is None else futures_seen(events, made.parts)
    _save_oracle(source, folder, numbered)
    info = {
        "name": own.name,
        "source": {
            "kind": source.kind,
            "title": source.title,
            "inputs": source.inputs,
            "rating_scale": list(source.rating_scale) if source.rating_scale else None,
        },
        "licence": source.licence,
        "citation": source.citation,
        "parameters": dataclasses.asdict(own) | {"split": policy} | of_source,
        "steps": kept.steps,
        "split": {
            "policy": policy,
            "rule": made.rule,
            **made.facts,
            "futures_seen": None if seen is None else seen._asdict(),
        },
        "extras": extras,
        "warnings": leak_warnings(policy, events, made.parts, seen),
    }
    return write_dataset(folder, tables_, info)


def check_settings(
    settings: dict[str, Any], *, name: str = ""
) -> tuple[PreparationSettings, dict[str, Any]]:
    """Check settings by name, type and range without reading anything.

    Returns:
        The settings of preparation, and those of the source with its defaults filled in.

    Raises:
        SettingError: Naming the setting, what was expected and what arrived.
    """
    own_names = {field.name for field in dataclasses.fields(PreparationSettings)}
    by_source = {source: source_settings(source) for source in SOURCES}
    known = own_names.union(*by_source.values())
    for key in settings:
        if key not in known:
            raise SettingError(f"There is no setting {key!r}.{did_you_mean(key, known)}")
    own = PreparationSettings(**{k: v for k, v in settings.items() if k in own_names})
    own = dataclasses.replace(own, name=own.name or name)
    of_source = dict(by_source[own.source])
    for key, value in settings.items():
        if key in of_source:
            _check_type(key, value, of_source[key])
            of_source[key] = value
        elif key not in own_names:
            _refuse_foreign(key, value, own.source, by_source)
    if own.source == "world":
        _world_settings(of_source)
    return own, of_source


def source_settings(source: str) -> dict[str, Any]:
    """Return the settings that a source knows, with their defaults."""
    if source == "world":
        from candgen.datasets.world import WorldSettings

        return {f.name: f.default for f in dataclasses.fields(WorldSettings)}
    found = {p.name: p.default for p in inspect.signature(_READERS[source]).parameters.values()}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()}


# --- reading and filtering


class _Kept(NamedTuple):
    """Events that count, with raw ids, and how they became fewer."""

    events: pd.DataFrame
    parts: NDArray[np.uint8] | None
    candidate_lists: pd.DataFrame | None
    steps: list[dict[str, Any]]


def _read(own: PreparationSettings, of_source: dict[str, Any], root: Path) -> Source:
    if own.source == "world":
        from candgen.datasets.world import make_world

        return make_world(_world_settings(of_source), derive_seed(own.seed, "world"))
    there = {k: _from(root, v) if k.endswith("path") else v for k, v in of_source.items()}
    return _READERS[own.source](**there)


def _kept_events(source: Source, own: PreparationSettings) -> _Kept:
    events = source.interactions
    steps = [_step("read", events)]
    events = settle_duplicates(events, own.duplicates, where=_where(source))
    if own.duplicates in ("first", "last"):
        steps.append(_step(f"{own.duplicates} of repeated pairs", events))
    if own.min_rating:
        events = positives(events, own.min_rating)
        steps.append(_step(f"rated {own.min_rating:g} or better", events))
    if max(own.min_user_events, own.min_item_events) > 1:
        stays = k_core(
            number(events[USER]).codes,
            number(events[ITEM]).codes,
            per_user=own.min_user_events,
            per_item=own.min_item_events,
        )
        events = events[stays].reset_index(drop=True)
        label = f"{own.min_user_events} or more a user, {own.min_item_events} or more an item"
        steps.append(_step(label, events))
    if not len(events):
        before = ", ".join(f"{s['step']}: {s['events']:,}" for s in steps)
        raise DataError(
            f"{_where(source)}: no events are left ({before}). Lower min_rating or the minimum "
            "counts."
        )
    return _Kept(events, None, None, steps)


def _kept_parts(source: Source, own: PreparationSettings) -> _Kept:
    frames, codes, steps = [], [], []
    for code, name in enumerate(NAMES):
        if name not in source.parts:
            continue
        events = settle_duplicates(
            source.parts[name], own.duplicates, where=f"{_where(source)}, {name} part"
        )
        events = positives(events, own.min_rating) if own.min_rating else events
        frames.append(events)
        codes.append(np.full(len(events), code, dtype=np.uint8))
        steps.append(_step(f"given {name}", events))
    events = pd.concat(frames, ignore_index=True)
    return _Kept(events, np.concatenate(codes), source.parts.get("candidate_lists"), steps)


def _step(label: str, events: pd.DataFrame) -> dict[str, Any]:
    users, items = (events[c].nunique() for c in (USER, ITEM))
    return {"step": label, "events": len(events), "users": users, "items": items}


def _where(source: Source) -> str:
    return " + ".join(i["path"] for i in source.inputs[:1]) or source.title


# --- numbering and splitting


class _NumberedEvents(NamedTuple):
    """The events with dense ids, and the raw ids behind them."""

    frame: pd.DataFrame
    events: Events
    user_ids: pd.Index
    item_ids: pd.Index
    candidate_lists: pd.DataFrame | None


def _number(kept: _Kept, source: Source) -> _NumberedEvents:
    events, lists = kept.events, kept.candidate_lists
    users = number(events[USER])
    if lists is None:
        items = number(events[ITEM])
    else:  # a listed item may be one that nobody has
        both = number(pd.concat([events[ITEM], lists[ITEM]], ignore_index=True))
        items = Numbered(both.codes[: len(events)], both.raw)
        lists = _number_lists(lists, users.raw, both.codes[len(events) :], source)
    columns = {USER: users.codes, ITEM: items.codes}
    columns |= {c: events[c] for c in (RATING, TIMESTAMP) if c in events}
    frame = pd.DataFrame(columns, copy=False)
    times = frame[TIMESTAMP].to_numpy() if TIMESTAMP in frame else None
    seen = Events(users.codes, items.codes, times, len(users.raw), len(items.raw))
    return _NumberedEvents(frame, seen, users.raw, items.raw, lists)


def _number_lists(
    lists: pd.DataFrame, user_ids: pd.Index, items: NDArray[np.int32], source: Source
) -> pd.DataFrame:
    users = code_of(lists[USER], user_ids)
    if (users < 0).any():
        unknown = lists[USER].iloc[int((users < 0).argmax())]
        raise DataError(
            f"{_where(source)}: user {unknown} has a candidate list but no events in any part."
        )
    return pd.DataFrame({USER: users, ITEM: items}).drop_duplicates(ignore_index=True)


def _split(numbered: _NumberedEvents, kept: _Kept, own: PreparationSettings) -> Split:
    settings = own.split_settings
    if kept.parts is None:
        return split(numbered.events, settings)
    parts, rule = kept.parts, "train and test as somebody else has fixed them"
    if settings.validation_fraction and not (parts == NAMES.index("validation")).any():
        train = np.flatnonzero(parts == TRAIN)
        events = numbered.events
        rest = Events(
            events.users[train], events.items[train], None, events.n_users, events.n_items
        )
        parts = parts.copy()
        parts[train] = validation_from_train(rest, settings)
        drawn = "a random"
        if settings.validation_clustering or settings.validation_popularity:
            drawn = "an uneven"
        rule += f"; validation is {drawn} {settings.validation_fraction:.0%} of each user's train"
    check_parts(parts, wants_validation=settings.validation_fraction > 0)
    return Split.without_limits(numbered.events, parts, rule)


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
    tables_["users"] = _described(USER, USER_ID, numbered.user_ids, source.users, "users")
    tables_["items"] = _described(ITEM, ITEM_ID, numbered.item_ids, source.items, "items")
    if numbered.candidate_lists is not None:
        tables_["candidate_lists"] = numbered.candidate_lists
    facts = {}
    for name, extra in source.extras.items():
        shown, held_out, facts[name] = _cut_extra(extra, numbered, made)
        tables_[name] = shown
        tables_[name + HELD_OUT] = held_out
    return tables_, facts


def _described(
    code: str, key: str, ids: pd.Index, features: pd.DataFrame | None, what: str
) -> pd.DataFrame:
    frame = pd.DataFrame({code: np.arange(len(ids), dtype=np.int32), key: ids})
    if features is None:
        return frame
    rows = code_of(ids, pd.Index(features[key]))
    if (rows < 0).all():
        raise DataError(
            f"No id of the table of {what} occurs in the events: the table has "
            f"{features[key].iloc[0]!r}, the events have {ids[0]!r}. Do both spell ids alike?"
        )
    matched = features.drop(columns=key).reset_index(drop=True)
    matched = matched.take(rows) if (rows >= 0).all() else matched.reindex(rows)
    return pd.concat([frame, matched.reset_index(drop=True)], axis=1)


def _cut_extra(
    extra: pd.DataFrame, numbered: _NumberedEvents, made: Split
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Number a further event table and keep what is held out apart from what models may see."""
    users = code_of(extra[USER], numbered.user_ids)
    items = code_of(extra[ITEM], numbered.item_ids) if ITEM in extra else None
    known = users >= 0 if items is None else (users >= 0) & (items >= 0)
    frame = extra[known].reset_index(drop=True)
    frame[USER] = users = users[known]
    if items is not None:
        frame[ITEM] = items = items[known]
    times = frame[TIMESTAMP].to_numpy() if TIMESTAMP in frame else None
    out = held_out_rows(made, numbered.events, users, items, times)
    facts = {"read": len(extra), "of_unknown": int((~known).sum()), "held_out": int(out.sum())}
    return frame[~out].reset_index(drop=True), frame[out].reset_index(drop=True), facts


def _save_oracle(source: Source, folder: Path, numbered: _NumberedEvents) -> None:
    shutil.rmtree(folder / "oracle", ignore_errors=True)
    if source.oracle is not None:
        source.oracle.save(folder, numbered.user_ids, numbered.item_ids)


# --- settings


def _world_settings(of_source: dict[str, Any]) -> Any:
    from candgen.datasets.world import WorldSettings

    return WorldSettings(**of_source)


def _refuse_foreign(key: str, value: Any, source: str, by_source: dict[str, dict]) -> None:
    owners = [name for name, known in by_source.items() if key in known]
    if all(value != by_source[owner][key] for owner in owners):
        raise SettingError(
            f"{key} is {value!r}, but it belongs to source {' and '.join(owners)}, and source is "
            f"{source!r}."
        )


def _check_type(name: str, value: Any, default: Any) -> None:
    wanted: Any = type(default)
    if wanted is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        fits = type(value) is wanted
    if not fits:
        raise SettingError(
            f"{name} is {value!r} ({type(value).__name__}), expected {wanted.__name__}."
        )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingError(f"{name} is {value!r}.{did_you_mean(value, known)}")


def _date(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return date_to_seconds(text)
    except ValueError:
        raise SettingError(f"{name} is {text!r}, expected a date such as 2018-01-31.") from None


def _from(root: Path, path: str) -> str:
    return str(root / Path(path).expanduser()) if path else path
