"""Pictures of searches for the report: histories side by side, slices, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from candgen.plots import search as pictures
from candgen.plots.style import INK, text_label
from candgen.reports.rendering import WIDE, Fragment, picture, plain
from candgen.reports.results import new_figure
from candgen.reports.searches.reading import Search, counted
from candgen.reports.searches.spaces import spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = (
    "Dots are finished trials, hollow triangles pruned ones where they were stopped, crosses "
    "failed ones; the ring is the chosen trial."
)
_LONGEST = 14  # characters of a choice below an axis


def histories(searches: Sequence[Search]) -> Fragment:
    """The value of each trial in turn with the best so far, one panel a search."""

    def draw(width: float) -> Figure:
        columns = min(2 if width == WIDE else 1, len(searches))

        def panel(ax: Axes, place: int) -> None:
            one = searches[place]
            pictures.history(_dots(one), label=one.metric, ax=ax)
            ax.set_title(text_label(one.run), fontsize=10, loc="left", color=INK)

        return _panels(width, len(searches), columns, 2.2, panel)

    said = "; ".join(_best_of(one) for one in searches)
    return picture(
        draw,
        alt=f"Value on validation by trial, with the best so far: {said}.",
        caption=f"Line: the best so far. Dashed: the default settings. {MARKS}",
    )


def _best_of(one: Search) -> str:
    best = max((trial.value for trial in one.trials if trial.done), default=None)
    said = "no finished trial" if best is None else f"best {one.metric} {best:.4f}"
    return f"{one.run} {said} in {counted(len(one.ended))}"


def slices(one: Search, shares: dict[str, float]) -> Fragment:
    """The value of each trial against each setting, the most important setting first."""
    names = sorted(one.space, key=lambda name: -shares.get(name, 0.0))
    places = {name: axis for axis, name in enumerate(one.space)}
    dots = _dots(one)

    def draw(width: float) -> Figure:
        columns = min(3 if width == WIDE else 1, len(names))

        def panel(ax: Axes, place: int) -> None:
            name = names[place]
            ticks = [(x, text_label(text, _LONGEST)) for x, text in one.space[name].ticks]
            pictures.by_setting(dots, places[name], name=plain(name), ticks=ticks, ax=ax)
            if place % columns == 0:
                ax.set_ylabel(one.metric)

        return _panels(width, len(names), columns, 2.1, panel)

    return picture(
        draw,
        alt=f"{one.metric} on validation of the trials of {one.run}, by {', '.join(names)}.",
        caption=f"Value by setting{', the most important first' if shares else ''}. {MARKS}",
    )


def parallel(one: Search) -> Fragment:
    """Each trial as a line across all searched settings and its value."""
    dots = _dots(one)

    def draw(width: float) -> Figure:
        figure, ax = new_figure(width, 0.5 + 0.52 * (len(one.space) + 1))
        pictures.parallel(
            dots,
            [plain(name) for name in one.space],
            [tuple(text_label(end, _LONGEST) for end in d.ends) for d in one.space.values()],
            label=one.metric,
            ax=ax,
        )
        return figure

    settings = [f"{name} {spelled(held)}" for name, held in one.chosen_settings.items()]
    chosen = ", ".join(settings) or "none yet"
    return picture(
        draw,
        alt=f"Parallel coordinates of {counted(len(one.ended))} of {one.run}; chosen: {chosen}.",
        caption="One line a trial, the darker the better; orange: the chosen one, dotted: pruned.",
    )


def _dots(one: Search) -> list[pictures.Dot]:
    dimensions = one.space.items()
    return [
        pictures.Dot(
            trial.number,
            trial.value,
            trial.state,
            trial.number == one.chosen_number,
            tuple(d.place(trial.settings.get(name)) for name, d in dimensions),
        )
        for trial in one.ended
    ]


def _panels(
    width: float, n: int, columns: int, height: float, draw: Callable[[Axes, int], None]
) -> Figure:
    """Make a figure of several panels in rows."""
    rows = math.ceil(n / columns)
    figure, first = new_figure(width, 0.2 + height * rows)
    figure.delaxes(first)
    figure.set_layout_engine("constrained")
    for place in range(n):
        draw(figure.add_subplot(rows, columns, place + 1), place)
    return figure
