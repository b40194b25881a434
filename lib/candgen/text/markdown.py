"""Text from data inside Markdown, shown as it is."""

from __future__ import annotations

import re

from candgen.text.plain import one_line
from candgen.text.tables import NO_MATHS

_PLAIN = re.compile(r"(?!\d+\. |.*www\.)[A-Za-z0-9][A-Za-z0-9 ,;.'-]*")  # nothing in it is a mark
_MARKS = re.compile(r"([\\`*_{}\[\]()#+.!|~:@-])")


def as_text(value: object) -> str:
    """Return text on one line that Markdown shows letter by letter, whatever it contains."""
    shown = " ".join(one_line(value).split())
    if _PLAIN.fullmatch(shown):
        return shown
    shown = _MARKS.sub(r"\\\1", shown)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # JupyterLab typesets dollars of rendered Markdown, escaped there or not.
    return shown.replace("$", f'<span class="{NO_MATHS}">&#36;</span>')
