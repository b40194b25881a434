"""Pictures of the rating model: how it gets there, and what it makes of one person's ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from candgen.plots.style import BASELINE, MODEL, PALETTE, axes, text_label


def cost_curves(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], *, ax: Axes | None = None
) -> Axes:
    """Show how the cost falls with the seconds spent, on logarithmic axes; a line a solver.

    Args:
        curves: Name -> (seconds of each step, cost after it), the shape of both `(steps,)`.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    for (name, (seconds, costs)), colour in zip(curves.items(), PALETTE, strict=False):
        ax.plot(seconds, costs, color=colour, label=name)
    ax.set(xscale="log", yscale="log", xlabel="seconds", ylabel="cost")
    ax.set_title("Same cost, same start")
    ax.legend(frameon=False)
    return ax


def original_and_predicted(
    original: ArrayLike,
    predicted: ArrayLike,
    titles: Sequence[str],
    *,
    means: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show each rating that a person gave beside the one predicted, a row a film.

    Args:
        original: Ratings given, shape `(n,)`.
        predicted: Ratings predicted, shape `(n,)`.
        titles: One a film.
        means: What everybody thinks of each film, drawn in grey.
        ax: Axes to draw on. A new figure when omitted.
    """
    original, predicted = np.asarray(original), np.asarray(predicted)
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 1.2 + 0.34 * len(titles)))
    rows = np.arange(len(titles))
    ax.hlines(rows, original, predicted, color=MODEL, alpha=0.5)
    if means is not None:
        ax.scatter(means, rows, marker="|", s=90, color=BASELINE, label="mean of all users")
    ax.scatter(original, rows, facecolor="white", edgecolor=MODEL, s=60, label="given", zorder=3)
    ax.scatter(predicted, rows, color=MODEL, s=28, label="predicted", zorder=3)
    ax.set_yticks(rows, [text_label(title, 38) for title in titles], fontsize="small")
    ax.invert_yaxis()
    ax.set(xlabel="rating", xlim=(0.2, 5.3))
    ax.set_title(f"{len(titles)} ratings of one person")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=3, frameon=False)
    return ax
