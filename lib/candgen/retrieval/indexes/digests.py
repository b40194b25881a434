"""Digests of arrays and files that are quick enough to take at every load.

Up to 32 MiB every byte counts. Of more, 512 blocks spread evenly are read, the first and the last
among them: enough to tell one file from another, a longer or shorter one, or one that was trained
again. A few bytes changed by hand between the blocks go unnoticed; the digest of the whole, which
a sidecar keeps too, finds those.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_BLOCK, _BLOCKS = 2**16, 512


def spread_digest(array: NDArray) -> str:
    """Digest an array's type, shape and bytes; of more than 32 MiB, evenly spread blocks."""
    return _digest(array, whole=False)


def whole_digest(array: NDArray) -> str:
    """Digest an array's type, shape and all its bytes."""
    return _digest(array, whole=True)


def file_bytes(path: Path | str) -> NDArray[np.uint8]:
    """Map a file's bytes, to be digested."""
    if not Path(path).stat().st_size:
        return np.zeros(0, dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r")


def _digest(array: NDArray, *, whole: bool) -> str:
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    content = array.reshape(-1).view(np.uint8)
    if whole or content.size <= _BLOCK * _BLOCKS:
        digest.update(content)
        return digest.hexdigest()
    for start in np.linspace(0, content.size - _BLOCK, _BLOCKS).astype(np.int64):
        digest.update(content[start : start + _BLOCK])
    return digest.hexdigest()
