"""Named columns of a file, checked and converted block by block, for files larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from candgen.datasets.archives import InputFile
from candgen.datasets.cells import NANOS, Column
from candgen.datasets.reading import text as text_files
from candgen.datasets.reading import times, values
from candgen.datasets.reading.columns import Opened, open_file, places_of
from candgen.datasets.reading.formats import TextFormat
from candgen.errors import SettingError


def read_blocks(
    file: InputFile,
    columns: Sequence[Column],
    text: TextFormat,
    *,
    begin: Callable[[], None],
    take: Callable[[pa.Table], None],
) -> None:
    """Read named columns by the rules of `read_columns`, a block of rows at a time.

    Ids are int64 in all blocks or text in all blocks. Whether a column of text holds whole numbers
    alone is known at its end, so reading may begin again. With times there is always a column
    `NANOS`, of zeros where times are whole seconds.

    Args:
        file: File to read.
        columns: Ids, ratings and times; all are required.
        text: Format of the file.
        begin: Called before the first block, and whenever reading begins again.
        take: Called with each block, in the order of rows.

    Raises:
        SettingError: If the file can only be read whole.
        DataError: As for `read_columns`.
    """
    opened = open_file(file, text)
    places = places_of(opened, columns)
    if not opened.ways:
        raise SettingError(
            f"memory is set, but {file.label} can only be read whole: JSON lines and Parquet "
            "inside an archive are. Store it as Parquet or CSV, or leave memory empty."
        )
    wanted = {place: column.arrow_type for column, place in places.items()}
    ways, of_text = list(opened.ways), set()
    while True:
        begin()
        pass_ = _Pass(opened, places, of_text)
        try:
            for block in ways[0](wanted):
                take(pass_.converted(block))
        except _TurnedTextError as turned:
            of_text.add(turned.column)
            continue
        except (pa.ArrowException, UnicodeDecodeError):
            if len(ways) == 1:
                raise
            del ways[0]
            continue
        pass_.end()
        return


class _TurnedTextError(Exception):
    """A column that held whole numbers alone holds text."""

    def __init__(self, column: Column) -> None:
        super().__init__(column.there)
        self.column = column


class _Pass:
    """One pass over a file: the rows so far, and what only the end of a column decides."""

    def __init__(self, opened: Opened, places: dict[Column, int], of_text: set[Column]) -> None:
        self._opened, self._places, self._of_text = opened, places, of_text
        self._words = {column: values.WordsAmongIntegers() for column in of_text}
        self._negative: dict[Column, values.Fault] = {}
        self._rows = 0

    def converted(self, block: dict[int, pa.ChunkedArray]) -> pa.Table:
        """Check and convert a block."""
        made = {}
        for column, place in self._places.items():
            raw = block[place]
            with self._opened.naming(column.there), _Counted(self._rows):
                if column.kind == "time":
                    made[column.here], nanos = times.seconds(raw, column)
                    made[NANOS] = np.zeros(len(raw), np.int64) if nanos is None else nanos
                elif column.kind == "rating":
                    made[column.here] = values.ratings(raw, column)
                elif column.kind == "id" and not self._opened.typed:
                    made[column.here] = self._ids_by_all_cells(raw, column)
                else:
                    made[column.here] = values.ids(raw, column, typed=self._opened.typed)
        self._rows += len(raw)
        return pa.table({name: pa.array(held) for name, held in made.items()})

    def _ids_by_all_cells(self, raw: pa.ChunkedArray, column: Column) -> object:
        raw = values.plain(raw)
        if column in self._of_text:
            values.refuse(values.missing(raw, words=False), "is missing")
            self._words[column].look_at(raw)
            return raw.combine_chunks()
        numbers = values.as_written(raw)
        if numbers is None:
            raise _TurnedTextError(column)
        if column not in self._negative and (numbers < 0).any():
            row = int((numbers < 0).argmax())
            said = f"is {numbers[row]}, expected 0 or greater"
            self._negative[column] = values.Fault(self._rows + row, said)
        return numbers

    def end(self) -> None:
        """Refuse what is wrong with columns as a whole."""
        if not self._rows:
            raise text_files.empty(self._opened.file)
        for column in self._places:
            with self._opened.naming(column.there):
                if column in self._words:
                    self._words[column].refuse()
                if column in self._negative:
                    raise self._negative[column]


class _Counted:
    """Context that adds the rows of earlier blocks to the row of a fault."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, fault: BaseException | None, trace: object) -> None:
        if isinstance(fault, values.Fault) and fault.row is not None:
            fault.row += self._rows
