"""Pictures of a search: its history, its trials by one setting, and by all settings at once.

A finished trial is a dot, a pruned one a hollow triangle where it was stopped, a failed one a cross
at the edge. The chosen trial has a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from candgen.plots.style import ACCENT, BASELINE, INK, MODEL, PALE

_PALEST = 0.25  # of the scale of colours of `parallel`; below, a line is lost on white


@dataclass(frozen=True)
class Dot:
    """One trial in a picture."""

    number: int
    value: float | None
    state: str
    """done, pruned or failed."""
    chosen: bool = False
    places: tuple[float, ...] = field(default=())
    """Places of its settings, 0 to 1, one an axis; NaN outside of the space."""


def history(dots: Sequence[Dot], *, label: str, ax: Axes) -> Axes:
    """Show the value of each trial in turn, and the best so far as a line.

    The dashed line is the first trial's value: that of the default settings.
    """
    done = [dot for dot in dots if dot.state == "done" and dot.value is not None]
    if done:
        best = np.maximum.accumulate([dot.value for dot in done])
        numbers = [dot.number for dot in done]
        last = max(dot.number for dot in dots)
        ax.step([*numbers, last], [*best, best[-1]], where="post", color=MODEL, linewidth=1.4)
        if done[0].number == 0:
            ax.axhline(done[0].value, color=BASELINE, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    _dots(dots, [dot.number for dot in dots], ax)
    ax.set(xlabel="trial", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _tidy(ax)
    return ax


def by_setting(
    dots: Sequence[Dot], axis: int, *, name: str, ticks: Sequence[tuple[float, str]], ax: Axes
) -> Axes:
    """Show the value of each trial against one of its settings.

    Args:
        dots: The trials.
        axis: Which of their places.
        name: The setting.
        ticks: Places with what stands there.
        ax: Axes to draw on.
    """
    _dots(dots, [dot.places[axis] for dot in dots], ax)
    ax.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    ax.set_xlim(-0.06, 1.06)
    ax.set_xlabel(name)
    _tidy(ax)
    return ax


def parallel(
    dots: Sequence[Dot],
    names: Sequence[str],
    ends: Sequence[tuple[str, str]],
    *,
    label: str,
    ax: Axes,
) -> Axes:
    """Show each trial as a line across one axis a setting, from top to bottom.

    The lowest axis is the value. The darker a line, the better the trial; the chosen one is
    orange, pruned trials are dotted. Failed trials and places outside of an axis are left out.

    Args:
        dots: The trials.
        names: Of the settings, one an axis.
        ends: What stands at both ends of each axis.
        label: Name of the value.
        ax: Axes to draw on.
    """
    known = [dot for dot in dots if dot.state != "failed" and dot.value is not None]
    values = np.array([dot.value for dot in known], dtype=float)
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    span = high - low or 1.0
    rows = np.arange(len(names) + 1)
    shades = mpl.colormaps["Blues"]
    for dot in sorted(known, key=lambda dot: (dot.chosen, dot.value)):
        level = (dot.value - low) / span
        places = [*dot.places, level]
        colour = ACCENT if dot.chosen else shades(_PALEST + (1 - _PALEST) * level)
        style = {"linewidth": 2.4 if dot.chosen else 1.1, "zorder": 4 if dot.chosen else 2}
        dotted = ":" if dot.state == "pruned" else "-"
        ax.plot(places, rows, dotted, color=colour, solid_capstyle="round", **style)
    whole = [*zip([*names, label], [*ends, (f"{low:.4f}", f"{high:.4f}")], strict=True)]
    for row, (_, (_, right)) in enumerate(whole):
        ax.plot([0, 1], [row, row], color="#9aa5b1", linewidth=1, zorder=1)
        ax.annotate(
            right, (1, row), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8,
            color=INK, annotation_clip=False,
        )  # fmt: skip
    ax.set_yticks(rows, [f"{name}\n{left}" for name, (left, _) in whole])
    ax.set_ylim(len(names) + 0.2, -0.2)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0, colors=INK, labelsize=8)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _dots(dots: Sequence[Dot], across: Sequence[float], ax: Axes) -> None:
    bottom = min((dot.value for dot in dots if dot.value is not None), default=0.0)
    for dot, x in zip(dots, across, strict=True):
        if dot.state == "done" and dot.value is not None:
            ax.plot(x, dot.value, "o", color=MODEL, markersize=4.5, markeredgecolor="white")
        elif dot.state == "pruned" and dot.value is not None:
            ax.plot(x, dot.value, "v", mfc="none", mec=BASELINE, markersize=5)
        elif dot.state == "failed":
            ax.plot(x, bottom, "x", color=ACCENT, markersize=5.5, mew=1.4)
        if dot.chosen and dot.value is not None:
            ax.plot(x, dot.value, "o", mfc="none", mec=ACCENT, markersize=10, mew=1.6)


def _tidy(ax: Axes) -> None:
    ax.grid(color=PALE, linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#9aa5b1")
    ax.tick_params(colors=INK, labelsize=8)
    ax.xaxis.label.set(color=INK, fontsize=9)
    ax.yaxis.label.set(color=INK, fontsize=9)
