"""What searching costs: queries a second against the size of the catalogue."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from candgen.plots import labels
from candgen.plots.style import BASELINES, axes, colours, line_of


def search_speed(
    table: pd.DataFrame, *, baselines: Collection[str] = BASELINES, ax: Axes | None = None
) -> Axes:
    """Show queries a second by the number of items, one line a way to search.

    Args:
        table: Queries a second: a row a number of items, a column a way to search.
        baselines: Columns drawn grey and dashed, which the others are measured against.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    found = colours(table.columns, baselines)
    ax.set(xscale="log", yscale="log", xlabel="items in the catalogue", ylabel="queries a second")
    for name in table.columns:
        ax.plot(
            table.index, table[name], line_of(name, baselines), color=found[name], marker="o", ms=4
        )
    ax.set_xticks(table.index, [f"{n:,}" for n in table.index])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:,g}")
    inks = [found[name] for name in table.columns]
    labels.at_log_line_ends(ax, table.index[-1], table.iloc[-1], list(table.columns), inks)
    return ax
