"""Periods of a dataset: what a model knows of each event table, and what judges it.

The split puts every interaction into a part, and every row of a further event table (impressions,
searches) into the part from whose end on it is known:

| judged on | a model knows the rows of | it is judged by the rows of |
|---|---|---|
| validation | train | validation |
| test | train and validation | test |

No other module says so. `Dataset.known` and `Dataset.judging` read tables by it, and nothing else
reads a further event table by name.
"""

from __future__ import annotations

from typing import NamedTuple

INTERACTIONS = "interactions"
UNLISTED = "unlisted"
FURTHER = ("impressions", "searches", UNLISTED)
"""Names of the further event tables. `UNLISTED` holds impressions with a known propensity of items
outside of the catalogue, without the item: values of policies count these rounds, too."""
PARTS = ("train", "validation", "test")
WHOLE_LOG = ("timeline", "cold_users", "cold_items")
"""Splits that hold out all rows of a time, of users or of items. Others hold out what was engaged
with, so their held-out impressions do not say what was ignored."""

OF_TEST, OF_VALIDATION = LISTS = ("candidate_lists", "validation_candidate_lists")
"""Tables of the items that may be ranked for each user, where a dataset restricts them."""


class Period(NamedTuple):
    """The parts that a model knows, and the part that judges it."""

    known: tuple[str, ...]
    judging: str


PERIODS = {
    "validation": Period(("train",), "validation"),
    "test": Period(("train", "validation"), "test"),
}


def stored(table: str, part: str) -> str:
    """Return the name under which a part of an event table is stored."""
    if table == INTERACTIONS:
        return part
    return table if part == "train" else f"{table}_{part}"
