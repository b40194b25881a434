"""Pictures of judgements.

Each takes tables that `candgen.evaluation` made. `rows` means one row a generator, as given by
`Judgement.row()` or kept in a run's `metrics.json`: `generator`, `recall@20`, `recall@20_low`, ...
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from candgen.plots import labels
from candgen.plots.comparison import Mark, differences, intervals
from candgen.plots.style import (
    ACCENT,
    BASELINE,
    BASELINES,
    INK,
    MODEL,
    axes,
    colours,
    line_of,
)

Rows = pd.DataFrame | Sequence[Mapping[str, Any]]

_VERDICTS = {"better": MODEL, "worse": ACCENT}


def per_user_spread(
    values: NDArray[np.floating],
    *,
    baseline: NDArray[np.floating] | None = None,
    label: str,
    name: str = "model",
    baseline_name: str = "popularity",
    ax: Axes | None = None,
) -> Axes:
    """Show how a metric is spread over users, against a baseline on the same users.

    Args:
        values: One value a user, 0 .. 1, shape `(n_users,)`.
        baseline: The baseline's values for the same users; None draws no baseline.
        label: Axis label with its cut-off, such as "recall@20".
        name: What made `values`.
        baseline_name: What made `baseline`.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    bins = np.linspace(0, 1, 21)
    sns.histplot(values, bins=bins, color=MODEL, ax=ax)
    ax.margins(y=0.2)
    means = [(values.mean(), name, MODEL, "-")]
    if baseline is not None:
        sns.histplot(
            baseline, bins=bins, element="step", fill=False, color=BASELINE, linestyle="--",
            linewidth=1.8, ax=ax,
        )  # fmt: skip
        means.append((baseline.mean(), baseline_name, BASELINE, "--"))
    for (mean, who, colour, line), side in zip(sorted(means), ("right", "left"), strict=False):
        ax.axvline(mean, color=colour, linestyle=line, linewidth=1.5)
        space = mean < 0.25 and side == "right"
        ax.annotate(
            f"{who} {mean:.3f}", (mean, 0.98 if side == "left" else 0.9),
            xycoords=("data", "axes fraction"), color=colour, va="top",
            xytext=(5 if side == "left" or space else -5, 0), textcoords="offset points",
            ha="left" if side == "left" or space else side,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip
    ax.set(xlabel=label, ylabel="users", xlim=(0, 1))
    ax.set_title(f"{len(values):,} users with held-out items")
    return ax


def recall_by_k(
    rows: Rows,
    *,
    metric: str = "recall",
    baselines: Collection[str] = BASELINES,
    ax: Axes | None = None,
) -> Axes:
    """Show a metric at every cut-off, one line a generator with its interval as a band.

    Args:
        rows: One row a generator.
        metric: The metric without its cut-off.
        baselines: Drawn grey and dashed.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax, table = axes(ax), _table(rows)
    cutoffs = _cutoffs(table, metric)
    colour = colours(table.index, baselines)
    for name, row in table.iterrows():
        low, mean, high = (_at_cutoffs(row, metric, cutoffs, end) for end in ("_low", "", "_high"))
        ax.fill_between(cutoffs, low, high, color=colour[name], alpha=0.15, linewidth=0)
        ax.plot(
            cutoffs, mean, color=colour[name], linestyle=line_of(name, baselines), marker="o", ms=4
        )
    ax.margins(y=0.12)
    ax.set(xlabel="candidates a user, k", ylabel=f"{metric}@k", ylim=(0, None), xticks=cutoffs)
    ax.set_title(_how_many(table))
    ends = table[f"{metric}@{cutoffs[-1]}"]
    labels.at_line_ends(ax, cutoffs[-1], ends, list(table.index), [colour[n] for n in table.index])
    return ax


def leaderboard(
    rows: Rows,
    metric: str = "recall@20",
    *,
    baselines: Collection[str] = BASELINES,
    ax: Axes | None = None,
) -> Axes:
    """Show a metric of every generator with its interval; baselines first, then the best on top."""
    ax, table = axes(ax), _table(rows)
    is_baseline = table.index.isin(list(baselines))
    ordered = pd.concat(
        [
            part.sort_values(metric, ascending=False)
            for part in (table[is_baseline], table[~is_baseline])
        ]
    )
    colour = colours(table.index, baselines)
    marks = [
        Mark(name, row[metric], row[f"{metric}_low"], row[f"{metric}_high"], colour[name])
        for name, row in ordered.iterrows()
    ]
    reference = ordered.index[0] if is_baseline.any() else None
    intervals(marks, label=f"{metric}, mean and 95 % interval", ax=ax, reference=reference)
    for place, mark in enumerate(marks):
        ax.annotate(
            f"{mark.value:.3f}", (mark.high, place), xytext=(7, 0), textcoords="offset points",
            va="center", color=mark.colour, fontsize="small",
        )  # fmt: skip
    ax.set_title(_how_many(table))
    return ax


def paired_differences(table: pd.DataFrame, *, margin: float, ax: Axes | None = None) -> Axes:
    """Show what `evaluation.compare` found, with the margin of no practical difference as a band.

    Args:
        table: From `evaluation.compare`.
        margin: The margin it was made with.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    baseline, metric = table["baseline"].iloc[0], table["metric"].iloc[0]
    marks = [
        Mark(r.generator, r.difference, r.low, r.high, _VERDICTS.get(r.verdict, INK))
        for r in table.itertuples()
    ]
    label = f"{metric} less that of {baseline}, paired by user; grey band: no difference"
    differences(marks, label=label, margin=margin, ax=ax)
    for place, (mark, verdict) in enumerate(zip(marks, table["verdict"], strict=True)):
        ax.annotate(
            verdict, (1.01, place), xycoords=("axes fraction", "data"), va="center",
            color=mark.colour, fontsize="small", annotation_clip=False,
        )  # fmt: skip
    ax.set_title(f"{table['users'].iloc[0]:,} users")
    return ax


def group_bars(
    table: pd.DataFrame,
    *,
    by: str = "user activity",
    baselines: Collection[str] = BASELINES,
    ax: Axes | None = None,
) -> Axes:
    """Show results by group as bars from zero, with intervals where the table has them.

    Args:
        table: From `evaluation.by_group`.
        by: "user activity" or "item popularity".
        baselines: Drawn grey.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    table = table[table["by"] == by]
    names, groups = list(dict.fromkeys(table["generator"])), list(dict.fromkeys(table["group"]))
    colour, width = colours(names, baselines), 0.8 / len(names)
    for place, name in enumerate(names):
        own = table[table["generator"] == name].set_index("group").reindex(groups)
        x = np.arange(len(groups)) + (place - (len(names) - 1) / 2) * width
        hatch = "//" if name in baselines else None
        ax.bar(
            x, own["value"], width * 0.92, label=name,
            color=colour[name], hatch=hatch, edgecolor="white", linewidth=0,
        )  # fmt: skip
        ax.vlines(x, own["low"], own["high"], color=INK, linewidth=1.2)
    first = table.drop_duplicates("group").set_index("group").loc[groups]
    unit, counted = ("events", "users") if by == "user activity" else ("users", "held-out events")
    ticks = [
        f"{g}\n{r.range} {unit}\n({r.count:,} {counted})"
        for g, r in zip(groups, first.itertuples(), strict=True)
    ]
    ax.set_xticks(range(len(groups)), ticks)
    ax.grid(visible=False, axis="x")
    ax.set(xlabel=by, ylabel=table["metric"].iloc[0], ylim=(0, None))
    ax.legend(frameon=False, ncols=min(len(names), 4), loc="lower left", bbox_to_anchor=(0, 1))
    return ax


def objective(
    history: ArrayLike | Mapping[str, ArrayLike],
    *,
    label: str = "objective",
    ax: Axes | None = None,
) -> Axes:
    """Show how an objective falls, sweep by sweep; several by name share the axes.

    Args:
        history: One value a sweep, beginning with sweep 1; or such values by name.
        label: What is plotted, with its unit.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    curves = history if isinstance(history, Mapping) else {"": history}
    colour = colours(curves, ())
    ends = []
    for name, values in curves.items():
        values = np.asarray(values, dtype=float)
        ax.plot(np.arange(1, len(values) + 1), values, color=colour[name], marker="o", ms=4)
        ends.append(values[-1])
    if isinstance(history, Mapping):
        longest = max(len(values) for values in curves.values())
        labels.at_line_ends(ax, longest, ends, list(curves), [colour[name] for name in curves])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="sweep", ylabel=label)
    return ax


def _table(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index("generator")


def _cutoffs(table: pd.DataFrame, metric: str) -> list[int]:
    cut = [name.removeprefix(f"{metric}@") for name in table if name.startswith(f"{metric}@")]
    return sorted(int(k) for k in cut if k.isdigit())


def _at_cutoffs(row: pd.Series, metric: str, cutoffs: list[int], end: str) -> list[float]:
    return [float(row[f"{metric}@{k}{end}"]) for k in cutoffs]


def _how_many(table: pd.DataFrame) -> str:
    users = sorted({int(n) for n in table["judged_users"]})
    return f"{' or '.join(f'{n:,}' for n in users)} users with held-out items"
