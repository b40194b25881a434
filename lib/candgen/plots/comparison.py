"""Pictures that put many runs side by side: names on the left, values to the right.

A generator keeps one colour in every picture of a report; what everybody should beat is grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from candgen.plots import labels
from candgen.plots.style import BASELINE, INK, MODEL, PALE

_ONE_POWER = 1.5  # powers of ten; a shorter axis may show one alone
_ROOM = 0.6  # of the models' span that far reference lists may add to an axis


@dataclass(frozen=True)
class Mark:
    """One run in a picture."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: str = MODEL
    reference: bool = False
    """True for lists such as popularity and random, which may lie far from all models."""


def intervals(marks: Sequence[Mark], *, label: str, ax: Axes, reference: str | None = None) -> Axes:
    """Draw one line a run: its value, its interval, and the value of the reference run dashed.

    Args:
        marks: From top to bottom.
        label: What the axis shows, with its cut-off, such as "recall@20".
        ax: Axes to draw on.
        reference: The name of the mark whose value the others should beat.
    """
    for mark in marks:
        if mark.name == reference:
            ax.axvline(mark.value, color=BASELINE, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    _rows(marks, ax)
    ax.set(xlabel=label)
    ax.set_xlim(left=0, right=_right_of(marks))
    return ax


def differences(marks: Sequence[Mark], *, label: str, margin: float, ax: Axes) -> Axes:
    """Draw one line a difference, with its interval; inside the band it makes no difference."""
    ax.axvspan(-margin, margin, color=PALE, linewidth=0, zorder=0)
    ax.axvline(0, color=BASELINE, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
    _rows(marks, ax)
    ends = [abs(end) for m in marks for end in (m.value, m.low, m.high) if end is not None]
    reach = 1.15 * max([*ends, margin, 1e-6])
    some_below = any((m.value if m.low is None else m.low) < 0 for m in marks)
    left = reach if some_below else 0.12 * reach
    ax.set(xlabel=label, xlim=(-max(left, 1.5 * margin), reach))
    return ax


def across_groups(
    groups: Sequence[str], lines: dict[str, tuple[Sequence[float], str]], *, label: str, ax: Axes
) -> Axes:
    """Draw one line a run over ordered groups, named where it ends.

    Args:
        groups: Names of the groups, from left to right.
        lines: For each run its values, NaN where it has none, and its colour.
        label: What the vertical axis shows.
        ax: Axes to draw on.
    """
    for values, colour in lines.values():
        dashed = "--" if colour == BASELINE else "-"
        ax.plot(range(len(groups)), values, dashed, color=colour, marker="o", markersize=4)
    ax.set_xticks(range(len(groups)), groups)
    ax.set_xlim(-0.2, len(groups) - 0.85)
    tallest = max((v for values, _ in lines.values() for v in values if v == v), default=1.0)
    ax.set_ylim(0, 1.08 * tallest or 1.0)
    ax.set_ylabel(label)
    known = {name: [v for v in reversed(values) if v == v] for name, (values, _) in lines.items()}
    upwards = sorted(lines, key=known.get)  # lines that end alike: as they lie before their ends
    ends = _lifted([known[name][0] if known[name] else 0.0 for name in upwards], ax)
    colours = [lines[name][1] for name in upwards]
    labels.at_line_ends(ax, len(groups) - 1, ends, upwards, colours)
    _tidy(ax, grid="y")
    return ax


def _lifted(ends: list[float], ax: Axes) -> np.ndarray:
    """Raise ends near the bottom, so that their names do not cover those of the groups."""
    low, high = ax.get_ylim()
    line = 16 / (ax.get_window_extent().height * 72 / ax.figure.dpi) * (high - low)
    lifted = np.asarray(ends, dtype=float)
    for rank, place in enumerate(np.argsort(lifted, kind="stable")):
        lifted[place] = max(lifted[place], low + rank * line)
    return lifted


def trade_off(
    marks: Sequence[Mark],
    across: Sequence[float],
    *,
    x_label: str,
    y_label: str,
    ax: Axes,
    logarithmic: bool = False,
) -> Axes:
    """Draw one dot a run: what it costs to the right, what it achieves upwards.

    The axes fit the models. A reference list that lies far from them stands at the edge, as a
    triangle. Names do not cover each other: one without a free place is left out.

    Args:
        marks: One a run, named at the dot.
        across: The horizontal value of each mark, same length.
        x_label: What is on the horizontal axis, with its unit.
        y_label: What is on the vertical axis.
        ax: Axes to draw on.
        logarithmic: Whether the horizontal axis is; zeros are then drawn at a thousandth.
    """  # fmt: skip
    across = np.maximum(np.asarray(across, dtype=float), 1e-3 if logarithmic else -np.inf)
    models = [not mark.reference for mark in marks]
    low, high = _reach([_ends(mark) for mark in marks], models)
    ax.set_ylim(low, high)
    if logarithmic:
        ax.set_xscale("log")
        left, right = _reach([(np.log10(x),) for x in across], models)
        ax.set_xlim(10**left, 10**right)
        if right - left < _ONE_POWER:  # too few powers of ten to name
            ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_xlim(0, 1.06 * max(across.max(), 1e-6))
    xs, ys = np.clip(across, *ax.get_xlim()), np.clip([m.value for m in marks], low, high)
    for mark, x, y, real in zip(marks, xs, ys, across, strict=True):
        if mark.low is not None and mark.high is not None and x == real:
            ax.plot([x, x], [mark.low, mark.high], color=mark.colour, linewidth=1.2, alpha=0.6)
        shape = "v" if mark.value < y else "^" if mark.value > y else "<" if real < x else "o"
        ax.plot(x, y, shape, color=mark.colour, markersize=6, markeredgecolor="white",
                clip_on=shape == "o", zorder=3)  # fmt: skip
    ax.set(xlabel=x_label, ylabel=y_label)
    names = [mark.name for mark in marks]
    labels.at_points(ax, xs, ys, names, [INK] * len(names), leave_out=True)
    _tidy(ax, grid="both")
    return ax


def _ends(mark: Mark) -> tuple[float, ...]:
    return tuple(end for end in (mark.value, mark.low, mark.high) if end is not None)


def _reach(values: Sequence[tuple[float, ...]], models: Sequence[bool]) -> tuple[float, float]:
    """Return limits that hold all models, and references within a little more than their span.

    Args:
        values: What belongs to each mark: its value and, if known, the ends of its interval.
        models: Whether each is a model; all count as models if fewer than two are.
    """
    if sum(models) < 2:
        models = [True] * len(values)
    core = [end for own, model in zip(values, models, strict=True) for end in own if model]
    room = _ROOM * (max(core) - min(core))
    near = [end for own in values for end in own
            if min(core) - room <= end <= max(core) + room]  # fmt: skip
    low, high = min(near), max(near)
    pad = 0.08 * (high - low) or 0.05 * abs(low) or 0.5
    return low - pad, high + pad


def _rows(marks: Sequence[Mark], ax: Axes) -> None:
    for row, mark in enumerate(marks):
        if mark.low is not None and mark.high is not None:
            ax.plot([mark.low, mark.high], [row, row], color=mark.colour, linewidth=2.4,
                    solid_capstyle="round", alpha=0.55)  # fmt: skip
        ax.plot(mark.value, row, "o", color=mark.colour, markersize=6.5, markeredgecolor="white")
    ax.set_yticks(range(len(marks)), [mark.name for mark in marks])
    ax.set_ylim(len(marks) - 0.4, -0.6)
    _tidy(ax, grid="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _right_of(marks: Sequence[Mark]) -> float:
    ends = [end for m in marks for end in (m.value, m.high) if end is not None]
    return 1.06 * max([*ends, 1e-6])


def _tidy(ax: Axes, *, grid: str) -> None:
    ax.grid(axis=grid, color=PALE, linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#9aa5b1")
    ax.tick_params(colors=INK, labelsize=9)
    ax.xaxis.label.set(color=INK, fontsize=10)
    ax.yaxis.label.set(color=INK, fontsize=10)
