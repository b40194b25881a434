"""Readers of candidate lists, our own and those of other systems.

Accepted: Parquet, JSON lines or text with one of three separators, compressed or not, ids as
integers or as text. Refused, with file and row: everything ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from candgen.columns import ITEM, ITEM_ID, RANK, SCORE, USER, USER_ID
from candgen.datasets.archives import input_file
from candgen.datasets.dataset import Dataset
from candgen.datasets.reading import EmptyFileError, Opened, TextFormat, open_file, values
from candgen.errors import DataError, SettingError, did_you_mean

IDS = "candgen.ids"  # "dense" in our files of before December 2026; own ids otherwise
DENSE = "dense"
DIGEST = "candgen.dataset_digest"

_FORMATS = tuple(TextFormat(separator) for separator in (",", ";", "\t"))
_WANTED = (USER, ITEM, RANK, SCORE)
_ALSO_CALLED = {USER_ID: USER, ITEM_ID: ITEM}


class Lists(NamedTuple):
    """Candidates in long form, grouped by user, best first."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]  # minus the rank, where the file has no scores


class _File(NamedTuple):
    """Columns of a table with what is needed to point at one of its rows."""

    label: str
    columns: dict[str, pa.Array]
    opened: Opened

    def refuse(self, row: int, what: str) -> NoReturn:
        line = "" if self.opened.row_is_a_place else f" ({self.opened.place(row)})"
        raise DataError(f"{self.label}, row {row + 1}{line}: {what}")


def read(path: Path | str, dataset: Dataset, *, columns: Mapping[str, str] | None = None) -> Lists:
    """Read candidate lists and translate them to the dense ids of a dataset.

    Args:
        path: The file.
        dataset: What the ids refer to.
        columns: Our names (user, item, rank, score) -> names in the file, where they differ.

    Raises:
        SettingError: If `columns` has another key.
        DataError: Naming the file and, where there is one, the row and the column.
    """
    columns = dict(columns or {})
    for name in columns:
        if name not in _WANTED:
            raise SettingError(
                f"Columns to name are {', '.join(_WANTED)}; got {name!r}."
                f"{did_you_mean(name, _WANTED)}"
            )
    file = _open(Path(path), columns)
    _refuse_those_of_another_dataset(file, dataset)
    users = _ids(file, USER, dataset)
    items = _ids(file, ITEM, dataset)
    order, scores = _ranking(file, users)
    _refuse_repeats(file, users, items)
    return Lists(users[order], items[order], scores[order])


# --- opening


def _open(path: Path, named: dict[str, str]) -> _File:
    if not path.is_file():
        raise DataError(f"There is no file {path}. Give a Parquet or a CSV of candidate lists.")
    file = input_file(path)
    try:
        formats = [open_file(file, text) for text in _FORMATS]
        opened = max(formats, key=lambda one: _known(one, named))
    except EmptyFileError:
        raise DataError(
            f"{path} is empty. Expected a header with the columns user and item."
        ) from None
    for column, theirs in named.items():
        if theirs not in opened.names:
            raise DataError(
                f"{path} has no column {theirs!r} for {column}; it has {_shown(opened.names)}."
                f"{did_you_mean(theirs, opened.names)}"
            )
    names = _our_names(opened, named)
    for column in _WANTED:
        if names.count(column) > 1:
            raise DataError(f"{path} has two columns for {column!r}: {_shown(opened.names)}.")
    if USER not in names or ITEM not in names:
        raise DataError(
            f"{path} must have the columns 'user' and 'item', and 'rank' or 'score' if its rows "
            f"are not in order; it has {_shown(opened.names)}."
        )
    places = {column: names.index(column) for column in _WANTED if column in names}
    # Text arrives as text, so that the id 007 stays what it is and faults can be shown.
    held = opened.read(dict.fromkeys(places.values()))
    columns = {}
    for column, place in places.items():
        with opened.naming(column):
            columns[column] = values.plain(held[place]).combine_chunks()
    if not len(columns[USER]):
        raise DataError(f"{path} holds no candidates: it has a header and no rows.")
    return _File(str(path), columns, opened)


def _shown(names: list[str]) -> list[str]:
    """Return the first names, shortened, for messages."""
    return [name if len(name) <= 60 else f"{name[:60]}…" for name in names[:20]]


def _our_names(opened: Opened, named: dict[str, str]) -> list[str]:
    """Return our names of a file's columns; columns that were named come before any likeness."""
    ours = {theirs: column for column, theirs in named.items()}
    alike = [_ALSO_CALLED.get(name.lower(), name.lower()) for name in opened.names]
    return [
        ours.get(name, "" if like in named else like)
        for name, like in zip(opened.names, alike, strict=True)
    ]


def _known(opened: Opened, named: dict[str, str]) -> tuple[int, int]:
    names = _our_names(opened, named)
    return sum(name in _WANTED for name in names), len(names)


def _refuse_those_of_another_dataset(file: _File, dataset: Dataset) -> None:
    metadata = file.opened.metadata
    arrived = metadata.get(DIGEST.encode(), b"").decode(errors="replace")
    ours = DIGEST.encode() in metadata or IDS.encode() in metadata
    if ours and arrived != dataset.digest:
        raise DataError(
            f"{file.label} was made for another dataset: it has digest {arrived[:12]}…, "
            f"{dataset.name!r} has {dataset.digest[:12]}…. Its generator may have learned from "
            "what this dataset holds out; make the candidates again, or name the dataset they "
            "were made for."
        )


# --- ids


def _ids(file: _File, column: str, dataset: Dataset) -> NDArray[np.int32]:
    raw = file.columns[column]
    if raw.null_count:
        file.refuse(_first(raw.is_null()), f"the column {column!r} is empty.")
    if pa.types.is_nested(raw.type):
        raise DataError(f"{file.label}: {column} holds values of type {raw.type}, expected ids.")
    if file.opened.metadata.get(IDS.encode()) == DENSE.encode():
        return _dense_ids(file, column, raw, dataset)
    table, id_column = ("users", USER_ID) if column == USER else ("items", ITEM_ID)
    known = dataset.table(table)[id_column]
    coded = raw.dictionary_encode()
    whole_numbers = pd.api.types.is_integer_dtype(known.dtype)
    spelled = [_spelling(value, whole_numbers) for value in coded.dictionary.to_pylist()]
    dense_of = pd.Series(np.arange(len(known)), index=known.map(str).to_numpy(dtype=object))
    meaning = dense_of.reindex(spelled).to_numpy()
    dense = meaning[coded.indices.to_numpy()]
    if np.isnan(dense).any():
        unknown = int(np.isnan(meaning).sum())
        row = _first(np.isnan(dense))
        file.refuse(
            row,
            f"{column} {_cell(raw, row)} is not in dataset {dataset.name!r} "
            f"({unknown:,} of the {len(meaning):,} {column} ids of this file are not). Ids must be "
            f"those the data came with, such as {known.iloc[:1].tolist()[0]!r}.",
        )
    return dense.astype(np.int32)


def _spelling(value: object, whole_numbers: bool) -> str:
    """Spell an id as text; 7, 7.0 and " 7 " mean the same where ids are whole numbers."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if not whole_numbers:
        return text
    return re.sub(r"\.0+$", "", text.strip())


def _dense_ids(file: _File, column: str, raw: pa.Array, dataset: Dataset) -> NDArray[np.int32]:
    if not pa.types.is_integer(raw.type):
        raise DataError(f"{file.label}: {column} holds values of type {raw.type}, expected ids.")
    dense = raw.to_numpy()
    bound = dataset.n_users if column == USER else dataset.n_items
    outside = (dense < 0) | (dense >= bound)
    if outside.any():
        row = _first(outside)
        file.refuse(row, f"{column} {dense[row]} is outside 0 .. {bound - 1}.")
    return dense.astype(np.int32)


# --- ranks and scores


def _ranking(file: _File, users: NDArray) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the order of the rows, by user and best first, and a score for each row."""
    names = file.columns
    scores = _numbers(file, SCORE) if SCORE in names else None
    if RANK in names:
        ranks = _numbers(file, RANK)
        order = np.lexsort((ranks, users))
        same = (np.diff(users[order]) == 0) & (np.diff(ranks[order]) == 0)
        if same.any():
            row = int(order[1:][same].min())
            user = _cell(file.columns[USER], row)
            file.refuse(row, f"two items of user {user} have the rank {ranks[row]:g}.")
        if scores is not None:
            _refuse_contradictions(file, users[order], scores[order], ranks, order)
        return order, (-ranks if scores is None else scores).astype(np.float32)
    if scores is not None:
        return np.lexsort((-scores, users)), scores.astype(np.float32)
    order = np.argsort(users, kind="stable")
    return order, -np.arange(len(users), dtype=np.float32)


def _refuse_contradictions(
    file: _File, users: NDArray, scores: NDArray, ranks: NDArray, order: NDArray[np.int64]
) -> None:
    """Refuse a score that is higher than that of a better rank; users and scores come by rank."""
    higher = (np.diff(users) == 0) & (np.diff(scores) > 0)
    if higher.any():
        place = int(np.argmax(higher))
        better, row = int(order[place]), int(order[place + 1])
        user = _cell(file.columns[USER], row)
        file.refuse(
            row,
            f"rank and score of user {user} contradict each other: rank {ranks[row]:g} has score "
            f"{scores[place + 1]:g}, rank {ranks[better]:g} has {scores[place]:g}. The highest "
            "score is the best. Leave out the column that is wrong.",
        )


def _numbers(file: _File, column: str) -> NDArray[np.float64]:
    raw = file.columns[column]
    kind = raw.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or values.is_text(raw)):
        raise DataError(f"{file.label}: {column} holds values of type {kind}, expected numbers.")
    numbers = pd.to_numeric(raw.to_pandas(), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if np.isnan(numbers).any():
        row = _first(np.isnan(numbers))
        file.refuse(row, f"{column} must be a number, got {_cell(raw, row)}.")
    too_large = ~(np.abs(numbers) <= np.finfo(np.float32).max)
    if too_large.any():
        row = _first(too_large)
        file.refuse(row, f"{column} must be finite in 32 bits, got {_cell(raw, row)}.")
    return numbers


def _refuse_repeats(file: _File, users: NDArray, items: NDArray) -> None:
    order = np.lexsort((items, users))
    same = (np.diff(users[order]) == 0) & (np.diff(items[order]) == 0)
    if same.any():
        row = int(order[1:][same].min())
        user, item = (_cell(file.columns[column], row) for column in (USER, ITEM))
        file.refuse(row, f"user {user} has item {item} twice. Keep its best place only.")


def _cell(values: pa.Array, row: int) -> str:
    """Return a value for a message."""
    return repr(values[row].as_py())[:60]


def _first(wrong: NDArray | pa.BooleanArray) -> int:
    return int(np.flatnonzero(np.asarray(wrong))[0])
