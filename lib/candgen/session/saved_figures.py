"""A figure that a run keeps is drawn once: the notebook shows the picture that was saved.

Drawing takes up to half a second. Left alone, Jupyter draws a figure twice more after it was saved:
once because saving in another resolution counts as a change, and once to show it.
"""

from __future__ import annotations

from binascii import b2a_base64
from functools import partial
from typing import Any, NamedTuple


class _Saved(NamedTuple):
    png: bytes
    dpi: float


def show_saved(figure: Any, png: bytes, dpi: float) -> None:
    """Let the notebook show a figure as it was just saved, unless something is drawn on it later.

    Nothing changes outside of notebooks, and where somebody chose another format of figures.

    Args:
        figure: A Figure of matplotlib.
        png: The content of the file.
        dpi: Its pixels per inch; the notebook shows it as large as the figure itself.
    """
    if _shows_saved():
        figure._candgen_saved = _Saved(png, dpi)
        figure.stale = False  # until an artist of it changes


def _shows_saved() -> bool:
    """Tell whether this notebook shows saved pictures, and see to it where it can."""
    from IPython import get_ipython
    from IPython.core.pylabtools import print_figure
    from matplotlib.figure import Figure

    shell = get_ipython()
    formatter = shell and shell.display_formatter.formatters["image/png"]
    try:
        draw = formatter.lookup_by_type(Figure)
    except (AttributeError, KeyError):
        return False
    if getattr(draw, "func", None) is print_figure:  # as Jupyter comes; "retina" is another
        draw = partial(_picture, draw)
        formatter.for_type(Figure, draw)
    return getattr(draw, "func", None) is _picture


def _picture(draw: Any, figure: Any) -> Any:
    """Return the saved PNG with the width that it is shown in, or draw the figure."""
    saved = getattr(figure, "_candgen_saved", None)
    if saved is None or figure.stale:
        return draw(figure)
    width = int.from_bytes(saved.png[16:20], "big")  # of the header
    shown = round(width * figure.dpi / saved.dpi)
    return b2a_base64(saved.png, newline=False).decode("ascii"), {"width": shown}
