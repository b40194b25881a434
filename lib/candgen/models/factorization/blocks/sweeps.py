"""Sweeps of WALS over the workers of a cluster.

Half a sweep is one task a block. It reads the block's pairs and vectors, has the other side's
vectors whole (the *table*) and their products, calls the solver that one process calls, and writes
the new vectors. When all blocks are there, a task reads them as the next table. Every row is solved
from the same numbers in the same order, so the vectors are those of one process, to the last bit.

What limits it: in each worker the vectors of the larger side and one block, and in this process the
events and both sides. See `candgen.models.factorization.blocks.costs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen import files
from candgen.cluster.block_files import read_array, usable
from candgen.models.factorization.blocks.side import Side, read_pairs, read_table
from candgen.models.factorization.wals_solver import (
    Observed,
    Penalty,
    gram_of,
    solve_rows,
    sum_of_errors,
)

if TYPE_CHECKING:
    from distributed import Future

    from candgen.cluster.workers import Cluster


class Parts(NamedTuple):
    """Part of the objective that the rows of a block add."""

    errors: float
    penalty: float

    @classmethod
    def of(
        cls,
        observed: Observed,
        rows: NDArray[np.float32],
        fixed: NDArray[np.float32],
        penalty: Penalty,
        *,
        counts_errors: bool,
    ) -> Parts:
        """Compute both; an error of a pair is counted once, on the users' side."""
        errors = sum_of_errors(observed, rows, fixed) if counts_errors else 0.0
        return cls(errors, penalty.of_vectors(rows, observed.counts(), len(fixed)))


class Table(NamedTuple):
    """The vectors of one side, whole, on the workers."""

    vectors: Future
    gram: Future


class BlockSweeps:
    """The two sides of a factorization on a cluster, and the sweeps over them."""

    def __init__(
        self, cluster: Cluster, users: Side, items: Side, dim: int, penalty: Penalty, solver: dict
    ) -> None:
        self._cluster, self._dim, self._penalty, self._solver = cluster, dim, penalty, solver
        self._users, self._items = users, items
        self._done = 0  # sweeps
        self._of_users = self._table(users)
        of_items = self._table(items)
        self._parts = {
            "users": self._each(users, of_items, counts_errors=True),
            "items": self._each(items, self._of_users, counts_errors=False),
        }
        self._item_gram = cluster.value(of_items.gram)

    def sweep(self) -> None:
        """Solve for the items with the users still, then for the users."""
        self._done += 1
        self._parts["items"] = self._each(self._items, self._of_users, counts_errors=False)
        self._of_users = None  # lets the workers drop it before they get the other table
        of_items = self._table(self._items)
        self._parts["users"] = self._each(self._users, of_items, counts_errors=True)
        self._item_gram = self._cluster.value(of_items.gram)
        del of_items
        self._of_users = self._table(self._users)
        for side in (self._users, self._items):
            side.remove_vectors(self._done - 1)

    def objective(self) -> float:
        """Return the objective that the last sweep has reached."""
        users, items = self._parts["users"], self._parts["items"]
        total = sum(part.errors for part in users)
        total += self._penalty.of_all_pairs(
            self._cluster.value(self._of_users.gram), self._item_gram
        )
        return total + sum(part.penalty for part in (*users, *items))

    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Read the vectors of users and of items."""
        return tuple(read_table(side, self._done, self._dim) for side in (self._users, self._items))

    def _table(self, side: Side) -> Table:
        vectors = self._cluster.table(read_table, side, self._done, self._dim)
        return Table(vectors, self._cluster.table(_gram, vectors))

    def _each(self, side: Side, table: Table, *, counts_errors: bool) -> list[Parts]:
        found: list[Any] = [None] * side.n_blocks
        calls = [
            (side, block, self._done, *table, self._penalty, counts_errors, self._solver)
            for block in range(side.n_blocks)
        ]
        for block, parts in self._cluster.each(_solve, calls):
            found[block] = parts
        return found


def in_blocks(
    cluster: Cluster,
    folder: Path,
    by_user: Observed,
    by_item: Observed,
    users: NDArray[np.float32],
    items: NDArray[np.float32],
    penalty: Penalty,
    **solver: Any,
) -> BlockSweeps:
    """Write both sides to a folder that the cluster shares, and give the sweeps over them."""
    sides = [
        Side.write(folder, name, observed, vectors, cluster.n_workers)
        for name, observed, vectors in (("users", by_user, users), ("items", by_item, items))
    ]
    return BlockSweeps(cluster, *sides, users.shape[1], penalty, solver)


def _solve(
    side: Side,
    block: int,
    sweep: int,
    fixed: NDArray[np.float32],
    gram: NDArray[np.float32],
    penalty: Penalty,
    counts_errors: bool,
    solver: dict[str, Any],
) -> Parts:
    """Solve for the rows of one block, on a worker, and write them; sweep 0 is as it was drawn."""
    observed, fixed = read_pairs(side.pairs(block)), usable(fixed)
    rows = read_array(side.vectors(block, max(sweep - 1, 0)))
    if sweep:
        solve_rows(observed, fixed, penalty, rows, gram=usable(gram), **solver)
        files.write_array(side.vectors(block, sweep), rows)
    return Parts.of(observed, rows, fixed, penalty, counts_errors=counts_errors)


def _gram(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return gram_of(usable(vectors))
