"""Pictures of attention weights."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from candgen.plots.style import BASELINE, axes, colours, text_label


def attention(
    shares: NDArray[np.floating], titles: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Show the attention weights of one history: darker is more, earlier events to the left.

    Args:
        shares: Weight that the event of a row gives to the event of a column, shape `(n, n)`.
        titles: Of the events, oldest first, shape `(n,)`.
        ax: Axes to draw on. A new figure when omitted.
    """
    n = len(shares)
    if ax is None:
        _, ax = plt.subplots(figsize=(8.4, 1.6 + 0.26 * n))
    later = np.triu(np.ones((n, n), dtype=bool), k=1)
    most = np.tril(shares)[n // 4 :].max()  # the oldest events have little else to look at
    short = [text_label(title) for title in titles]
    sns.heatmap(
        shares,
        mask=later,
        cmap="Blues",
        vmin=0,
        vmax=most,
        xticklabels=[str(n - place) for place in range(n)],
        yticklabels=short,
        cbar_kws={
            "format": PercentFormatter(1, decimals=0),
            "shrink": 0.7,
            "label": "attention weight",
        },
        ax=ax,
    )
    ax.grid(visible=False)
    ax.tick_params(length=0, labelsize="x-small", labelrotation=0)
    ax.set(xlabel="attended event, counted back from the newest", ylabel="")
    ax.set_title(f"the newest {n} events of one history, oldest on top")
    return ax


def looking_back(
    shares: NDArray[np.floating], *, alike: float, n_users: int, ax: Axes | None = None
) -> Axes:
    """Show the newest event's mean attention to earlier events, one line a block.

    Args:
        shares: Mean weight of the event `j` places back, shape `(blocks, n)`; 0 is the newest.
        alike: Weight of each event if all weights were equal.
        n_users: Histories that the mean is over.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    blocks, n = shares.shape
    names = [f"block {block + 1}" for block in range(blocks)]
    colour = colours(names)
    ax.axhline(alike, color=BASELINE, linestyle="--", linewidth=1.5)
    ax.annotate("all alike ", (n, alike), va="bottom", ha="right", color=BASELINE, fontsize="small")
    for name, line in zip(names, shares, strict=True):
        ax.plot(range(1, n + 1), line, color=colour[name], marker="o", ms=3, label=name)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="attended event, counted back from the newest (1)", ylabel="attention weight")
    ax.legend(frameon=False)
    ax.set_title(f"{n_users:,} histories of {n} events or more")
    return ax
