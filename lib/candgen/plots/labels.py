"""Names written where the data is, kept from covering each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression

_AROUND = (
    (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1),
    (1, 2), (-1, 2), (1, -2), (-1, -2),
)  # fmt: skip


def at_line_ends(
    ax: Axes, x: float, ys: Sequence[float], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Write each name beside the end of its line, to the right of `x`, moved apart if need be."""
    low, high = ax.get_ylim()
    gap = 16 / (ax.get_window_extent().height * 72 / ax.figure.dpi) * (high - low)
    order = np.argsort(ys)
    steps = gap * np.arange(len(ys))
    placed = np.empty(len(ys))  # as near to the ends as order and gap allow
    placed[order] = isotonic_regression(np.asarray(ys, dtype=float)[order] - steps).x + steps
    for y, name, colour in zip(placed, names, colours, strict=True):
        ax.annotate(
            name, (x, y), xytext=(6, 0), textcoords="offset points",
            color=colour, va="center", annotation_clip=False,
        )  # fmt: skip


def at_log_line_ends(
    ax: Axes, x: float, ys: Sequence[float], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Write each name beside the end of its line where heights are logarithmic."""
    beside = ax.twinx()  # the same heights on a plain axis, where names are moved apart
    beside.set_ylim(*np.log10(ax.get_ylim()))
    beside.axis("off")
    at_line_ends(beside, x, np.log10(np.asarray(ys, dtype=float)), names, colours)


def at_points(
    ax: Axes,
    xs: Sequence[float],
    ys: Sequence[float],
    names: Sequence[str],
    colours: Sequence[str],
    avoid: Sequence[tuple[float, float]] = (),
) -> None:
    """Write each name next to its point, on the first side where nothing is covered yet.

    Points to `avoid` have no name, and are left uncovered like the others.
    """
    renderer = ax.figure.canvas.get_renderer()
    points = ax.transData.transform(np.vstack([np.column_stack([xs, ys]), *avoid]))
    inside = ax.get_window_extent(renderer)
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in points]
    for place, (x, y, name, colour) in enumerate(zip(xs, ys, names, colours, strict=True)):
        others = taken[:place] + taken[place + 1 :]
        best, least = None, np.inf
        for across, up in _AROUND:
            text = ax.annotate(
                name, (x, y), xytext=(9 * across, 9 * up), textcoords="offset points", color=colour,
                ha={1: "left", -1: "right", 0: "center"}[across],
                va="bottom" if up > 0 else "top" if up < 0 else "center",
            )  # fmt: skip
            box = text.get_window_extent(renderer)
            outside = not (inside.contains(*box.min) and inside.contains(*box.max))
            covered = box.count_overlaps(others) + 2 * outside
            if covered < least:
                if best is not None:
                    best.remove()
                best, least, best_box = text, covered, box
            else:
                text.remove()
        taken.append(best_box)
