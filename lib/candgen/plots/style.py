"""The house style: one look, and colours that mean the same thing in every picture.

The colours stay apart for colour-blind readers (Okabe and Ito, Color Universal Design,
2008, without their yellow and with two more). A baseline is always grey and dashed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from candgen.text.plain import one_line

MODEL = "#0072B2"
BASELINE = "#767676"
ACCENT = "#D55E00"
INK = "#1F2933"
PALE = "#E4E7EB"

PALETTE = (MODEL, ACCENT, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C564B", "#4B3F8F")

BASELINES = ("popularity", "random")
_DASHES = ("--", ":", "-.")


def use_style() -> None:
    """Set the house style for every figure that follows."""
    import seaborn as sns

    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette=PALETTE,
        rc={
            "figure.figsize": (7.2, 4.2),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "axes.edgecolor": "#BBBBBB",
            "axes.labelcolor": INK,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "grid.color": "#E9E9E9",
            "text.color": INK,
            "xtick.color": "#555555",
            "ytick.color": "#555555",
            "lines.linewidth": 2,
        },
    )
    mpl.set_loglevel("error")  # a missing font is no news to a reader


def text_label(text: object, longest: int = 32) -> str:
    """Return a text from data as a label: on one line, shortened, and no mathematics."""
    shown = one_line(text)
    shown = shown if len(shown) <= longest else shown[: longest - 1].rstrip() + "…"
    return shown.replace("$", r"\$")  # a dollar sign would begin a formula


def colours(names: Iterable[str], baselines: Collection[str] = BASELINES) -> dict[str, str]:
    """Give each name a colour: grey to baselines, the model's blue to the first other, and so on.

    Pass the same names in the same order and a generator keeps its colour across a report.
    """
    others = [name for name in dict.fromkeys(names) if name not in baselines]
    found = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(others)}
    return found | {name: BASELINE for name in names if name in baselines}


def line_of(name: str, baselines: Collection[str] = BASELINES) -> str:
    """Give a line's style: solid, but for baselines, which are dashed and dotted."""
    baselines = list(baselines)
    return _DASHES[baselines.index(name) % len(_DASHES)] if name in baselines else "-"


def axes(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new figure."""
    return ax if ax is not None else plt.subplots()[1]
