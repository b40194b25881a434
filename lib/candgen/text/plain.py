"""Text from data that stays text: on one line in a terminal, and data in a spreadsheet.

Titles, ids and names come from files that anybody may have written. A terminal obeys control
characters, a spreadsheet runs cells that begin like a formula; both are taken off here. HTML is
the matter of `candgen.text.tables` in notebooks and of `candgen.reports.rendering` in reports.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

# C0 and C1 controls (ANSI sequences begin with one), marks and overrides of writing direction,
# separators of lines, characters without a width, lone surrogates. The same in `reader.py`.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]+"
)
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")  # the wide forms run in East Asian settings
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", flags=re.ASCII)


def one_line(text: object) -> str:
    """Return text as one line: runs of control characters, also invisible ones, become a space."""
    return _CONTROL.sub(" ", str(text))


def lines(text: object) -> str:
    """Return text of several lines with the control characters of each taken off."""
    return "\n".join(map(one_line, str(text).split("\n")))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a CSV that a spreadsheet shows and does not run.

    Text that begins like a formula gets an apostrophe in front (`read_cell` takes it off);
    numbers stay numbers, None and NaN become empty cells, and each row is one line.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in (columns, *rows):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def read_cell(text: str) -> str:
    """Return the text that `csv_text` wrote as this cell."""
    return text[1:] if text[:1] == "'" and _runs(text[1:]) else text


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return "" if value is None or value != value else value
    shown = one_line(value)
    return f"'{shown}" if _runs(shown) else shown


def _runs(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)
