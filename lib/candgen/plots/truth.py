"""Pictures of true relevance, which is known of an invented world: how much of it lists reach."""

from __future__ import annotations

from collections.abc import Collection

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from candgen.plots.comparison import Mark, intervals
from candgen.plots.style import BASELINES, INK, colours


def recovered_truth(
    table: pd.DataFrame,
    *,
    best: float,
    k: int,
    baselines: Collection[str] = BASELINES,
    ax: Axes | None = None,
) -> Axes:
    """Show mean true relevance with intervals, and the most that it can be as a line.

    Args:
        table: From `evaluation.relevance_table`.
        best: The mean of the best possible lists.
        k: Places of a list that count.
        baselines: Drawn grey.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.5 * len(table) + 1.4))[1]
    colour = colours(table["generator"], baselines)
    marks = [
        Mark(r.generator, r.mean, r.low, r.high, colour[r.generator]) for r in table.itertuples()
    ]
    intervals(marks, label=f"true relevance of the first {k}, mean and 95 % interval", ax=ax)
    for place, mark in enumerate(marks):
        ax.annotate(
            f"{mark.value:.3f}", (mark.high, place), xytext=(7, 0), textcoords="offset points",
            va="center", color=mark.colour, fontsize="small",
        )  # fmt: skip
    ax.axvline(best, color=INK, linewidth=1.2)
    ax.annotate(
        "best possible ", (best, 1.01), xycoords=("data", "axes fraction"), ha="right",
        va="bottom", fontsize="small", color=INK,
    )  # fmt: skip
    ax.set_xlim(0, 1.06 * max(best, table["high"].max()))
    ax.set_title(f"{table['users'].iloc[0]:,} users")
    return ax
