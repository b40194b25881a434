"""Format of a file, guessed from its first bytes: type, encoding, delimiter and header."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from typing import Any

from candgen.datasets.archives import InputFile
from candgen.datasets.cells import number
from candgen.datasets.guessing import roles
from candgen.datasets.reading.arrow import ENDINGS
from candgen.errors import DataError

DELIMITERS = (",", ";", "\t", "|", " ")
_LOOKED_AT = 1 << 18  # bytes
_ROWS = 200
_ALIKE = 0.9  # share of rows that must have as many cells as most
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def format_of(file: InputFile) -> dict[str, Any]:
    """Guess the format of a file; settings at their defaults are left out.

    Returns:
        Fields of `candgen.datasets.reading.FileFormat`.

    Raises:
        DataError: If the file is empty or cannot be read.
    """
    with file.open() as stream:
        head = stream.read(_LOOKED_AT)
    if not head.strip():
        raise DataError(f"{file.label} is empty.")
    if head.startswith(b"PAR1"):
        return {} if file.name.lower().endswith((".parquet", ".pq")) else {"file_type": "parquet"}
    if file.name.lower().endswith(ENDINGS):
        return {}
    if head.startswith(b"ARROW1"):
        return {"file_type": "arrow"}
    encoding = _encoding(head)
    lines = _whole_lines(
        head.decode(encoding, "replace").lstrip("\ufeff"), whole=len(head) < _LOOKED_AT
    )
    made = {} if encoding == "utf-8" else {"encoding": encoding}
    if lines[0].lstrip().startswith("{"):
        named = file.name.lower().endswith((".jsonl", ".ndjson", ".json"))
        return made if named else {**made, "file_type": "jsonl"}
    delimiter = _delimiter(lines)
    made |= {} if delimiter == "," else {"delimiter": delimiter}
    rows = _cells(lines, delimiter)
    if not _has_header(rows):
        made["column_names"] = [f"column_{place}" for place in range(1, len(rows[0]) + 1)]
    return made


def _encoding(head: bytes) -> str:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for name in ("utf-8", "cp1252"):
        try:
            # The last letter may be cut in two.
            codecs.getincrementaldecoder(name)().decode(head)
            return name
        except UnicodeDecodeError:
            continue
    return "latin-1"


def _whole_lines(text: str, *, whole: bool) -> list[str]:
    lines = text.splitlines(keepends=True)
    return lines if whole or len(lines) < 2 else lines[:-1]


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that cuts most rows into as many cells, more than one."""
    found = []
    for place, delimiter in enumerate(DELIMITERS):
        counts = Counter(len(row) for row in _cells(lines, delimiter))
        (cells, alike), *_ = counts.most_common(1) or [(1, 0)]
        share = alike / max(sum(counts.values()), 1)
        if cells > 1 and share >= _ALIKE:
            found.append((round(share, 2), cells, -place, delimiter))
    return max(found)[-1] if found else ","


def _cells(lines: list[str], delimiter: str) -> list[list[str]]:
    rows = []
    try:
        for row in csv.reader(lines, delimiter=delimiter, strict=False):
            if row:
                rows.append(row)
            if len(rows) == _ROWS:
                break
    except csv.Error:  # a cell without an end: another delimiter may do
        return rows
    return rows


def _has_header(rows: list[list[str]]) -> bool:
    """Tell whether the first row names the columns: it looks unlike those below it."""
    first, below = rows[0], rows[1:]
    if any(number(cell) is not None or roles.is_date(cell) for cell in first if cell):
        return False
    if any(roles.of_name(cell) for cell in first):
        return True
    columns = list(zip(*(row for row in below if len(row) == len(first)), strict=True))
    typed = [any(number(c) is not None or roles.is_date(c) for c in column) for column in columns]
    return any(typed) or not columns
