"""Pictures of sampled negatives and of what towers learn from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from candgen.evaluation.calibration import Reliability
from candgen.plots.style import ACCENT, BASELINE, INK, MODEL, PALE, PALETTE, axes

_OF_RELIABILITY = {"held-out events": MODEL, "the oracle": ACCENT}
_FEWEST = 20  # predictions that a bin needs to be drawn


def draws_and_promises(table: pd.DataFrame, *, label: str, ax: Axes | None = None) -> Axes:
    """Show counted and expected numbers of draws by item popularity.

    Args:
        table: Columns `popularity`, `drawn`, `promised` (1 is uniform) and `items`.
        label: Names the sampler.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    ax.axhline(1, color=BASELINE, linestyle="--", linewidth=1.2)
    ax.plot(table["popularity"], table["promised"], color=MODEL, label="expected")
    ax.plot(table["popularity"], table["drawn"], "o", color=ACCENT, label="drawn")
    _logarithmic(ax, "x")
    ax.set_ylim(0, 1.15 * max(1.2, table[["drawn", "promised"]].to_numpy().max()))
    ax.set(xlabel="training users of an item", ylabel="draws, 1 is uniform")
    ax.set_title(f"{label}: {table['items'].sum():,} items")
    ax.legend(frameon=False)
    return ax


def cosines(found: Mapping[str, NDArray[np.floating]], *, ax: Axes | None = None) -> Axes:
    """Show the distribution of cosines between users and items, one line per name.

    Args:
        found: Cosines by name, any shape.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    edges = np.linspace(-1, 1, 81)
    for (name, values), colour in zip(found.items(), PALETTE, strict=False):
        shares = np.histogram(np.clip(values, -1, 1), edges)[0] / np.size(values)
        ax.stairs(shares, edges, color=colour, fill=True, alpha=0.25)
        ax.stairs(shares, edges, color=colour, label=name, linewidth=1.6)
    ax.set(xlabel="cosine of a user and an item, any two", ylabel="share of pairs", xlim=(-1, 1.02))
    ax.legend(frameon=False, loc="upper left")
    return ax


def calibration_curves(
    found: Mapping[str, Reliability], *, meaning: str, ax: Axes | None = None
) -> Axes:
    """Show mean outcomes over mean predictions; scores on the dashed line are calibrated.

    Args:
        found: By what the predictions are compared with: "held-out events", "the oracle".
        meaning: "probability", or "lift" (both axes are then logarithmic).
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    drawn = []
    for name, bins in found.items():
        full = bins.count >= _FEWEST
        if meaning == "lift":
            full &= (bins.predicted > 0) & (bins.observed > 0)
        told = f"{name}, {bins.count.sum():,} predictions"
        colour = _OF_RELIABILITY.get(name, INK)
        ax.plot(bins.predicted[full], bins.observed[full], "o-", color=colour, label=told)
        drawn += [*bins.predicted[full], *bins.observed[full]]
    low, high = (min(drawn), max(drawn)) if drawn else (0.0, 1.0)
    if meaning == "lift":
        low, high = min(low, 0.5) / 1.3, max(high, 2.0) * 1.3
        _logarithmic(ax, "x"), _logarithmic(ax, "y")
    else:
        low, high = 0.0, 1.0
    ax.plot([low, high], [low, high], "--", color=BASELINE, linewidth=1.2, zorder=0)
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    unit = "probability" if meaning == "probability" else "share, 1 is uniform"
    ax.set(xlabel=f"predicted {unit}", ylabel=f"mean outcome ({unit})")
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    return ax


def against_popularity(
    popularity: NDArray[np.integer],
    values: NDArray[np.floating],
    *,
    label: str,
    ax: Axes | None = None,
) -> Axes:
    """Show one dot per item over its number of training users, with the running median.

    Args:
        popularity: Training users of each item, 1 or more.
        values: One an item.
        label: What the values are.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    ax.plot(popularity, values, ".", color=MODEL, markersize=3, alpha=0.35)
    group = np.floor(2 * np.log2(popularity))
    middle = pd.DataFrame({"x": popularity, "y": values}).groupby(group).median()
    ax.plot(middle["x"], middle["y"], color=INK, linewidth=2)
    _logarithmic(ax, "x")
    ax.set(xlabel="training users of an item", ylabel=label)
    ax.set_title(f"{len(values):,} items, and their median")
    return ax


def biases(found: Mapping[str, Mapping[str, float]], *, k: int, ax: Axes | None = None) -> Axes:
    """Show the popularity of candidates over that of histories and of true taste.

    Args:
        found: By generator: bias against "own" histories and, if known, against "true taste".
        k: Places of a list that count.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.6 * len(found) + 1.5))[1]
    marks = {
        "own": ("o", MODEL, "users' histories"),
        "true taste": ("D", ACCENT, "the oracle's lists"),
    }
    for row, of_generator in enumerate(found.values()):
        for kind, value in of_generator.items():
            sign, colour, name = marks[kind]
            label = f"against {name}" if row == 0 else None
            ax.plot(value, row, sign, color=colour, label=label)
    ax.axvline(1, color=BASELINE, linestyle="--", linewidth=1.2)
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.5, -0.6)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"popularity of the first {k} candidates, 1 is equal")
    ax.grid(False, axis="y")
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, 1.25), ncols=2)
    return ax


def landing_places(
    table: pd.DataFrame, posts: NDArray[np.floating], *, ax: Axes | None = None
) -> Axes:
    """Show the final place of the user among the posts, by loss, score and posts learned from.

    Args:
        table: Indexed by loss, score and what it is taught by, with a column `exact`.
        posts: Their places, named by their order.
        ax: Axes to draw on. A new figure when omitted.
    """
    rows = list(dict.fromkeys(f"{loss}, {score}" for loss, score, _ in table.index))
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.45 * len(rows) + 1.4))[1]
    for place, height in enumerate(posts):
        ax.axvline(height, color=BASELINE, linestyle="--", linewidth=1.2)
        ax.annotate(f"post {place}", (height, 1), xycoords=("data", "axes fraction"),
                    xytext=(0, 3), textcoords="offset points", ha="center", color=BASELINE,
                    fontsize="small")  # fmt: skip
    ax.axvspan(-10, np.mean(posts), color=BASELINE, alpha=0.07, linewidth=0)
    taught = list(dict.fromkeys(by for *_, by in table.index))
    rings = {"markersize": 12, "markerfacecolor": "none", "markeredgewidth": 2}  # around a dot
    for by, colour, look in zip(taught, (ACCENT, MODEL), (rings, {}), strict=False):
        some = table.xs(by, level="taught by")
        places = [rows.index(f"{loss}, {score}") for loss, score in some.index]
        ax.plot(some["exact"], places, "o", color=colour, label=by, **look)
    exact = table["exact"]
    ax.set(xlim=(min(-0.8, exact.min() - 0.2), max(2.4, exact.max() + 0.2)))
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.6)
    ax.set_xlabel("where the user's number ends; shaded: nearer to post 0 than to post 2")
    ax.grid(False)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def sampler_map(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    x_label: str,
    y_label: str,
    line: float | None = None,
    logarithmic: bool = False,
    names: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Show one dot per sampler in two measures, named at the right, coloured by its kind.

    Args:
        table: One row a sampler, with its `label` and `negatives` and both measures.
        x: Column of the horizontal measure.
        y: Column of the vertical one.
        x_label: With its unit or cut-off.
        y_label: Likewise.
        line: A place on the horizontal axis that means something, drawn dashed.
        logarithmic: Whether the horizontal axis is.
        names: Whether the dots are named.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    kinds = list(dict.fromkeys(table["negatives"]))
    inks = {kind: PALETTE[place % len(PALETTE)] for place, kind in enumerate(kinds)}
    colours = [inks[kind] for kind in table["negatives"]]
    if line is not None:
        ax.axvline(line, color=BASELINE, linestyle="--", linewidth=1.2)
    ax.scatter(table[x], table[y], c=colours, s=38, edgecolors="white", zorder=3)
    if logarithmic:
        _logarithmic(ax, "x")
    ax.margins(0.08)
    ax.set(xlabel=x_label, ylabel=y_label)
    ax.grid(color=PALE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if names:
        _name_to_the_right(ax, table[x], table[y], table["label"], colours)
    return ax


def _name_to_the_right(
    ax: Axes, xs: Iterable[float], ys: Iterable[float], names: Iterable[str], colours: list[str]
) -> None:
    """Write names in a column right of the axes, in the order of heights, each led to its dot."""
    ys = np.asarray(list(ys), dtype=float)
    low, high = ax.get_ylim()
    order = np.argsort(ys, kind="stable")
    gap = 15 / (ax.get_window_extent().height * 72 / ax.figure.dpi)  # as a share of the height
    steps = gap * np.arange(len(ys))
    places = np.empty(len(ys))
    places[order] = isotonic_regression((ys[order] - low) / (high - low) - steps).x + steps
    for x, y, name, colour, place in zip(xs, ys, names, colours, places, strict=True):
        ax.annotate(
            name, (x, y), xytext=(1.03, place), textcoords="axes fraction", color=colour,
            va="center", fontsize="small", annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colour, "lw": 0.7, "alpha": 0.5, "shrinkB": 4,
                "relpos": (0, 0.5),
            },
        )  # fmt: skip


def _logarithmic(ax: Axes, which: str) -> None:
    getattr(ax, f"set_{which}scale")("log")
    axis = getattr(ax, f"{which}axis")
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(NullFormatter())
