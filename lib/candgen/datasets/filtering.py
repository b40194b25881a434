"""Events that pass the filters of a preparation, and the counts after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets.cells import NANOS
from candgen.datasets.interactions import (
    Duplicates,
    k_core,
    number,
    positives,
    settle_duplicates,
)
from candgen.datasets.periods import LISTS
from candgen.datasets.source import Source
from candgen.datasets.splits import NAMES
from candgen.errors import DataError

if TYPE_CHECKING:
    from candgen.datasets.preparation import PreparationSettings


class Kept(NamedTuple):
    """Events that passed the filters, with raw ids, and the counts after each step."""

    events: pd.DataFrame
    parts: NDArray[np.uint8] | None
    candidate_lists: dict[str, pd.DataFrame]
    """Lists to be ranked, by the name of their table."""
    steps: list[dict[str, Any]]
    notes: list[str]
    first_times: NDArray[np.int64] | None = None
    """When each kept pair of user and item first occurred, where only its last event was kept."""


_FIRST = "first time of the pair"


def kept_events(source: Source, own: PreparationSettings) -> Kept:
    events = _in_order(source.interactions)
    steps = [_step("read", events)]
    policy = own.of_repeated_pairs
    read = events
    events, notes = _settled(events, policy, where_of(source))
    if notes:
        steps.append(_step(repeats_label(policy), events))
        if policy == "last" and TIMESTAMP in events:
            first = read.groupby([USER, ITEM], sort=False)[TIMESTAMP].min().rename(_FIRST)
            events = events.join(first, on=[USER, ITEM])
    if own.min_rating:
        events = positives(events, own.min_rating)
        steps.append(_step(rated_label(own), events))
    if max(own.min_user_events, own.min_item_events) > 1:
        stays = k_core(
            number(events[USER]).codes,
            number(events[ITEM]).codes,
            per_user=own.min_user_events,
            per_item=own.min_item_events,
        )
        events = events[stays]
        steps.append(_step(core_label(own), events))
    if not len(events):
        raise none_left(source, steps)
    events = events.reset_index(drop=True)
    first_times = events.pop(_FIRST).to_numpy() if _FIRST in events else None
    return Kept(events, None, {}, steps, notes, first_times)


def _in_order(events: pd.DataFrame) -> pd.DataFrame:
    """Put events with times finer than a second in order of time, so that rounding loses no order.

    Equal times stay in the order of rows, and the index still counts the rows of the file.
    """
    if NANOS not in events:
        return events
    return events.iloc[np.lexsort((events[NANOS].to_numpy(), events[TIMESTAMP].to_numpy()))]


def _settled(
    events: pd.DataFrame, policy: Duplicates, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """Settle repeated pairs, and say how many events were dropped."""
    kept = settle_duplicates(events, policy, where=where)
    dropped = len(events) - len(kept)
    if not dropped:
        return kept, []
    return kept, [repeats_note(where, policy, dropped, len(events), timed=TIMESTAMP in events)]


def kept_parts(source: Source, own: PreparationSettings) -> Kept:
    frames, codes, steps, notes = [], [], [], []
    for code, name in enumerate(NAMES):
        if name not in source.parts:
            continue
        where = f"{where_of(source)}, {name} part"
        events, said = _settled(source.parts[name], own.of_repeated_pairs, where)
        notes += said
        events = positives(events, own.min_rating) if own.min_rating else events
        frames.append(events)
        codes.append(np.full(len(events), code, dtype=np.uint8))
        steps.append(_step(f"given {name}", events))
    events = pd.concat(frames, ignore_index=True)
    lists = {name: source.parts[name] for name in LISTS if name in source.parts}
    return Kept(events, np.concatenate(codes), lists, steps, notes)


def _step(label: str, events: pd.DataFrame) -> dict[str, Any]:
    users, items = (events[c].nunique() for c in (USER, ITEM))
    return {"step": label, "events": len(events), "users": users, "items": items}


def repeats_label(policy: Duplicates) -> str:
    """Return the name of the step that settles repeated pairs."""
    return f"{policy} of repeated pairs"


def rated_label(own: PreparationSettings) -> str:
    """Return the name of the step that keeps positives."""
    return f"rated {own.min_rating:g} or better"


def core_label(own: PreparationSettings) -> str:
    """Return the name of the step that drops users and items with too few events."""
    return f"{own.min_user_events} or more a user, {own.min_item_events} or more an item"


def repeats_note(where: str, policy: Duplicates, dropped: int, of: int, *, timed: bool) -> str:
    """Return the sentence on repeated pairs that were dropped."""
    which = {"first": "earliest", "last": "latest"}[policy] + (" time" if timed else " row")
    return (
        f"{where}: {dropped:,} of {of:,} events repeat a pair of user and item. Each pair "
        f"counts as one interaction, with its {which} (duplicates={policy})."
    )


def none_left(source: Source, steps: list[dict[str, Any]]) -> DataError:
    """Return the error of filters that leave no events."""
    before = ", ".join(f"{step['step']}: {step['events']:,}" for step in steps)
    return DataError(
        f"{where_of(source)}: no events are left ({before}). Lower min_rating or the minimum "
        "counts."
    )


def where_of(source: Source) -> str:
    return " + ".join(i["path"] for i in source.inputs[:1]) or source.title
