"""Any table of events, as CSV or Parquet, with the names of its columns as settings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from candgen.columns import GENRES, ITEM, ITEM_ID, RATING, TIMESTAMP, TITLE, USER, USER_ID
from candgen.datasets.archives import InputFile, describe
from candgen.datasets.cells import TIME_UNITS, Column, Kind, TextFormat
from candgen.datasets.reading import head, read_columns
from candgen.datasets.source import Source
from candgen.errors import DataError, SettingError, did_you_mean

ID_TYPES = ("auto", "integer", "text")


def read(
    *,
    path: str = "",
    user_column: str = "user",
    item_column: str = "item",
    rating_column: str = "",
    timestamp_column: str = "",
    timestamp_unit: str = "s",
    id_type: str = "auto",
    rating_scale: list | tuple = (),
    delimiter: str = "",
    encoding: str = "utf-8",
    users_path: str = "",
    items_path: str = "",
) -> Source:
    """Read events from a CSV or Parquet file, with optional tables about users and items.

    Args:
        path: The file of events. A name that ends in .parquet or .pq is Parquet, others are text.
        user_column: Header of the column of user ids; also in the table of users.
        item_column: Header of the column of item ids; also in the table of items.
        rating_column: Header of the ratings. Empty: the column `rating`, if there is one.
        timestamp_column: Header of the times. Empty: the column `timestamp`, if there is one.
        timestamp_unit: s, ms, us or ns since 1970, or iso for dates such as 2024-05-01T12:30:00.
        id_type: integer, text, or auto: integers where the first row has one, else text.
        rating_scale: Lowest and highest rating; a rating outside is refused. Empty: not checked.
        delimiter: What separates the cells of text files: `,` (when empty) `;` `|` or a tab.
        encoding: How text files are encoded.
        users_path: Optional file with one row a user; every further column is a feature.
        items_path: Optional file with one row an item; `title` and `genres` (separated by |) are
            known by name, every further column is a feature.

    Raises:
        SettingError: If a setting is out of range.
        DataError: If a file is missing, or holds what it must not; the message names file and row.
    """
    check_text_settings(id_type=id_type, delimiter=delimiter, encoding=encoding)
    if timestamp_unit not in TIME_UNITS:
        raise SettingError(
            f"timestamp_unit is {timestamp_unit!r}.{did_you_mean(timestamp_unit, TIME_UNITS)}"
        )
    scale = _checked_scale(rating_scale)
    text = TextFormat(delimiter or ",", encoding=encoding)
    file = existing(path, "path", "the events")
    present = column_names(file, text)
    kind = kind_of(id_type)
    columns = [Column(user_column, USER, kind), Column(item_column, ITEM, kind)]
    if rating_column or RATING in present:
        columns.append(Column(rating_column or RATING, RATING, "rating", scale=scale))
    if timestamp_column or TIMESTAMP in present:
        column = Column(timestamp_column or TIMESTAMP, TIMESTAMP, "time", unit=timestamp_unit)
        columns.append(column)
    interactions = read_columns(file, columns, text)
    used = [file]
    users = read_features(users_path, "users_path", Column(user_column, USER_ID, kind), text, used)
    items = read_features(items_path, "items_path", Column(item_column, ITEM_ID, kind), text, used)
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


def read_features(
    path: str, setting: str, key: Column, text: TextFormat, used: list[InputFile]
) -> pd.DataFrame | None:
    """Read one row a user or item, with all its columns; None without a path.

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


def check_text_settings(*, id_type: str, delimiter: str, encoding: str) -> None:
    """Check the settings that say how text files are written.

    Raises:
        SettingError: If one of them is out of range.
    """
    if id_type not in ID_TYPES:
        raise SettingError(f"id_type is {id_type!r}.{did_you_mean(id_type, ID_TYPES)}")
    if len(delimiter) > 1:
        raise SettingError(
            f"delimiter is {delimiter!r}, expected one character: a comma, semicolon, pipe or tab."
        )
    try:
        "".encode(encoding)
    except LookupError:
        known = ("utf-8", "latin-1", "cp1252", "utf-16")
        raise SettingError(f"encoding is {encoding!r}.{did_you_mean(encoding, known)}") from None


def _checked_scale(scale: list | tuple) -> tuple[float, float] | None:
    if not scale:
        return None
    if len(scale) != 2 or not scale[0] < scale[1]:
        raise SettingError(f"rating_scale is {list(scale)}, expected [lowest, highest].")
    return float(scale[0]), float(scale[1])
