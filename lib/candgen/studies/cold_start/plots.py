"""A picture of results for users without events."""

from __future__ import annotations

from collections.abc import Collection

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from candgen.plots.comparison import Mark, intervals
from candgen.plots.style import BASELINES, colours


def users_without_events(
    table: pd.DataFrame,
    *,
    measure: str,
    best: float | None = None,
    baselines: Collection[str] = BASELINES,
    ax: Axes | None = None,
) -> Axes:
    """Show results for users without events, one line per generator.

    Args:
        table: Columns `generator`, `mean`, `low`, `high` and `users`, of one measure.
        measure: Its name.
        best: The best possible value, shown in the title.
        baselines: Drawn grey; the first of the table is what others should beat.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(8.2, 0.5 * len(table) + 1.4))[1]
    colour = colours(table["generator"], baselines)
    marks = [
        Mark(r.generator, r.mean, r.low, r.high, colour[r.generator]) for r in table.itertuples()
    ]
    intervals(marks, label=f"{measure}, mean and 95 % interval", ax=ax, reference=marks[0].name)
    for place, mark in enumerate(marks):
        ax.annotate(
            f"{mark.value:.3f}", (mark.high, place), xytext=(7, 0), textcoords="offset points",
            va="center", color=mark.colour, fontsize="small",
        )  # fmt: skip
    said = f"; best possible: {best:.3f}" if best is not None else ""
    ax.set_title(f"{table['users'].iloc[0]:,} users without an event{said}")
    ax.set_xlim(0, 1.1 * table["high"].max())
    return ax
