"""Checkpoints: a killed training resumes and ends with the same result.

A checkpoint belongs to one training: generator, settings, dataset and code. It is found again by a
key made of these, appears whole, and goes when the training has ended.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen import files

_folder: Path | None = None


def keep_in(folder: Path | str | None) -> None:
    """Keep the checkpoints of all trainings of this process in a folder; None keeps none."""
    global _folder
    _folder = None if folder is None else Path(folder)


def kept_in() -> Path | None:
    """Return where checkpoints are kept."""
    return _folder


class Checkpoint:
    """The file of one training."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, arrays: dict[str, NDArray], notes: dict[str, Any]) -> None:
        """Write arrays by name and notes of JSON types; the old file stays until all is there."""
        text = np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)
        files.write_arrays(self.path, {**arrays, "notes": text})

    def load(self) -> tuple[dict[str, NDArray], dict[str, Any]] | None:
        """Return arrays and notes, or None if there is nothing that can be read."""
        if not self.path.is_file():
            return None
        try:
            with open(self.path, "rb") as file, np.load(file, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            return None
        return arrays, json.loads(arrays.pop("notes").tobytes())

    def forget(self) -> None:
        """Remove the file, and the folder if nothing else is in it."""
        self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.parent.rmdir()
