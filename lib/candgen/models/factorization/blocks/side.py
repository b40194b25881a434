"""One side of a factorization, users or items, as files of blocks of rows.

A block has one file of observed pairs, written once, and one of vectors for each sweep. The vectors
of a sweep are solved from those of the sweep before, which stay until the next one is whole: a
block whose worker died is solved again from the same files, to the same bits.

Blocks begin at multiples of the rows that the compiled solver takes together, so that every row is
solved among the same neighbours as in one process.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen import files
from candgen.cluster import block_files
from candgen.cluster.block_files import BLOCKS_A_WORKER
from candgen.models.factorization.wals_solver import Observed

_MOST_PAIRS = 20_000_000  # of a block: 240 MB in memory


class Side(NamedTuple):
    """The files of one side."""

    folder: str
    name: str
    """"users" or "items"."""
    edges: tuple[int, ...]
    """First row of each block, and the number of rows."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.edges[-1]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.edges) - 1

    def pairs(self, block: int) -> str:
        """Return the path of a block's observed pairs."""
        return f"{self.folder}/{self.name}-{block:05d}-pairs.npz"

    def vectors(self, block: int, sweep: int) -> str:
        """Return the path of a block's vectors after so many sweeps."""
        return f"{self.folder}/{self.name}-{block:05d}-vectors-{sweep}.npy"

    @classmethod
    def write(
        cls,
        folder: Path,
        name: str,
        observed: Observed,
        vectors: NDArray[np.float32],
        n_workers: int,
    ) -> Side:
        """Write all blocks, with the vectors that the first sweep starts from."""
        side = cls(str(folder), name, block_edges(observed, vectors.shape[1], n_workers))
        for block, (first, end) in enumerate(pairwise(side.edges)):
            pairs = slice(observed.starts[first], observed.starts[end])
            weights, values = observed.weights[pairs], observed.values[pairs]
            block_files.write(
                side.pairs(block),
                starts=observed.starts[first : end + 1] - observed.starts[first],
                columns=observed.columns[pairs],
                weights=None if (weights == 1).all() else weights,  # as those of plain events
                values=None if (values == 1).all() else values,
            )
            files.write_array(side.vectors(block, 0), vectors[first:end])
        return side

    def remove_vectors(self, sweep: int) -> None:
        """Remove the vectors of a sweep that nothing is solved from any more."""
        for block in range(self.n_blocks):
            Path(self.vectors(block, sweep)).unlink(missing_ok=True)


def block_edges(observed: Observed, dim: int, n_workers: int) -> tuple[int, ...]:
    """Cut rows into blocks of about equal work, at multiples of the solver's own blocks.

    Work is counted in multiplications: dim for each observed pair, dim^2 / 2 for each row.
    """
    from candgen.models.factorization.wals_kernels import ROWS

    starts = observed.starts[::ROWS].astype(np.float64)
    first_rows = np.arange(0, len(observed.starts) - 1, ROWS)
    n_rows, n_pairs = len(observed.starts) - 1, int(observed.starts[-1])
    if n_rows == 0:
        return (0, 0)
    done = starts[: len(first_rows)] + first_rows * dim / 2  # work before each possible edge
    total = n_pairs + n_rows * dim / 2
    n_blocks = max(BLOCKS_A_WORKER * n_workers, -(-n_pairs // _MOST_PAIRS))
    wanted = np.arange(1, n_blocks) * total / n_blocks
    chosen = first_rows[np.minimum(np.searchsorted(done, wanted), len(first_rows) - 1)]
    return tuple(np.unique(np.r_[0, chosen, n_rows]).tolist())


def read_pairs(path: str) -> Observed:
    """Read the observed pairs of a block."""
    held = block_files.read(path)
    ones = np.ones(len(held["columns"]), dtype=np.float32)
    weights, values = (held.get(name, ones) for name in ("weights", "values"))
    return Observed(held["starts"], held["columns"], weights, values)


def read_table(side: Side, sweep: int, dim: int) -> NDArray[np.float32]:
    """Read the vectors of all rows of a side after so many sweeps, shape `(n_rows, dim)`."""
    table = np.empty((side.n_rows, dim), dtype=np.float32)
    for block, (first, end) in enumerate(pairwise(side.edges)):
        table[first:end] = block_files.read_array(side.vectors(block, sweep))
    return table
