"""Terminal: streams that take any text, and tables that people and programs read."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from candgen.errors import SettingError
from candgen.text.plain import one_line


def prepare_streams() -> None:
    """Make stdout and stderr take any text, and go nowhere where the caller closed them."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # else the next file that is opened would get the output of children
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        elif hasattr(stream, "reconfigure"):  # a terminal of ASCII shows every title
            stream.reconfigure(errors="backslashreplace")


def check_text(arguments: list[str]) -> None:
    """Refuse arguments that are no UTF-8: notebooks, pages and JSON files cannot hold them."""
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise SettingError(
                f"The argument {os.fsencode(argument)!r} is not UTF-8 text. Rename the file or "
                "folder, or make a link to it with another name."
            ) from None


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()
) -> None:
    """Print a table: drawn in a terminal, tabs between columns where a program reads it.

    Each row is one line: tabs, line breaks and other control characters in a cell become spaces.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *rows]:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
