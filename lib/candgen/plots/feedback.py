"""The feedback matrix of a dataset small enough to see whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from candgen.plots.style import ACCENT, INK, text_label

if TYPE_CHECKING:
    from candgen.datasets import Dataset

_EMPTY = "#F4F4F4"
_MOST_USERS = 300
_ROW_WITH_LINES = 3.0  # points


def feedback_matrix(data: Dataset, *, ax: Axes | None = None) -> Axes:
    """Show who did what, a row a user and a column an item, the most watched items on the left.

    Dark cells are the history that generators may use, coloured cells are held out. Of more than
    300 users an even choice is shown. Titles are legible up to about fifty items.
    """
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 6.4))
    history, held_out = data.history_matrix.toarray() > 0, data.held_out_matrix.toarray() > 0
    cells = np.where(held_out, 2, np.where(history, 1, 0))  # (n_users, n_items)
    items = np.argsort(-history.sum(axis=0), kind="stable")
    users = np.argsort(-history.sum(axis=1), kind="stable")
    n_users = len(users)
    if n_users > _MOST_USERS:
        users = users[np.linspace(0, n_users - 1, _MOST_USERS).astype(int)]
    row = ax.get_window_extent().height * 72 / ax.figure.dpi / len(users)  # points
    ax.pcolormesh(
        cells[users][:, items],
        cmap=ListedColormap([_EMPTY, INK, ACCENT]),
        vmin=0,
        vmax=2,
        edgecolors="white" if row >= _ROW_WITH_LINES else "none",  # lines would cover the cells
        linewidth=1,
    )
    titles = [text_label(data.titles[item], 26) for item in items]
    ax.set_xticks(np.arange(len(items)) + 0.5, titles, rotation=90, fontsize="x-small")
    ax.set_yticks([])
    which = f"{len(users)} of {n_users:,} users" if len(users) < n_users else "users"
    ax.set(ylabel=f"{which}, the most active on top")
    ax.invert_yaxis()
    ax.grid(False)
    ax.set_title(f"{history.sum():,} known, {held_out.sum():,} held out")
    ax.legend(
        handles=[Patch(color=INK, label="known"), Patch(color=ACCENT, label="held out")],
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
    )
    return ax
