"""Pictures of the softmax network: what it is made of, and how new its candidates are."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from candgen.plots.style import ACCENT, BASELINE, INK, MODEL, PALE, colours, text_label

_GREEN = "#009E73"
_COLOUR = {"input": MODEL, "hidden": ACCENT, "user vector": INK, "row": _GREEN}


def network(parts: pd.DataFrame, *, n_items: int, ax: Axes | None = None) -> Axes:
    """Show a network from its inputs, below, to the softmax over the items, above.

    Args:
        parts: One row a part with `part`, `kind` (input, hidden, user vector or row), `rows` and
            `width`, from the inputs on.
        n_items: Items that the softmax chooses from.
        ax: Axes to draw on. A new figure when omitted.
    """
    inputs, rows = (parts[parts["kind"] == kind] for kind in ("input", "row"))
    layers = parts[parts["kind"].isin(["hidden", "user vector"])]
    if ax is None:
        size = (max(7.2, 0.78 * (len(inputs) + len(rows))), 0.7 * len(layers) + 2.2)
        ax = plt.subplots(figsize=size)[1]
    split = len(inputs) / (len(inputs) + len(rows))
    _row(ax, inputs, 0, 0.0, split - 0.03, tables=True)
    _row(ax, rows, 0, split + 0.03, 1.0, tables=True)
    for level, layer in enumerate(layers.itertuples(), start=1):
        _box(ax, 0.0, split - 0.03, level, f"{layer.part} · {layer.width}", _COLOUR[layer.kind])
        _arrow(ax, (split - 0.03) / 2, level - 1, level)
    top = len(layers) + 1
    width = int(rows["width"].iloc[0])
    one_more = " + bias" if "bias" in set(rows["part"]) else ""
    said = f"row of each item · {width}{one_more}"
    _box(ax, split + 0.03, 1.0, top - 1, said, _GREEN)
    _arrow(ax, (split + 1.03) / 2, 0, top - 1)
    _box(ax, 0.0, 1.0, top, f"inner product, softmax over {n_items:,} items", BASELINE)
    _arrow(ax, (split - 0.03) / 2, top - 1, top)
    _arrow(ax, (split + 1.03) / 2, top - 1, top)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.5, top + 0.45))
    ax.axis("off")
    return ax


def ages_of_candidates(table: pd.DataFrame, *, truth: str, ax: Axes | None = None) -> Axes:
    """Show how often items of each age are candidates, against their share of the catalogue.

    Args:
        table: From `evaluation.by_age`: one row an age group, one column a name.
        truth: The column that the others should come near.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = plt.subplots(figsize=(8.6, 4.2))[1] if ax is None else ax
    places = np.arange(len(table))
    colour = colours([name for name in table if name != truth], ())
    ax.axhline(1, color=PALE, linewidth=1.5, zorder=0)
    for name in table:
        own = {"color": colour[name]} if name != truth else {"color": INK, "linestyle": "--"}
        ax.plot(places, table[name], marker="o", ms=5, label=name, **own)
    ax.set_xticks(places, [label.replace(" to ", "\nto ") for label in table.index])
    ax.set(xlabel=table.index.name, ylabel="share of candidates / of the catalogue", ylim=(0, None))
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(table.columns))
    return ax


def _row(
    ax: Axes, parts: pd.DataFrame, level: int, left: float, right: float, *, tables: bool
) -> None:
    step = (right - left) / max(len(parts), 1)
    for place, part in enumerate(parts.itertuples()):
        words = part.part.replace("user ", "").replace("item ", "").replace("_", " ").split()
        name = "\n".join(text_label(word, 10) for word in words[:2])
        said = f"{name}\n{part.rows:,} x {part.width}" if tables else name
        _box(
            ax, left + place * step, left + (place + 1) * step - 0.008, level, said,
            _COLOUR[part.kind], size="x-small",
        )  # fmt: skip


def _box(
    ax: Axes, left: float, right: float, level: int, text: str, colour: str, size: str = "small"
) -> None:
    low, height = level - 0.3, 0.6
    shape = "round,pad=0,rounding_size=0.01"
    ax.add_patch(
        FancyBboxPatch((left, low), right - left, height, boxstyle=shape, fc=colour, alpha=0.16)
    )
    ax.text((left + right) / 2, level, text, ha="center", va="center", fontsize=size, color=INK)


def _arrow(ax: Axes, x: float, start: int, stop: int) -> None:
    line = {"arrowstyle": "->", "color": BASELINE, "lw": 1.2}
    ax.annotate("", (x, stop - 0.31), (x, start + 0.31), arrowprops=line)
