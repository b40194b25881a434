"""Values of columns: ids, ratings, text and features, checked for a whole column at once.

A column arrives as an Arrow array: text if the file is text, else of the file's own type. One rule
says what is missing, in every file and column: no value, NaN, an empty cell or white space; and in
columns of numbers and times also the words NaN, NULL, NA and N/A. In a column of text these words
are text. Numbers keep the precision that is written: nothing is rounded before it is sorted.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candgen.datasets.cells import MISSING, Column, number

CANONICAL = r"^(0|-?[1-9][0-9]{0,18})$"  # whole numbers as a program writes them
LIKE_NUMBERS = r"^\s*[+-]?[0-9]+(\.[0-9]*)?\s*$"
_NO_NUMBERS = r"^\s*[+-]?0[0-9]|^\s*\+|^\s*[+-]?[0-9]{16,}\s*$|[xX_]"  # 007 and the like are text
_WHOLE = r"^-?[0-9]+$"


class Fault(Exception):
    """First wrong value of a column: its row, counted from 0 (None: all rows), and the fault."""

    def __init__(self, row: int | None, complaint: str) -> None:
        super().__init__(complaint)
        self.row, self.complaint = row, complaint


def refuse(wrong: NDArray[np.bool_], complaint: str, values: object = None) -> None:
    """Raise a fault for the first wrong row, if there is one; `{}` becomes its value."""
    if wrong.any():
        row = int(wrong.argmax())
        raise Fault(row, complaint if values is None else complaint.format(shown(values, row)))


def shown(values: object, row: int) -> str:
    """Return a value for a message."""
    value = values[row]
    value = value.as_py() if isinstance(value, pa.Scalar) else value
    return repr(value)[:60] if isinstance(value, str) else f"{value:.12g}"


def plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values without dictionaries, decimals and unusual kinds of text.

    Raises:
        Fault: If bytes are no UTF-8.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return values.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_string_view(kind):
        try:
            return values.cast(pa.large_string())
        except pa.ArrowInvalid as error:
            raise Fault(None, f"holds bytes that are no UTF-8 ({error})") from None
    return values


def is_text(values: pa.ChunkedArray) -> bool:
    return pa.types.is_string(values.type) or pa.types.is_large_string(values.type)


def missing(values: pa.ChunkedArray, *, words: bool) -> NDArray[np.bool_]:
    """Mark missing values; `words` says whether NA and the like count as missing."""
    absent = values.is_null(nan_is_null=pa.types.is_floating(values.type))
    if is_text(values):
        trimmed = pc.utf8_trim_whitespace(values)
        blank = pc.equal(trimmed, "")
        if words:
            blank = pc.or_(blank, pc.is_in(trimmed, pa.array(MISSING, trimmed.type)))
        absent = pc.or_(absent, pc.fill_null(blank, False))
    return absent.to_numpy().astype(bool)


def matches(values: pa.ChunkedArray, pattern: str) -> NDArray[np.bool_]:
    """Mark the texts that a pattern matches."""
    return pc.fill_null(pc.match_substring_regex(values, pattern), False).to_numpy().astype(bool)


# --- ratings


def ratings(values: pa.ChunkedArray, column: Column) -> NDArray[np.float32]:
    """Return ratings as float32.

    Raises:
        Fault: If one is missing, no finite number or out of scale.
    """
    values = plain(values)
    refuse(missing(values, words=True), "is missing")
    kind = values.type
    if is_text(values):
        made = _numbers_of_text(values)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        made = values.cast(pa.float64(), safe=False).to_numpy()
    else:
        raise Fault(None, f"holds values of type {kind}, expected numbers")
    with np.errstate(over="ignore"):
        made32 = made.astype(np.float32)
    refuse(~np.isfinite(made32), "is {}, expected a finite number", values)
    low, high = column.scale or (-math.inf, math.inf)
    wrong = (made32 < np.float32(low)) | (made32 > np.float32(high))
    refuse(wrong, f"is {{}}, expected {low:g} to {high:g}", made)
    return made32


def _numbers_of_text(values: pa.ChunkedArray) -> NDArray[np.float64]:
    try:
        return pc.utf8_trim_whitespace(values).cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        made = np.empty(len(values))
    for row, text in enumerate(values.to_pylist()):
        found = number(text)
        if found is None:
            raise Fault(row, f"is {text[:60]!r}, expected a number")
        made[row] = found
    return made


# --- ids


def ids(values: pa.ChunkedArray, column: Column, *, typed: bool) -> NDArray[np.int64] | pd.Series:
    """Return ids as int64 or as text.

    Text of a kind "id" is read as integers only where all cells are whole numbers as a program
    writes them; 007, 1.0 and numbers beyond 64 bits make a column of text.

    Args:
        values: Column of a file.
        column: Its rules.
        typed: Whether the file states types, so that text stays text.

    Raises:
        Fault: If an id is missing, negative, or neither a whole number nor text.
    """
    values = plain(values)
    kind = values.type
    if is_text(values) and column.kind == "id" and not typed:
        numbers = as_written(values)
        if numbers is not None:
            refuse(numbers < 0, "is {}, expected 0 or greater", numbers)
            return numbers
    refuse(missing(values, words=column.kind == "integer id"), "is missing")
    if is_text(values):
        return _ids_of_text(values, column, typed)
    if pa.types.is_floating(kind):
        numbers = values.to_numpy().astype(np.float64)
        wrong = ~np.isfinite(numbers) | (numbers != np.floor(numbers)) | (abs(numbers) >= 2**53)
        refuse(wrong, "is {}, expected a whole number or text", numbers)
        values = values.cast(pa.int64())
    elif pa.types.is_uint64(kind):
        numbers = values.to_numpy()
        refuse(numbers >= 2**63, "is {}, beyond 64-bit integers; store it as text", numbers)
        values = values.cast(pa.int64())
    elif not pa.types.is_integer(kind):
        raise Fault(None, f"holds values of type {kind}, expected whole numbers or text")
    numbers = values.cast(pa.int64()).to_numpy()
    refuse(numbers < 0, "is {}, expected 0 or greater", values)
    return values.cast(pa.string()).to_pandas() if column.kind == "text id" else numbers


def as_written(values: pa.ChunkedArray) -> NDArray[np.int64] | None:
    """Return text as integers if these, written again, are the same text; else None."""
    try:
        numbers = values.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    if numbers.null_count or not pc.all(pc.equal(numbers.cast(values.type), values)).as_py():
        return None
    return numbers.to_numpy()


def _ids_of_text(
    values: pa.ChunkedArray, column: Column, typed: bool
) -> NDArray[np.int64] | pd.Series:
    if column.kind == "id" and not typed:
        words = WordsAmongIntegers()
        words.look_at(values)
        words.refuse()
    if column.kind != "integer id":
        return values.to_pandas()
    trimmed = pc.utf8_trim_whitespace(values)
    try:
        numbers = trimmed.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        refuse(~matches(trimmed, _WHOLE), "is {}, expected a whole number", values)
        cells = enumerate(trimmed.to_pylist())
        row = next(row for row, cell in cells if len(cell) > 18 and abs(float(cell)) >= 2**63 - 1)
        raise Fault(
            row, f"is {shown(values, row)}, beyond 64-bit integers; set id_type=text"
        ) from None
    refuse(numbers < 0, "is {}, expected 0 or greater", numbers)
    return numbers


class WordsAmongIntegers:
    """Search for words in a column that begins with a whole number and has no 007 or 1.0.

    Such a word is a wrong line, such as a header in the middle, or all ids are text. The column
    may arrive in blocks.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._possible = True
        self._fault: Fault | None = None

    def look_at(self, values: pa.ChunkedArray) -> None:
        """Take the next block of the column."""
        if not self._possible or not len(values):
            return
        written = matches(values, CANONICAL)
        words = ~written & ~matches(values, LIKE_NUMBERS)
        self._possible = bool((written[0] or self._rows > 0) and (words | written).all())
        if self._fault is None and words.any():
            row = int(words.argmax())
            self._fault = Fault(
                self._rows + row,
                f"is {shown(values, row)}, expected a whole number as in the rows before it; set "
                "id_type=text if ids are text",
            )
        self._rows += len(values)

    def refuse(self) -> None:
        """Raise a fault for the first word."""
        if self._possible and self._fault is not None:
            raise self._fault


# --- text and features


def texts(values: pa.ChunkedArray) -> pd.Series:
    """Return text, with missing values where cells are blank; 1984.0 as a number is "1984".

    Raises:
        Fault: If a column of the file is no text and no numbers.
    """
    values = plain(values)
    kind = values.type
    if pa.types.is_floating(kind):
        numbers = values.to_numpy().astype(np.float64)
        known = numbers[np.isfinite(numbers)]
        if (known == np.floor(known)).all() and (abs(known) < 2**53).all():
            whole = pa.array(np.where(np.isfinite(numbers), numbers, 0).astype(np.int64))
            values = pa.chunked_array(
                [pc.if_else(pa.array(np.isfinite(numbers)), whole, pa.scalar(None, pa.int64()))]
            )
    elif pa.types.is_nested(kind):
        raise Fault(None, f"holds values of type {kind}, expected text")
    if not is_text(values):
        values = values.cast(pa.string())
    absent = missing(values, words=False)
    return values.to_pandas().astype("str").mask(pd.Series(absent))


def features(values: pa.ChunkedArray, *, typed: bool) -> pd.Series:
    """Return a feature: numbers, true or false, lists, times or text.

    A column of a text file holds numbers if all its cells do; cells such as 007, which only look
    like numbers, make it text.

    Raises:
        Fault: If the column holds what no table of ours can store.
    """
    if pa.types.is_decimal(values.type):
        return values.cast(pa.float64()).to_pandas()
    values = plain(values)
    kind = values.type
    if pa.types.is_null(kind):
        return pd.Series(np.full(len(values), np.nan))
    if is_text(values):
        return texts(values) if typed else _features_of_text(values)
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("ms")).to_pandas()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        held = kind.value_type
        stored = pa.types.is_primitive(held) or pa.types.is_string(held) or pa.types.is_null(held)
    else:
        stored = pa.types.is_primitive(kind) and not pa.types.is_time(kind)
        stored = stored and not pa.types.is_duration(kind)
    if not stored:
        raise Fault(None, f"holds values of type {kind}, which no table stores; leave it out")
    return values.to_pandas()


def _features_of_text(values: pa.ChunkedArray) -> pd.Series:
    absent = missing(values, words=True)
    if absent.all():
        return texts(values)
    known = pc.utf8_trim_whitespace(values.filter(pa.array(~absent)))
    if matches(known, r"^(true|false|True|False|TRUE|FALSE)$").all():
        held = pc.is_in(pc.utf8_lower(known), pa.array(["true"], known.type)).to_numpy()
        if not absent.any():
            return pd.Series(held)
        made = np.full(len(values), None, dtype=object)
        made[~absent] = held
        return pd.Series(made)
    if matches(known, _NO_NUMBERS).any():
        return texts(values)
    try:
        numbers = known.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return texts(values)
    if not np.isfinite(numbers).all():
        return texts(values)
    if not absent.any() and matches(known, _WHOLE).all():
        return known.cast(pa.int64()).to_pandas()
    made = np.full(len(values), np.nan)
    made[~absent] = numbers
    return pd.Series(made)
