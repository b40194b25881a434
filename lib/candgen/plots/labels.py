"""Names written where the data is, kept from covering each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

_AROUND = (
    (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1),
    (1, 2), (-1, 2), (1, -2), (-1, -2),
)  # fmt: skip
_PLACES = [(across, up, ring) for ring in (1.0, 2.0, 3.2) for across, up in _AROUND]
_STEP = 9  # points from a dot to the nearest place of its name
_DOT = 5  # pixels that a dot takes to each side
_SIZE = 9.5  # of the letters, in points
_CARD = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def at_line_ends(
    ax: Axes, x: float, ys: Sequence[float], names: Sequence[str], colours: Sequence[str]
) -> None:
    """Write each name beside the end of its line, to the right of `x`, moved apart if need be.

    Of lines with the same end, the name of the first is the lowest.
    """
    low, high = ax.get_ylim()
    gap = 16 / (ax.get_window_extent().height * 72 / ax.figure.dpi) * (high - low)
    order = np.argsort(ys, kind="stable")
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
    *,
    leave_out: bool = False,
) -> None:
    """Write each name near its point, on the first place where nothing is covered yet.

    A name that stands further away has a thin line to its point. Earlier names choose first.

    Args:
        ax: Axes to write on, with their final limits.
        xs: Horizontal values of the points.
        ys: Vertical values, same length.
        names: One a point. A name wider than half of the axes is shortened.
        colours: One a point.
        avoid: Further points, which have no name and are left uncovered like the others.
        leave_out: Whether a name without a free place is left out; else it covers the least.
    """
    renderer = ax.figure.canvas.get_renderer()
    inside = ax.get_window_extent(renderer).extents
    points = ax.transData.transform(np.vstack([np.column_stack([xs, ys]), *avoid]))
    taken = [np.array([x - _DOT, y - _DOT, x + _DOT, y + _DOT]) for x, y in points]
    step = _STEP * ax.figure.dpi / 72
    for place, name in enumerate(names):
        shown, size = _fitting(ax, name, 0.5 * (inside[2] - inside[0]), renderer)
        boxes = _around(points[place], size, step)
        others = np.array(taken[:place] + taken[place + 1 :]).reshape(-1, 4)
        covered = _overlaps(boxes, others) + 2 * _outside(boxes, inside)
        best = int(np.argmin(covered))
        if covered[best] and leave_out:
            continue
        across, up, ring = _PLACES[best]
        line = {"arrowstyle": "-", "color": colours[place], "alpha": 0.6, "linewidth": 0.8}
        ax.annotate(
            shown, (xs[place], ys[place]), xytext=(_STEP * ring * across, _STEP * ring * up),
            textcoords="offset points", color=colours[place], fontsize=_SIZE,
            ha={1: "left", -1: "right", 0: "center"}[int(np.sign(across))],
            va="bottom" if up > 0 else "top" if up < 0 else "center",
            arrowprops=line | {"shrinkA": 0, "shrinkB": 3} if ring > 1 else None,
            bbox=_CARD,
        )  # fmt: skip
        taken.append(boxes[best])


def _fitting(
    ax: Axes, name: str, most: float, renderer: RendererBase
) -> tuple[str, tuple[float, float]]:
    """Shorten a name to at most so many pixels; return it with its width and height."""
    text = ax.text(0, 0, name, fontsize=_SIZE)
    box = text.get_window_extent(renderer)
    shown = name
    if box.width > most:
        shown = name[: max(4, int(len(name) * most / box.width) - 1)].rstrip(" \\") + "…"
        text.set_text(shown)
        box = text.get_window_extent(renderer)
    text.remove()
    return shown, (box.width, box.height)


def _around(
    point: NDArray[np.float64], size: tuple[float, float], step: float
) -> NDArray[np.float64]:
    """Return boxes of a text at all places around a point, shape `(n_places, 4)`: x0, y0, x1, y1.

    All in pixels; `step` is the distance of the nearest places.
    """
    across, up, ring = np.array(_PLACES).T
    width, height = size
    x = point[0] + step * ring * across - width * (1 - np.sign(across)) / 2
    y = point[1] + step * ring * up - height * (1 - np.sign(up)) / 2
    return np.column_stack([x, y, x + width, y + height])


def _overlaps(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count for each box how many others it overlaps."""
    a, b = boxes[:, None], others[None]
    apart = (a[..., 0] >= b[..., 2]) | (b[..., 0] >= a[..., 2])
    apart |= (a[..., 1] >= b[..., 3]) | (b[..., 1] >= a[..., 3])
    return (~apart).sum(axis=1)


def _outside(boxes: NDArray[np.float64], inside: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which boxes are not wholly inside another one."""
    return (boxes[:, :2] < inside[:2]).any(axis=1) | (boxes[:, 2:] > inside[2:]).any(axis=1)
