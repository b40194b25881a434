"""Pictures of training: how the loss fell, and what that was worth on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from candgen.plots.style import colours


def training_curves(
    histories: Sequence[Any] | Mapping[str, Sequence[Any]],
    *,
    watched: str = "on validation",
    ax: Axes | Sequence[Axes] | None = None,
) -> NDArray[np.object_]:
    """Show the loss by epoch and, where it was looked at, the metric on validation.

    The best look of each training has a ring: early stopping goes back to it.

    Args:
        histories: Entries with `epoch`, `loss` and `watched` (NaN where nothing was looked at),
            of one training, or of several by name.
        watched: What was looked at, such as "recall@20".
        ax: One axes, and a second one if anything was watched. A new figure when omitted.

    Returns:
        The axes: the loss, then the metric if anything was watched.
    """
    named = histories if isinstance(histories, Mapping) else {"": histories}
    looks = {
        name: [(e.epoch, e.watched) for e in history if np.isfinite(e.watched)]
        for name, history in named.items()
    }
    n_panels = 2 if any(looks.values()) else 1
    if ax is None:
        size = (9.4, 3.9) if n_panels == 2 else (7.2, 3.9)
        _, ax = plt.subplots(1, n_panels, figsize=size)
    panels = np.ravel(ax)
    colour = colours(named)
    for name, history in named.items():
        epochs, losses = [e.epoch for e in history], [e.loss for e in history]
        panels[0].plot(epochs, losses, color=colour[name], marker="o", ms=3, label=name)
        if n_panels == 2 and looks[name]:
            _watched(panels[1], looks[name], colour[name])
    panels[0].set_ylabel("loss, mean over examples")
    if n_panels == 2:
        panels[1].set_ylabel(watched if "validation" in watched else f"{watched} on validation")
    for panel in panels[:n_panels]:
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(named) > 1:
        figure = panels[0].figure
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside upper left",
            ncols=min(4, len(named)),
            frameon=False,
        )
    return panels


def _watched(panel: Axes, looks: Sequence[tuple[int, float]], colour: str) -> None:
    epochs, values = zip(*looks, strict=True)
    best = int(np.argmax(values))
    panel.plot(epochs, values, color=colour, marker="o", ms=3)
    panel.plot(epochs[best], values[best], "o", ms=10, mfc="none", mec=colour, mew=1.5)
