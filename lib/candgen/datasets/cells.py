"""Rules for the cells of a column, and messages for cells that break them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Kind = Literal["id", "integer id", "text id", "rating", "time", "text"]

MISSING = ("", "NaN", "nan", "NULL", "null", "NA", "N/A")
TIME_UNITS = ("s", "ms", "us", "ns", "iso")
LARGEST = 2**63 - 1
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
LATEST = 32_503_680_000  # the year 3000; later times were written in another unit
_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class Column:
    """Name of a column in the file and in our tables, and the values it accepts."""

    there: str
    """Name in the file's header."""
    here: str
    """Name in the frame that is returned."""
    kind: Kind = "text"
    """An id is an integer of 0 or more, or text; "id" follows the first row of the file."""
    scale: tuple[float, float] | None = None
    """Lowest and highest rating."""
    unit: str = "s"
    """Unit of a time: s, ms, us or ns since 1970, or iso for dates such as 2024-05-01T12:30:00."""

    @property
    def is_id(self) -> bool:
        return self.kind in ("id", "integer id", "text id")

    def complaint(self, text: str) -> str | None:
        """Return a description of the fault in a cell, or None if it has none."""
        if self.kind == "text":
            return None
        if text.strip() in (("",) if self.kind == "text id" else MISSING):
            return "is missing"
        if self.kind == "rating":
            return self._rating_complaint(text)
        if self.kind == "time":
            return self._time_complaint(text)
        return _id_complaint(text) if self.kind == "integer id" else None

    def _rating_complaint(self, text: str) -> str | None:
        value = _number(text)
        if value is None or not math.isfinite(value):
            return f"is {text!r}, expected a number"
        if self.scale and not self.scale[0] <= value <= self.scale[1]:
            return f"is {text}, expected {self.scale[0]:g} to {self.scale[1]:g}"
        return None

    def _time_complaint(self, text: str) -> str | None:
        if self.unit == "iso":
            try:
                datetime.fromisoformat(text.strip())
            except ValueError:
                return f"is {text!r}, expected a date such as 2024-05-01 or 2024-05-01T12:30:00"
            return None
        value = integer(text)
        if value is not None and value // PER_SECOND[self.unit] >= LATEST:
            return f"is {text}, after the year 3000 in {self.unit}; set timestamp_unit, such as ms"
        if value is None:
            hint = "; set timestamp_unit=iso for dates" if "-" in text[1:] else ""
            return f"is {text!r}, expected whole {_UNIT_NAMES[self.unit]} since 1970{hint}"
        return None


@dataclass(frozen=True)
class TextFormat:
    """Format of a text file: delimiter, header, encoding and quotes."""

    delimiter: str = ","
    """Delimiter of one or two characters; `::` is read as colons around empty cells."""
    header: tuple[str, ...] | None = None
    """Names of the columns if the file has no header."""
    encoding: str = "utf-8"
    quotes: bool = True
    """Whether cells may be wrapped in double quotes."""


def integer(text: str) -> int | None:
    """Return the whole number in a cell, or None if it holds something else."""
    if not re.fullmatch(r"\s*-?[0-9]+\s*", text):
        return None
    value = int(text)
    return value if abs(value) <= LARGEST else None


def id_kind(kind: Kind, first: str) -> Kind:
    """Return the kind of an "id" column from its first cell: integer ids or text ids."""
    if kind != "id":
        return kind
    return "text id" if integer(first) is None else "integer id"


def spell(delimiter: str) -> str:
    """Name a delimiter for a message."""
    return {"\t": "a tab", " ": "a space"}.get(delimiter, repr(delimiter))


def date_to_seconds(text: str) -> int:
    """Turn an ISO date or time into seconds since 1970; without a zone it is UTC.

    Raises:
        ValueError: If it is not an ISO date.
    """
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _id_complaint(text: str) -> str | None:
    value = integer(text)
    if value is None:
        return f"is {text!r}, expected a whole number"
    return f"is {value}, expected 0 or greater" if value < 0 else None


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
