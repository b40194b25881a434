"""Reader of splits made by others, for comparison with published results.

| layout | a line holds | as in |
|---|---|---|
| adjacency | `user item item ...` | the files of LightGCN and BARS |
| pairs | `user item` | plain implicit feedback |
| triples | `user item rating` | ratings split by a paper |
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from candgen.columns import ITEM, RATING, USER
from candgen.datasets.archives import InputFile, describe
from candgen.datasets.cells import Column, Kind, TextFormat, id_kind
from candgen.datasets.reading import decoded_lines
from candgen.datasets.source import Source
from candgen.datasets.tables import (
    FileSettings,
    existing,
    kind_of,
    read_user_and_item_features,
)
from candgen.errors import DataError

LAYOUTS = {"adjacency": None, "pairs": 2, "triples": 3}


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
    layout: Literal[*LAYOUTS] = "adjacency"
    """Adjacency (user item item ...), pairs, or triples with a rating."""


def read(**settings: Any) -> Source:
    """Read train and test files as they are, with optional validation and candidate lists.

    The files have no header; blank lines are skipped.

    Args:
        **settings: Fields of `GivenSettings`; `train_path` and `test_path` are required.

    Raises:
        SettingError: If a setting is unknown or out of range.
        DataError: If a file is missing or has a wrong line; the message names file and line.
    """
    own = GivenSettings(**settings)
    inputs = {
        "train": existing(own.train_path, "train_path", "the events to learn from"),
        "test": existing(own.test_path, "test_path", "the events to predict"),
    }
    if own.validation_path:
        inputs["validation"] = existing(own.validation_path, "validation_path", "validation events")
    if own.candidates_path:
        inputs["candidate_lists"] = existing(
            own.candidates_path, "candidates_path", "candidate lists"
        )
    read_part = _read_adjacency if own.layout == "adjacency" else _read_rows
    raw = {
        name: read_part(file, own.layout, own.delimiter, own.encoding)
        for name, file in inputs.items()
    }
    parts = _typed(raw, inputs, kind_of(own.id_type))
    used = list(inputs.values())
    users, items = read_user_and_item_features(own, TextFormat(encoding=own.encoding), used)
    return Source(
        kind="given",
        title=inputs["train"].path.parent.name or "given split",
        interactions=None,
        parts=parts,
        users=users,
        items=items,
        inputs=describe(used),
        folder=inputs["train"].path.parent,
    )


def _read_adjacency(file: InputFile, layout: str, delimiter: str, encoding: str) -> pd.DataFrame:
    """Return text cells `user`, `item` and the `line` they stand on."""
    users: list[str] = []
    items: list[str] = []
    counts: list[int] = []
    lines: list[int] = []
    seen: dict[str, int] = {}
    for line, cells in _lines(file, delimiter, encoding):
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


def _read_rows(file: InputFile, layout: str, delimiter: str, encoding: str) -> pd.DataFrame:
    width = LAYOUTS[layout]
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in _lines(file, delimiter, encoding):
        if len(cells) != width:
            raise DataError(
                f"{file.label}, line {line}: expected {width} cells (layout={layout}), got "
                f"{len(cells)}: {' '.join(cells)[:60]!r}. Check delimiter and layout."
            )
        rows.append(cells)
        lines.append(line)
    if not rows:
        raise DataError(f"{file.label}: expected lines of {width} cells, the file is empty.")
    frame = pd.DataFrame(rows, columns=[USER, ITEM, RATING][:width], dtype="str")
    if RATING in frame:
        frame[RATING] = _ratings(frame[RATING], lines, file)
    return frame.assign(line=lines)


def _lines(file: InputFile, delimiter: str, encoding: str):
    with file.open() as stream:
        for number, line in enumerate(decoded_lines(file, stream, encoding), 1):
            cells = line.strip().split(delimiter or None)
            if cells and cells != [""]:
                yield number, cells


def _ratings(texts: pd.Series, lines: list[int], file: InputFile) -> np.ndarray:
    column = Column(RATING, RATING, "rating")
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float32)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        row = int(wrong.argmax())
        complaint = column.complaint(texts.iloc[row])
        raise DataError(f"{file.label}, line {lines[row]}: {RATING} {complaint}.")
    return numbers


def _typed(
    raw: dict[str, pd.DataFrame], inputs: dict[str, InputFile], kind: Kind
) -> dict[str, pd.DataFrame]:
    """Give all parts ids of one type; refuse the first cell that does not fit."""
    parts = {name: frame.drop(columns="line") for name, frame in raw.items()}
    for name in (USER, ITEM):
        decided = id_kind(kind, raw["train"][name].iloc[0])
        if decided == "text id":
            continue
        for part, frame in raw.items():
            parts[part][name] = _as_integers(frame, Column(name, name, decided), inputs[part])
    return parts


def _as_integers(frame: pd.DataFrame, column: Column, file: InputFile) -> np.ndarray:
    try:
        texts = pa.array(frame[column.there], type=pa.string())
        numbers = texts.cast(pa.int64()).to_numpy(zero_copy_only=False)
        fits = (numbers >= 0).all()
    except pa.ArrowInvalid:
        fits = False
    if fits:
        return numbers
    cells = zip(frame[column.there], frame["line"], strict=True)
    line, wrong = next((line, w) for text, line in cells if (w := column.complaint(text)))
    raise DataError(f"{file.label}, line {line}: {column.there} {wrong}.")
