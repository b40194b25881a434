"""Pictures of a ranked pool."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from candgen.plots.comparison import Mark, differences
from candgen.plots.style import ACCENT, BASELINE, MODEL, axes


def by_size(sizes: pd.DataFrame, *, metric: str, ax: Axes | None = None) -> Axes:
    """Draw the metric of the ranked pool against the pool's recall, between fusion and the ceiling.

    Args:
        sizes: As `measures.by_size` returns it.
        metric: Name of the metric, such as "ndcg@10".
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    recall = sizes["recall"].to_numpy()
    ax.fill_between(recall, sizes["low"], sizes["high"], color=MODEL, alpha=0.15, linewidth=0)
    lines = (("ceiling", BASELINE, ":"), ("ranked", MODEL, "-"), ("fused", ACCENT, "--"))
    names = {"ceiling": "perfect ranker", "ranked": "ranker", "fused": "rank fusion"}
    for name, colour, dashes in lines:
        ax.plot(recall, sizes[name], dashes, color=colour, marker="o", label=names[name])
    for row in sizes.itertuples():
        ax.annotate(
            f"k = {row.k}", (row.recall, row.ceiling), xytext=(0, 5), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    ax.set(xlabel="recall of the pool", ylabel=metric)
    ax.set_ylim(0, 1.15 * float(np.max(sizes["ceiling"])) or 1.0)
    ax.legend(frameon=False)
    return ax


def importance(table: pd.DataFrame, *, metric: str, ax: Axes | None = None) -> Axes:
    """Draw what the metric loses as each feature is shuffled, with its interval.

    Args:
        table: As `measures.importance` returns it.
        metric: Name of the metric.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    marks = [Mark(row.feature, row.drop, row.low, row.high) for row in table.itertuples()]
    return differences(marks, label=f"loss of {metric} when shuffled", margin=0.0, ax=ax)
