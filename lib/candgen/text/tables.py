"""Tables in notebooks, in which whatever comes from data is text.

pandas' Styler escapes neither cells nor headers, and JupyterLab runs what it finds there. Here all
of a table becomes escaped text first; the Styler only lays it out.
"""

from __future__ import annotations

import html
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from candgen.text.plain import one_line

if TYPE_CHECKING:
    import pandas as pd

NO_MATHS = "mathjax_ignore tex2jax_ignore"  # keeps JupyterLab from typesetting dollars in titles
_SHORT = 30  # characters; shorter texts are not broken into lines


class Shown:
    """A table as a notebook shows it: HTML, and text where there is no browser."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


def keep_text() -> None:
    """Keep text as it is in tables that pandas itself shows in this process."""
    import pandas as pd

    pd.set_option("display.html.use_mathjax", False)
    pd.set_option("styler.format.escape", "html")  # of cells; it has no option for headers


def shown(
    frame: pd.DataFrame,
    floats: str = "{:.6f}",
    columns: Mapping[Any, str] | None = None,
    *,
    whole: str = "{}",
    index: bool = True,
    left: Sequence[int] = (),
) -> Shown:
    """Show a frame in a notebook; its text, also in headers, appears as it is.

    Args:
        frame: Any frame; a missing value is an empty cell.
        floats: Format of floats.
        columns: Formats of the numbers in some columns, by name.
        whole: Format of whole numbers.
        index: Whether to show the row labels; floats among them have no trailing zeros.
        left: Positions of columns of long texts: aligned to the left, on one line.
    """
    import pandas as pd

    own = [(columns or {}).get(name) for name in frame.columns]
    cells = {
        place: [_text(value, mine or floats, mine or whole) for value in frame.iloc[:, place]]
        for place, mine in enumerate(own)
    }
    text = pd.DataFrame(cells, dtype=object)
    text.columns, text.index = _labels(frame.columns), _labels(frame.index)
    styler = text.style.format(escape=None)  # it is escaped already
    styler.set_table_attributes(f'class="{NO_MATHS}"')
    styler.set_table_styles(
        [{"selector": f"th.col{n}, td.col{n}", "props": "text-align: left"} for n in left]
        + [{"selector": "th.row_heading", "props": "text-align: left; font-weight: normal"}]
        + [
            {"selector": f"td.col{place}", "props": "white-space: nowrap"}
            for place, column in cells.items()
            if max(map(len, column), default=0) <= _SHORT or place in left
        ]
    )
    if not index:
        styler.hide(axis="index")
    return Shown(styler.to_html(), html.unescape(text.to_string(index=index)))


def _text(value: Any, floats: str, whole: str) -> str:
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, numbers.Number) and not isinstance(value, bool):
        return (whole if isinstance(value, numbers.Integral) else floats).format(value)
    return html.escape(one_line(value))


def _labels(index: pd.Index) -> pd.Index:
    import pandas as pd

    names = [None if name is None else _text(name, "{:g}", "{}") for name in index.names]
    levels = [
        [_text(label, "{:g}", "{}") for label in index.get_level_values(level)]
        for level in range(index.nlevels)
    ]
    if index.nlevels == 1:
        return pd.Index(levels[0], dtype=object, name=names[0])
    return pd.MultiIndex.from_arrays(levels, names=names)
