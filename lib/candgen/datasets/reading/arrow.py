"""Columns of Arrow files, as Hugging Face `datasets` saves them with `save_to_disk`.

A large dataset is saved in several files, `data-00000-of-00003.arrow` and so on. The first one
stands for all of them.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import pyarrow as pa

from candgen.datasets.archives import InputFile
from candgen.errors import DataError

ENDINGS = (".arrow", ".feather")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.arrow")
_FAULTS = (pa.ArrowException, OSError, ValueError, TypeError)


class ArrowFile:
    """Table in the stream or the file format of Arrow, in one or several files.

    Raises:
        DataError: If a file is missing, damaged or no Arrow file.
    """

    def __init__(self, file: InputFile) -> None:
        self._parts = [file, *(InputFile(path) for path in further_shards(file))]
        self.names = list(self._opened(file).schema.names)

    def read(self, places: list[int], limit: int | None) -> dict[int, pa.ChunkedArray]:
        """Read columns by their places; all values are checked, text among them."""
        tables, left = [], limit
        for part in self._parts:
            table = self._read(part, [self.names[n] for n in places], left)
            tables.append(table)
            if left is not None and (left := left - len(table)) <= 0:
                break
        try:
            whole = pa.concat_tables(tables)
            whole.validate(full=True)
        except _FAULTS as error:
            raise _unreadable(self._parts[0], error) from error
        return {n: whole[self.names[n]] for n in places}

    def _read(self, part: InputFile, names: list[str], limit: int | None) -> pa.Table:
        try:
            batches, count = [], 0
            reader = self._opened(part)
            for batch in _batches(reader):
                batches.append(batch.select(names))
                count += len(batch)
                if limit is not None and count >= limit:
                    break
            schema = pa.schema([reader.schema.field(name) for name in names])
            return pa.Table.from_batches(batches, schema).slice(0, limit)
        except (*_FAULTS, KeyError) as error:
            raise _unreadable(part, error) from error

    @staticmethod
    def _opened(part: InputFile) -> pa.RecordBatchStreamReader | pa.RecordBatchFileReader:
        plain = part.member is None and not part.compression
        try:
            with part.open() as stream:
                beginning = stream.read(6)
                held = None if plain else io.BytesIO(beginning + stream.read())
            source = pa.memory_map(str(part.path)) if held is None else held
            return (pa.ipc.open_file if beginning == b"ARROW1" else pa.ipc.open_stream)(source)
        except DataError:
            raise
        except _FAULTS as error:
            raise _unreadable(part, error) from error


def further_shards(file: InputFile) -> list[Path]:
    """Return the files that continue the first of several; none for any other file.

    Raises:
        DataError: If one is missing, or the file is not the first.
    """
    found = _SHARD.fullmatch(file.path.name)
    if found is None:
        return []
    name, place, count = found[1], int(found[2]), int(found[3])
    names = [f"{name}-{n:05d}-of-{count:05d}.arrow" for n in range(count)]
    if place:
        raise DataError(f"{file.path} is part {place + 1} of {count}; give the first, {names[0]}.")
    paths = [file.path.with_name(each) for each in names[1:]]
    for path in paths:
        if not path.is_file():
            raise DataError(f"{file.path} continues in {path.name}, which is missing.")
    return paths


def _batches(reader: pa.RecordBatchStreamReader | pa.RecordBatchFileReader):
    if isinstance(reader, pa.RecordBatchFileReader):
        return (reader.get_batch(n) for n in range(reader.num_record_batches))
    return reader


def _unreadable(file: InputFile, error: BaseException) -> DataError:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"{file.label} is not a readable Arrow file: {said}")
