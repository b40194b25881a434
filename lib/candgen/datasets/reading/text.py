"""Records of text files: pyarrow for speed, Python's csv module for the place of a fault.

Both follow the same rules: a line ends with LF, CR or CR LF; blank lines are skipped; a quoted
cell may hold delimiters and line breaks, whatever the size of the file. Files with quotes or
escapes are also read strictly by the csv module, so a quote that never closes is an error.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import sys
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv

from candgen.datasets import signatures
from candgen.datasets.archives import InputFile, UnpackingStream
from candgen.datasets.cells import MISSING, spell
from candgen.datasets.reading.formats import TextFormat
from candgen.errors import DataError

BLOCK = 1 << 24  # bytes
_CHUNK = 1 << 20  # bytes
_ROWS = 1 << 16  # rows of Python text turned into Arrow at a time
_SEPARATORS = (";", "\t", "|", ",", "::", " ")

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # cells of more than 131,072 characters are valid


def header(file: InputFile, text: TextFormat) -> list[str]:
    """Return the names of the columns, from the format or from the header of the file.

    White space around a name is dropped; a column without a name is called by its place.

    Raises:
        DataError: If the file is empty or not in the stated encoding.
    """
    first = next(records(file, text), None)
    if first is None:
        raise empty(file)
    if text.header is not None:
        if [cell.strip().lower() for cell in first[1]] == [name.lower() for name in text.header]:
            raise DataError(
                f"{file.label}, line {first[0]}: a header that repeats column_names. Leave "
                f"column_names empty, or set skip_lines={first[0]}."
            )
        return list(text.header)
    names = [name.strip() for name in first[1]]
    return [name or f"column {place}" for place, name in enumerate(names, 1)]


def records(
    file: InputFile, text: TextFormat, *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line a record begins on and its cells, the header's too; blank lines are skipped.

    Args:
        file: File to read.
        text: Format of the file.
        strict: Also refuse quotes that never close, and text after a closing quote.

    Raises:
        DataError: If a line is not in the stated encoding, or breaks the rules of quotes.
    """
    for first, _, cells in _spans(file, text, strict):
        yield first, cells


def _spans(file: InputFile, text: TextFormat, strict: bool) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the first and the last line of every record, and its cells."""
    with file.open() as stream:
        lines = decoded_lines(file, stream, settled_encoding(file, text.encoding))
        for _ in range(text.skip_lines):
            next(lines, None)
        if len(text.delimiter) > 1:
            for number, line in enumerate(lines, text.skip_lines + 1):
                if line := line.rstrip("\r\n"):
                    yield number, number, line.split(text.delimiter)
            return
        reader = csv.reader(lines, strict=strict, **_rules(text))
        before = text.skip_lines
        try:
            for cells in reader:
                last = text.skip_lines + reader.line_num
                if cells:
                    yield before + 1, last, cells
                before = last
        except csv.Error as error:
            raise DataError(f"{file.label}, line {before + 1}: {_broken_quotes(error)}") from None


def read_strings(
    file: InputFile,
    text: TextFormat,
    names: list[str],
    wanted: dict[int, pa.DataType | None],
    limit: int | None = None,
) -> dict[int, pa.ChunkedArray]:
    """Read columns by their places.

    Args:
        file: File to read.
        text: Format of the file.
        names: Names of all columns.
        wanted: Place of a column -> its type, or None for the text of the cells. Where a cell does
            not fit its type, all columns are returned as text.
        limit: Read this many rows only.

    Raises:
        DataError: If a record has too few or too many cells, or breaks the rules of quotes.
    """
    if limit is not None:
        return _read_slowly(file, text, names, wanted, limit)
    try:
        return _read_fast(file, text, names, wanted)
    except (pa.ArrowException, UnicodeDecodeError):
        pass
    try:
        return _read_fast(file, text, names, dict.fromkeys(wanted))
    except (pa.ArrowException, UnicodeDecodeError):
        return _read_slowly(file, text, names, wanted, None)


def line_of(file: InputFile, text: TextFormat, row: int) -> int:
    """Return the line that a row begins on; rows are counted from 0, without the header."""
    row += text.header is None
    return next(line for n, (line, _) in enumerate(records(file, text)) if n == row)


def string_blocks(
    file: InputFile, text: TextFormat, names: list[str], wanted: dict[int, pa.DataType | None]
) -> Iterator[dict[int, pa.ChunkedArray]]:
    """Yield columns by their places, a block of the file at a time, as fast as pyarrow reads.

    Args:
        file: File to read.
        text: Format of the file.
        names: Names of all columns.
        wanted: As for `read_strings`.

    Raises:
        pa.ArrowException: If pyarrow cannot read the file, or a cell does not fit its type.
        UnicodeDecodeError: If bytes are not in the stated encoding.
        DataError: If a record breaks the rules of quotes.
    """
    way = _FastWay(file, text, names, wanted)
    with file.open() as stream:
        source = way.source(stream)
        with pa.csv.open_csv(source, **way.options) as batches:
            for batch in batches:
                yield way.by_place(pa.Table.from_batches([batch]))
    if source.seen:
        _check_strictly(file, text, names)


def slow_blocks(
    file: InputFile, text: TextFormat, names: list[str], wanted: dict[int, pa.DataType | None]
) -> Iterator[dict[int, pa.ChunkedArray]]:
    """Yield columns by their places as text, read by Python's csv module.

    Raises:
        DataError: If a record has too few or too many cells, or breaks the rules of quotes.
    """
    rows = _checked(file, text, names)
    while block := list(itertools.islice(rows, _ROWS)):
        yield {n: pa.chunked_array([[row[n] for row in block]], pa.string()) for n in wanted}


# --- two readers


class _FastWay:
    """Settings of pyarrow's reader of CSV for a file and some of its columns."""

    def __init__(
        self,
        file: InputFile,
        text: TextFormat,
        names: list[str],
        wanted: dict[int, pa.DataType | None],
    ) -> None:
        self._file, self._text, self._wanted = file, text, wanted
        double = text.delimiter == "::"
        self._places = [str(n) for n in range(2 * len(names) - 1 if double else len(names))]
        self._step = 2 if double else 1
        types = {self._places[n * self._step]: kind or pa.string() for n, kind in wanted.items()}
        if double:  # a reader of single colons finds an empty cell between two
            types |= dict.fromkeys(self._places[1::2], pa.null())
        elif len(text.delimiter) > 1:
            raise pa.ArrowInvalid("long delimiter")
        convert = pa.csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(MISSING),
            strings_can_be_null=False,
        )
        parse = pa.csv.ParseOptions(
            delimiter=text.delimiter[0],
            quote_char=text.quote or False,
            escape_char=text.escape or False,
            newlines_in_values=bool(text.quote or text.escape),
        )
        skipped = text.skip_lines
        if text.header is None:
            skipped = next(last for _, last, _ in _spans(file, text, strict=False))
        read = pa.csv.ReadOptions(column_names=self._places, skip_rows=skipped, block_size=BLOCK)
        self.options = {"read_options": read, "parse_options": parse, "convert_options": convert}

    def source(self, stream: BinaryIO) -> _Utf8:
        text = self._text
        encoding = settled_encoding(self._file, text.encoding)
        return _Utf8(stream, encoding, text.quote + text.escape)

    def by_place(self, table: pa.Table) -> dict[int, pa.ChunkedArray]:
        return {n: table[self._places[n * self._step]] for n in self._wanted}


def _read_fast(
    file: InputFile, text: TextFormat, names: list[str], wanted: dict[int, pa.DataType | None]
) -> dict[int, pa.ChunkedArray]:
    way = _FastWay(file, text, names, wanted)
    with file.open() as stream:
        source = way.source(stream)
        table = pa.csv.read_csv(source, **way.options)
    if source.seen:
        _check_strictly(file, text, names)
    return way.by_place(table)


def _read_slowly(
    file: InputFile,
    text: TextFormat,
    names: list[str],
    wanted: dict[int, pa.DataType | None],
    limit: int | None,
) -> dict[int, pa.ChunkedArray]:
    chunks: dict[int, list[pa.Array]] = {n: [] for n in wanted}
    held: dict[int, list[str]] = {n: [] for n in wanted}
    for count, cells in enumerate(itertools.islice(_checked(file, text, names), limit), 1):
        for n in wanted:
            held[n].append(cells[n])
        if count % _ROWS == 0:
            for n in wanted:
                chunks[n].append(pa.array(held[n], pa.string()))
                held[n].clear()
    for n in wanted:
        chunks[n].append(pa.array(held[n], pa.string()))
    return {n: pa.chunked_array(c, pa.string()) for n, c in chunks.items()}


def _check_strictly(file: InputFile, text: TextFormat, names: list[str]) -> None:
    for _ in _checked(file, text, names):
        pass


def _checked(file: InputFile, text: TextFormat, names: list[str]) -> Iterator[list[str]]:
    """Yield the cells of every row, without the header."""
    rows = records(file, text, strict=True)
    if text.header is None:
        next(rows)
    for line, cells in rows:
        if len(cells) != len(names):
            where = names[len(cells)] if len(cells) < len(names) else names[-1]
            raise DataError(
                f"{file.label}, line {line}: expected {len(names)} cells separated by "
                f"{spell(text.delimiter)}, got {len(cells)} (see column {where[:60]}). Check the "
                f"delimiter and the quotes.{other_delimiter(cells, text)}"
            )
        yield cells


def _rules(text: TextFormat) -> dict:
    if not text.quote:
        return {
            "delimiter": text.delimiter,
            "quoting": csv.QUOTE_NONE,
            "escapechar": text.escape or None,
        }
    return {
        "delimiter": text.delimiter,
        "quotechar": text.quote,
        "escapechar": text.escape or None,
    }


# --- bytes and lines


def decoded_lines(file: InputFile, stream: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield the lines of a stream with their ends: LF, CR or CR LF.

    Raises:
        DataError: If the file is no text, or of another encoding as a whole; else naming the first
            line that is not in the stated encoding.
    """
    _refuse_no_text(file, encoding)
    if _wide(encoding):
        number = 0
        try:
            with io.TextIOWrapper(stream, encoding, newline="") as lines:
                for number, line in enumerate(lines, 1):  # noqa: B007, its last value is used
                    yield line
        except UnicodeError as error:
            raise _not_encoded(file, number + 1, encoding, "") from error
        return
    # One character a byte, so that a fault is found in its line.
    with io.TextIOWrapper(stream, "latin-1", newline="") as lines:
        for number, raw in enumerate(lines, 1):
            line = raw if raw.isascii() else _decoded(file, number, raw, encoding)
            yield line.removeprefix("\ufeff") if number == 1 else line


def settled_encoding(file: InputFile, encoding: str) -> str:
    """Return the encoding to read a file in: UTF-8 where a file is UTF-8 though one byte a letter
    is set, such as latin-1, since those hardly ever fail."""
    if not _one_byte_a_letter(encoding):
        return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with file.open() as stream:
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return encoding
    return "utf-8"


def _one_byte_a_letter(encoding: str) -> bool:
    every = bytes(range(256))
    return not _wide(encoding) and len(every.decode(encoding, "replace")) == 256


def encoding_note(file: InputFile, encoding: str) -> str:
    """Return a sentence on the encoding that a file was read in."""
    settled = settled_encoding(file, encoding)
    why = "" if settled == encoding else f", because it is valid as such, rather than as {encoding}"
    return f"{file.name} was read as {settled}{why}."


def _decoded(file: InputFile, number: int, raw: str, encoding: str) -> str:
    try:
        return raw.encode("latin-1").decode(encoding)
    except UnicodeError as error:
        start = getattr(error, "start", None)
        byte = "" if start is None else f" (byte 0x{ord(raw[start]):02x})"
        raise _not_encoded(file, number, encoding, byte) from error


def _not_encoded(file: InputFile, line: int, encoding: str, byte: str) -> DataError:
    ending = file.path.suffix.lower()
    if file.member is None and not file.compression and ending in (".gz", ".zip", ".zst"):
        return DataError(
            f"{file.label} is no text, and does not begin like a {ending} file: its beginning is "
            "gone. Copy or download it again."
        )
    return DataError(
        f"{file.label}, line {line}: not {encoding}{byte}. "
        "Save the file as UTF-8, or set its encoding, such as latin-1."
    )


class _Utf8(UnpackingStream):
    """Stream that turns another encoding into UTF-8, and notes whether it meets some characters."""

    def __init__(self, stream: BinaryIO, encoding: str, characters: str) -> None:
        super().__init__()
        self._stream = stream
        plain = codecs.lookup(encoding).name == "utf-8"
        self._decoder = None if plain else codecs.getincrementaldecoder(encoding)()
        self._characters = [character.encode() for character in characters]
        self.seen = False

    def next_bytes(self) -> bytes:
        while True:
            chunk = self._stream.read(_CHUNK)
            made = chunk
            if self._decoder is not None:
                made = self._decoder.decode(chunk, final=not chunk).encode()
            if made or not chunk:
                self.seen = self.seen or any(c in made for c in self._characters)
                return made


def _wide(encoding: str) -> bool:
    """Tell whether a line break may take other bytes than in ASCII."""
    try:
        return "\r\n,".encode(encoding) != b"\r\n,"
    except UnicodeError:
        return True


def _refuse_no_text(file: InputFile, encoding: str) -> None:
    """Refuse a file that is of another kind, or of another encoding than its settings say."""
    with file.open() as stream:
        start = stream.read(signatures.ENOUGH)
    if not _wide(encoding):
        said = signatures.no_text(start)
    elif start and signatures.is_utf8(start):
        said = f"is UTF-8, not {encoding}. Set encoding=utf-8, or leave it out."
    elif encoding == "utf-16" and (found := signatures.utf16_of(start)) not in ("", "utf-16"):
        said = f"has no mark at its beginning. Set encoding={found}."
    else:
        said = ""
    if said:
        raise DataError(f"{file.label} {said}")


# --- words


class EmptyFileError(DataError):
    """A file has no row of data."""


def empty(file: InputFile) -> EmptyFileError:
    return EmptyFileError(f"{file.label} is empty: expected at least one row of data.")


def _broken_quotes(error: csv.Error) -> str:
    if "end of data" in str(error):
        return (
            "a quote opens in this record and never closes. Close it, or set the quote character "
            "(quote; empty: cells are never quoted)."
        )
    if "expected after" in str(error):
        return (
            "text follows a closing quote. Write a quote inside a quoted cell twice, or set the "
            "quote character (quote; empty: cells are never quoted)."
        )
    return f"is not readable as cells: {error}. Check the quotes and the escape character."


def other_delimiter(cells: list[str], text: TextFormat) -> str:
    """Return a hint if a line of one cell looks separated by another delimiter."""
    if len(cells) != 1:
        return ""
    others = [d for d in _SEPARATORS if d != text.delimiter and d in cells[0]]
    return f" It looks separated by {spell(others[0])}: set the delimiter." if others else ""
