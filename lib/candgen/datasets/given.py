"""Splits that somebody else has made, so that results can stand beside published ones.

| layout | a line holds | as in |
|---|---|---|
| adjacency | `user item item ...` | the files of LightGCN and BARS |
| pairs | `user item` | plain implicit feedback |
| triples | `user item rating` | ratings split by a paper |
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from candgen.columns import ITEM, ITEM_ID, RATING, USER, USER_ID
from candgen.datasets.archives import InputFile, describe
from candgen.datasets.cells import Column, Kind, TextFormat, id_kind
from candgen.datasets.reading import decoded_lines
from candgen.datasets.source import Source
from candgen.datasets.tables import check_text_settings, existing, kind_of, read_features
from candgen.errors import DataError, SettingError, did_you_mean

LAYOUTS = {"adjacency": None, "pairs": 2, "triples": 3}


def read(
    *,
    train_path: str = "",
    test_path: str = "",
    validation_path: str = "",
    candidates_path: str = "",
    layout: str = "adjacency",
    id_type: str = "auto",
    delimiter: str = "",
    encoding: str = "utf-8",
    user_column: str = "user",
    item_column: str = "item",
    users_path: str = "",
    items_path: str = "",
) -> Source:
    """Read train and test files as they are, with optional validation and candidate lists.

    Args:
        train_path: Events to learn from.
        test_path: Events to predict.
        validation_path: Events to choose settings on. Empty: preparation takes some of train.
        candidates_path: The items that may be ranked for each user, in the same layout. Empty: all.
        layout: adjacency, pairs or triples; blank lines are skipped, and there is no header.
        id_type: integer, text, or auto: integers where the first line of train has one, else text.
        delimiter: What separates the cells; empty: any white space.
        encoding: How the files are encoded.
        user_column: Header of the ids in the table of users.
        item_column: Header of the ids in the table of items.
        users_path: Optional CSV or Parquet with one row a user.
        items_path: Optional CSV or Parquet with one row an item, such as titles.

    Raises:
        SettingError: If a setting is out of range.
        DataError: If a file is missing, or holds what it must not; the message names file and line.
    """
    check_text_settings(id_type=id_type, delimiter=delimiter, encoding=encoding)
    if layout not in LAYOUTS:
        raise SettingError(f"layout is {layout!r}.{did_you_mean(layout, LAYOUTS)}")
    inputs = {
        "train": existing(train_path, "train_path", "the events to learn from"),
        "test": existing(test_path, "test_path", "the events to predict"),
    }
    if validation_path:
        inputs["validation"] = existing(validation_path, "validation_path", "validation events")
    if candidates_path:
        inputs["candidate_lists"] = existing(candidates_path, "candidates_path", "candidate lists")
    read_part = _read_adjacency if layout == "adjacency" else _read_rows
    raw = {name: read_part(file, layout, delimiter, encoding) for name, file in inputs.items()}
    kind = kind_of(id_type)
    parts = _typed(raw, inputs, kind)
    used = list(inputs.values())
    text = TextFormat(encoding=encoding)
    users = read_features(users_path, "users_path", Column(user_column, USER_ID, kind), text, used)
    items = read_features(items_path, "items_path", Column(item_column, ITEM_ID, kind), text, used)
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
