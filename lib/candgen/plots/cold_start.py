"""A picture of what is found, by how much is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from candgen.plots import labels
from candgen.plots.style import BASELINES, INK, colours, line_of

_ROOM = 1.12  # above the highest end of a band, in shares of it


def by_known(
    table: pd.DataFrame,
    *,
    x_label: str,
    counted: str = "users",
    best: Mapping[str, float] | None = None,
    baselines: Collection[str] = BASELINES,
    highest: float | None = None,
    ax: Axes | None = None,
) -> NDArray[np.object_]:
    """Show means with intervals by how much is known, one panel a measure.

    Numbers known are set at equal distances, since the first few matter most. Bands are intervals
    over users (or whatever is counted).

    Args:
        table: Columns `measure`, `known`, `generator`, `mean`, `low`, `high` and `users`.
        x_label: What is known.
        counted: What the column `users` counts.
        best: By measure, the best possible value; written at the top where it is known.
        baselines: Drawn grey and dashed.
        highest: Where the vertical axis ends; by default above the highest band. What is beyond
            is said by an arrow.
        ax: Axes to draw on, one a measure. A new figure when omitted.

    Returns:
        The axes, one a measure.
    """
    measures = list(dict.fromkeys(table["measure"]))
    if ax is None:
        size = (5.1 * len(measures) if len(measures) > 1 else 8.2, 3.7)
        ax = plt.subplots(1, len(measures), figsize=size, squeeze=False)[1]
    panels = np.ravel(np.asarray(ax, dtype=object))
    colour = colours(dict.fromkeys(table["generator"]), baselines)
    for panel, measure in zip(panels, measures, strict=True):
        held = table[table["measure"] == measure]
        _panel(panel, held, colour, baselines, highest)
        panel.set(xlabel=x_label, ylabel=measure)
        said = f"{held['users'].iloc[0]:,} {counted}, 95 % intervals"
        if best and measure in best:
            said += f"\nbest possible: {best[measure]:.3f}"
        panel.set_title(said)
    return panels


def _panel(
    ax: Axes,
    table: pd.DataFrame,
    colour: Mapping[str, str],
    baselines: Collection[str],
    highest: float | None,
) -> None:
    known = sorted(table["known"].unique())
    places = np.arange(len(known))
    top = highest or _ROOM * table["high"].max()
    ends = {}
    for name, held in table.groupby("generator", sort=False):
        held = held.set_index("known").loc[known]
        own = {"color": colour[name]}
        ax.fill_between(places, held["low"], held["high"], alpha=0.11, linewidth=0, **own)
        style = line_of(name, baselines)
        ax.plot(places, held["mean"], style, marker="o" if style == "-" else "", ms=4, **own)
        ends[name] = held["mean"].iloc[-1]
        for place in places[held["mean"] > top]:
            said = f"{held['mean'].iloc[place]:.2f} ↑"
            ax.annotate(
                said, (place, top), xytext=(4, -4), textcoords="offset points", va="top", **own
            )
    ax.set_xticks(places, known)
    ax.set(xlim=(-0.15, len(known) - 0.9), ylim=(0, top))
    ax.tick_params(labelcolor=INK)
    names = list(ends)
    labels.at_line_ends(
        ax, len(known) - 1, [ends[n] for n in names], names, [colour[n] for n in names]
    )
