"""Reader of splits made by others, for comparison with published results.

| layout | a line holds | as in |
|---|---|---|
| adjacency | `user item item ...` | the files of LightGCN and BARS |
| pairs | `user item` | plain implicit feedback |
| triples | `user item rating` | ratings split by a paper |

Cells are separated by white space, which knows no quotes, or by a delimiter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import field_validator, model_validator

from candgen.columns import ITEM, RATING, USER
from candgen.datasets.archives import InputFile, describe
from candgen.datasets.cells import Column, Kind
from candgen.datasets.periods import OF_TEST, OF_VALIDATION
from candgen.datasets.reading import decoded_lines, records, values
from candgen.datasets.reading.text import settled_encoding
from candgen.datasets.source import Source
from candgen.datasets.tables import (
    FileSettings,
    all_alike,
    encoding_notes,
    existing,
    kind_of,
    read_shown,
    read_user_and_item_features,
)
from candgen.errors import DataError, SettingError

LAYOUTS = {"adjacency": None, "pairs": 2, "triples": 3}
_HEADER = {f"{who}{end}" for who in (USER, ITEM) for end in ("", "s", "id", "_id", "ids", "_ids")}
_HEADER |= {RATING, "ratings", "score", "timestamp", "time"}


class GivenSettings(FileSettings):
    """Settings of a split fixed by others.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    train_path: str = ""
    """Events to learn from."""
    test_path: str = ""
    """Events to predict."""
    validation_path: str = ""
    """Events to tune settings on; empty: a share of train."""
    candidates_path: str = ""
    """Items that may be ranked for each user; empty: all items."""
    validation_candidates_path: str = ""
    """Items that may be ranked for each user of validation."""
    layout: Literal[*LAYOUTS] = "adjacency"
    """Adjacency (user item item ...), pairs, or triples with a rating."""

    @field_validator("column_names")
    @classmethod
    def _has_no_header(cls, names: list[str]) -> list[str]:
        if names:
            raise SettingError("column_names is of no use here: layout says what a line holds.")
        return names

    @field_validator("file_type")
    @classmethod
    def _is_text(cls, file_type: str) -> str:
        if file_type not in ("auto", "text"):
            raise SettingError(f"Given files are text, so file_type cannot be {file_type!r}.")
        return file_type

    @model_validator(mode="after")
    def _lists_of_validation_have_their_part(self) -> Self:
        for other in ("candidates_path", "validation_path"):
            if self.validation_candidates_path and not getattr(self, other):
                raise SettingError(
                    "validation_candidates_path lists items for the users of validation_path, as "
                    f"candidates_path does for those of test_path; {other} is empty. Set it, or "
                    "leave validation_candidates_path empty."
                )
        return self

    def _shared(self) -> dict[str, Any]:
        return {"encoding": self.encoding}


def read(*, limit: int | None = None, **settings: Any) -> Source:
    """Read train and test files as they are, with optional validation and candidate lists.

    The files have no header; blank lines are skipped.

    Args:
        limit: Read this many lines of each file only, to check formats.
        **settings: Fields of `GivenSettings`; `train_path` and `test_path` are required.

    Raises:
        SettingError: If a setting is unknown or out of range.
        DataError: If a file is missing or has a wrong line; the message names file and line.
    """
    own = GivenSettings(**settings)
    wanted = {
        "train": (own.train_path, "train_path", "the events to learn from"),
        "test": (own.test_path, "test_path", "the events to predict"),
        "validation": (own.validation_path, "validation_path", "validation events"),
        OF_TEST: (own.candidates_path, "candidates_path", "candidate lists"),
        OF_VALIDATION: (
            own.validation_candidates_path,
            "validation_candidates_path",
            "candidate lists of validation",
        ),
    }
    inputs = {
        name: existing(*place, own.compression)
        for name, place in wanted.items()
        if place[0] or name in ("train", "test")
    }
    read_part = _read_adjacency if own.layout == "adjacency" else _read_rows
    raw = {name: read_part(file, own, limit) for name, file in inputs.items()}
    parts = _typed(raw, inputs, kind_of(own.id_type))
    used = list(inputs.values())
    headers: list[str] = []
    shown = read_shown(own, used, headers, limit)
    users, items = read_user_and_item_features(own, used, headers, limit)
    for _ in range(2):  # the second time for ids that a later table made text
        for name in parts:
            parts[name], shown, users, items = all_alike(parts[name], shown, users, items)
    return Source(
        kind="given",
        title=inputs["train"].path.parent.name or "given split",
        interactions=None,
        parts=parts,
        users=users,
        items=items,
        extras={} if shown is None else {"impressions": shown},
        inputs=describe(used),
        notes=encoding_notes(own, used),
        folder=inputs["train"].path.parent,
    )


def _read_adjacency(file: InputFile, own: GivenSettings, limit: int | None) -> pd.DataFrame:
    """Return text cells `user`, `item` and the `line` they stand on."""
    users: list[str] = []
    items: list[str] = []
    counts: list[int] = []
    lines: list[int] = []
    seen: dict[str, int] = {}
    for line, cells in _lines(file, own, limit):
        if cells[0] in seen:
            raise DataError(
                f"{file.label}, line {line}: user {cells[0]} had line {seen[cells[0]]} already. "
                "One line a user is expected; join the two."
            )
        seen[cells[0]] = line
        users.append(cells[0])
        items.extend(cells[1:])
        counts.append(len(cells) - 1)
        lines.append(line)
    if not items:
        found = f"found {users[0][:40]!r}: check the delimiter" if users else "the file is empty"
        raise DataError(f"{file.label}: expected lines `user item item ...`, {found}.")
    return pd.DataFrame(
        {
            USER: pd.Series(users, dtype="str").repeat(counts).to_numpy(),
            ITEM: pd.Series(items, dtype="str"),
            "line": np.repeat(lines, counts),
        }
    )


def _read_rows(file: InputFile, own: GivenSettings, limit: int | None) -> pd.DataFrame:
    width = LAYOUTS[own.layout]
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in _lines(file, own, limit):
        if len(cells) != width:
            raise DataError(
                f"{file.label}, line {line}: expected {width} cells (layout={own.layout}), got "
                f"{len(cells)}: {' '.join(cells)[:60]!r}. Check delimiter and layout."
            )
        rows.append(cells)
        lines.append(line)
    if not rows:
        raise DataError(f"{file.label}: expected lines of {width} cells, the file is empty.")
    frame = pd.DataFrame(rows, columns=[USER, ITEM, RATING][:width], dtype="str")
    if RATING in frame:
        column = Column(RATING, RATING, "rating")
        frame[RATING] = _values(frame.assign(line=lines), column, file)
    return frame.assign(line=lines)


def _lines(
    file: InputFile, own: GivenSettings, limit: int | None
) -> Iterator[tuple[int, list[str]]]:
    """Yield line and cells; white space around cells is dropped.

    Raises:
        DataError: If the first line names columns.
    """
    rows = _split_at_white_space(file, own)
    if own.delimiter:
        rows = records(file, own.text_format(), strict=True)
    for count, (line, cells) in enumerate(rows):
        if count == limit:
            return
        cells = [cell.strip() for cell in cells]
        if cells == [""]:
            continue
        if not count and own.id_type != "text" and {c.lower() for c in cells} <= _HEADER:
            raise DataError(
                f"{file.label}, line {line}: {' '.join(cells)[:60]!r} looks like a header. Set "
                f"skip_lines={own.skip_lines + 1} to skip it, or id_type=text if these are ids."
            )
        yield line, cells


def _split_at_white_space(file: InputFile, own: GivenSettings) -> Iterator[tuple[int, list[str]]]:
    with file.open() as stream:
        lines = decoded_lines(file, stream, settled_encoding(file, own.encoding))
        for number, line in enumerate(lines, 1):
            if number > own.skip_lines and (cells := line.split()):
                yield number, cells


def _ids(frame: pd.DataFrame, name: str, kind: Kind, file: InputFile) -> np.ndarray | pd.Series:
    return _values(frame, Column(name, name, kind), file)


def _values(frame: pd.DataFrame, column: Column, file: InputFile) -> np.ndarray | pd.Series:
    """Convert a column of text.

    Raises:
        DataError: Naming the line of the first cell that does not fit.
    """
    texts = pa.chunked_array([pa.array(frame[column.here], pa.string())])
    try:
        if column.kind == "rating":
            return values.ratings(texts, column)
        return values.ids(texts, column, typed=False)
    except values.Fault as fault:
        raise DataError(
            f"{file.label}, line {frame['line'].iloc[fault.row]}: {column.there} {fault.complaint}."
        ) from None


def _typed(
    raw: dict[str, pd.DataFrame], inputs: dict[str, InputFile], kind: Kind
) -> dict[str, pd.DataFrame]:
    """Give the ids of all parts one type, that of train; refuse the first cell that does not fit.

    Raises:
        DataError: If only the first line of train holds no whole number, as a header does.
    """
    parts = {name: frame.drop(columns="line") for name, frame in raw.items()}
    for name in (USER, ITEM):
        ids = {"train": _ids(raw["train"], name, kind, inputs["train"])}
        of_text = pd.api.types.is_string_dtype(ids["train"])
        if of_text and kind == "id":
            _refuse_header(raw["train"], name, inputs["train"])
        for part in raw:
            if part != "train":
                ids[part] = _ids(raw[part], name, "text id" if of_text else kind, inputs[part])
        if not of_text and any(map(pd.api.types.is_string_dtype, ids.values())):
            _refuse_words(raw, name, inputs)
            of_text = True  # 007 in one part makes text of all
        for part, found in ids.items():
            parts[part][name] = raw[part][name] if of_text else found
    return parts


def _refuse_header(frame: pd.DataFrame, name: str, file: InputFile) -> None:
    """Refuse text in the first line alone."""
    whole = frame[name].str.match(values.CANONICAL)
    others = frame["line"] != frame["line"].iloc[0]
    if others.any() and not whole[~others].any() and whole[others].all():
        line = frame["line"].iloc[0]
        raise DataError(
            f"{file.label}, line {line}: {name} is {frame[name].iloc[0][:60]!r}, but all other "
            "lines hold whole numbers. Is it a header? Set skip_lines to skip it, or id_type=text."
        )


def _refuse_words(raw: dict[str, pd.DataFrame], name: str, inputs: dict[str, InputFile]) -> None:
    """Refuse text in other parts where train holds whole numbers."""
    for part, frame in raw.items():
        words = ~frame[name].str.match(values.LIKE_NUMBERS)
        if words.any():
            row = int(words.to_numpy().argmax())
            raise DataError(
                f"{inputs[part].label}, line {frame['line'].iloc[row]}: {name} is "
                f"{frame[name].iloc[row][:60]!r}, expected a whole number as in "
                f"{inputs['train'].label}; set id_type=text if ids are text."
            )
