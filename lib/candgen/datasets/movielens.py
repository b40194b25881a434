"""Reader of MovieLens in all forms that GroupLens has published.

| variant | files | separated by | encoding | ratings |
|---|---|---|---|---|
| 100k | `u.data`, `u.item`, `u.user` | tab, pipe | latin-1 | 1 .. 5 |
| 1m | `ratings.dat`, `movies.dat`, `users.dat` | `::` | latin-1 | 1 .. 5 |
| 10m | `ratings.dat`, `movies.dat` | `::` | UTF-8 | 0.5 .. 5 |
| 20m, 25m, 32m, latest, latest-small | `ratings.csv`, `movies.csv` | comma | UTF-8 | 0.5 .. 5 |

Harper and Konstan, The MovieLens Datasets: History and Context, TiiS 5(4), 2015.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from candgen.checks import Settings
from candgen.columns import GENRES, ITEM, ITEM_ID, RATING, TIMESTAMP, TITLE, USER, USER_ID, YEAR
from candgen.datasets.archives import Bundle, InputFile, describe, open_bundle
from candgen.datasets.cells import Column
from candgen.datasets.reading import TextFormat, encoding_note, read_columns
from candgen.datasets.source import EventFile, Source
from candgen.datasets.tables import refuse_repeated
from candgen.errors import DataError, SettingError

CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5(4). https://doi.org/10.1145/2827872"
)
_FREE = "GroupLens terms: research use, redistribution under the same terms, not commercial"
_CLOSED = "GroupLens terms: research use, no redistribution without permission, not commercial"
_URL = "https://files.grouplens.org/datasets/movielens/ml-{}.zip"

# SHA-256 of the zips as GroupLens serves them; several independent
# projects publish the same digests, checked against the MD5 of GroupLens. "latest" changes: no pin.
DIGESTS = {
    "100k": "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    "1m": "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    "10m": "813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862",
    "20m": "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
    "25m": "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
    "32m": "e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee",
    "latest-small": "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    "latest": None,
}

_GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_NO_GENRES = "(no genres listed)"


@dataclass(frozen=True)
class _Layout:
    """File format of one family of variants."""

    ratings: str
    text: TextFormat
    names: tuple[str, str, str, str]  # user, item, rating, time
    scale: tuple[float, float]


_CSV_NAMES = ("userId", "movieId", "rating", "timestamp")
_DAT_NAMES = ("UserID", "MovieID", "Rating", "Timestamp")


def _dat(encoding: str) -> TextFormat:
    return TextFormat("::", header=_DAT_NAMES, encoding=encoding, quote="")


_LAYOUTS = {
    "100k": _Layout(
        "u.data", TextFormat("\t", header=_DAT_NAMES, quote=""), _DAT_NAMES, (1.0, 5.0)
    ),
    "1m": _Layout("ratings.dat", _dat("latin-1"), _DAT_NAMES, (1.0, 5.0)),
    "10m": _Layout("ratings.dat", _dat("utf-8"), _DAT_NAMES, (0.5, 5.0)),
    "csv": _Layout("ratings.csv", TextFormat(), _CSV_NAMES, (0.5, 5.0)),
}


class _Table(NamedTuple):
    """File of films or users of one family."""

    name: str
    text: TextFormat


def _described(name: str, delimiter: str, header: tuple[str, ...], encoding: str) -> _Table:
    return _Table(name, TextFormat(delimiter, header=header, encoding=encoding, quote=""))


_FILM = ("movieId", "title", "genres")
_FILM_100K = ("movieId", "title", "released", "released on video", "url", *_GENRES_100K)
_ITEMS = {
    "100k": _described("u.item", "|", _FILM_100K, "latin-1"),
    "1m": _described("movies.dat", "::", _FILM, "latin-1"),
    "10m": _described("movies.dat", "::", _FILM, "utf-8"),
    "csv": _Table("movies.csv", TextFormat()),
}
_USERS = {
    "100k": _described("u.user", "|", (USER_ID, "age", "gender", "occupation", "zip"), "latin-1"),
    "1m": _described("users.dat", "::", (USER_ID, "gender", "age", "occupation", "zip"), "latin-1"),
}


class MovieLensSettings(Settings):
    """Settings of a MovieLens source.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    path: str = ""
    """Folder or zip of MovieLens; empty: `variant` is downloaded."""
    variant: Literal["", *DIGESTS] = ""
    """Variant to download, such as latest-small or 32m; empty with a path."""


def read(*, limit: int | None = None, whole: bool = True, **settings: Any) -> Source:
    """Read MovieLens from a folder or a zip, or download it against a pinned digest.

    Args:
        limit: Read this many ratings only, to check the files.
        whole: Whether the ratings are read at once; if not, the source says where they are.
        **settings: Fields of `MovieLensSettings`, `path` or `variant` among them.

    Raises:
        SettingError: If the variant is unknown, or neither path nor variant is given.
        DataError: If a file is missing or damaged or has a wrong line; the message names file and
            line. Also if a download fails or its digest does not match.
    """
    own = MovieLensSettings(**settings)
    path, variant = own.path, own.variant
    if not path and not variant:
        raise SettingError(
            "MovieLens needs a path (a folder or zip that you have) or a variant to download: "
            f"{', '.join(v for v, digest in DIGESTS.items() if digest)}."
        )
    bundle = open_bundle(path or download(variant))
    family = _family(bundle)
    if variant and family != (variant if variant in _LAYOUTS else "csv"):
        raise SettingError(
            f"variant is {variant!r}, but {bundle.path} holds {_LAYOUTS[family].ratings} as in "
            f"{family if family != 'csv' else '20m and later'}. With a path, leave variant empty."
        )
    layout = _LAYOUTS[family]
    ratings = bundle.require(layout.ratings, "the ratings")
    used = [ratings]
    columns = _rating_columns(layout)
    interactions = read_columns(ratings, columns, layout.text, limit=limit) if whole else None
    items = _read_items(bundle, family, used)
    users = _read_users(bundle, family, used)
    check = functools.partial(_check_known, items, ratings, used)
    if interactions is not None:
        films = interactions[ITEM]
        check(pd.Index(films.unique()), lambda film: int((films == film).to_numpy().argmax()))
    name = _name(bundle, family, variant)
    return Source(
        kind="movielens",
        title=f"MovieLens {name}",
        interactions=interactions,
        unread=None if whole else EventFile(ratings, columns, layout.text, check),
        users=users,
        items=items,
        rating_scale=layout.scale,
        licence=_CLOSED if family in ("100k", "1m") else _FREE,
        citation=CITATION,
        inputs=describe(used),
        notes=[encoding_note(file, "latin-1") for file in used if family in ("100k", "1m")],
        folder=bundle.path,
    )


def download(variant: str, folder: Path | str | None = None) -> Path:
    """Download the zip of a variant into the cache if it is absent, and check its SHA-256.

    Args:
        variant: Variant with a pinned digest.
        folder: Cache folder; by default `CANDGEN_CACHE`, else the cache of the system.

    Raises:
        DataError: If the variant has no pinned digest, the network fails, or the digest differs.
    """
    import pooch
    from requests.exceptions import RequestException

    url, digest = _URL.format(variant), DIGESTS[variant]
    if digest is None:
        raise DataError(
            f"MovieLens {variant} changes with time, so no digest can be pinned and it is not "
            f"downloaded. Download {url} yourself and give its path, or use latest-small or 32m."
        )
    folder = Path(folder or os.environ.get("CANDGEN_CACHE") or pooch.os_cache("candgen"))
    try:
        return Path(pooch.retrieve(url, f"sha256:{digest}", f"ml-{variant}.zip", folder))
    except (RequestException, OSError) as error:
        raise DataError(
            f"{url} could not be fetched ({type(error).__name__}: {str(error)[:200]}). No network, "
            "or their certificate has expired again. Fetch the zip another way and give its path."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{url} does not have the pinned SHA-256 {digest[:12]}…, so it is not used "
            f"({str(error)[:200]}). Fetch it again; if it persists, the file was replaced."
        ) from error


def _family(bundle: Bundle) -> str:
    if bundle.find("u.data"):
        return "100k"
    if bundle.find("ratings.dat"):
        return "1m" if bundle.find("users.dat") else "10m"
    bundle.require("ratings.csv", "or ratings.dat, or u.data: the ratings")
    return "csv"


def _name(bundle: Bundle, family: str, variant: str) -> str:
    if family != "csv":
        return family
    stem = bundle.path.resolve().stem if bundle.path.is_file() else bundle.path.resolve().name
    return variant or stem


def _rating_columns(layout: _Layout) -> list[Column]:
    user, item, rating, time = layout.names
    return [
        Column(user, USER, "integer id"),
        Column(item, ITEM, "integer id"),
        Column(rating, RATING, "rating", scale=layout.scale),
        Column(time, TIMESTAMP, "time"),
    ]


def _read_items(bundle: Bundle, family: str, used: list[InputFile]) -> pd.DataFrame:
    file = bundle.require(_ITEMS[family].name, "titles and genres")
    text = _ITEMS[family].text
    columns = [Column("movieId", ITEM_ID, "integer id"), Column("title", TITLE)]
    used.append(file)
    if family == "100k":
        marks = [Column(genre, genre) for genre in _GENRES_100K]
        items = read_columns(file, [*columns, *marks], text)
        marked = items[list(_GENRES_100K)].to_numpy() == "1"
        genres = [[g for g, m in zip(_GENRES_100K, row, strict=True) if m] for row in marked]
        items = items[[ITEM_ID, TITLE]]
    else:
        items = read_columns(file, [*columns, Column("genres", GENRES)], text)
        genres = items[GENRES].fillna("").str.split("|")
    refuse_repeated(items[ITEM_ID], file, "film")
    listed = [[g for g in row if g and g != _NO_GENRES] for row in genres]
    items = items.assign(**{GENRES: pd.Series(listed, dtype=object)})
    year = items[TITLE].str.extract(r"\(([0-9]{4})\)\s*$")[0]
    return items.assign(**{YEAR: year.astype("Int16")})


def _read_users(bundle: Bundle, family: str, used: list[InputFile]) -> pd.DataFrame | None:
    if family not in _USERS:
        return None
    file = bundle.find(_USERS[family].name)
    if file is None:
        return None
    used.append(file)
    text = _USERS[family].text
    kinds = {USER_ID: "integer id", "age": "integer id"}
    columns = [Column(name, name, kinds.get(name, "text")) for name in text.header]
    users = read_columns(file, columns, text)
    refuse_repeated(users[USER_ID], file, "user")
    return users


def _check_known(
    items: pd.DataFrame,
    ratings: InputFile,
    used: list[InputFile],
    rated: pd.Index,
    row_of: Callable[[int], int],
) -> None:
    """Refuse ratings of films that the table of films lacks."""
    unknown = rated.difference(pd.Index(items[ITEM_ID]))
    if len(unknown):
        raise DataError(
            f"{ratings.label}, row {row_of(unknown[0]) + 1}: film {unknown[0]} is not in "
            f"{used[1].label} ({len(unknown):,} such films). Are both files of the same release?"
        )
