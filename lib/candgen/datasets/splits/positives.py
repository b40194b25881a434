"""Held-out events that count as positives: those rated high enough, where a threshold is set.

`min_rating` drops events from all parts before the split. `positive_rating` keeps them in the
parts, so that models learn from all of them, and judges by the well rated ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from candgen.columns import RATING
from candgen.datasets.interactions import no_ratings
from candgen.errors import DataError

if TYPE_CHECKING:
    from candgen.datasets.preparation import PreparationSettings

JUDGED = ("validation", "test")


def check_positives(tables: Mapping[str, pd.DataFrame], at_least: float) -> None:
    """Refuse a threshold that leaves a held-out part without positives.

    Args:
        tables: By name; the parts that judge are looked at.
        at_least: Lowest rating of a positive; 0: there is no threshold.

    Raises:
        DataError: If there are no ratings, or no event of a part is rated so high.
    """
    for name in JUDGED if at_least else ():
        if name not in tables:
            continue
        if RATING not in tables[name]:
            raise no_ratings(at_least, "positive_rating")
        check_highest(name, tables[name][RATING].max(), at_least)


def check_highest(part: str, highest: float, at_least: float) -> None:
    """Refuse a part whose highest rating is below the threshold.

    Raises:
        DataError: Naming the part and its highest rating.
    """
    if not highest >= at_least:  # NaN, too
        raise DataError(
            f"No event of the {part} part is rated {at_least:g} or better; the highest rating "
            f"there is {highest:g}. Lower positive_rating."
        )


def rule_of_positives(own: PreparationSettings) -> str:
    """Return the end of the sentence on the split that tells the threshold; empty without one."""
    if not own.positive_rating:
        return ""
    return f"; held-out events count if rated {own.positive_rating:g} or better, models learn all"
