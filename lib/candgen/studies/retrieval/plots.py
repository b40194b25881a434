"""Pictures of search: speed against recall of indexes, and the cost of filters."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from candgen.plots import labels
from candgen.plots.style import BASELINE, INK, PALETTE, colours

_WAYS = {"before": BASELINE, "after": PALETTE[1], "by the rule": PALETTE[0]}


def speed_against_recall(
    table: pd.DataFrame, *, k: int, speed: str = "batch", ax: Axes | None = None
) -> Axes:
    """Show queries per second over recall against exact search, one line per built index.

    Args:
        table: From `tradeoff`: columns `kind`, `built`, `recall` and the speed; exact search is
            dashed. Indexes of one kind share a colour.
        k: Candidates a query.
        speed: Column of queries a second.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(8.2, 4.8))[1]
    exact = table[table["kind"] == "exact"][speed].iloc[0]
    others = table[table["kind"] != "exact"]
    colour = colours(sorted(others["kind"]))
    ends, inks = {}, []
    for (kind, built), rows in others.groupby(["kind", "built"], sort=False):
        rows = rows.sort_values("recall")
        several = others[others["kind"] == kind]["built"].unique().tolist()
        style = {"marker": "os^D"[several.index(built) % 4], "color": colour[kind]}
        ax.plot(rows["recall"], rows[speed], ms=4.5, lw=1.6, **style)
        ends[f"{kind}, {built}" if len(several) > 1 else kind] = rows[speed].iloc[-1]
        inks.append(colour[kind])
    reach = others["recall"].min() - 0.02, 1.004
    ax.plot(reach, (exact, exact), "--", color=BASELINE)
    ends["exact search"] = exact
    slowest, fastest = others[speed].min(), others[speed].max()
    ax.set(yscale="log", xlim=reach, ylim=(min(exact, slowest) / 1.7, 1.7 * max(exact, fastest)))
    _plain(ax.yaxis)
    ways = {"batch": "all at once", "single": "one at a time", "one_thread": "one thread"}
    ax.set(xlabel=f"recall@{k} against exact search")
    ax.set_ylabel(f"queries per second, {ways.get(speed, speed)}")
    inks.append(BASELINE)
    labels.at_log_line_ends(ax, reach[1], list(ends.values()), list(ends), inks)
    return ax


def speed_by_size(
    table: pd.DataFrame, *, speed: str = "times", target: float, ax: Axes | None = None
) -> Axes:
    """Show the speed of each kind of index over exact search, by number of items.

    Args:
        table: From `over_catalogues`, of catalogues that differ in their number of items: columns
            `n_items`, `kind`, `recall` and the speed. Of each kind the quickest that finds enough
            is drawn; a hollow mark is one that does not.
        speed: times, times_one_thread or times_single.
        target: Share of exact search's candidates that has to be found.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(8.2, 4.4))[1]
    others = table[table["kind"] != "exact"]
    colour, ends = colours(sorted(others["kind"])), {}
    sizes = sorted(table["n_items"].unique())
    for kind, rows in others.groupby("kind", sort=False):
        drawn = []
        for n, held in rows.groupby("n_items"):
            enough = held[held["recall"] >= target]
            row = held.loc[enough[speed].idxmax() if len(enough) else held["recall"].idxmax()]
            drawn.append((n, row[speed], len(enough) > 0))
        xs, ys, _ = zip(*drawn, strict=True)
        ax.plot(xs, ys, color=colour[kind], lw=1.8)
        for x, y, held in drawn:
            ax.plot(x, y, "o", ms=6, color=colour[kind], mfc=colour[kind] if held else "white")
        ends[kind] = ys[-1]
    ax.plot((sizes[0], sizes[-1]), (1, 1), "--", color=BASELINE)
    ax.set(xscale="log", yscale="log", xlabel="items in the catalogue")
    ax.set_ylabel("speed over exact search")
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.5), max(high, 2))
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.xaxis.set_minor_formatter(NullFormatter())
    _plain(ax.yaxis)
    ends["exact search"] = 1.0
    inks = [colour.get(kind, BASELINE) for kind in ends]
    labels.at_log_line_ends(ax, sizes[-1], list(ends.values()), list(ends), inks)
    how = {"times_single": "asked one at a time", "times_one_thread": "one thread"}
    ax.set_title(
        f"at {target:.0%} of what exact search finds; {how.get(speed, 'asked all at once')}"
    )
    return ax


def ways_to_filter(
    table: pd.DataFrame, *, target: float, k: int, ax: Sequence[Axes] | None = None
) -> NDArray[np.object_]:
    """Show recall and time per query, by the share of items that a filter leaves.

    Args:
        table: Columns `share`, `way` ("before", "after" or "by the rule"), `recall`, `low`, `high`
            and `ms`, milliseconds a query.
        target: Share that the rule promises, drawn dotted.
        k: Candidates a query.
        ax: Two axes to draw on. A new figure when omitted.

    Returns:
        The two axes: recall, then milliseconds.
    """
    if ax is None:
        ax = plt.subplots(1, 2, figsize=(11.4, 4.2))[1]
    found, spent = ax
    shares = sorted(table["share"].unique())
    for way, rows in table.groupby("way", sort=False):
        rows, ink = rows.sort_values("share"), _WAYS[way]
        style = {"color": ink, "ls": "--" if way == "before" else "-", "ms": 4.5, "lw": 1.8}
        found.fill_between(rows["share"], rows["low"], rows["high"], color=ink, alpha=0.12, lw=0)
        found.plot(rows["share"], rows["recall"], marker="o", **style)
        spent.plot(rows["share"], rows["ms"], marker="o", **style)
    found.axhline(target, color=INK, linestyle=":", linewidth=1.2)
    found.annotate(
        f"target: {target:.0%}", (0, target), xycoords=("axes fraction", "data"), va="top",
        xytext=(4, -4), textcoords="offset points", color=INK, fontsize="small",
    )  # fmt: skip
    found.set_ylim(min(table["low"].min(), target) - 0.05, 1.02)
    found.set(ylabel=f"recall@{k} against exact search")
    spent.set(yscale="log", ylabel="milliseconds per query")
    _plain(spent.yaxis)
    last = table[table["share"] == shares[-1]].set_index("way")
    for panel in ax:
        panel.set(xscale="log", xlabel="share of the items that the filter leaves")
        panel.set_xticks(shares, [f"{share:.3g}" for share in shares], fontsize="small")
        panel.xaxis.set_minor_formatter(NullFormatter())
    names = list(last.index)
    inks = [_WAYS[way] for way in names]
    labels.at_line_ends(found, shares[-1], last["recall"].tolist(), names, inks)
    labels.at_log_line_ends(spent, shares[-1], last["ms"].tolist(), names, inks)
    return np.asarray(ax, dtype=object)


def _plain(axis) -> None:
    """Write numbers of a logarithmic axis in full, and some between where it spans little."""
    low, high = sorted(axis.get_view_interval())
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    few = np.log10(high / max(low, 1e-12)) < 1.6
    shown = (lambda value, _: f"{value:,g}" if _leads(value, (2, 5)) else "") if few else None
    axis.set_minor_formatter(shown or NullFormatter())


def _leads(value: float, digits: Sequence[int]) -> bool:
    return round(value / 10 ** np.floor(np.log10(value) + 1e-9)) in digits
