"""Folders that Hugging Face `datasets` writes with `save_to_disk`, read without that library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from candgen import files
from candgen.errors import DataError

_STATE, _SPLITS = "state.json", "dataset_dict.json"
_FIRST = "train"


def table_in(path: Path, notes: list[str]) -> Path:
    """Return the file of a table: the path itself, or the first Arrow file of a saved dataset.

    Args:
        path: File, or folder that `save_to_disk` wrote: of one dataset or of one a split.
        notes: A sentence is added where a folder holds several splits.

    Raises:
        DataError: If the folder is no saved dataset, or a file of it is missing.
    """
    if not path.is_dir():
        return path
    if (path / _SPLITS).is_file():
        splits = [str(name) for name in _of(path / _SPLITS, "splits")]
        chosen = _FIRST if _FIRST in splits else next(iter(splits), "")
        if len(splits) > 1:
            notes.append(
                f"{path} holds the splits {', '.join(splits)}; only {chosen} is read, and split "
                "anew. To read another, give its folder; for all, join them before you save."
            )
        path = path / Path(chosen).name
    if not (path / _STATE).is_file():
        raise DataError(
            f"{path} is a folder, but no dataset that Hugging Face saved: it has no {_STATE}. Give "
            "a CSV, Parquet or JSON lines file, or a folder written by save_to_disk."
        )
    named = [str(held.get("filename")) for held in _of(path / _STATE, "_data_files")]
    first = path / Path(named[0] if named else "").name
    if not first.is_file():
        raise DataError(f"{path / _STATE} names {named[:1]}, which is not there. Save it again.")
    return first


def _of(file: Path, key: str) -> list[Any]:
    try:
        held = files.read_json(file)[key]
    except (OSError, ValueError, KeyError, TypeError):
        held = None
    if not isinstance(held, list):
        raise DataError(f"{file} is no description of a saved dataset: it lacks {key!r}.")
    return held
