"""Roles of columns, guessed from their names and, where names say nothing, from their values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from candgen.datasets.cells import number

ROLES = ("user", "item", "rating", "timestamp")
_WORDS = {  # role -> words of names, the plainest first
    "user": (
        "user", "userid", "uid", "customer", "customerid", "client", "clientid", "visitor",
        "visitorid", "reviewer", "reviewerid", "member", "memberid", "account", "accountid",
        "buyer", "person", "reader", "listener", "player", "cookie", "session", "sessionid",
    ),
    "item": (
        "item", "itemid", "iid", "product", "productid", "sku", "asin", "movie", "movieid", "film",
        "filmid", "article", "articleid", "track", "trackid", "song", "songid", "artist", "book",
        "isbn", "game", "video", "videoid", "business", "businessid", "venue", "place", "poi",
        "location", "content", "contentid", "news", "newsid", "offer", "listing", "ad", "aid",
    ),
    "rating": ("rating", "ratings", "stars", "star", "overall", "score", "grade", "mark"),
    "timestamp": (
        "timestamp", "time", "ts", "datetime", "date", "created", "at", "when", "day",
        "unixreviewtime", "eventtime", "t",
    ),
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")
_UNITS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 1e19))
_WITHOUT_NAME = re.compile(r"column_[0-9]+")
_MOST_RATINGS = 21  # different values that still look like ratings


def is_date(cell: Any) -> bool:
    """Tell whether a cell is a date as ISO 8601 writes it."""
    return isinstance(cell, str) and _DATE.fullmatch(cell.strip()) is not None


def words_of(name: str) -> list[str]:
    """Cut a header into words: `reviewerID` and `reviewer_id` are both reviewer and id."""
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", str(name))
    return [word for word in re.split(r"[^a-z0-9]+", parts.lower()) if word]


def of_name(name: str) -> str:
    """Return the role that a header names; empty if it names none."""
    return max(((rank, role) for role in ROLES if (rank := _rank(name, role))), default=(0, ""))[1]


def by_columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Guess which columns hold users, items, ratings and times: by name, else by values.

    Columns with names go by these alone; values tell in files without a header.

    Args:
        names: Headers.
        rows: Cells of the first rows.

    Returns:
        Role -> header, for the roles that were found.
    """
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    found: dict[str, str] = {}
    for role in ROLES:
        free = [name for name in names if name not in found.values()]
        named = [name for name in free if _rank(name, role) and _fits(role, columns[name])]
        if named:
            found[role] = max(named, key=lambda name: _rank(name, role))
    if any(_WITHOUT_NAME.fullmatch(str(name)) for name in names):
        for role, fits in _BY_VALUES.items():
            free = [name for name in names if name not in found.values() and fits(columns[name])]
            if role not in found and free:
                found[role] = free[0]
    return found


def unit_of(cells: Sequence[Any]) -> str:
    """Guess the unit of times: s, ms, us, ns or iso; empty if they are no times that can be read.

    Typed dates, of Parquet, need no unit and count as seconds.
    """
    known = [cell for cell in cells if not _is_missing(cell)]
    if not known:
        return ""
    if all(isinstance(cell, pd.Timestamp) or hasattr(cell, "isoformat") for cell in known):
        return "s"
    if all(is_date(cell) for cell in known):
        return "iso"
    numbers = [_number(cell) for cell in known]
    if any(held is None for held in numbers):
        return ""
    middle = sorted(numbers)[len(numbers) // 2]
    return next(
        (unit for unit, low, high in _UNITS if low <= middle < high), "s" if middle > 0 else ""
    )


def _rank(name: str, role: str) -> int:
    """Rank how plainly a header names a role; 0 if it does not."""
    words, joined = words_of(name), "".join(words_of(name))
    known = _WORDS[role]
    if joined in known:
        return 1000 - known.index(joined)
    hits = [known.index(word) for word in words if word in known]
    if not hits:
        return 0
    is_id = role in ("user", "item") and words[-1] in ("id", "ids", "key", "code", "no", "number")
    return 500 + 100 * is_id - min(hits) - 10 * len(words)


def _fits(role: str, cells: list[Any]) -> bool:
    if role == "timestamp":
        return bool(unit_of(cells)) or not _numbers(cells)
    if role == "rating":
        return bool(_numbers(cells))
    return True


def _is_time(cells: list[Any]) -> bool:
    numbers = _numbers(cells)
    return unit_of(cells) == "iso" or (bool(numbers) and min(numbers) >= 1e8)


def _is_rating(cells: list[Any]) -> bool:
    numbers = _numbers(cells)
    few = len(set(numbers)) <= min(_MOST_RATINGS, max(len(numbers) // 4, 2))
    return bool(numbers) and few and min(numbers) >= 0 and max(numbers) <= 100


def _is_id(cells: list[Any]) -> bool:
    return all(isinstance(cell, (str, int)) and not isinstance(cell, bool) for cell in cells)


_BY_VALUES = {"timestamp": _is_time, "rating": _is_rating, "user": _is_id, "item": _is_id}


def _numbers(cells: list[Any]) -> list[float]:
    """Return the cells as numbers; nothing if one is something else."""
    known = [cell for cell in cells if not _is_missing(cell)]
    numbers = [_number(cell) for cell in known]
    return [] if any(held is None for held in numbers) else numbers


def _number(cell: Any) -> float | None:
    if isinstance(cell, str):
        return number(cell.strip())
    return float(cell) if isinstance(cell, (int, float)) and not isinstance(cell, bool) else None


def _is_missing(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())
