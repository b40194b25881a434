"""Reader of event tables in text, Parquet or JSON lines; names of columns are settings."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from pydantic import Field, field_validator, model_validator

from candgen.columns import GENRES, ITEM, ITEM_ID, RATING, TIMESTAMP, TITLE, USER, USER_ID
from candgen.datasets.archives import InputFile, describe, input_file, usable
from candgen.datasets.cells import TIME_UNITS, Column, Kind
from candgen.datasets.impressions import (
    INVERSE_PROPENSITY,
    ImpressionSettings,
    clicks_of,
    read_impressions,
)
from candgen.datasets.reading import FileFormat, TextFormat, encoding_note, first_rows, read_columns
from candgen.datasets.reading.arrow import further_shards
from candgen.datasets.reading.formats import of_one_file
from candgen.datasets.source import EventFile, Source
from candgen.errors import DataError, SettingError, did_you_mean

ID_TYPES = ("auto", "integer", "text")


class FileSettings(ImpressionSettings):
    """Settings of every source that consists of a person's own files.

    The format is that of the main files. `users_format`, `items_format` and `impressions_format`
    say what differs in the other tables, which otherwise share delimiter, encoding, quote and
    escape.
    """

    user_column: str = "user"
    """Header of the user ids."""
    item_column: str = "item"
    """Header of the item ids."""
    id_type: Literal[*ID_TYPES] = "auto"
    """Type of the ids; auto: integer if all are whole numbers (no 007)."""
    users_path: str = ""
    """Optional table with one row a user; further columns are features."""
    items_path: str = ""
    """Optional table with one row an item: title, genres (a|b), features."""
    users_format: dict[str, Any] = {}
    """Format of the table of users, where it differs: {delimiter: ";"}."""
    items_format: dict[str, Any] = {}
    """Format of the table of items, where it differs."""
    title_column: str = ""
    """Header of the titles; empty: `title`, whatever its capital letters."""
    leave_out: list[str] = []
    """Headers of columns that are not read, in any file."""
    text_columns: list[str] = []
    """Headers of features that stay text if they look like numbers."""

    @model_validator(mode="after")
    def _formats_are_known(self) -> FileSettings:
        _ = self.format_of("users"), self.format_of("items"), self.format_of("impressions")
        if self.user_column == self.item_column:
            raise SettingError(
                f"user_column and item_column are both {self.user_column!r}. Name two columns."
            )
        return self

    def format_of(self, table: Literal["users", "items", "impressions"]) -> FileFormat:
        """Return the format of the table of users, items or impressions."""
        setting = f"{table}_format"
        return of_one_file(setting, self._shared(), getattr(self, setting))

    def _shared(self) -> dict[str, Any]:
        names = ("delimiter", "encoding", "quote", "escape")
        return {name: getattr(self, name) for name in names}


class TableSettings(FileSettings):
    """Settings of a table of events.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    path: str = ""
    """CSV or Parquet file of events; with impressions, empty: what was engaged with."""
    rating_column: str = ""
    """Header of the ratings; empty: `rating`, if there is such a column."""
    timestamp_column: str = ""
    """Header of the times; empty: `timestamp`, if there is such a column."""
    timestamp_unit: Literal[*TIME_UNITS] = "s"
    """Unit of times since 1970, or iso for dates such as 2024-05-01T12:30:00."""
    rating_scale: list[float] = Field(default_factory=list)
    """Lowest and highest rating allowed; empty: not checked."""
    kept_columns: list[str] = []
    """Headers of numbers that events keep, for weight_by."""

    @field_validator("kept_columns")
    @classmethod
    def _are_their_own(cls, names: list[str]) -> list[str]:
        for name in names:
            if name in (USER, ITEM, RATING, TIMESTAMP):
                raise SettingError(f"kept_columns names {name!r}, which events keep anyway.")
        return names

    @field_validator("rating_scale")
    @classmethod
    def _is_a_range(cls, scale: list[float]) -> list[float]:
        if scale and (len(scale) != 2 or not scale[0] < scale[1]):
            raise SettingError(f"rating_scale must be [lowest, highest] or empty, got {scale!r}.")
        return scale


def read(*, limit: int | None = None, whole: bool = True, **settings: Any) -> Source:
    """Read events from a file, with optional tables of users and items.

    Args:
        limit: Read this many rows of each file only, to check names and formats.
        whole: Whether the events are read at once; if not, the source says where they are, and
            ids of the other tables may be of another type than theirs, see `alike`.
        **settings: Fields of `TableSettings`; `path` is required.

    Raises:
        SettingError: If a setting is unknown or out of range.
        DataError: If a file is missing or has a wrong cell; the message names file and row.
    """
    own = TableSettings(**settings)
    used: list[InputFile] = []
    notes, unread, present = [], None, []
    times = {"unit": own.timestamp_unit, "time": own.timestamp_column}
    shown = read_shown(own, used, present, limit, **times)
    if own.path or shown is None:
        file = existing(own.path, "path", "the events", own.compression)
        used.insert(0, file)
        headers = column_names(file, own.text_format())
        present += headers
        columns, text = event_columns(own, headers), own.text_format()
        interactions = read_columns(file, columns, text, limit=limit) if whole else None
        unread = None if whole else EventFile(file, columns, text)
    else:
        file = used[0]
        interactions = _engaged_with(shown, file, own.kept_columns, looking=limit is not None)
        notes = [f"{file.label}: the events are the impressions that were engaged with."]
    users, items = read_user_and_item_features(own, used, present, limit)
    if interactions is not None:
        interactions, shown, users, items = all_alike(interactions, shown, users, items)
    return Source(
        kind="table",
        title=file.path.stem,
        interactions=interactions,
        unread=unread,
        users=users,
        items=items,
        extras={} if shown is None else {"impressions": shown},
        kept=(*own.kept_columns, INVERSE_PROPENSITY),
        rating_scale=tuple(own.rating_scale) or None,
        inputs=describe([*used, *all_shards(used)]),
        notes=[*notes, *encoding_notes(own, used)],
        folder=file.path.parent,
    )


def read_shown(
    own: FileSettings,
    used: list[InputFile],
    headers: list[str],
    limit: int | None = None,
    *,
    unit: str = "s",
    time: str = "",
) -> pd.DataFrame | None:
    """Read the optional table of impressions; None without a path.

    Args:
        own: Settings that name the file, its format and its columns.
        used: Files read so far; the file is appended.
        headers: Headers of the files read so far; those of the file are appended.
        limit: Read this many rows only.
        unit: Unit of the times of events.
        time: Header of the times of events.

    Raises:
        DataError: If the file is missing or has a wrong cell; the message names file and line.
    """
    if not own.impressions_path:
        return None
    form = own.format_of("impressions")
    file = existing(own.impressions_path, "impressions_path", "what was shown", form.compression)
    used.append(file)
    headers += column_names(file, form.text_format())
    return read_impressions(
        file,
        own,
        form,
        of_events={USER: own.user_column, ITEM: own.item_column, TIMESTAMP: time},
        ids=kind_of(own.id_type),
        unit=unit,
        leave_out=own.leave_out,
        as_text=own.text_columns,
        limit=limit,
    )


def _engaged_with(
    shown: pd.DataFrame, file: InputFile, kept: list[str], *, looking: bool
) -> pd.DataFrame:
    """Return the events of a table of impressions; its first rows alone may have none."""
    for name in kept:
        if name not in shown or not pd.api.types.is_numeric_dtype(shown[name]):
            raise DataError(
                f"{file.label}: kept_columns names {name!r}, which is no column of numbers."
                f"{did_you_mean(name, list(shown))}"
            )
    events = clicks_of(shown, kept)
    if not len(events) and not looking:
        raise DataError(
            f"{file.label}: no impression was engaged with, so there are no events. Give a file of "
            "events as path, or check which column says what was engaged with."
        )
    return events


def event_columns(own: TableSettings, present: list[str]) -> list[Column]:
    """Return the columns to read of a table of events that has these headers."""
    kind = kind_of(own.id_type)
    columns = [Column(own.user_column, USER, kind), Column(own.item_column, ITEM, kind)]
    taken = {own.user_column, own.item_column, *own.leave_out}
    if own.rating_column or (RATING in present and RATING not in taken):
        scale = tuple(own.rating_scale) or None
        columns.append(Column(own.rating_column or RATING, RATING, "rating", scale=scale))
    taken |= {own.rating_column}
    if own.timestamp_column or (TIMESTAMP in present and TIMESTAMP not in taken):
        name = own.timestamp_column or TIMESTAMP
        columns.append(Column(name, TIMESTAMP, "time", unit=own.timestamp_unit))
    return [*columns, *(Column(name, name, "rating") for name in own.kept_columns)]


def read_user_and_item_features(
    own: FileSettings, used: list[InputFile], present: list[str], limit: int | None = None
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Read the optional tables of users and of items; each is None without a path.

    Args:
        own: Settings that name the files, their formats and the columns of ids.
        used: Files read so far; the two files are appended.
        present: Headers of the files read so far.
        limit: Read this many rows only.

    Raises:
        DataError: If an id is missing, negative or occurs twice, or no file has a column that is
            to be left out or read as text.
    """
    kind = kind_of(own.id_type)
    headers = [*present]
    user, item = Column(own.user_column, USER_ID, kind), Column(own.item_column, ITEM_ID, kind)
    users = _read_features(own, "users", user, (), used, headers, limit)
    items = _read_features(own, "items", item, (TITLE, GENRES), used, headers, limit)
    for setting in ("leave_out", "text_columns"):
        for name in getattr(own, setting):
            if name not in headers:
                raise DataError(
                    f"{setting} names {name!r}, but no file has such a column."
                    f"{did_you_mean(name, set(headers))}"
                )
    return users, items


def _read_features(
    own: FileSettings,
    table: Literal["users", "items"],
    key: Column,
    known: tuple[str, ...],
    used: list[InputFile],
    headers: list[str],
    limit: int | None,
) -> pd.DataFrame | None:
    """Read a table with one row a user or item and all its columns; None without a path."""
    path = own.users_path if table == "users" else own.items_path
    if not path:
        return None
    form = own.format_of(table)
    file = existing(path, f"{table}_path", "the features", form.compression)
    used.append(file)
    present = column_names(file, form.text_format())
    headers += present
    columns, taken = [key], {key.there, *own.leave_out}
    for name in known:
        header = own.title_column if name == TITLE else ""
        header = header or _whatever_capitals(name, present, taken, file.label)
        if header:
            columns.append(Column(header, name, "text" if name == TITLE else "feature"))
    left_out = [name for name in own.leave_out if name in present]
    frame = read_columns(
        file,
        columns,
        form.text_format(),
        extra=True,
        leave_out=left_out,
        as_text=own.text_columns,
        limit=limit,
    )
    refuse_repeated(frame[key.here], file, key.there)
    if GENRES in frame and pd.api.types.is_string_dtype(frame[GENRES]):
        listed = frame[GENRES].fillna("").str.split("|")
        frame[GENRES] = pd.Series([[g for g in row if g] for row in listed], dtype=object)
    return frame


def _whatever_capitals(name: str, present: list[str], taken: set[str], label: str) -> str:
    """Return the header that is `name`, else the only one that differs in capitals; else empty.

    Raises:
        DataError: If several headers differ from `name` in capitals alone.
    """
    if name in present:
        return "" if name in taken else name
    alike = [header for header in present if header.lower() == name and header not in taken]
    if len(alike) > 1:
        raise DataError(
            f"{label}: the columns {alike[0]!r} and {alike[1]!r} could both be the {name}. Rename "
            f"one, or leave it out: leave_out=[{alike[1]!r}]."
        )
    return alike[0] if alike else ""


def alike(
    events: pd.DataFrame, users: pd.DataFrame | None, items: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None]:
    """Give ids one type in all tables: text, if one table holds ids that are no whole numbers."""
    events, users = _of_one_type(events, USER, users, USER_ID)
    events, items = _of_one_type(events, ITEM, items, ITEM_ID)
    return events, users, items


def all_alike(
    events: pd.DataFrame,
    shown: pd.DataFrame | None,
    users: pd.DataFrame | None,
    items: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None]:
    """Give ids one type as `alike` does, in a table of impressions, too."""
    for table in (0, 1):  # the second time for ids that a table of features made text
        events, shown = _of_one_type(events, USER, shown, USER)
        events, shown = _of_one_type(events, ITEM, shown, ITEM)
        if not table:
            events, users, items = alike(events, users, items)
    return events, shown, users, items


def _of_one_type(
    events: pd.DataFrame, column: str, table: pd.DataFrame | None, key: str
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    if table is None:
        return events, table
    texts = [pd.api.types.is_string_dtype(ids) for ids in (events[column], table[key])]
    if texts == [True, False]:
        table = table.assign(**{key: table[key].astype("str")})
    elif texts == [False, True]:
        events = events.assign(**{column: events[column].astype("str")})
    return events, table


def encoding_notes(own: FileSettings, used: list[InputFile]) -> list[str]:
    """Return notes on the encoding of files, where it is set to another than UTF-8."""
    if own.encoding == "utf-8":
        return []
    return [encoding_note(file, own.encoding) for file in used]


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


def existing(path: str, setting: str, what: str, compression: str = "auto") -> InputFile:
    """Return the file at a path, to be unpacked while it is read.

    Raises:
        SettingError: If the path is empty.
        DataError: If there is no file, or it cannot be opened.
    """
    if not path:
        raise SettingError(f"{setting} is empty: give the file with {what}.")
    found = usable(path)
    if not found.is_file():
        raise DataError(f"There is no file {found} ({setting}: {what}). Check the path.")
    return input_file(found, compression)


def all_shards(used: list[InputFile]) -> list[InputFile]:
    """Return the files that continue those that were read."""
    return [InputFile(path) for file in used for path in further_shards(file)]


def column_names(file: InputFile, text: TextFormat) -> list[str]:
    """Return the names of the columns of a file."""
    return first_rows(file, text, 1).names


def kind_of(id_type: str) -> Kind:
    """Return the kind of column for a setting of `ID_TYPES`."""
    return {"auto": "id", "integer": "integer id", "text": "text id"}[id_type]
