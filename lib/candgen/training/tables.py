"""Embedding tables whose updates touch the rows of a batch and no others, for every optimizer.

A table of 5,000,000 rows is updated as fast as one of 10,000: gradients are summed for the rows
that occur, and only these and their moments are read and written. The moments of rows that do not
occur rest (the "lazy" form of Adam), and so does their penalty. Everything is in NumPy memory;
what TensorFlow computes with are the gathered vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from candgen.checks import Count, NotNegative, checked
from candgen.training import table_kernels as kernels

Optimizer = Literal["adam", "adagrad", "sgd"]
_WORTH_THREADS = 4_000_000  # numbers read; below, waiting for a thread can cost more than it brings
_STATES = {"adam": ("moments", "squares"), "adagrad": ("squares",), "sgd": ()}


class Bags(NamedTuple):
    """Which rows of a table are pooled into each of n results.

    Bags are windows into one long array, so that nothing is copied, whatever their length.
    """

    rows: NDArray[np.int32]
    """Rows of the table, shape `(m,)`, none missing."""
    starts: NDArray[np.int64]
    """Bag b holds `rows[starts[b]:stops[b]]`, shape `(n,)`."""
    stops: NDArray[np.int64]
    """Shape `(n,)`."""
    skips: NDArray[np.int64]
    """A place in `rows` that is left out of the bag, such as the target; -1: none. Shape `(n,)`."""
    weights: NDArray[np.float32] | None = None
    """Of each entry of `rows`, shape `(m,)`; None: ones."""
    fading: float = 1.0
    """An entry that is j places before the last one of its bag weighs `fading ** j` of that."""
    mean: bool = True
    """Whether a bag's sum is divided by the sum of its weights."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Entries of each bag, the skipped one not counted, shape `(n,)`."""
        inside = (self.skips >= self.starts) & (self.skips < self.stops)
        return np.maximum(self.stops - self.starts, 0) - inside

    def _places(self) -> tuple:
        weights = np.zeros(0, np.float32) if self.weights is None else self.weights
        return self.starts, self.stops, self.skips, weights, np.float32(self.fading)

    def scales(self) -> NDArray[np.float32]:
        """What a bag's sum is multiplied by, shape `(n,)`; 0 for a bag that weighs nothing."""
        if not self.mean:
            return np.ones(len(self.starts), np.float32)
        totals = np.empty(len(self.starts), np.float32)
        with _threads_for(int(np.maximum(self.stops - self.starts, 0).sum())):
            kernels.total_weights(*self._places(), totals)
        return np.divide(1, totals, out=np.zeros_like(totals), where=totals != 0)


class EmbeddingTable:
    """One vector a row, with an optimizer that touches only the rows that got a gradient.

    Attributes:
        rows: The vectors, shape `(n_rows, dim)`, float32.
    """

    def __init__(
        self,
        n_rows: int,
        dim: int,
        *,
        spread: float = 0.1,
        optimizer: str = "adam",
        seed: int = 0,
    ) -> None:
        """Draw the start.

        Args:
            n_rows: Vectors there are.
            dim: Length of a vector.
            spread: Standard deviation of the normal start; 0 starts from zeros.
            optimizer: adam, adagrad or sgd.
            seed: Of the start.

        Raises:
            SettingError: If a setting is out of range.
        """
        n_rows = checked("n_rows", n_rows, Count)
        dim = checked("dim", dim, Count)
        spread = checked("spread", spread, NotNegative)
        self.optimizer = checked("optimizer", optimizer, Optimizer)
        self.rows = np.zeros((n_rows, dim), dtype=np.float32)
        if spread:
            drawn = np.random.default_rng(seed).standard_normal(self.rows.shape, np.float32)
            self.rows = np.multiply(drawn, np.float32(spread), out=drawn)
        self._moving = {name: np.zeros_like(self.rows) for name in _STATES[optimizer]}
        self._steps = 0
        self._slots = np.full(n_rows, kernels.NO_SLOT, dtype=np.int32)
        self._touched = np.zeros(0, dtype=np.int32)
        self._pending = np.zeros((0, dim), dtype=np.float32)
        self._n = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.rows.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory of the vectors and of what the optimizer keeps."""
        moving = sum(held.nbytes for held in self._moving.values())
        return self.rows.nbytes + moving + self._slots.nbytes + self._pending.nbytes

    def gather(self, ids: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of `ids`, shape `(*ids.shape, dim)`; -1 gives zeros."""
        ids = np.asarray(ids)
        out = np.empty((ids.size, self.dim), dtype=np.float32)
        with _threads_for(out.size):
            kernels.gather(self.rows, ids.ravel(), out)
        return out.reshape(*ids.shape, self.dim)

    def add(self, ids: NDArray[np.integer], gradients: NDArray[np.float32]) -> None:
        """Remember gradients for the next update; those of a repeated row add up.

        Args:
            ids: Rows, of any shape; -1 is ignored.
            gradients: Shape `(*ids.shape, dim)`.
        """
        ids = np.asarray(ids).ravel()
        gradients = np.asarray(gradients, dtype=np.float32).reshape(-1, self.dim)
        self._make_room(len(ids))
        self._n = kernels.mark(ids, self._slots, self._touched, self._n)
        with _threads_for(gradients.size) as n_threads:
            kernels.add(ids, gradients, self._slots, self._pending, n_threads)

    def pool(self, bags: Bags) -> NDArray[np.float32]:
        """Return the mean (or sum) of the rows in each bag, shape `(n, dim)`; zeros if empty."""
        out = np.empty((len(bags.starts), self.dim), dtype=np.float32)
        with _threads_for(self._numbers_in(bags)):
            kernels.pool(self.rows, bags.rows, *bags._places(), bags.scales(), out)
        return out

    def add_pooled(self, bags: Bags, gradients: NDArray[np.float32]) -> None:
        """Remember gradients of pooled vectors, shape `(n, dim)`, for the rows in their bags."""
        gradients = np.asarray(gradients, dtype=np.float32)
        self._make_room(int(np.maximum(bags.stops - bags.starts, 0).sum()))
        self._n = kernels.mark_bags(
            bags.rows, bags.starts, bags.stops, self._slots, self._touched, self._n
        )
        with _threads_for(self._numbers_in(bags)) as n_threads:
            kernels.add_pooled(
                bags.rows,
                *bags._places(),
                bags.scales(),
                gradients,
                self._slots,
                self._pending,
                n_threads,
            )

    def update(self, rate: float, *, l2: float = 0.0) -> None:
        """Take one step for the rows with gradients, and forget the gradients.

        Args:
            rate: The learning rate of this step.
            l2: Penalty on the squared length of the touched rows, half of it counted.
        """
        self._steps += 1
        held = (self._touched, self._n, self._slots, self._pending)
        rate, l2 = np.float32(rate), np.float32(l2)
        moving = self._moving.values()
        with _threads_for(self._n * self.dim * (2 + len(moving))):
            if self.optimizer == "adam":
                kernels.update_adam(self.rows, *moving, *held, rate, l2, self._steps)
            elif self.optimizer == "adagrad":
                kernels.update_adagrad(self.rows, *moving, *held, rate, l2)
            else:
                kernels.update_sgd(self.rows, *held, rate, l2)
        self._n = 0

    def state(self) -> dict[str, NDArray]:
        """Return all that decides how training goes on, by name; the arrays are not copies."""
        return {"rows": self.rows, **self._moving, "steps": np.array(self._steps)}

    def load_state(self, state: dict[str, NDArray]) -> None:
        """Go on from a state that `state` returned."""
        for name, held in {"rows": self.rows, **self._moving}.items():
            held[:] = state[name]
        self._steps = int(state["steps"])

    def _numbers_in(self, bags: Bags) -> int:
        return int(np.maximum(bags.stops - bags.starts, 0).sum()) * self.dim

    def _make_room(self, n_more: int) -> None:
        """Grow the slots to what the gathered and `n_more` further rows can need at most."""
        needed = min(self._n + n_more, len(self.rows))
        if needed <= len(self._pending):
            return
        room = min(max(needed, 2 * len(self._pending)), len(self.rows))
        touched = np.zeros(room, dtype=np.int32)
        pending = np.zeros((room, self.dim), dtype=np.float32)
        touched[: self._n] = self._touched[: self._n]
        pending[: self._n] = self._pending[: self._n]
        self._touched, self._pending = touched, pending


@contextmanager
def _threads_for(n_numbers: int) -> Iterator[int]:
    """Use one thread where there is little to do: on a busy machine, waiting costs milliseconds."""
    held = numba.get_num_threads()
    wanted = held if n_numbers >= _WORTH_THREADS else 1
    numba.set_num_threads(wanted)
    try:
        yield wanted
    finally:
        numba.set_num_threads(held)
