"""Sums of vectors while they learn by WARP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.features import EventLog
from candgen.models.hybrid import kernels
from candgen.models.towers.inputs import Input, Items, Queries, at_events, right_now
from candgen.models.towers.network import Tower
from candgen.negatives import Sampler
from candgen.training import Learner

_ROWS = 4096  # vectors made at once


class WarpLearner(Learner):
    """Sums of the inputs of a user and of an item, and the WARP loss between them.

    Vectors of items have a last coordinate, their bias, for which queries have a 1.
    """

    def __init__(
        self,
        log: EventLog,
        queries: Sequence[Input],
        items: Sequence[Input],
        sampler: Sampler,
        *,
        history: csr_array,
        dim: int,
        margin: float,
        history_length: int = 0,
        moment: int = 0,
    ) -> None:
        """Put the parts together.

        Args:
            log: The training events.
            queries: Inputs of users, of width `dim`.
            items: Inputs of items, of width `dim + 1`; the last column starts from zeros.
            sampler: Draws the pool of a batch.
            history: Items that count for none of a user's negatives, shape `(n_users, n_items)`.
            dim: Length of the vectors, without the bias.
            margin: By how much a positive should score higher.
            history_length: Last events that a query reads; 0: all.
            moment: When candidates are asked for, in seconds; 0 where events have no times.
        """
        self.log, self.queries, self.items, self.sampler = log, queries, items, sampler
        self.query_tower = Tower("query", queries, dim=dim)
        self.n_items, self.history_length, self.moment = history.shape[1], history_length, moment
        self.n_examples = len(log)
        counts = np.bincount(log.items, minlength=self.n_items)
        self.learned_items = counts > 0
        self.tables = {
            f"{side}/{one.name}" + f"/{n}" * bool(n): table
            for side, inputs in (("query", queries), ("item", items))
            for one in inputs
            for n, table in enumerate(one.tables)
        }
        for one in items:
            one.table.rows[:, dim] = 0
        self._dim, self._margin = dim, np.float32(margin)
        known = history.sorted_indices()
        self._starts, self._known = known.indptr.astype(np.int64), known.indices.astype(np.int32)
        drawable = (sampler.probabilities() > 0).astype(np.int64)
        had = np.bincount(
            np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts)),
            weights=drawable[self._known],
            minlength=len(self._starts) - 1,
        )
        self._others = drawable.sum() - had.astype(np.int64)  # items that can be negatives
        self._losses = np.concatenate([[0], np.cumsum(1 / np.arange(1, self.n_items + 1))])

    def learn(self, examples, weights, rate, rng):
        asked = at_events(self.log, examples, self.history_length)
        positives, size = self.log.items[examples], len(examples)
        drawn = self.sampler.draw(positives, asked.users, rng).shared
        queries = self._with_ones(_sum(self.queries, asked, rng))
        vectors = _sum(self.items, Items(np.concatenate([positives, drawn]), None), rng)
        places, tries = np.empty(size, np.int64), np.empty(size, np.int64)
        short = np.empty(size, np.float32)
        kernels.first_violators(
            queries, vectors[:size], vectors[size:], drawn, rng.integers(len(drawn), size=size),
            asked.users, self._starts, self._known, self._margin, places, tries, short,
        )  # fmt: skip
        ranks = np.maximum(self._others[asked.users] // np.maximum(tries, 1), 1)
        gains = (weights * self._losses[ranks]).astype(np.float32)
        of_queries, of_items = np.zeros_like(queries), np.zeros_like(vectors)
        kernels.slopes(
            queries, vectors[:size], vectors[size:], places, gains,
            of_queries, of_items[:size], of_items[size:],
        )  # fmt: skip
        for one in self.queries:
            one.learn(np.ascontiguousarray(of_queries[:, : self._dim]))
        for one in self.items:
            one.learn(of_items)
        return float(gains @ short / max(float(weights.sum()), 1.0))

    # --- serving

    def scores(self, users):
        return self.query_vectors(self.now(self.log, users)) @ self.item_vectors().T

    def now(self, log: EventLog, users: NDArray[np.int64]) -> Queries:
        """Return users with what a log knows of them, when candidates are asked for."""
        return right_now(log, users, self.moment, self.history_length)

    def query_vectors(self, asked: Queries) -> NDArray[np.float32]:
        """Return one vector a query, shape `(n, dim + 1)`, the last coordinate a 1."""
        return self._with_ones(_sum(self.queries, asked))

    def item_vectors(self, moment: int | None = None) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim + 1)`, at any moment the same."""
        made = np.empty((self.n_items, self._width(self._dim)), dtype=np.float32)
        for start in range(0, len(made), _ROWS):
            items = np.arange(start, min(start + _ROWS, len(made)))
            made[items] = _sum(self.items, Items(items, None))
        return made

    def _width(self, dim: int) -> int:
        return dim + 1

    def _with_ones(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.column_stack([vectors, np.ones(len(vectors), np.float32)])


def _sum(
    inputs: Sequence[Input], asked: Queries | Items, rng: np.random.Generator | None = None
) -> NDArray[np.float32]:
    total = inputs[0].look(asked, rng)
    for one in inputs[1:]:
        total = total + one.look(asked, rng)
    return total
