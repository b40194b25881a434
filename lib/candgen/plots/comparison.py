"""Pictures that put many runs side by side: names on the left, values to the right.

A generator keeps one colour in every picture of a report; what everybody should beat is grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from matplotlib.transforms import Bbox

GREY = "#767676"
INK = "#1f2933"
# Okabe and Ito's colours, which stay apart for colour-blind readers, without the yellow.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#4B3F8F")


@dataclass(frozen=True)
class Mark:
    """One run in a picture."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: str = COLOURS[0]


def colours(generators: Sequence[str], references: Sequence[str] = ()) -> dict[str, str]:
    """Give every generator its colour: grey for references, the others in the order given."""
    others = [name for name in dict.fromkeys(generators) if name not in references]
    found = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(others)}
    return found | dict.fromkeys(references, GREY)


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
            ax.axvline(mark.value, color=GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    _rows(marks, ax)
    ax.set(xlabel=label)
    ax.set_xlim(left=0, right=_right_of(marks))
    return ax


def differences(marks: Sequence[Mark], *, label: str, margin: float, ax: Axes) -> Axes:
    """Draw one line a difference, with its interval; inside the band it makes no difference."""
    ax.axvspan(-margin, margin, color="#e4e7eb", linewidth=0, zorder=0)
    ax.axvline(0, color=GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
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
    ends = []
    for name, (values, colour) in lines.items():
        dashed = "--" if colour == GREY else "-"
        ax.plot(range(len(groups)), values, dashed, color=colour, marker="o", markersize=4)
        known = [value for value in values if value == value]
        ends.append((name, known[-1] if known else 0.0, colour))
    ax.set_xticks(range(len(groups)), groups)
    ax.set_xlim(-0.2, len(groups) - 0.85)
    tallest = max((v for values, _ in lines.values() for v in values if v == v), default=1.0)
    ax.set_ylim(0, 1.08 * tallest or 1.0)
    ax.set_ylabel(label)
    _name_ends(ends, len(groups) - 0.92, ax)
    _tidy(ax, grid="y")
    return ax


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

    Args:
        marks: One a run, named at the dot.
        across: The horizontal value of each mark, same length.
        x_label: What is on the horizontal axis, with its unit.
        y_label: What is on the vertical axis.
        ax: Axes to draw on.
        logarithmic: Whether the horizontal axis is; zeros are then drawn at a thousandth.
    """  # fmt: skip
    across = np.maximum(np.asarray(across, dtype=float), 1e-3 if logarithmic else -np.inf)
    for mark, x in zip(marks, across, strict=True):
        if mark.low is not None and mark.high is not None:
            ax.plot([x, x], [mark.low, mark.high], color=mark.colour, linewidth=1.2, alpha=0.6)
        ax.plot(x, mark.value, "o", color=mark.colour, markersize=6, markeredgecolor="white")
    if logarithmic:
        ax.set_xscale("log")
        ax.set_xlim(across.min() / 1.6, across.max() * 1.6)
        ax.xaxis.set_major_formatter(lambda x, _: f"{x:,g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_xlim(0, 1.06 * max(across.max(), 1e-6))
    ax.set_ylim(0, _right_of(marks))
    ax.set(xlabel=x_label, ylabel=y_label)
    _name_dots(marks, across, ax)
    _tidy(ax, grid="both")
    return ax


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


def _name_ends(ends: list[tuple[str, float, str]], x: float, ax: Axes) -> None:
    """Write names beside the ends of lines, moved apart where they would overlap."""
    low, high = ax.get_ylim()
    inches = ax.get_window_extent().height / ax.figure.dpi
    gap = 0.155 / max(inches, 0.1) * (high - low)
    places: list[float] = []
    for _, y, _ in sorted(ends, key=lambda end: end[1]):
        places.append(max(y, places[-1] + gap) if places else y)
    for (name, _, colour), y in zip(sorted(ends, key=lambda end: end[1]), places, strict=True):
        ax.annotate(name, (x, y), color=colour, fontsize=9, va="center", annotation_clip=False)


def _name_dots(marks: Sequence[Mark], across: np.ndarray, ax: Axes) -> None:
    """Write a name beside each dot, right or left, and higher or lower where it is crowded."""
    point = ax.figure.dpi / 72
    inside = ax.get_window_extent()
    dots = ax.transData.transform(np.column_stack([across, [mark.value for mark in marks]]))
    taken = [(x - 4 * point, x + 4 * point, y) for x, y in dots]
    for i in np.argsort(-dots[:, 1], kind="stable"):
        x, y = dots[i]
        width = 5.4 * len(marks[i].name) * point
        spots = []
        for step in sorted(range(-6, 7), key=abs):
            right, left = x + 7 * point, x - 7 * point
            spots += [(right, right + width, y + 7 * step * point, "left")]
            spots += [(left - width, left, y + 7 * step * point, "right")]
        start, end, y, side = min(spots, key=lambda spot: _crowding(spot, taken, inside, point))
        taken.append((start, end, y))
        place = ax.transData.inverted().transform((start if side == "left" else end, y))
        ax.annotate(marks[i].name, place, color=marks[i].colour, fontsize=9, ha=side,
                    va="center", annotation_clip=False)  # fmt: skip


def _crowding(spot, taken, inside: Bbox, point: float) -> int:
    """Count what a name would cover; leaving the picture counts more. The first best is taken."""
    start, end, y, _ = spot
    covered = sum(start < e and s < end and abs(y - at) < 10 * point for s, e, at in taken)
    return covered + 10 * (start < inside.x0 or end > inside.x1 + 40 * point or y < inside.y0)


def _tidy(ax: Axes, *, grid: str) -> None:
    ax.grid(axis=grid, color="#e4e7eb", linewidth=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color("#9aa5b1")
    ax.tick_params(colors=INK, labelsize=9)
    ax.xaxis.label.set(color=INK, fontsize=10)
    ax.yaxis.label.set(color=INK, fontsize=10)
