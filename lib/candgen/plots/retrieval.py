"""Pictures of search: how much an index finds at which speed."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from candgen.plots.style import BASELINE, INK, colours


def speed_against_recall(
    table: pd.DataFrame, *, k: int, speed: str = "batch", ax: Axes | None = None
) -> Axes:
    """Show queries a second over recall against exact search, one line a kind of index.

    Args:
        table: From `tradeoff`: columns `kind`, `recall` and the speed; exact search is dashed.
        k: Candidates a query.
        speed: Column of queries a second.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 4.4))[1]
    exact = table[table["kind"] == "exact"][speed].iloc[0]
    others = table[table["kind"] != "exact"]
    colour = colours(others["kind"])
    for kind, rows in others.groupby("kind", sort=False):
        rows = rows.sort_values("recall")
        ax.plot(rows["recall"], rows[speed], "o-", color=colour[kind], ms=5, label=kind)
    ax.axhline(exact, color=BASELINE, linestyle="--")
    ax.annotate(
        "exact", (1, exact), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=INK
    )
    ax.set_yscale("log")
    ax.set(xlabel=f"recall@{k} against exact search", ylabel=f"queries a second ({speed})")
    ax.legend(frameon=False, loc="best")
    return ax
