"""What every reader of raw data hands to the preparation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Source:
    """Raw events and tables, checked but not yet filtered, numbered or split.

    Ids are the source's own, integers or strings. Frames are not copied: treat them as read-only.
    """

    kind: str
    """Which reader made it: world, movielens, table or given."""
    title: str
    """A name a person recognizes, such as "MovieLens ml-latest-small"."""
    interactions: pd.DataFrame | None
    """Columns `user`, `item`, optional `rating` and `timestamp`. None when `parts` are given."""
    parts: dict[str, pd.DataFrame] = field(default_factory=dict)
    """Splits made by others: `train`, `test`, optional `validation` and `candidate_lists`."""
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
    oracle: Any = None
    """True relevance, for the world only: an object with `save(folder, user_ids, item_ids)`."""
    folder: Path | None = None
    """Where the files were found, for messages."""
