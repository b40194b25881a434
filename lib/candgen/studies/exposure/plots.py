"""Pictures of exposure: impressions against relevance, and shares of places by group."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from candgen.plots import labels
from candgen.plots.style import ACCENT, BASELINE, INK, MODEL, colours, line_of

CONTROLS = ("at random", "the oracle's best")
_LOOKS = {"plain": (BASELINE, "o"), "weighed": ("#56B4E9", "s"), "pooled": (MODEL, "D")}
_ESTIMATES = {"ips": ("#56B4E9", "o"), "snips": (MODEL, "s"), "dr": (ACCENT, "D")}


def shown_and_wanted(
    shown: NDArray[np.integer], relevance: NDArray[np.floating], *, ax: Axes | None = None
) -> Axes:
    """Show each item by how often it was shown and how relevant it is.

    Args:
        shown: Impressions of each item, above 0, shape `(n_items,)`.
        relevance: Mean true relevance over users, same shape.
        ax: Axes to draw on. A new figure when omitted.
    """
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 4.2))[1]
    ax.scatter(shown, relevance, s=9, color=MODEL, alpha=0.45, linewidths=0)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    ax.set(xlabel="times shown in training", ylabel="true relevance, mean over users")
    ax.set_ylim(bottom=0)
    ax.set_title(f"{len(shown):,} items")
    return ax


def estimates(table: pd.DataFrame, *, k: int, ax: Axes | None = None) -> Axes:
    """Show each estimate of each generator's recall, and the truth as a bar.

    Args:
        table: From `evaluation.recall_estimates`.
        k: Places of a list that count.
        ax: Axes to draw on. A new figure when omitted.
    """
    names = list(dict.fromkeys(table["generator"]))
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.7 * len(names) + 1.5))[1]
    truth = table[table["estimate"] == "true"].set_index("generator")
    for row, name in enumerate(names):
        if name in truth.index:
            ax.plot([truth.loc[name, "mean"]] * 2, [row - 0.36, row + 0.36], color=INK, lw=2.2,
                    label="true" if row == 0 else None)  # fmt: skip
    for place, (estimate, (colour, marker)) in enumerate(_LOOKS.items()):
        rows = table[table["estimate"] == estimate].set_index("generator").loc[names]
        ys = np.arange(len(names)) + 0.22 * (place - 1)
        ax.hlines(ys, rows["low"], rows["high"], color=colour, lw=2, alpha=0.55)
        ax.plot(rows["mean"], ys, marker, color=colour, ms=6, mec="white", label=estimate)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"recall@{k}, with 95 % intervals over users")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def policy_values(table: pd.DataFrame, *, k: int, ax: Axes | None = None) -> Axes:
    """Show each estimate of each generator's value, with the mean engagement of the log as a line.

    Args:
        table: From `evaluation.policy_values`.
        k: Candidates that are offered.
        ax: Axes to draw on. A new figure when omitted.
    """
    logged = table[table["estimate"] == "mean"].iloc[0]
    rows = table[table["estimate"] != "mean"]
    names = list(dict.fromkeys(rows["generator"]))
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.7 * len(names) + 1.5))[1]
    ax.axvspan(logged["low"], logged["high"], color=BASELINE, alpha=0.25, linewidth=0)
    ax.axvline(logged["value"], color=BASELINE, lw=1.2, label="as logged")
    for place, (estimate, (colour, marker)) in enumerate(_ESTIMATES.items()):
        held = rows[rows["estimate"] == estimate].set_index("generator").loc[names]
        ys = np.arange(len(names)) + 0.22 * (place - 1)
        ax.hlines(ys, held["low"], held["high"], color=colour, lw=2, alpha=0.55)
        ax.plot(held["value"], ys, marker, color=colour, ms=6, mec="white", label=estimate)
    effective = rows.drop_duplicates("generator")["effective"]
    said = [f"{n}\n(as {e:,.0f} rounds)" for n, e in zip(names, effective, strict=True)]
    ax.set_yticks(range(len(names)), said)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"engagements per place, offering the first {k}; 95 % intervals over users")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def against_bias(
    tables: Mapping[str, pd.DataFrame],
    *,
    x: str = "bias",
    label: str = "exposure bias of the world",
) -> Figure:
    """Show each training over exposure bias, one panel per measure.

    Args:
        tables: By measure, as `exposure_study.bias_table` makes them.
        x: Column of the horizontal axis.
        label: What it is.
    """
    figure, panels = plt.subplots(
        1, len(tables), figsize=(3.3 * len(tables) + 0.8, 3.4), squeeze=False
    )
    for ax, (measure, table) in zip(panels[0], tables.items(), strict=True):
        lines = {name: rows.sort_values(x) for name, rows in table.groupby("training", sort=False)}
        _lines(lines, x=x, y="mean", ax=ax, band=True, last=ax is panels[0][-1])
        ax.set(xlabel=label, title=measure)
    return figure


def exposure_and_merit(
    tables: Mapping[str, pd.DataFrame], *, baselines: Collection[str] = (), most: int = 12,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Show each group's share of the places by generator, and its merit as a bar.

    Args:
        tables: By generator, from `evaluation.gap_table`, all of the same groups.
        baselines: Drawn grey.
        most: Groups that are drawn, those of most merit.
        ax: Axes to draw on. A new figure when omitted.
    """
    first = next(iter(tables.values())).set_index("group")
    groups = list(first["merit"].sort_values(ascending=False).index[:most])
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.42 * len(groups) + 1.5))[1]
    rows = np.arange(len(groups))
    for row, merit in zip(rows, first.loc[groups, "merit"], strict=True):
        ax.plot([merit] * 2, [row - 0.36, row + 0.36], color=INK, lw=2.2,
                label="merit" if row == 0 else None)  # fmt: skip
    colour, step = colours(tables, baselines), 0.5 / max(len(tables) - 1, 1)
    for place, (name, table) in enumerate(tables.items()):
        held = table.set_index("group").loc[groups]
        low, high = held["merit"] + held["low"], held["merit"] + held["high"]
        ys = rows - 0.25 + step * place
        ax.hlines(ys, low, high, color=colour[name], lw=1.8, alpha=0.5)
        ax.plot(held["exposure"], ys, "o", color=colour[name], ms=5, mec="white", label=name)
    ax.set_yticks(rows, groups)
    ax.set_ylim(len(groups) - 0.4, -0.6)
    ax.set_xlim(left=0)
    ax.set_xlabel("share of the places")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax


def rounds(
    tables: Mapping[str, pd.DataFrame],
    measures: Mapping[str, str],
    *,
    controls: Collection[str] = CONTROLS,
) -> Figure:
    """Show policies round by round, one panel per measure.

    Args:
        tables: By policy, with a column `round` and one for each measure.
        measures: By column what it is called.
        controls: Policies that are drawn grey.
    """
    figure, panels = plt.subplots(
        1, len(measures), figsize=(3.3 * len(measures) + 0.8, 3.6), squeeze=False
    )
    for ax, (column, title) in zip(panels[0], measures.items(), strict=True):
        _lines(dict(tables), x="round", y=column, ax=ax, controls=controls,
               last=ax is panels[0][-1])  # fmt: skip
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="rounds of retraining", title=title)
    return figure


def changes(table: pd.DataFrame, measure: str, *, label: str, ax: Axes | None = None) -> Axes:
    """Show the change of a measure from the first round to the last, one row per policy.

    Args:
        table: From `feedback_loop.changes`.
        measure: Whose rows are drawn.
        label: What changed.
        ax: Axes to draw on. A new figure when omitted.
    """
    rows = table[table["measure"] == measure].reset_index(drop=True)
    if ax is None:
        ax = plt.subplots(figsize=(7.2, 0.45 * len(rows) + 1.4))[1]
    ax.axvline(0, color=BASELINE, linestyle=(0, (4, 3)), linewidth=1)
    for place, row in rows.iterrows():
        sure = row["low"] > 0 or row["high"] < 0
        colour = BASELINE if not sure else ACCENT if row["change"] > 0 else MODEL
        ax.hlines(place, row["low"], row["high"], color=colour, lw=2.4, alpha=0.55)
        ax.plot(row["change"], place, "o", color=colour, ms=6.5, mec="white")
    ax.set_yticks(range(len(rows)), rows["policy"])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(label)
    return ax


def _lines(
    tables: Mapping[str, pd.DataFrame],
    *,
    x: str,
    y: str,
    ax: Axes,
    controls: Collection[str] = (),
    band: bool = False,
    last: bool = True,
) -> None:
    """Draw a line a table; names stand at the ends of the lines of the last panel."""
    colour = colours(tables, controls)
    for name, table in tables.items():
        ax.plot(table[x], table[y], line_of(name, controls), color=colour[name], marker="o", ms=4)
        if band:
            ax.fill_between(table[x], table["low"], table["high"], color=colour[name], alpha=0.15,
                            linewidth=0)  # fmt: skip
    ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    if last:
        ends = [table[y].iloc[-1] for table in tables.values()]
        right = max(table[x].max() for table in tables.values())
        labels.at_line_ends(ax, right, ends, list(tables), [colour[n] for n in tables])
