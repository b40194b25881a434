"""Pictures of two towers: the space they share, and the gain from features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from candgen.evaluation.significance import BETTER, MARGIN, verdicts
from candgen.plots.comparison import Mark, differences
from candgen.plots.style import BASELINE, INK, MODEL, PALETTE, text_label

_MOST_GROUPS = len(PALETTE)


def shared_space(
    items: NDArray[np.floating],
    groups: Sequence[str],
    queries: NDArray[np.floating],
    *,
    named: Mapping[int, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show items as dots, coloured by group, and queries as arrows from the origin.

    Args:
        items: Places of items, shape `(n_items, 2)`.
        groups: The group of each item; the most frequent ones are coloured, others are grey.
        queries: Places of queries, shape `(n, 2)`.
        named: Rows of items -> text to write beside them.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 6.4))[1]
    groups = pd.Series(groups, dtype=object)
    coloured = list(groups.value_counts().index[:_MOST_GROUPS])
    other = ~groups.isin(coloured)
    ax.scatter(*items[other].T, s=8, color=BASELINE, alpha=0.25, linewidths=0)
    for colour, group in zip(PALETTE, coloured, strict=False):
        own, named_so = items[groups == group], text_label(group)
        ax.scatter(*own.T, s=12, color=colour, alpha=0.55, linewidths=0, label=named_so)
    for x, y in queries:
        ax.annotate(
            "",
            (x, y),
            (0, 0),
            arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.1, "alpha": 0.7},
        )
    for row, text in (named or {}).items():
        ax.annotate(
            text_label(text),
            items[row],
            xytext=(4, 4),
            textcoords="offset points",
            fontsize="x-small",
            color=INK,
        )
    ax.plot(0, 0, "+", color=INK, ms=10)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="first direction", ylabel="second direction")
    ax.set_title(f"{len(items):,} items, {len(queries)} queries")
    if coloured:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, markerscale=1.8)
    return ax


def feature_gains(
    table: pd.DataFrame, *, metric: str, margin: float = MARGIN, ax: Axes | None = None
) -> Axes:
    """Show the gain from features for new users, one line per number of known events.

    Args:
        table: Columns `known`, `difference`, `low`, `high` and `users`.
        metric: What differs, with its cut-off.
        margin: A difference up to this is none in practice; the grey band.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.5 * len(table) + 1.4))[1]
    ends = (table[name].to_numpy() for name in ("difference", "low", "high"))
    words = verdicts(*ends, margin=margin).words
    marks = [
        Mark(
            "all of these" if r.known == "all" else f"{r.known} known ({r.users} users)",
            r.difference, r.low, r.high, MODEL if word == BETTER else INK,
        )
        for r, word in zip(table.itertuples(), words, strict=True)
    ]  # fmt: skip
    differences(marks, label=f"{metric}: with features less without", margin=margin, ax=ax)
    ax.set_title(f"{table['users'].max()} users who came after training, by events known of them")
    return ax
