"""Data blocks: JSON inside the page, which scripts read and browsers never execute.

A block is a `<script type="application/json">`. No text in it can end the element or begin markup,
because `<`, `>` and `&` are written as JSON escapes.
"""

from __future__ import annotations

import json
import math
from typing import Any

from candgen.reports.rendering import render

MARK = 'class="cg-data"'
"""Marks a page that has a data block, and therefore needs the script of charts."""
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def data_block(kind: str, value: Any) -> str:
    """Write a value as a data block.

    Args:
        kind: What scripts find it by, such as "runs".
        value: Dictionaries, lists, texts and numbers. Infinite numbers and NaN become null.

    Returns:
        HTML without a line break.
    """
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return render("data_block.html.j2", kind=kind, text=text.translate(_ESCAPES))


def _finite(value: Any) -> Any:
    """Replace numbers that JSON has no word for by None."""
    if isinstance(value, dict):
        return {str(name): _finite(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(held) for held in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
