"""Pictures of embeddings small enough to see whole, and of what a label means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from candgen.plots import labels as written
from candgen.plots.style import ACCENT, BASELINE, INK, MODEL, PALE, PALETTE, axes

LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", [ACCENT, "#FFFFFF", MODEL])
MEANING_COLOURS = (MODEL, ACCENT, BASELINE)
_SIGNS = {1.0: "✓", 0.0: "0"}


def along_axis(
    values: Sequence[float],
    names: Sequence[str],
    *,
    ends: tuple[str, str],
    colour: str = MODEL,
    ax: Axes | None = None,
) -> Axes:
    """Show one number in [-1, 1] a name, as a dot at the end of a line from zero.

    Args:
        values: One number a name.
        names: The first stands on top.
        ends: What the left and the right end of the axis mean.
        colour: Of dots and lines.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    rows = np.arange(len(names))
    ax.hlines(rows, 0, values, color=colour, linewidth=2)
    ax.plot(values, rows, "o", color=colour)
    ax.axvline(0, color=INK, linewidth=1)
    ax.set_yticks(rows, [plain(name) for name in names])
    ax.set_xticks([-1, -0.5, 0, 0.5, 1], [f"-1\n{ends[0]}", "-0.5", "0", "0.5", f"1\n{ends[1]}"])
    ax.set(xlim=(-1.12, 1.12), ylim=(len(names) - 0.4, -0.6))
    ax.grid(False, axis="y")
    return ax


def signs(
    matrix: NDArray[np.float64],
    users: Sequence[str],
    films: Sequence[str],
    *,
    scores: NDArray[np.float64] | None = None,
    zeros: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Show who did what with which film, over the scores of a model if there are any.

    Args:
        matrix: 1 (engaged), 0 (shown and left) or NaN (not yet shown), `(n_users, n_films)`.
        users: Names of the rows.
        films: Names of the columns.
        scores: Same shape; written into the cells and shown as colours, orange below 0 and blue
            above, full at -1 and 1.
        zeros: Tell 0 and not yet shown ("?") apart; otherwise both stay blank.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    shade = np.nan_to_num(matrix, nan=0.0) * 0.35 if scores is None else scores
    ax.imshow(shade, cmap=LOW_TO_HIGH, norm=Normalize(-1, 1), aspect="auto")
    for row, column in np.ndindex(matrix.shape):
        value = matrix[row, column]
        sign = _SIGNS.get(value, "?") if zeros or value == 1 else ""
        sign = "" if value == 0 and scores is not None else sign  # a digit too many
        ink = "white" if abs(shade[row, column]) > 0.7 else INK
        text = sign if scores is None else f"{scores[row, column]:.1f} {sign}".strip()
        weight = "bold" if value == 1 else "normal"
        ax.text(column, row, text, ha="center", va="center", color=ink, weight=weight)
    ax.set_xticks(range(len(films)), [plain(film) for film in films], rotation=35, ha="right")
    ax.set_yticks(range(len(users)), [plain(user) for user in users])
    ax.set_xticks(np.arange(len(films) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(users) + 1) - 0.5, minor=True)
    ax.grid(False)
    ax.grid(which="minor", color=PALE, linewidth=1)
    ax.tick_params(which="both", length=0)
    return ax


def space(
    films: NDArray[np.float64],
    users: NDArray[np.float64],
    film_names: Sequence[str],
    user_names: Sequence[str],
    *,
    colours: Sequence[str] | None = None,
    reach: float = 1.25,
    name_films: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Show films as dots and users as arrows in one plane.

    Args:
        films: Places, shape `(n_films, 2)`.
        users: Places, shape `(n_users, 2)`.
        film_names: One a film.
        user_names: One a user.
        colours: One a user; the palette in order when omitted.
        reach: Half the width of the picture; the same in pictures that are to be compared.
        name_films: Write the names of films; the names of users are always written.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    colours = list(colours or PALETTE[: len(users)])
    ax.axhline(0, color=PALE, linewidth=1, zorder=0)
    ax.axvline(0, color=PALE, linewidth=1, zorder=0)
    ax.plot(0, 0, "+", color=INK, markersize=9)
    ax.plot(films[:, 0], films[:, 1], "o", color=INK, markersize=5)
    for (x, y), colour in zip(users, colours, strict=True):
        ax.annotate(
            "", (x, y), xytext=(0, 0),
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.grid(False)
    _name_arrows(ax, users, user_names, colours, together=0.13 * reach)
    if name_films:
        ax.figure.draw_without_rendering()  # places are final only now
        arrows = [tuple(share * tip) for tip in users for share in np.linspace(0, 1.12, 30)]
        titles = [plain(name) for name in film_names]
        written.at_points(ax, films[:, 0], films[:, 1], titles, [INK] * len(films), avoid=arrows)
    return ax


def _name_arrows(
    ax: Axes,
    tips: NDArray[np.float64],
    names: Sequence[str],
    colours: Sequence[str],
    together: float,
) -> None:
    """Write names beyond the tips; those whose tips lie `together` share one place.

    Arrows shorter than that have no direction worth a name.
    """
    left = [i for i in range(len(tips)) if np.linalg.norm(tips[i]) > together]
    while left:
        first = left[0]
        near = [i for i in left if np.linalg.norm(tips[i] - tips[first]) <= together]
        left = [i for i in left if i not in near]
        middle = tips[near].mean(axis=0)
        across, up = middle / max(np.linalg.norm(middle), 1e-12)
        ax.annotate(
            plain(", ".join(names[i] for i in near)), middle,
            xytext=(8 * across, 8 * up), textcoords="offset points",
            color=colours[first] if len({colours[i] for i in near}) == 1 else INK,
            ha="center" if abs(across) < 0.4 else "left" if across > 0 else "right",
            va="center" if abs(up) < 0.4 else "bottom" if up > 0 else "top",
        )  # fmt: skip


def learning(
    steps: Sequence[tuple[str, NDArray[np.float64], NDArray[np.float64]]],
    user_names: Sequence[str],
    *,
    colours: Sequence[str],
    columns: int = 3,
) -> NDArray[np.object_]:
    """Show users (arrows) and films (dots) as they are learned, one small picture a moment.

    Args:
        steps: A title, the users `(n_users, 2)` and the films `(n_films, 2)` of each moment.
        user_names: One a user.
        colours: One a user; equal colours where similar tastes are expected.
        columns: Pictures a row.

    Returns:
        The axes, shape `(rows, columns)`, all with the same limits.
    """
    rows = -(-len(steps) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.3 * columns, 3.5 * rows), sharex=True, sharey=True, squeeze=False
    )
    reach = 1.6 * max(np.abs(np.vstack([users, films])).max() for _, users, films in steps)
    for ax, (title, users, films) in zip(grid.flat, steps, strict=False):
        space(films, users, [], user_names, colours=colours, reach=reach, name_films=False, ax=ax)
        ax.set_title(title, fontsize="small")
    for ax in grid.flat[len(steps) :]:
        figure.delaxes(ax)
    return grid


def descent(
    paths: Mapping[str, NDArray[np.float64]],
    landings: Mapping[str, float],
    posts: Sequence[float],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Show a number going down its slope, step by step, among posts at fixed heights.

    Args:
        paths: The number before and after every step, by the name of the way it is taught.
        landings: Where each must end, drawn as a dot at the right.
        posts: Heights of the posts, named by their place in the list.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    last = max(len(path) for path in paths.values()) - 1
    for place, height in enumerate(posts):
        ax.axhline(height, color=BASELINE, linestyle="--", linewidth=1.2)
        ax.annotate(f"post {place}", (0, height), xytext=(4, 3), textcoords="offset points",
                    color=BASELINE, fontsize="small")  # fmt: skip
    inks = PALETTE[: len(paths)]
    for (name, path), ink in zip(paths.items(), inks, strict=True):
        ax.plot(path, color=ink)
        ax.plot(last, landings[name], "o", color=ink, clip_on=False, zorder=3)
    ax.set(xlabel="steps of gradient descent", ylabel="the user's number", xlim=(0, last))
    ends = [landings[name] for name in paths]
    ax.set_ylim(min([*posts, *ends]) - 0.3, max([*posts, *ends]) + 0.3)
    ax.figure.draw_without_rendering()
    written.at_line_ends(ax, last, ends, list(paths), inks)
    return ax


def relevance_by_meaning(
    relevance: Mapping[str, NDArray[np.floating]], *, ax: Axes | None = None
) -> Axes:
    """Show how relevant the pairs of each meaning are: median, middle half, middle nine tenths.

    Args:
        relevance: True relevance of some pairs (0 to 1), by the meaning of their label.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    for row, (values, colour) in enumerate(zip(relevance.values(), MEANING_COLOURS, strict=False)):
        low, quarter, middle, three, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
        ax.hlines(row, low, high, color=colour, linewidth=2)
        ax.hlines(row, quarter, three, color=colour, linewidth=9)
        ax.plot(middle, row, "o", color="white", markeredgecolor=colour, markersize=8)
        ax.annotate(f"{middle:.2f}", (middle, row), xytext=(0, 10), textcoords="offset points",
                    ha="center", color=colour)  # fmt: skip
    ax.set_yticks(range(len(relevance)), list(relevance))
    ax.set(xlabel="true relevance", xlim=(0, 1), ylim=(len(relevance) - 0.5, -0.6))
    ax.grid(False, axis="y")
    return ax


def plain(text: str) -> str:
    """Keep a dollar sign from beginning a formula."""
    return str(text).replace("$", r"\$")
