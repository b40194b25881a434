"""Event tables that are written from the database, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from candgen.datasets.beyond_memory.database import EventStore

ROWS = 1024 * 1024  # of a row group, as `pq.write_table` cuts them


class StoredTable:
    """Events of the database, all or those of one part, in their order."""

    def __init__(self, store: EventStore, part: int | None, rows: int) -> None:
        self._store, self._part, self._rows = store, part, rows

    def __len__(self) -> int:
        return self._rows

    def write(self, path: Path) -> str:
        """Write the table as `pq.write_table` does, and return its content digest."""
        blocks = self._store.events(self._part, ROWS)
        schema = pa.schema([pa.field(name, kind) for name, kind in self._store.schema.items()])
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for table in _of_equal_length(blocks, schema):
                writer.write_table(table, row_group_size=ROWS)
        return digest_of_file(path, self._rows)


def digest_of_file(path: Path, rows: int) -> str:
    """Return what `content_digest` returns for a file of numbers without missing values."""
    digest = hashlib.sha256()
    for column, kind in zip(*_columns(path), strict=True):
        digest.update(f"{column} {rows}\n".encode())
        digest.update(str(kind).encode())
        _update_zeros(digest, -(-rows // 8))  # one bit a row: no value is missing
        for batch in pq.ParquetFile(path).iter_batches(ROWS, columns=[column]):
            values = batch.column(0).to_numpy(zero_copy_only=False)
            digest.update(np.ascontiguousarray(values))
    return digest.hexdigest()


def _columns(path: Path) -> tuple[list[str], list[pa.DataType]]:
    schema = pq.read_schema(path)
    return schema.names, schema.types


def _update_zeros(digest: Any, count: int) -> None:
    block = bytes(1 << 20)
    for _ in range(count // len(block)):
        digest.update(block)
    digest.update(bytes(count % len(block)))


def _of_equal_length(blocks: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut blocks of any length into tables of `ROWS` rows, the last of fewer."""
    held, count = [], 0
    for block in blocks:
        held.append(block)
        count += len(block)
        while count >= ROWS:
            whole = pa.Table.from_batches(held).cast(schema).combine_chunks()
            yield whole.slice(0, ROWS)
            held = whole.slice(ROWS).to_batches()
            count -= ROWS
    if count:
        yield pa.Table.from_batches(held).cast(schema).combine_chunks()
