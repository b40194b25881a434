"""Readers of one file: text with delimiters, Parquet, or JSON lines, compressed or not.

Every fault of a file is a `DataError` that names the file, the line (row, for Parquet) and the
column. `read_columns` reads whole columns; `read_blocks` reads them block by block, and
`first_rows` the header and the first rows, by the same rules.
"""

from candgen.datasets.reading.blocks import read_blocks
from candgen.datasets.reading.columns import (
    FirstRows,
    NoColumnError,
    Opened,
    first_rows,
    free_name,
    open_file,
    read_columns,
)
from candgen.datasets.reading.formats import FileFormat, TextFormat
from candgen.datasets.reading.text import EmptyFileError, decoded_lines, encoding_note, records

__all__ = [
    "EmptyFileError",
    "FileFormat",
    "FirstRows",
    "NoColumnError",
    "Opened",
    "TextFormat",
    "decoded_lines",
    "encoding_note",
    "first_rows",
    "free_name",
    "open_file",
    "read_blocks",
    "read_columns",
    "records",
]
