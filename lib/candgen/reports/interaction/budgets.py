"""Sizes of data blocks, to keep a report within its budget of bytes."""

from __future__ import annotations

import json
from typing import Any


def size_of(value: Any) -> int:
    """Count the bytes that a value takes in a data block, with a separator after it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    escaped = sum(text.count(character) for character in "<>&\u2028\u2029")
    return len(text.encode()) + 5 * escaped + 1


def shortened(text: object, longest: int) -> str:
    """Return a text with an ellipsis instead of what exceeds a number of characters."""
    text = str(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"
