"""Sliders for a reader in JupyterLab, and the same picture for a notebook that runs unattended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from candgen.errors import SettingError
from candgen.session import runs

_FRONT_ENDS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG")  # set where somebody watches


def attended() -> bool:
    """Whether sliders can be moved: a front end is open, and the notebook has no run folder."""
    run = runs._current
    batch = run is not None and bool(run.parameters.get("run_folder"))
    return not batch and any(name in os.environ for name in _FRONT_ENDS)


def sliders(
    draw: Callable[[dict[str, float]], Any],
    start: Mapping[str, float],
    *,
    low: float = -1.0,
    high: float = 1.0,
    step: float = 0.1,
    live: bool | None = None,
) -> Any:
    """Draw a picture of some values and, for a reader who is there, sliders to change them.

    Args:
        draw: Takes the values by name and returns what it drew: Axes, an array of them, a Figure.
        start: The first value of each slider, by the name that stands beside it.
        low: Left end of every slider.
        high: Right end.
        step: Distance between two stops.
        live: Whether to show sliders; found out by itself when omitted.

    Returns:
        The drawing of the first values, for `run.figure`; it is shown once either way.

    Raises:
        SettingError: If a first value lies outside of the slider.
    """
    for name, value in start.items():
        if not low <= value <= high:
            raise SettingError(f"{name} must lie in {low:g} .. {high:g}, got {value!r}.")
    drawing = draw(dict(start))
    if attended() if live is None else live:
        _show(draw, drawing, start, {"min": low, "max": high, "step": step})
    return drawing


def _show(
    draw: Callable[[dict[str, float]], Any],
    drawing: Any,
    start: Mapping[str, float],
    scale: dict[str, float],
) -> None:
    import ipywidgets
    import matplotlib.pyplot as plt
    from IPython.display import display

    first = drawing.flat[0] if hasattr(drawing, "flat") else drawing
    plt.close(first if hasattr(first, "savefig") else first.figure)  # the sliders show it instead
    made = {
        name: ipywidgets.FloatSlider(
            value=value, description=name, continuous_update=False, readout_format=".1f", **scale
        )
        for name, value in start.items()
    }

    def redraw(**values: float) -> None:
        draw(values)
        plt.show()

    picture = ipywidgets.interactive_output(redraw, made)
    display(ipywidgets.VBox([*made.values(), picture]))
