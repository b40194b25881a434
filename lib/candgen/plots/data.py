"""Pictures of a prepared dataset, before any model has seen it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from candgen.plots.style import ACCENT, BASELINE, MODEL, PALETTE, axes

PART_COLOURS = {
    "train": MODEL,
    "validation": PALETTE[4],
    "test": ACCENT,
    "fold_in": PALETTE[2],
}


def long_tail(events_per_item: NDArray[np.integer], *, ax: Axes | None = None) -> Axes:
    """Show how events are shared among items: what share the most popular items hold.

    Args:
        events_per_item: One count an item, in any order.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    counts = np.sort(events_per_item)[::-1]
    share = np.cumsum(counts) / counts.sum()
    ranks = np.arange(1, len(counts) + 1) / len(counts)
    ax.plot(np.r_[0, ranks], np.r_[0, share], color=MODEL)
    ax.plot([0, 1], [0, 1], color=BASELINE, linestyle="--", linewidth=1.2)
    ax.text(0.62, 0.55, "if all were equal", color=BASELINE, fontsize="small")
    tenth = share[max(0, int(np.ceil(len(counts) / 10)) - 1)]
    ax.plot([0.1], [tenth], "o", color=ACCENT, zorder=3)
    text = f"the top 10% of items\nhold {tenth:.0%} of events"
    ax.text(0.97, 0.06, text, color=ACCENT, fontsize="small", ha="right")
    ax.set(xlabel="share of items, most popular first", ylabel="share of events")
    ax.set(xlim=(0, 1), ylim=(0, 1.02))
    ax.set_title(f"{len(counts):,} items share {counts.sum():,} events")
    return ax


def activity(events_per_user: NDArray[np.integer], *, ax: Axes | None = None) -> Axes:
    """Show how many events users have, on a logarithmic axis, with the median dashed.

    Args:
        events_per_user: One count a user; zeros are left out.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    known = events_per_user[events_per_user > 0]
    low, high = known.min(), max(known.max(), known.min() + 1)
    edges = np.unique(np.round(np.geomspace(low, high + 1, 31)))
    sns.histplot(known, bins=edges, color=MODEL, alpha=1, edgecolor="white", linewidth=0.5, ax=ax)
    median = np.median(known)
    ax.axvline(median, color=BASELINE, linestyle="--", linewidth=1.2)
    ax.text(median, ax.get_ylim()[1], f" median {median:,.0f}", color=BASELINE, va="top")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set(xlabel="events of a user (logarithmic)", ylabel="users")
    ax.set_title(f"{len(known):,} users")
    return ax


def rating_shares(ratings: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Show the share of each rating value, or of twenty bins when there are many values.

    Args:
        ratings: One value an event.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    ratings = np.asarray(ratings)
    values, counts = np.unique(ratings, return_counts=True)
    if len(values) > 20:
        counts, edges = np.histogram(ratings, bins=20)
        values, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)[0]
    else:
        width = np.diff(values).min() if len(values) > 1 else 1.0
        ax.set_xticks(values)
    ax.bar(values, counts / len(ratings), width=0.85 * width, color=MODEL)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set(xlabel="rating", ylabel="share of ratings")
    ax.set_title(f"{len(ratings):,} ratings, mean {ratings.mean():.2f}")
    return ax


def events_over_time(times: Mapping[str, ArrayLike], *, ax: Axes | None = None) -> Axes:
    """Show when the events of each part happened, stacked, so that leaks into the past are seen.

    Args:
        times: For each part its times in seconds since 1970.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    moments = {name: pd.to_datetime(np.asarray(t), unit="s") for name, t in times.items()}
    everything = np.concatenate([m.to_numpy() for m in moments.values()])
    edges = pd.date_range(everything.min(), everything.max() + np.timedelta64(1, "s"), 61)
    ax.hist(
        [m.to_numpy() for m in moments.values()],
        bins=edges.to_numpy(),
        stacked=True,
        color=[PART_COLOURS.get(name, BASELINE) for name in moments],
        label=list(moments),
        linewidth=0,
    )
    locator = AutoDateLocator(maxticks=8)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles, labels, ncols=len(labels), loc="lower right", bbox_to_anchor=(1, 1),
              frameon=False)  # fmt: skip
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set(xlabel="time (UTC)", ylabel="events")
    ax.set_title(f"{len(everything):,} events")
    return ax
