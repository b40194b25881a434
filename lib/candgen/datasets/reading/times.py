"""Times of a column as whole seconds since 1970, with what is written beyond the second."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candgen.datasets.cells import EARLIEST, LATEST, PER_SECOND, UNIT_NAMES, Column, number
from candgen.datasets.reading.values import Fault, is_text, matches, missing, plain, refuse

_NANOS = 1_000_000_000
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"


def seconds(
    values: pa.ChunkedArray, column: Column
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Return whole seconds since 1970 (UTC), rounded down, and the nanoseconds beyond them, if any.

    Raises:
        Fault: If a time is missing, of another form than its unit says, or after the year 3000.
    """
    values = plain(values)
    kind = values.type
    refuse(missing(values, words=True), "is missing")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        whole, nanos = _of_moments(values)
    elif column.unit == "iso":
        if not is_text(values):
            raise Fault(None, f"holds values of type {kind}, expected dates; set timestamp_unit=s")
        whole, nanos = _of_dates(values)
    elif is_text(values):
        whole, nanos = _of_written_numbers(values, column)
    elif pa.types.is_floating(kind):
        numbers = values.to_numpy().astype(np.float64)
        refuse(~np.isfinite(numbers), "is {}, expected a finite number", numbers)
        per = PER_SECOND[column.unit]
        refuse(abs(numbers) >= 2**63, "is {}, outside the years 1 to 3000", numbers)
        units = np.floor(numbers).astype(np.int64)
        whole, nanos = units // per, units % per * (_NANOS // per)
        nanos += ((numbers - np.floor(numbers)) * (_NANOS // per)).astype(np.int64)
    elif pa.types.is_integer(kind):
        if pa.types.is_uint64(kind):
            refuse(values.to_numpy() >= 2**63, "is {}, after the year 3000", values)
        whole, nanos = _split(values.cast(pa.int64()).to_numpy(), PER_SECOND[column.unit])
    else:
        raise Fault(None, f"holds values of type {kind}, expected times")
    in_unit = "" if column.unit == "iso" else f" in {column.unit}; set timestamp_unit, such as ms"
    if (whole >= LATEST).any():
        row = int((whole >= LATEST).argmax())
        raise Fault(row, f"is {str(values[row].as_py())[:60]}, after the year 3000{in_unit}")
    refuse(whole < EARLIEST, "is {} s since 1970, before the year 1", whole)
    return whole, nanos if nanos.any() else None


def _split(units: NDArray[np.int64], per: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split times in units, `per` a second, into whole seconds and nanoseconds."""
    if per == 1:
        return units, np.zeros(1, np.int64)
    return units // per, units % per * (_NANOS // per)


def _of_moments(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("ms"))
    per = PER_SECOND[values.type.unit]
    units = values.cast(pa.int64()).to_numpy()
    return _split(units, per)


def _of_dates(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read ISO dates and times, without a zone as UTC."""
    trimmed = pc.replace_substring_regex(
        pc.utf8_trim_whitespace(values), r"\s*(?:UTC|[Zz])$", replacement="Z"
    )
    moments = pd.to_datetime(trimmed.to_pandas(), format="ISO8601", utc=True, errors="coerce")
    wrong = moments.isna().to_numpy() | ~matches(trimmed, _DATE)
    refuse(wrong, "is {}, expected a date such as 2024-05-01 or 2024-05-01T12:30:00Z", values)
    per = PER_SECOND[moments.dt.unit]
    units = moments.astype("int64").to_numpy()
    return _split(units, per)


def _of_written_numbers(
    values: pa.ChunkedArray, column: Column
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    per = PER_SECOND[column.unit]
    trimmed = pc.utf8_trim_whitespace(values)
    try:
        units = trimmed.cast(pa.int64()).to_numpy()
        return _split(units, per)
    except pa.ArrowInvalid:  # a fraction, or no number
        whole, nanos = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for row, text in enumerate(trimmed.to_pylist()):
        found = number(text)
        if found is None or not math.isfinite(found):
            hint = "; set timestamp_unit=iso for dates" if "-" in text[1:] else ""
            raise Fault(
                row, f"is {text[:60]!r}, expected {UNIT_NAMES[column.unit]} since 1970{hint}"
            )
        if abs(found) >= 2**63:
            raise Fault(row, f"is {text[:60]}, outside the years 1 to 3000 in {column.unit}")
        exact = math.floor(Decimal(text) * (_NANOS // per))
        whole[row], nanos[row] = exact // _NANOS, exact % _NANOS
    return whole, nanos
