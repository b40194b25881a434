"""Named columns of a file, checked and converted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from candgen.datasets.archives import InputFile
from candgen.datasets.cells import NANOS, Column
from candgen.datasets.reading import marks, times, typed, values
from candgen.datasets.reading import text as text_files
from candgen.datasets.reading.arrow import ENDINGS, ArrowFile
from candgen.datasets.reading.formats import TextFormat
from candgen.errors import DataError, did_you_mean
from candgen.text.plain import one_line

_PARQUET = (".parquet", ".pq")
_JSON_LINES = (".jsonl", ".ndjson", ".json")


Blocks = Iterator[dict[int, pa.ChunkedArray]]
"""Columns by their places, block after block."""
ROWS_PER_BLOCK = 1 << 20  # of Parquet files


class FirstRows(NamedTuple):
    """Header and first rows of a file."""

    names: list[str]
    """Names of the columns."""
    rows: list[list[Any]]
    """Cells of the first rows: text, or values of a Parquet or JSON file."""


def first_rows(file: InputFile, text: TextFormat | None = None, limit: int = 5) -> FirstRows:
    """Read the header and the first rows of a file, without reading further.

    Raises:
        DataError: If the file is empty or cannot be read as its format says.
    """
    opened = open_file(file, text or TextFormat(), limit)
    held = opened.read(dict.fromkeys(range(len(opened.names))))
    columns = [held[n].to_pylist() for n in range(len(opened.names))]
    return FirstRows(opened.names, [list(row) for row in zip(*columns, strict=True)])


def read_columns(
    file: InputFile,
    columns: Sequence[Column],
    text: TextFormat | None = None,
    *,
    extra: bool = False,
    leave_out: Collection[str] = (),
    as_text: Collection[str] = (),
    limit: int | None = None,
) -> pd.DataFrame:
    """Read named columns of a file.

    Ratings are float32; times are int64 seconds since 1970 UTC, rounded down; ids are int64 or
    text. Rows keep the order of the file. If times are finer than a second, the column `NANOS`
    holds what rounding took, for sorting.

    Args:
        file: File to read.
        columns: Columns to return; all are required.
        text: Format of the file.
        extra: Also return every other column. A name that a column of `columns` has here gets an
            underscore.
        leave_out: Names of other columns that are not read.
        as_text: Names of other columns that are text even if they look like numbers.
        limit: Read this many rows only.

    Raises:
        DataError: If the file is empty, a column is missing or occurs twice, or a cell breaks its
            rule. The message names the file, the line (row, for Parquet) and the column.
    """
    opened = open_file(file, text or TextFormat(), limit)
    places = places_of(opened, columns)
    others = _others(opened, places, leave_out) if extra else {}
    held = opened.read({places[c]: c.arrow_type for c in columns} | dict.fromkeys(others.values()))
    if not held or not len(next(iter(held.values()))):
        raise text_files.empty(file)
    made: dict[str, Any] = {}
    for column in columns:
        with opened.naming(column.there):
            raw = held.pop(places[column])  # lets go of memory column by column
            if column.kind == "time":
                made[column.here], nanos = times.seconds(raw, column)
                if nanos is not None:
                    made[NANOS] = nanos
            elif column.kind == "rating":
                made[column.here] = values.ratings(raw, column)
            elif column.is_id:
                made[column.here] = values.ids(raw, column, typed=opened.typed)
            elif column.kind == "propensity":
                made[column.here] = marks.propensities(raw, column)
            elif column.kind == "position":
                made[column.here] = marks.positions(raw, column)
            elif column.kind == "flag":
                made[column.here] = marks.flags(raw)
            elif column.kind == "feature":
                made[column.here] = values.features(raw, typed=opened.typed)
            else:
                made[column.here] = values.texts(raw)
    for name, place in others.items():
        with opened.naming(name):
            raw, here = held.pop(place), free_name(name, made)
            if name in as_text:
                made[here] = values.texts(raw)
            else:
                made[here] = values.features(raw, typed=opened.typed)
    return pd.DataFrame(made, copy=False)


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name with as many underscores as keep it apart from the names that are taken."""
    while name in taken:
        name += "_"
    return name


# --- one interface to text, Parquet and JSON lines


@dataclass
class Opened:
    """A file whose header is known.

    `read` takes the places of columns, each with a type that text may have at once or None.
    """

    file: InputFile
    names: list[str]
    typed: bool
    """Whether the file states types."""
    read: Callable[[dict[int, pa.DataType | None]], dict[int, pa.ChunkedArray]]
    place: Callable[[int], str]
    """Words for a row that is counted from 0."""
    ways: tuple[Callable[[dict[int, pa.DataType | None]], Blocks], ...] = ()
    """Readers of blocks of rows, the fastest first; none where a file can only be read whole."""
    hint: str = ""
    metadata: dict[bytes, bytes] = field(default_factory=dict)
    """Metadata of a Parquet file."""

    @property
    def row_is_a_place(self) -> bool:
        """Tell whether rows are named by their number, because the file has no lines."""
        return self.place(0).startswith("row")

    def naming(self, column: str) -> _Naming:
        return _Naming(self, column)


class _Naming:
    """Context that turns the fault of a value into an error naming file, line and column."""

    def __init__(self, opened: Opened, column: str) -> None:
        self._opened, self._column = opened, column

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, fault: BaseException | None, trace: Any) -> None:
        label = self._opened.file.label
        if isinstance(fault, values.Fault):
            where = "" if fault.row is None else f", {self._opened.place(fault.row)}"
            raise DataError(f"{label}{where}: {self._column} {fault.complaint}.") from None
        if isinstance(fault, pa.ArrowException):
            raise DataError(f"{label}: {self._column} cannot be read: {fault}.") from fault


def open_file(file: InputFile, text: TextFormat, limit: int | None = None) -> Opened:
    """Open a file of any type as far as its header.

    Args:
        file: File to open.
        text: Its format.
        limit: Rows that `read` returns; None: all.

    Raises:
        DataError: If the file is empty or cannot be read as its format says.
    """
    kind = _kind(file, text)
    if kind == "parquet":
        reader = typed.open_parquet(file)

        def of_parquet(wanted: dict) -> dict[int, pa.ChunkedArray]:
            repeated = [n for n in wanted if names.count(names[n]) > 1]
            if repeated:
                raise _twice(file, names[repeated[0]], "")
            return typed.read_parquet(file, reader, list(wanted), limit)

        def in_blocks(wanted: dict) -> Blocks:
            return typed.parquet_blocks(file, reader, list(wanted), ROWS_PER_BLOCK)

        packed = file.member is not None or bool(file.compression)
        names = list(reader.schema_arrow.names)
        metadata = reader.schema_arrow.metadata or {}
        return Opened(
            file,
            names,
            True,
            of_parquet,
            lambda row: f"row {row + 1}",
            () if packed else (in_blocks,),
            metadata=metadata,
        )
    if kind == "arrow":
        saved = ArrowFile(file)

        def of_arrow(wanted: dict) -> dict[int, pa.ChunkedArray]:
            if repeated := [n for n in wanted if saved.names.count(saved.names[n]) > 1]:
                raise _twice(file, saved.names[repeated[0]], "")
            return saved.read(list(wanted), limit)

        return Opened(file, saved.names, True, of_arrow, lambda row: f"row {row + 1}")
    if kind == "jsonl":
        lines = typed.JsonLines(file, text, limit)
        names = list(lines.columns)

        def of_lines(wanted: dict) -> dict[int, pa.ChunkedArray]:
            return {n: lines.array(names[n]) for n in wanted}

        return Opened(file, names, True, of_lines, lambda row: f"line {lines.line_of(row)}")
    names = text_files.header(file, text)
    return Opened(
        file,
        names,
        False,
        lambda wanted: text_files.read_strings(file, text, names, wanted, limit),
        lambda row: f"line {text_files.line_of(file, text, row)}",
        (
            lambda wanted: text_files.string_blocks(file, text, names, wanted),
            lambda wanted: text_files.string_blocks(file, text, names, dict.fromkeys(wanted)),
            lambda wanted: text_files.slow_blocks(file, text, names, wanted),
        ),
        text_files.other_delimiter(names, text),
    )


def _kind(file: InputFile, text: TextFormat) -> str:
    if text.file_type != "auto":
        return text.file_type
    name = file.name.lower()
    if name.endswith(_PARQUET):
        return "parquet"
    if name.endswith(ENDINGS):
        return "arrow"
    if name.endswith(_JSON_LINES):
        return "jsonl"
    with file.open() as stream:
        return "parquet" if stream.read(4) == b"PAR1" else "text"


def places_of(opened: Opened, columns: Sequence[Column]) -> dict[Column, int]:
    """Return the place of each column in a file.

    Raises:
        DataError: If a column is missing, occurs twice, or is named for two purposes.
    """
    found: dict[Column, int] = {}
    for column in columns:
        there = [n for n, name in enumerate(opened.names) if name == column.there]
        if not there:
            raise NoColumnError(opened, column.there)
        if len(there) > 1:
            raise _twice(opened.file, column.there, "" if opened.typed else ", line 1")
        for other, place in found.items():
            if place == there[0]:
                raise DataError(
                    f"{opened.file.label}: the column {column.there!r} is named for {other.here} "
                    f"and for {column.here}. Name one column for each."
                )
        found[column] = there[0]
    return found


def _others(
    opened: Opened, places: dict[Column, int], leave_out: Collection[str]
) -> dict[str, int]:
    for name in leave_out:
        if name not in opened.names:
            raise NoColumnError(opened, name)
    used = set(places.values())
    found: dict[str, int] = {}
    for place, name in enumerate(opened.names):
        if place in used or name in leave_out:
            continue
        if name in found:
            raise _twice(opened.file, name, "" if opened.typed else ", line 1")
        found[name] = place
    return found


class NoColumnError(DataError):
    """A file lacks a column that is named in the settings; `advice` says what to do."""

    def __init__(self, opened: Opened, column: str, advice: str = "") -> None:
        self.path, self.column, self.names = opened.file.path, column, opened.names
        shown = map(one_line, opened.names)
        names = [known if len(known) <= 60 else f"{known[:60]}…" for known in shown]
        if len(names) == 1:
            has = f"its only one is {names[0]!r}.{opened.hint}"
        else:
            more = "" if len(names) <= 20 else f" and {len(names) - 20} more"
            has = f"it has {', '.join(names[:20])}{more}.{did_you_mean(column, names[:20])}"
        super().__init__(f"{opened.file.label} has no column {column!r}; {has}{advice}")


def _twice(file: InputFile, name: str, line: str) -> DataError:
    return DataError(
        f"{file.label}{line}: two columns are called {name[:60]!r}. Rename one, or leave them "
        f"out: leave_out=[{name[:60]!r}]."
    )
