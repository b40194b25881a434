"""The command that begins: `init`, from a table of one's own to a params file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from candgen.text.plain import lines


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(short_help="Write a params file for your own table of events")(init)


def init(
    events: Annotated[Path, typer.Argument(help="File or Hugging Face folder, one row an event")],
    users: Annotated[Path | None, typer.Option(help="Table with one row a user")] = None,
    items: Annotated[Path | None, typer.Option(help="Table with one row an item")] = None,
    name: Annotated[str, typer.Option(help="Name of the sweep, the file's by default")] = "",
    set_: Annotated[
        list[str],
        typer.Option(
            "--set", help="Setting that is known and not guessed, such as user_column=buyer"
        ),
    ] = [],  # noqa: B006
) -> None:
    """Look at a table of events, guess how to read it, and write params/NAME.yaml; print its path.

    Shows the first rows, which columns were taken for users, items, ratings and times, and why the
    split was chosen. Nothing is asked; whatever was guessed wrong is changed in the file. A log of
    impressions, with a column such as clicked, gets a file for page 71.

    Example: candgen init clicks.csv --items products.csv
    """
    from candgen.datasets.guessing import guess
    from candgen.sweeps import own_table
    from candgen.sweeps.single_run import safe_name
    from candgen.sweeps.sweepfile import parse_set

    stem = events.name.split(".")[0].replace(" ", "-")
    called = safe_name(name or stem)
    own_table.params_file(called)
    parsed = [parse_set(text) for text in set_]
    told = {key: str(value) if isinstance(value, str) else value for key, value, _ in parsed}
    found = guess(events, users=users or "", items=items or "", told=told)
    path = own_table.write(found, called)
    print(lines(own_table.shown(found)), file=sys.stderr)
    print(f"\nNext: candgen sweep {os.path.relpath(path)}", file=sys.stderr)
    if any(found.features.values()):
        print(f"then: candgen run 60_two_tower -p dataset={called}", file=sys.stderr)
    print(path)
