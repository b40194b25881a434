"""Raw data that a reader returns to the preparation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from candgen.datasets.archives import InputFile
from candgen.datasets.cells import Column
from candgen.datasets.reading import TextFormat


@dataclass(frozen=True)
class EventFile:
    """Interactions in a file that is still to be read, block by block."""

    file: InputFile
    columns: list[Column]
    """User, item, optional rating and time."""
    text: TextFormat
    check_items: Callable[[pd.Index, Callable[[Any], int]], None] = lambda rated, row_of: None
    """Refuses items by the rules of the source; takes their sorted ids, and a function from an id
    to the first row that has it, counted from 0."""


@dataclass(frozen=True)
class Source:
    """Raw events and tables, checked but not yet filtered, numbered or split.

    Ids are those of the raw data, integers or strings. Frames are not copied: treat them as
    read-only.
    """

    kind: str
    """Kind of source: world, crowd, movielens, table or given."""
    title: str
    """Name for people, such as "MovieLens ml-latest-small"."""
    interactions: pd.DataFrame | None
    """Columns `user`, `item`, optional `rating`, `timestamp`, those of `kept` and, where times are
    finer than a second, `nanoseconds`. None when `parts` or `unread` are given."""
    kept: tuple[str, ...] = ()
    """Further columns of numbers that events keep, for weights."""
    unread: EventFile | None = None
    """Where the interactions are, if they are not read yet."""
    parts: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Splits made by others: `train`, `test`, optional `validation` and the `periods.LISTS`."""
    users: pd.DataFrame | None = None
    """One row a user: `user_id` and any features. Users without interactions may appear."""
    items: pd.DataFrame | None = None
    """One row an item: `item_id` and any of `title`, `genres` (lists of strings), `year`, ..."""
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Further event tables with `user` and perhaps `item`: `impressions`, `searches`."""
    rating_scale: tuple[float, float] | None = None
    """Lowest and highest rating that can occur."""
    licence: str = "unknown"
    citation: str = ""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    """Files that were read, each as `{"path": name, "bytes": int, "sha256": hex}`."""
    notes: list[str] = field(default_factory=list)
    """Sentences on how the files were read, such as the encoding that was found."""
    oracle: Any = None
    """True relevance, of the world only: an object with `save(folder, user_ids, item_ids)`."""
    folder: Path | None = None
    """Folder of the files, for messages."""
