"""What one user prefers, value by value."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MultipleLocator

from candgen.plots.style import ACCENT, BASELINE, MODEL, axes


def preferences(times: pd.Series, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Show how many times more, or less, often than anybody a user takes something.

    Args:
        times: Name -> ratio above 0, drawn from top to bottom; 1 is as often as anybody.
        title: Whose preferences they are.
        ax: Axes to draw on. A new figure when omitted.
    """
    ax = axes(ax)
    logs = np.log2(times.to_numpy(dtype=float))
    rows = np.arange(len(times))
    ax.barh(rows, logs, color=np.where(logs >= 0, MODEL, ACCENT), height=0.7)
    ax.axvline(0, color=BASELINE, linewidth=1)
    ax.set_yticks(rows, [str(name).replace("$", r"\$") for name in times.index], fontsize="small")
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    reach = max(1.0, float(np.abs(logs).max(initial=0)) * 1.05)
    ax.set_xlim(-reach, reach)
    ax.xaxis.set_major_locator(MultipleLocator(max(1, int(np.ceil(reach / 4)))))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _ratio(x)))
    ax.set(xlabel="times as often as in all events", title=title)
    return ax


def _ratio(doublings: float) -> str:
    if doublings >= 0:
        return f"{2**doublings:g}"
    return f"1/{2**-doublings:g}"
