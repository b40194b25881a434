"""First look at the files of a source: headers and first rows, before any work starts.

    fault = first_look.fault_of(settings)

The readers themselves judge the first rows, by the same rules as in a preparation.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from candgen.datasets import given, movielens, preparation, tables
from candgen.datasets.archives import InputFile, open_bundle
from candgen.datasets.cells import Column, TextFormat
from candgen.datasets.reading import read_columns
from candgen.errors import DataError, SettingError, nearest

_HEAD = 1 << 16  # bytes


class Fault(NamedTuple):
    """What is wrong with the settings of a dataset, or with a file that they name."""

    setting: str
    """Name of the setting to change; empty if the message names it, or it is the file's fault."""
    message: str
    instead: str = ""
    """A value that would fit; empty if none is near."""


def fault_of(settings: Mapping[str, Any]) -> Fault | None:
    """Check all settings of a preparation, then open each file and look at its first rows.

    Args:
        settings: As of `preparation.prepare`, paths from the root of the file system.

    Returns:
        The first fault; None if there is none so far.
    """
    try:
        own, of_source = preparation.check_settings(dict(settings))
        return {"table": _of_table, "given": _of_given, "movielens": _of_movielens}.get(
            own.source, lambda _: None
        )(of_source)
    except (DataError, SettingError) as error:
        return _named(str(error))


def _named(message: str) -> Fault:
    """Find the setting that a message names: as its first word, or as `set name=value`."""
    own = (preparation.source_settings(source) for source in preparation.SOURCES)
    classes = (preparation.PreparationSettings, *own)
    known = {name for settings in classes for name in settings.model_fields}
    first, _, _ = message.partition(" ")
    if first in known:
        return Fault(first, message)
    advised = re.search(r"\bset (\w+)=([\w-]+)", message)
    if advised and advised[1] in known:
        return Fault(advised[1], message, advised[2])
    return Fault("", message)


def _of_table(own: tables.TableSettings) -> Fault | None:
    text = TextFormat(own.delimiter or ",", encoding=own.encoding)
    kind = tables.kind_of(own.id_type)
    events = {"user_column": Column(own.user_column, "user", kind)}
    events["item_column"] = Column(own.item_column, "item", kind)
    if own.rating_column:
        scale = tuple(own.rating_scale) or None
        events["rating_column"] = Column(own.rating_column, "rating", "rating", scale=scale)
    if own.timestamp_column:
        unit = own.timestamp_unit
        events["timestamp_column"] = Column(own.timestamp_column, "timestamp", "time", unit=unit)
    file = tables.existing(own.path, "path", "the events")
    return _of_file(file, events, text) or _of_features(own, text)


def _of_features(own: tables.FileSettings, text: TextFormat) -> Fault | None:
    kind = tables.kind_of(own.id_type)
    for setting, key in (("users_path", "user_column"), ("items_path", "item_column")):
        if path := getattr(own, setting):
            file = tables.existing(path, setting, "the features")
            keyed = {key: Column(getattr(own, key), key, kind)}
            if fault := _of_file(file, keyed, text):
                return fault
    return None


def _of_given(own: given.GivenSettings) -> Fault | None:
    paths = {"train_path": own.train_path, "test_path": own.test_path}
    optional = {"validation_path": own.validation_path, "candidates_path": own.candidates_path}
    paths |= {setting: path for setting, path in optional.items() if path}
    read = given._read_adjacency if own.layout == "adjacency" else given._read_rows
    for setting, path in paths.items():
        head = _head(tables.existing(path, setting, "events"))
        if head is not None:
            read(head, own.layout, own.delimiter, own.encoding)
    return _of_features(own, TextFormat(encoding=own.encoding))


def _of_movielens(own: movielens.MovieLensSettings) -> Fault | None:
    if not own.path:
        return None if own.variant else Fault("path", "give a folder or zip, or a variant.")
    bundle = open_bundle(own.path)
    layout = movielens._LAYOUTS[movielens._family(bundle)]
    ratings = bundle.require(layout.ratings, "the ratings")
    head = _head(ratings)
    if head is not None:
        read_columns(head, movielens._rating_columns(layout), layout.text)
    return None


def _of_file(file: InputFile, columns: dict[str, Column], text: TextFormat) -> Fault | None:
    names = tables.column_names(file, text)
    for setting, column in columns.items():
        if names and column.there not in names:
            try:
                read_columns(_head(file) or file, [column], text)
            except DataError as error:
                if len(names) == 1:
                    return Fault("delimiter", str(error))
                return Fault(setting, str(error), nearest(column.there, names))
    if not file.name.endswith((".parquet", ".pq")) and (head := _head(file)):
        read_columns(head, list(columns.values()), text)
    return None


@dataclass(frozen=True)
class _Head(InputFile):
    """The first lines of a file, which has the file's name in messages."""

    content: bytes = b""

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


def _head(file: InputFile) -> InputFile | None:
    """Return the first whole lines of a text file; None if there is no whole one to look at."""
    with file.open() as stream:
        content = stream.read(_HEAD)
    if len(content) < _HEAD:
        return _Head(file.path, file.member, content)
    content = content[: content.rfind(b"\n") + 1]
    while content.count(b'"') % 2:  # within a cell that holds line breaks
        content = content[: content.rfind(b"\n", 0, len(content) - 1) + 1]
    return _Head(file.path, file.member, content) if content.count(b"\n") > 1 else None
