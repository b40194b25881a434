"""A guess whether a table is a log of impressions, and which columns say so.

A log of impressions has a row for each item that was shown, with a mark for those that were engaged
with. Read as events, what was shown in vain would count like a click.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from candgen.columns import ENGAGED, ITEM, POSITION, PROPENSITY, TIMESTAMP, USER
from candgen.datasets.guessing import roles
from candgen.datasets.reading import FirstRows

_NAMES = {
    ENGAGED: ("engaged", "clicked", "click", "isclick", "isclicked", "clicks"),
    POSITION: ("position", "pos", "slot", "shownposition"),
    PROPENSITY: ("propensity", "propensityscore", "pscore", "actionprob"),
}
_FOUND_ALONE = {  # headers that the reader finds without being told
    ENGAGED: ("engaged", "clicked", "click"),
    POSITION: ("position",),
    PROPENSITY: ("propensity", "propensity_score", "pscore"),
    USER: (USER,),
    ITEM: (ITEM,),
    TIMESTAMP: (TIMESTAMP,),
}
_YES, _NO = ("1", "true", "yes", "1.0"), ("0", "false", "no", "0.0")
TEST_FRACTION = 0.2
"""Share of the clicks that is held out: policies are valued on the impressions of that time."""


def marks_of(first: FirstRows) -> dict[str, str]:
    """Return the headers of marks, positions and propensities; {} for a table of events.

    A table is a log of impressions if a column of yes and no is called like a mark and some rows
    say no, or there are positions or propensities beside it.
    """
    found: dict[str, str] = {}
    for role, names in _NAMES.items():
        for place, header in enumerate(first.names):
            cells = [row[place] for row in first.rows]
            if "".join(roles.words_of(header)) in names and _fits(role, cells):
                found.setdefault(role, header)
    if ENGAGED not in found:
        return {}
    place = first.names.index(found[ENGAGED])
    in_vain = any(str(row[place]).strip().lower() in _NO for row in first.rows)
    return found if in_vain or len(found) > 1 else {}


def settings_of(columns: dict[str, str], first: FirstRows, events: dict[str, Any]) -> dict:
    """Turn settings of a table of events into those of a log of impressions.

    Args:
        columns: Role -> header, of all roles that were found.
        first: Header and first rows.
        events: Settings as for events: `path`, the format, `timestamp_unit`.
    """
    form = {k: v for k, v in events.items() if k not in ("source", "path", "timestamp_unit")}
    form = {k: v for k, v in form.items() if not k.endswith("_column")}
    made: dict[str, Any] = {"source": "table", "impressions_path": events["path"]}
    left_out = form.pop("leave_out", None)
    if left_out:
        made["leave_out"] = left_out
    if form:
        made["impressions_format"] = form
    named = {role: h for role, h in columns.items() if h not in _FOUND_ALONE.get(role, (h,))}
    if named:
        made["impressions_columns"] = named
    if unit := events.get("timestamp_unit"):
        made["impressions_time_unit"] = unit
    if POSITION in columns:
        place = first.names.index(columns[POSITION])
        if any(str(row[place]).strip() in ("0", "0.0") for row in first.rows):
            made["first_position"] = 0
    return {**made, "test_fraction": TEST_FRACTION}


def notes_on(shown: pd.DataFrame) -> list[str]:
    """Say what a log of impressions holds."""
    clicks, n_items, n_users = (
        int(shown[ENGAGED].sum()),
        shown[ITEM].nunique(),
        shown[USER].nunique(),
    )
    said = [
        f"{len(shown):,} impressions of {n_items:,} items to {n_users:,} users, "
        f"{clicks:,} of them engaged with: these are the events."
    ]
    if PROPENSITY in shown:
        low, high = shown[PROPENSITY].min(), shown[PROPENSITY].max()
        said.append(
            f"Propensities go from {low:.3g} to {high:.3g}, so page 71 values policies by inverse "
            "propensity."
        )
    else:
        said.append("There are no propensities, so page 71 runs and values no policy.")
    return said


def _fits(role: str, cells: Sequence[Any]) -> bool:
    known = [str(cell).strip().lower() for cell in cells if cell is not None and cell == cell]
    if role == ENGAGED:
        return bool(known) and all(cell in (*_YES, *_NO) for cell in known)
    try:
        numbers = [float(cell) for cell in known]
    except ValueError:
        return False
    whole = all(number == int(number) >= 0 for number in numbers)
    return bool(numbers) and (whole if role == POSITION else all(0 < n <= 1 for n in numbers))
