"""Pictures of matrix factorization: what an objective asks for, and how solvers get there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from candgen.plots.style import ACCENT, BASELINE, MODEL, colours

if TYPE_CHECKING:
    from candgen.models.factorization.reconstruction import Reconstruction

_LOW, _HIGH = -0.25, 1.25  # values beyond are counted in the outermost bar
_FLOOR = 1e-4  # the best is 0 above itself, which a logarithmic axis cannot show
CLOSE = 0.005  # share of the best objective that counts as reaching it


def reconstructions(
    found: Mapping[str, Reconstruction], *, ax: Sequence[Axes] | None = None
) -> NDArray[np.object_]:
    """Show predicted values of observed pairs and of others, one panel an objective.

    Args:
        found: What each model predicts, by the objective's name.
        ax: One axes for each, above each other. A new figure when omitted.

    Returns:
        The axes, in the order of `found`.
    """
    if ax is None:
        size = (7.2, 1.15 * len(found) + 0.9)
        _, ax = plt.subplots(len(found), figsize=size, sharex=True, squeeze=False)
    panels = np.ravel(ax)
    bins = np.linspace(_LOW, _HIGH, 61)
    for panel, (name, values) in zip(panels, found.items(), strict=True):
        for part, colour in ((values.others, ACCENT), (values.observed, MODEL)):
            counts, _ = np.histogram(np.clip(part, _LOW, _HIGH), bins)
            heights = counts / max(counts.max(), 1)
            panel.stairs(heights, bins, fill=True, color=colour, alpha=0.6)
        panel.set(ylim=(0, 1.05), yticks=[], xlim=(_LOW, _HIGH))
        panel.grid(visible=False, axis="y")
        panel.set_title(name, fontsize="small")
    first = panels[0]
    for text, colour, x in (("observed pairs", MODEL, 0.76), ("other pairs", ACCENT, 0.99)):
        first.annotate(
            text, (x, 1.05), xycoords="axes fraction", color=colour, ha="right", fontsize="small"
        )
    panels[-1].set_xlabel("predicted value; each colour is scaled to its highest bar")
    return panels


def convergence(
    histories: Mapping[str, Sequence[Any]], *, ax: Sequence[Axes] | None = None
) -> NDArray[np.object_]:
    """Show how far above the best objective each solver is, by epoch and by second.

    Args:
        histories: Entries with `epoch`, `objective` and `seconds`, by the solver's name; the
            objective must be the same function for all of them.
        ax: Two axes. A new figure when omitted.

    Returns:
        The two axes.
    """
    if ax is None:
        _, ax = plt.subplots(1, 2, figsize=(9.4, 4.2), sharey=True)
    panels = np.ravel(ax)
    best = min(epoch.objective for history in histories.values() for epoch in history)
    colour = colours(histories, ())
    for panel in panels:
        panel.axhline(CLOSE, color=BASELINE, linestyle="--", linewidth=1.5)
    for name, history in histories.items():
        above = np.array([epoch.objective for epoch in history]) / best - 1
        above = np.maximum(above, _FLOOR)[1:]
        seconds = np.cumsum([epoch.seconds for epoch in history])[1:]
        epochs = [epoch.epoch for epoch in history][1:]
        for panel, x in zip(panels, (epochs, seconds), strict=True):
            panel.plot(x, above, color=colour[name], marker="o", ms=3, label=name)
    left, right = panels
    left.set_yscale("log")
    left.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
    left.annotate(
        f"{100 * CLOSE:g} % above", (0.02, CLOSE), xycoords=("axes fraction", "data"), va="bottom",
        color=BASELINE, fontsize="small",
    )  # fmt: skip
    right.set_xscale("log")
    right.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    left.set(xlabel="epoch", ylabel="objective above the best reached")
    right.set(xlabel="seconds of training")
    right.tick_params(labelleft=False)
    figure = left.figure
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False
    )
    return panels
