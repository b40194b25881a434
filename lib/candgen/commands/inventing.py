"""The command that writes invented data to a folder, in the form of a person's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    short = "Write an invented log of what a service showed, with chances and clicks"
    app.command("invent", short_help=short)(invent)


def invent(
    folder: Annotated[str, typer.Argument(help="Folder for impressions.csv and its features")],
    users: Annotated[int, typer.Option(min=1, help="Number of users")] = 1000,
    items: Annotated[int, typer.Option(min=10, help="Number of films")] = 300,
    visits: Annotated[int, typer.Option(min=1, help="Pages of each user, five places each")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random choices")] = 0,
) -> None:
    """Write impressions.csv, items.csv and users.csv of an invented service; print their paths.

    A row of impressions.csv is one place of one page: user, item, timestamp, position, propensity
    (the chance with which the item was shown there) and clicked.

    Example: candgen invent outputs/service-log
    """
    from candgen.datasets.world.service_log import make_service_log, refuse_taken

    refuse_taken(folder)
    log = make_service_log(n_users=users, n_items=items, visits=visits, seed=seed)
    for path in log.write(Path(folder)):
        print(path)
