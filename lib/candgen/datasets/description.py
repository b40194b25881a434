"""`dataset.json`, the description of a prepared dataset, checked before anything relies on it.

It is read without pandas, which takes a second to load: a sweep looks here to see what is done.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from candgen import records
from candgen.checks import CountOrZero
from candgen.errors import DataError
from candgen.records import Digest, Record

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FORMAT = 2
DESCRIPTION = "dataset.json"
TABLES = ("interactions", "train", "test", "users", "items")
"""Tables that every dataset has."""

TableName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]
"""A name of a table, which is the beginning of a file's name."""


class _Table(Record):
    rows: CountOrZero
    content: str
    sha256: Digest


class _Named(Record):
    digest: str


class _File(Record):
    sha256: str


class _Files(Record):
    tables: dict[TableName, _File]


class _Input(Record):
    path: str | None = None
    bytes: int | None = None
    sha256: str | None = None


class _Source(Record):
    title: str | None = None
    kind: str | None = None
    inputs: list[_Input] | None = None


class _Split(Record):
    policy: str | None = None
    validation_part: str | None = None
    train_ends: int = 0
    test_starts: int = 0


class Description(Record):
    """Fields of `dataset.json` that code relies on."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    digest: Digest
    counts: dict[str, CountOrZero]
    tables: dict[TableName, _Table]
    source: _Source = _Source()
    split: _Split = _Split()
    parameters: dict[str, Any] = {}
    warnings: list[str] = []
    notes: list[str] = []

    @model_validator(mode="after")
    def _agrees(self) -> Description:
        for name in TABLES:
            if name not in self.tables:
                raise ValueError(f"tables lacks {name!r}, which every dataset has.")
        for name in ("users", "items"):
            if self.counts.get(name) != self.tables[name].rows:
                raise ValueError(
                    f"counts.{name} is {self.counts.get(name)}, expected the "
                    f"{self.tables[name].rows:,} rows of the table {name!r}."
                )
        return self


def read(folder: Path) -> dict[str, Any]:
    """Read the description of a prepared dataset.

    Raises:
        DataError: If there is none, it has another format, or anything in it is not what
            `write_dataset` writes.
    """
    path, remedy = folder / DESCRIPTION, "Prepare the dataset again."
    if not path.is_file():
        raise DataError(
            f"{folder} is not a prepared dataset: it has no {DESCRIPTION}. "
            "Make one with `candgen prepare` or notebooks/10_prepare_data.ipynb."
        )
    held = records.read(path, Record, remedy)
    if held.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {held.get('format')!r}, this version reads {FORMAT}. {remedy}"
        )
    if fault := records.fault_of(held, Description):
        raise DataError(f"{path}: {fault} {remedy}")
    return held


def begun_digest(info: dict[str, Any]) -> Any:
    """Begin the digest of a dataset with the settings that change what equal tables are judged by.

    Judgements by different rules must not be compared. Without such settings it begins empty.
    """
    parameters = info.get("parameters") or {}
    usual = {"repeats": "withhold", "positive_rating": 0.0}
    rules = {name: parameters.get(name, default) for name, default in usual.items()}
    told = [f"judged by {name}={rules[name]}\n" for name in usual if rules[name] != usual[name]]
    return hashlib.sha256("".join(told).encode())


def positives(events: pd.DataFrame, info: dict[str, Any]) -> pd.DataFrame:
    """Return the held-out events that count: those rated `positive_rating` or better, if set."""
    at_least = (info.get("parameters") or {}).get("positive_rating")
    return events[events["rating"] >= at_least].reset_index(drop=True) if at_least else events


def digest_of(folder: Path) -> str | None:
    """Return the digest that a prepared dataset records of itself; None if none can be read."""
    try:
        return records.read(folder / DESCRIPTION, _Named)["digest"]
    except DataError:
        return None


def digests_of_files(folder: Path) -> dict[str, str] | None:
    """Return the SHA-256 that is recorded of each table's file; None if none can be read."""
    try:
        tables = records.read(folder / DESCRIPTION, _Files)["tables"]
    except DataError:
        return None
    return {name: table["sha256"] for name, table in tables.items()}


def content_digest(frame: pd.DataFrame) -> str:
    """Digest names, types and values of a frame, independent of its file and memory layout."""
    import pyarrow as pa

    digest = hashlib.sha256()
    for column in frame.columns:
        values = pa.Array.from_pandas(frame[column])
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        digest.update(f"{column} {len(values)}\n".encode())
        _digest_array(digest, values)
    return digest.hexdigest()


def _digest_array(digest: Any, values: pa.Array) -> None:
    """Digest a column: its type, the positions of missing values, and the bytes of the others."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _digest_array(digest, values.dictionary_decode())
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    digest.update(("text" if text else "list" if nested else str(kind)).encode())
    digest.update(np.packbits(values.is_null().to_numpy(zero_copy_only=False)))
    values = values.drop_null()
    if text:
        lengths = pc.binary_length(values.cast(pa.large_string()))
        digest.update(np.ascontiguousarray(lengths.to_numpy(), dtype="<i8"))
        digest.update("".join(values.to_pylist()).encode())
    elif nested:
        lengths = pc.list_value_length(values)
        digest.update(np.ascontiguousarray(lengths.to_numpy(), dtype="<i8"))
        _digest_array(digest, values.flatten())
    elif pa.types.is_boolean(kind):
        digest.update(np.packbits(values.to_numpy(zero_copy_only=False)))
    else:
        digest.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)))
