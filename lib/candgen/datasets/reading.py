"""Reader of text and Parquet tables that names the first faulty line.

The fast path is pyarrow. If it fails, or a value breaks the rule of its column, the file is read
again line by line and the error names the first faulty line. Both paths apply the same `Column`
rules.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from candgen.datasets.archives import InputFile
from candgen.datasets.cells import LATEST, MISSING, PER_SECOND, Column, TextFormat, id_kind, spell
from candgen.errors import DataError, did_you_mean

BLOCK = 1 << 24  # bytes


def read_columns(
    file: InputFile,
    columns: Sequence[Column],
    text: TextFormat | None = None,
    *,
    extra: bool = False,
) -> pd.DataFrame:
    """Read the named columns of a CSV-like or Parquet file.

    Ratings are float32; times are int64 seconds since 1970 UTC, rounded down; ids are int64 or
    text. Blank lines are skipped. Rows keep the order of the file.

    Args:
        file: File to read.
        columns: Columns to return; all are required.
        text: Format of a text file. Ignored for Parquet.
        extra: Also return every other column, under its own name, with inferred types.

    Raises:
        DataError: If the file is empty, a column is missing, or a cell breaks its rule.
            The message names the file, the line (row, for Parquet) and the column.
    """
    if file.name.endswith((".parquet", ".pq")):
        return _finish(_read_parquet(file, columns, extra), columns, file)
    text = text or TextFormat()
    _check_header(file, columns, text)
    columns = _decided(file, columns, text)
    try:
        with file.open() as stream:
            frame = _finish(_read_text(stream, columns, text, extra), columns, None)
    except DataError:
        raise
    except _REFUSALS as error:
        explain(file, columns, text, whole=extra)
        raise DataError(f"{file.label} cannot be read: {error}") from error
    if frame.empty:
        raise _empty(file)
    return frame


def explain(
    file: InputFile, columns: Sequence[Column], text: TextFormat, *, whole: bool = False
) -> None:
    """Raise an error for the first faulty line; return if there is none.

    Blocks of lines that the fast path accepts are skipped, and the first refused block is read
    line by line: a fault in the last of 25 million ratings is named within seconds.

    Args:
        file: File that could not be read.
        columns: Rules of its columns.
        text: Format of the file.
        whole: Read every line, because a cell may hold a line break.

    Raises:
        DataError: Naming file, line, column, what was expected and what arrived.
    """
    rows = read_rows(file, text)
    header = text.header or tuple(next(rows)[1])
    if not whole and not _wide(text.encoding):
        rows = _rows_of_refused_blocks(file, columns, replace(text, header=header), text.header)
    places = [(column, header.index(column.there)) for column in columns]
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{file.label}, line {line}: expected {len(header)} cells separated by "
                f"{spell(text.delimiter)}, got {len(cells)}. Check the delimiter and the quotes."
            )
        for column, place in places:
            wrong = column.complaint(cells[place])
            if wrong:
                raise DataError(f"{file.label}, line {line}: {column.there} {wrong}.")


def read_rows(file: InputFile, text: TextFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every line that is not blank, strictly decoded; slow.

    Raises:
        DataError: If a line is not in the stated encoding.
    """
    with file.open() as stream:
        yield from _rows(file, stream, text, 0)


def _rows(
    file: InputFile, stream: BinaryIO, text: TextFormat, before: int
) -> Iterator[tuple[int, list[str]]]:
    lines = decoded_lines(file, stream, text.encoding, before)
    if len(text.delimiter) > 1 or not text.quotes:
        for number, line in enumerate(lines, before + 1):
            if line.strip():
                yield number, line.rstrip("\r\n").split(text.delimiter)
        return
    reader = csv.reader(lines, delimiter=text.delimiter)
    for cells in reader:
        if cells:
            yield before + reader.line_num, cells


def _rows_of_refused_blocks(
    file: InputFile, columns: Sequence[Column], text: TextFormat, headless: tuple | None
) -> Iterator[tuple[int, list[str]]]:
    with file.open() as stream:
        before = 0
        if headless is None:
            while not stream.readline().strip():
                before += 1
            before += 1
        while block := stream.read(BLOCK) + stream.readline():
            try:
                _finish(_read_text(io.BytesIO(block), columns, text, False), columns, None)
            except _REFUSALS:
                yield from _rows(file, io.BytesIO(block), text, before)
            before += block.count(b"\n")


def head(file: InputFile, encoding: str = "utf-8") -> list[str]:
    """Return the first lines that are not blank, five at most."""
    with file.open() as stream:
        start = stream.read(1 << 16)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) and "16" not in encoding:
        raise DataError(f"{file.label} is UTF-16. Save it as UTF-8, or set encoding=utf-16.")
    text = start.decode(encoding, errors="replace").removeprefix("\ufeff")
    return [line for line in text.splitlines() if line.strip()][:5]


# --- the fast path


class _BadValue(Exception):
    """Fault in a value of a column; `explain` finds its line."""


_REFUSALS = (pa.ArrowException, UnicodeDecodeError, _BadValue)


def _read_text(
    stream: BinaryIO, columns: Sequence[Column], text: TextFormat, extra: bool
) -> pa.Table:
    names = list(text.header) if text.header else None
    types = {c.there: t for c in columns if (t := _arrow_type(c)) is not None}
    include = [] if extra else [c.there for c in columns]
    if text.delimiter == "::":
        names, gaps = _between(names or [])
        types |= dict.fromkeys(gaps, pa.null())
        include += gaps
    convert = pa.csv.ConvertOptions(
        column_types=types,
        include_columns=include,
        null_values=list(MISSING),
        strings_can_be_null=False,
    )
    parse = pa.csv.ParseOptions(
        delimiter=text.delimiter[0],
        quote_char='"' if text.quotes else False,
        newlines_in_values=extra,
    )
    read = pa.csv.ReadOptions(column_names=names, encoding=text.encoding, block_size=BLOCK)
    table = pa.csv.read_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
    if text.delimiter == "::":
        return table.drop_columns(gaps)
    return table


def _between(names: list[str]) -> tuple[list[str], list[str]]:
    """Return names with one for each empty cell that a reader of single colons finds in `::`."""
    gaps = [f"gap {i}" for i in range(len(names) - 1)]
    woven = [name for pair in zip(names, [*gaps, ""], strict=True) for name in pair][:-1]
    return woven, gaps


def _arrow_type(column: Column) -> pa.DataType | None:
    if column.kind == "rating":
        return pa.float32()
    if column.kind == "integer id":
        return pa.int64()
    if column.kind == "time":
        return pa.timestamp("s") if column.unit == "iso" else pa.int64()
    return pa.string()


def _decided(file: InputFile, columns: Sequence[Column], text: TextFormat) -> list[Column]:
    """Return the columns with ids fixed as integers or text by their first row."""
    rows = read_rows(file, text)
    header = list(text.header) if text.header else next(rows)[1]
    (_, first) = next(rows)
    if len(first) != len(header):
        return list(columns)
    return [replace(c, kind=id_kind(c.kind, first[header.index(c.there)])) for c in columns]


def _read_parquet(file: InputFile, columns: Sequence[Column], extra: bool) -> pa.Table:
    with file.open() as stream:
        source = stream if file.member is None else io.BytesIO(stream.read())
        try:
            reader = pq.ParquetFile(source)
            _check_names(file, columns, reader.schema_arrow.names)
            table = reader.read(columns=None if extra else [c.there for c in columns])
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file.label} is not a readable Parquet file: {error}") from error
    if table.num_rows == 0:
        raise _empty(file)
    return table


def _finish(table: pa.Table, columns: Sequence[Column], file: InputFile | None) -> pd.DataFrame:
    """Check values, convert types and rename; with `file`, errors name the row here."""
    made = {}
    for column in columns:
        values = table[column.there]
        table = table.drop_columns([column.there])  # lets go of memory column by column
        made[column.here] = _values(values, column, file)
    others = {name: table[name].to_pandas() for name in table.column_names}
    return pd.DataFrame({**made, **{n: v for n, v in others.items() if n not in made}}, copy=False)


def _values(
    values: pa.ChunkedArray, column: Column, file: InputFile | None
) -> np.ndarray | pd.Series:
    if values.null_count and column.kind != "text":
        _refuse(column, file, pc.is_null(values), "is missing")
    if column.kind == "rating":
        numbers = _to_numpy(values, pa.float32(), column, file)
        low, high = column.scale or (-math.inf, math.inf)
        _refuse(column, file, ~np.isfinite(numbers), "is not a finite number")
        wrong = (numbers < low) | (numbers > high)
        _refuse(column, file, wrong, f"is {{}}, expected {low:g} to {high:g}", numbers)
        return numbers
    if column.kind == "time":
        return _seconds(values, column, file)
    if column.is_id:
        return _ids(values, column, file)
    return values.cast(pa.string()).to_pandas()


def _ids(values: pa.ChunkedArray, column: Column, file: InputFile | None) -> np.ndarray | pd.Series:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    whole = pa.types.is_integer(values.type)
    if column.kind == "integer id" or (column.kind == "id" and whole):
        numbers = _to_numpy(values, pa.int64(), column, file)
        _refuse(column, file, numbers < 0, "is {}, expected 0 or greater", numbers)
        return numbers
    if pa.types.is_floating(values.type):
        return _ids(values.cast(pa.int64()), column, file)
    texts = values.cast(pa.string()).to_pandas()
    absent = (texts.str.strip() == "").to_numpy(dtype=bool)
    _refuse(column, file, absent, "is missing")
    return texts


def _seconds(values: pa.ChunkedArray, column: Column, file: InputFile | None) -> np.ndarray:
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _to_numpy(values.cast(pa.timestamp("s"), safe=False), pa.int64(), column, file)
    numbers = _to_numpy(values, pa.int64(), column, file)
    if column.unit not in ("s", "iso"):
        numbers = numbers // PER_SECOND[column.unit]
    _refuse(column, file, numbers >= LATEST, "is {} s, after the year 3000", numbers)
    return numbers


def _to_numpy(
    values: pa.ChunkedArray, wanted: pa.DataType, column: Column, file: InputFile | None
) -> np.ndarray:
    try:
        if values.type != wanted:
            values = values.cast(wanted, safe=not pa.types.is_floating(wanted))
    except pa.ArrowInvalid as error:
        if file is None:
            raise
        raise DataError(f"{file.label}: {column.there} holds {values.type}: {error}.") from error
    return values.to_numpy()


def _refuse(column, file, wrong, complaint: str, values=None) -> None:
    """Raise an error for the first wrong row, if there is one."""
    wrong = wrong.to_numpy() if hasattr(wrong, "to_numpy") else wrong
    if not wrong.any():
        return
    if file is None:
        raise _BadValue(f"{column.there} {complaint}")
    row = int(np.argmax(wrong))
    arrived = "" if values is None else f"{values[row]:g}"
    raise DataError(f"{file.label}, row {row + 1}: {column.there} {complaint.format(arrived)}.")


# --- headers, encodings and words


def _check_header(file: InputFile, columns: Sequence[Column], text: TextFormat) -> None:
    lines = head(file, text.encoding)
    if not lines or (text.header is None and len(lines) == 1):
        raise _empty(file)
    if text.header is None:
        _check_names(file, columns, _cells(lines[0], text), _other_delimiter(lines[0], text))
        return
    cells = _cells(lines[0], text)
    if len(cells) == 1 and len(text.header) > 1:
        raise DataError(
            f"{file.label}, line 1: expected {len(text.header)} cells separated by "
            f"{spell(text.delimiter)}, got {lines[0][:60]!r}.{_other_delimiter(lines[0], text)}"
        )


def _check_names(
    file: InputFile, columns: Sequence[Column], names: Sequence[str], hint: str = ""
) -> None:
    for column in columns:
        if column.there in names:
            continue
        if len(names) == 1:
            raise DataError(
                f"{file.label} has no column {column.there!r}; its only one is "
                f"{names[0][:60]!r}.{hint}"
            )
        raise DataError(
            f"{file.label} has no column {column.there!r}; it has {', '.join(names)}."
            f"{did_you_mean(column.there, names)}"
        )


def _cells(line: str, text: TextFormat) -> list[str]:
    if len(text.delimiter) > 1 or not text.quotes:
        return line.split(text.delimiter)
    return next(csv.reader([line], delimiter=text.delimiter))


def _other_delimiter(line: str, text: TextFormat) -> str:
    others = [d for d in (";", "\t", "|", ",", "::", " ") if d != text.delimiter and d in line]
    return f" It looks separated by {spell(others[0])}: set the delimiter." if others else ""


def decoded_lines(
    file: InputFile, stream: BinaryIO, encoding: str, before: int = 0
) -> Iterator[str]:
    """Yield the lines of a stream that starts after `before` lines of the file.

    Raises:
        DataError: Naming the first line that is not in the stated encoding.
    """
    if _wide(encoding):
        yield from io.TextIOWrapper(stream, encoding, newline="")
        return
    for number, raw in enumerate(stream, before + 1):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file.label}, line {number}: not {encoding} (byte 0x{raw[error.start]:02x}). "
                "Save the file as UTF-8, or set its encoding, such as latin-1."
            ) from error
        yield line.removeprefix("\ufeff") if number == 1 else line


def _wide(encoding: str) -> bool:
    """Tell whether a line break takes more than one byte in an encoding."""
    return encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32", "utf16", "utf32"))


def _empty(file: InputFile) -> DataError:
    return DataError(f"{file.label} is empty: expected at least one row of data.")
