"""Columns of Parquet files and of JSON lines, which carry their types."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from candgen.datasets.archives import InputFile
from candgen.datasets.reading.formats import TextFormat
from candgen.datasets.reading.text import decoded_lines, empty, settled_encoding
from candgen.errors import DataError

_FAULTS = (pa.ArrowException, OSError, UnicodeError, ValueError, TypeError, MemoryError)


def open_parquet(file: InputFile) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        DataError: If it is none, or damaged.
    """
    plain = file.member is None and not file.compression
    try:
        with file.open() as stream:
            source = str(file.path) if plain else io.BytesIO(stream.read())
        return pq.ParquetFile(source)
    except DataError:
        raise
    except _FAULTS as error:
        raise DataError(f"{file.label} is not a Parquet file: {_short(error)}") from error


def read_parquet(
    file: InputFile, reader: pq.ParquetFile, places: list[int], limit: int | None
) -> dict[int, pa.ChunkedArray]:
    """Read columns by their places; all values are checked, text among them.

    Raises:
        DataError: If the file is damaged.
    """
    names = reader.schema_arrow.names
    try:
        if limit is None:
            table = reader.read(columns=[names[n] for n in places])
        else:
            batches = reader.iter_batches(limit, columns=[names[n] for n in places])
            table = pa.Table.from_batches(itertools.islice(batches, 1), reader.schema_arrow)
        table.validate(full=True)
        return {n: table[names[n]] for n in places}
    except (*_FAULTS, KeyError) as error:
        raise DataError(f"{file.label} is not a readable Parquet file: {_short(error)}") from error


def parquet_blocks(
    file: InputFile, reader: pq.ParquetFile, places: list[int], rows: int
) -> Iterator[dict[int, pa.ChunkedArray]]:
    """Yield columns by their places, so many rows at a time; all values are checked.

    Raises:
        DataError: If the file is damaged.
    """
    names = reader.schema_arrow.names
    try:
        for batch in reader.iter_batches(rows, columns=[names[n] for n in places]):
            table = pa.Table.from_batches([batch])
            table.validate(full=True)
            yield {n: table[names[n]] for n in places}
    except (pa.ArrowException, OSError, UnicodeError, KeyError) as error:
        raise DataError(f"{file.label} is not a readable Parquet file: {_short(error)}") from error


class JsonLines:
    """Rows of a file with one JSON object a line; a row without a key has no value there.

    Raises:
        DataError: Naming the line that is no object.
    """

    def __init__(self, file: InputFile, text: TextFormat, limit: int | None) -> None:
        self._file, self._text = file, text
        self.columns: dict[str, list[Any]] = {}
        self.count = 0
        for _, row in itertools.islice(self._rows(), limit):
            for name, value in row.items():
                self.columns.setdefault(name, [None] * self.count).append(value)
            self.count += 1
            for values in self.columns.values():
                if len(values) < self.count:
                    values.append(None)
        if not self.count:
            raise empty(file)

    def array(self, name: str) -> pa.ChunkedArray:
        """Return one column.

        Raises:
            DataError: Naming the line, if values have several types or fit none.
        """
        values = self.columns[name]
        try:
            return pa.chunked_array([_array(values)])
        except (pa.ArrowException, OverflowError, *_FAULTS) as error:
            line, value = self._first_unfit(name)
            raise DataError(
                f"{self._file.label}, line {line}: {name} is {_cut(value)}, which does not go with "
                f"the rows before it ({_short(error)}). Each key needs values of one type."
            ) from error

    def line_of(self, row: int) -> int:
        """Return the line of a row that is counted from 0."""
        return next(line for n, (line, _) in enumerate(self._rows()) if n == row)

    def _first_unfit(self, name: str) -> tuple[int, Any]:
        values = self.columns[name]
        low, high = 0, len(values)  # the first high rows fail, the first low do not
        while high - low > 1:
            middle = (low + high) // 2
            try:
                _array(values[:middle])
                low = middle
            except (pa.ArrowException, OverflowError, *_FAULTS):
                high = middle
        return self.line_of(high - 1), values[high - 1]

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self._file.open() as stream:
            encoding = settled_encoding(self._file, self._text.encoding)
            lines = decoded_lines(self._file, stream, encoding)
            for number, line in enumerate(lines, 1):
                if number > self._text.skip_lines and line.strip():
                    yield number, self._row(number, line)

    def _row(self, number: int, line: str) -> dict[str, Any]:
        where = f"{self._file.label}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_distinct)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{where}, character {error.colno}: no JSON object ({error.msg}). "
                'Expected one object a line, such as {"user": 1, "item": 2}.'
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{where}: no JSON object that can be read ({_short(error)})."
            ) from None
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected a JSON object, got {_cut(row)}.")
        return row


def _array(values: list[Any]) -> pa.Array:
    if any(isinstance(value, bool) for value in values) and not all(
        value is None or isinstance(value, bool) for value in values
    ):
        raise pa.ArrowInvalid("true and false stand beside other values")
    return pa.array(values)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _cut(value: Any) -> str:
    return ascii(value)[:60]


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
