"""Random tables generated in blocks of rows.

A random generator yields one stream, so the size of a block bounds the memory and does not change
the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from candgen.seeds import derive_seed

ROWS = 65_536


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the random generator for one purpose of the world."""
    return np.random.default_rng(derive_seed(seed, f"world/{purpose}"))


def blocks(n: int, rows: int = ROWS) -> Iterator[slice]:
    """Cut 0 .. n into slices of at most `rows`."""
    for start in range(0, n, rows):
        yield slice(start, min(start + rows, n))


def normal_table(rng: np.random.Generator, n: int, columns: int) -> NDArray[np.float32]:
    """Draw independent standard normal numbers, shape `(n, columns)`."""
    table = np.empty((n, columns), dtype=np.float32)
    for block in blocks(n):
        table[block] = rng.standard_normal((block.stop - block.start, columns))
    return table
