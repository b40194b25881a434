"""Files of one block each, that this process writes and workers read.

A file holds named arrays and sparse matrices in NumPy's format, without pickled objects.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import files

BLOCKS_A_WORKER = 8
"""Blocks cut for each worker: while the last ones are at work, others wait for part of a block."""
_PARTS = ("indptr", "indices", "data", "shape")


def edges(n_rows: int, n_workers: int, multiple: int = 1) -> list[int]:
    """Cut rows into blocks of one length; return where each begins, and `n_rows`.

    Args:
        n_rows: Rows to share out.
        n_workers: Workers that take a block each, then the next.
        multiple: Blocks begin at multiples of so many rows.
    """
    rows = -(-n_rows // max(1, n_workers * BLOCKS_A_WORKER))
    rows = -(-max(rows, 1) // multiple) * multiple
    return [*range(0, n_rows, rows), n_rows]


def write(path: Path | str, **held: NDArray | csr_array | None) -> None:
    """Write arrays and sparse matrices by name; None is left out. The file appears whole."""
    arrays = {}
    for name, value in held.items():
        if isinstance(value, csr_array):
            arrays |= {f"{name}.{part}": np.asarray(getattr(value, part)) for part in _PARTS}
        elif value is not None:
            arrays[name] = value
    files.write_arrays(path, arrays)


def read(path: Path | str) -> dict[str, NDArray | csr_array]:
    """Read what `write` has written."""
    with np.load(path, allow_pickle=False) as stored:
        held = dict(stored)
    for name in {key.partition(".")[0] for key in held if "." in key}:
        indptr, indices, data, shape = (held.pop(f"{name}.{part}") for part in _PARTS)
        held[name] = csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    return held


def read_array(path: Path | str) -> NDArray:
    """Read one array."""
    return np.load(path, allow_pickle=False)


def usable(array: NDArray) -> NDArray:
    """Return an array as compiled code takes it: received ones may be read-only or unaligned."""
    return np.require(array, requirements=["C", "A", "W"])
