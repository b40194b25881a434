"""Reader of event tables in CSV or Parquet, with the names of the columns as settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from candgen.checks import Settings
from candgen.columns import GENRES, ITEM, ITEM_ID, RATING, TIMESTAMP, TITLE, USER, USER_ID
from candgen.datasets.archives import InputFile, describe
from candgen.datasets.cells import TIME_UNITS, Column, Kind, TextFormat
from candgen.datasets.reading import head, read_columns
from candgen.datasets.source import Source
from candgen.errors import DataError, SettingError, did_you_mean

ID_TYPES = ("auto", "integer", "text")
_ENCODINGS = ("utf-8", "latin-1", "cp1252", "utf-16")


class FileSettings(Settings):
    """Settings of every source that consists of a person's own files."""

    user_column: str = "user"
    """Header of the user ids."""
    item_column: str = "item"
    """Header of the item ids."""
    id_type: Literal[*ID_TYPES] = "auto"
    """Type of the ids; auto: integer if the first row holds integers, else text."""
    delimiter: str = ""
    """Separator of cells; empty: comma in tables, white space in given files."""
    encoding: str = "utf-8"
    """Encoding of text files."""
    users_path: str = ""
    """Optional table with one row a user; further columns are features."""
    items_path: str = ""
    """Optional table with one row an item: title, genres (a|b), features."""

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, delimiter: str) -> str:
        if len(delimiter) > 1:
            raise SettingError(
                "delimiter must be one character (a comma, semicolon, pipe or tab) or empty, "
                f"got {delimiter!r}."
            )
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise SettingError(
                f"encoding must be one that Python knows, got {encoding!r}."
                f"{did_you_mean(encoding, _ENCODINGS)}"
            ) from None
        return encoding


class TableSettings(FileSettings):
    """Settings of a table of events.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    path: str = ""
    """CSV or Parquet file of events; names that end in .parquet or .pq are Parquet."""
    rating_column: str = ""
    """Header of the ratings; empty: `rating`, if there is such a column."""
    timestamp_column: str = ""
    """Header of the times; empty: `timestamp`, if there is such a column."""
    timestamp_unit: Literal[*TIME_UNITS] = "s"
    """Unit of times since 1970, or iso for dates such as 2024-05-01T12:30:00."""
    rating_scale: list[float] = Field(default_factory=list)
    """Lowest and highest rating allowed; empty: not checked."""

    @field_validator("rating_scale")
    @classmethod
    def _is_a_range(cls, scale: list[float]) -> list[float]:
        if scale and (len(scale) != 2 or not scale[0] < scale[1]):
            raise SettingError(f"rating_scale must be [lowest, highest] or empty, got {scale!r}.")
        return scale


def read(**settings: Any) -> Source:
    """Read events from a CSV or Parquet file, with optional tables of users and items.

    Args:
        **settings: Fields of `TableSettings`; `path` is required.

    Raises:
        SettingError: If a setting is unknown or out of range.
        DataError: If a file is missing or has a wrong cell; the message names file and row.
    """
    own = TableSettings(**settings)
    scale = tuple(own.rating_scale) or None
    text = TextFormat(own.delimiter or ",", encoding=own.encoding)
    file = existing(own.path, "path", "the events")
    present = column_names(file, text)
    kind = kind_of(own.id_type)
    columns = [Column(own.user_column, USER, kind), Column(own.item_column, ITEM, kind)]
    if own.rating_column or RATING in present:
        columns.append(Column(own.rating_column or RATING, RATING, "rating", scale=scale))
    if own.timestamp_column or TIMESTAMP in present:
        name = own.timestamp_column or TIMESTAMP
        columns.append(Column(name, TIMESTAMP, "time", unit=own.timestamp_unit))
    interactions = read_columns(file, columns, text)
    used = [file]
    users, items = read_user_and_item_features(own, text, used)
    return Source(
        kind="table",
        title=file.path.stem,
        interactions=interactions,
        users=users,
        items=items,
        rating_scale=scale,
        inputs=describe(used),
        folder=file.path.parent,
    )


def read_user_and_item_features(
    own: FileSettings, text: TextFormat, used: list[InputFile]
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Read the optional tables of users and of items; each is None without a path.

    Args:
        own: Settings that name the files and the columns of ids.
        text: Format of text files.
        used: Files read so far; the two files are appended.

    Raises:
        DataError: If an id is missing, negative or occurs twice.
    """
    kind = kind_of(own.id_type)
    user, item = Column(own.user_column, USER_ID, kind), Column(own.item_column, ITEM_ID, kind)
    users = read_features(own.users_path, "users_path", user, text, used)
    return users, read_features(own.items_path, "items_path", item, text, used)


def read_features(
    path: str, setting: str, key: Column, text: TextFormat, used: list[InputFile]
) -> pd.DataFrame | None:
    """Read a table with one row a user or item and all its columns; None without a path.

    Raises:
        DataError: If an id is missing, negative or occurs twice.
    """
    if not path:
        return None
    file = existing(path, setting, "the features")
    used.append(file)
    frame = read_columns(file, [key], text, extra=True)
    refuse_repeated(frame[key.here], file, key.there)
    if TITLE in frame:
        frame[TITLE] = frame[TITLE].astype("str")
    if GENRES in frame and pd.api.types.is_string_dtype(frame[GENRES]):
        listed = frame[GENRES].fillna("").str.split("|")
        frame[GENRES] = pd.Series([[g for g in row if g] for row in listed], dtype=object)
    return frame


def refuse_repeated(ids: pd.Series, file: InputFile, column: str) -> None:
    """Refuse a table in which an id occurs twice.

    Raises:
        DataError: Naming the file, the id and both rows.
    """
    repeated = ids.duplicated().to_numpy()
    if repeated.any():
        second = int(repeated.argmax())
        first = int((ids == ids.iloc[second]).to_numpy().argmax())
        raise DataError(
            f"{file.label}: {column} {ids.iloc[second]} occurs twice, in rows {first + 1} and "
            f"{second + 1} (counted without the header). Ids must be unique; remove one of them."
        )


def existing(path: str, setting: str, what: str) -> InputFile:
    """Return the file at a path.

    Raises:
        SettingError: If the path is empty.
        DataError: If there is no file.
    """
    if not path:
        raise SettingError(f"{setting} is empty: give the file with {what}.")
    found = Path(path).expanduser()
    if not found.is_file():
        raise DataError(f"There is no file {found} ({setting}: {what}). Check the path.")
    return InputFile(found)


def column_names(file: InputFile, text: TextFormat) -> list[str]:
    """Return the header of a text file, or the names in a Parquet schema."""
    if file.name.endswith((".parquet", ".pq")):
        try:
            return pq.read_schema(file.path).names
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file.label} is not a Parquet file: {error}") from error
    lines = head(file, text.encoding)
    return [name.strip('"') for name in lines[0].split(text.delimiter)] if lines else []


def kind_of(id_type: str) -> Kind:
    """Return the kind of column for a setting of `ID_TYPES`."""
    return {"auto": "id", "integer": "integer id", "text": "text id"}[id_type]
