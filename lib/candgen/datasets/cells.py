"""Rules for the cells of a column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa

Kind = Literal[
    "id", "integer id", "text id", "rating", "time", "text", "feature",
    "propensity", "position", "flag",
]  # fmt: skip

# Missing in columns of numbers and times; in columns of text, only an empty cell is.
MISSING = ("", "NaN", "nan", "NULL", "null", "NA", "N/A")
NANOS = "nanoseconds"  # column of what rounding to seconds takes from times, if there is any
TIME_UNITS = ("s", "ms", "us", "ns", "iso")
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
LATEST = 32_503_680_000  # the year 3000; later times were written in another unit
EARLIEST = -62_135_596_800  # the year 1
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class Column:
    """Name of a column in the file and in our tables, and the values it accepts."""

    there: str
    """Name in the file's header."""
    here: str
    """Name in the frame that is returned."""
    kind: Kind = "text"
    """An id is an integer of 0 or more, or text; "id" goes by all cells of the column. A
    propensity is a chance above 0, a position counts places of a page, a flag is 0 or 1."""
    scale: tuple[float, float] | None = None
    """Lowest and highest rating."""
    first: int = 1
    """Position of the top of a page."""
    unit: str = "s"
    """Unit of a time: s, ms, us or ns since 1970, or iso for dates such as 2024-05-01T12:30:00."""

    @property
    def is_id(self) -> bool:
        return self.kind in ("id", "integer id", "text id")

    @property
    def arrow_type(self) -> pa.DataType | None:
        """Type that text may be read as at once; None: as text, which is then converted."""
        types = {"integer id": pa.int64(), "rating": pa.float64()}
        if self.kind == "time" and self.unit != "iso":
            return pa.int64()
        return types.get(self.kind)


def number(text: str) -> float | None:
    """Return the number in a cell, or None if it holds something else."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def spell(delimiter: str) -> str:
    """Name a delimiter for a message."""
    return {"\t": "a tab", " ": "a space"}.get(delimiter, repr(delimiter))


def date_to_seconds(text: str) -> int:
    """Turn an ISO date or time into seconds since 1970; without a zone it is UTC.

    Raises:
        ValueError: If it is not an ISO date.
    """
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
