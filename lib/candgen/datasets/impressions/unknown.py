"""Impressions of users and items that the events do not have: named, counted and left out.

The catalogue holds the items of the events, and users are those of the events. What was shown to
others says nothing about them. Where propensities are known, what these users were shown outside
of the catalogue is kept apart without the item: the value of a policy is a mean over all that was
shown, and leaving out what nobody engaged with would raise it.
"""

from __future__ import annotations

import pandas as pd

from candgen.columns import ITEM, USER
from candgen.datasets.interactions import code_of
from candgen.datasets.source import Source

_NAMED = 3


def unknown_notes(source: Source, user_ids: pd.Index, item_ids: pd.Index) -> list[str]:
    """Return sentences on the impressions of one's own that are left out; empty if none is.

    Args:
        source: With its impressions, in raw ids.
        user_ids: Ids of the users with events.
        item_ids: Ids of the items with events.
    """
    if source.kind not in ("table", "given") or "impressions" not in source.extras:
        return []
    shown, notes = source.extras["impressions"], []
    for who, known in ((USER, user_ids), (ITEM, item_ids)):
        lost = shown.loc[code_of(shown[who], known) < 0, who]
        if len(lost):
            ids = lost.drop_duplicates()
            some = ", ".join(map(str, ids.iloc[:_NAMED])) + (", ..." if len(ids) > _NAMED else "")
            plural = f"{who}s" if len(ids) > 1 else who
            notes.append(
                f"{len(lost):,} of {len(shown):,} impressions are of {len(ids):,} {plural} without "
                f"events ({some}), and are left out."
            )
    return notes


def unlisted(shown: pd.DataFrame, user_ids: pd.Index, item_ids: pd.Index) -> pd.DataFrame:
    """Return the impressions of known users and unknown items, without the item.

    Args:
        shown: Impressions in raw ids.
        user_ids: Ids of the users with events.
        item_ids: Ids of the items with events.
    """
    of_known = code_of(shown[USER], user_ids) >= 0
    unknown = code_of(shown[ITEM], item_ids) < 0
    return shown[of_known & unknown].drop(columns=ITEM).reset_index(drop=True)
