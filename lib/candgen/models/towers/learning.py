"""Two towers while they learn: batches of events in, gradients of everything looked up out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.features import EventLog
from candgen.models.towers.inputs import Input, Items, Queries, at_events, right_now
from candgen.models.towers.network import Tower
from candgen.models.towers.timed import Age
from candgen.negatives import STARTS_WITH_BATCH, Drawn, Sampler
from candgen.training import CompiledStep, EmbeddingTable, Learner, quiet
from candgen.training.logits import logits
from candgen.training.losses import make_loss

_ROWS = 4096  # vectors made at once


class TowerLearner(Learner):
    """A query tower and an item tower that learn to meet.

    Examples are the training events: the query is what was known before, the positive the item
    taken. Items of a batch (positives, shared negatives, an example's own) go through the item
    tower together; the positives are not looked up again where they serve as negatives.

    Where items have an age, a negative drawn for the whole batch is as old as at the moment of one
    of the examples, chosen at random among those at which it was there, and counts for none of
    the examples at which it was not.
    """

    def __init__(
        self,
        log: EventLog,
        queries: Sequence[Input],
        items: Sequence[Input],
        towers: tuple[Tower, Tower],
        sampler: Sampler,
        *,
        n_items: int,
        moment: int,
        loss: str = "softmax",
        margin: float | None = None,
        negative_weight: float = 1.0,
        temperature: float = 1.0,
        history_length: int = 0,
        example_weights: NDArray[np.float32] | None = None,
        optimizer: str = "adam",
        popularity_weight: float = 0.0,
    ) -> None:
        """Put the parts together.

        Args:
            log: The training events.
            queries: Inputs of the query tower.
            items: Inputs of the item tower; a table may be in both.
            towers: The query tower and the item tower.
            sampler: Draws negatives.
            n_items: Items of the catalogue.
            moment: When candidates are asked for, in seconds; 0 where events have no times.
            loss: One of `candgen.training.losses.LOSSES`.
            margin: Of the loss.
            negative_weight: Of the loss.
            temperature: Products are divided by it, but for the contrastive loss.
            history_length: Last events that a query reads; 0: all.
            example_weights: What each event of the log weighs as an example; None: all alike.
            optimizer: Of the towers' layers.
            popularity_weight: Of the log of an item's events, when candidates are asked for.
        """
        self.log, self.queries, self.items, self.sampler = log, queries, items, sampler
        self.query_tower, self.item_tower = towers
        self.n_items, self.moment, self.history_length = n_items, moment, history_length
        self.n_examples, self._example_weights = len(log), example_weights
        self.learned_items = np.bincount(log.items, minlength=n_items) > 0
        self.tables = _tables(queries, items)
        self.age = next((i for i in items if isinstance(i, Age)), None)
        self._loss = make_loss(loss, margin=margin, weight=negative_weight, negatives=sampler.kind)
        self._temperature = 1.0 if loss == "contrastive" else temperature
        layers = [*self.query_tower.layers, *self.item_tower.layers]
        self.step = CompiledStep(self._loss_of_batch, layers=layers, optimizer=optimizer)
        self._gains = None  # of each item's score when candidates are asked for
        if popularity_weight:
            counts = np.bincount(log.items, minlength=n_items)
            self._gains = np.float32(popularity_weight) * np.log1p(counts).astype(np.float32)
        self._item_vectors: NDArray[np.float32] | None = None

    # --- learning

    def learn(self, examples, weights, rate, rng):
        asked = at_events(self.log, examples, self.history_length)
        positives = self.log.items[examples]
        if self._example_weights is not None:
            weights = weights * self._example_weights[examples]
        drawn = self.sampler.draw(positives, asked.users, rng)
        items = self._items_of(positives, drawn, asked.times, rng)
        embedded = {f"query/{i.name}": i.look(asked, rng) for i in self.queries}
        embedded |= {f"item/{i.name}": i.look(items, rng) for i in self.items}
        given = self._masks() | {f"drawn/{k}": v for k, v in drawn._asdict().items()}
        given |= {"weights": weights, "positives": positives}
        if self.age is not None:
            start = self.log.times[0]  # days since any fixed moment, exact in float32
            given["moments"] = ((asked.times - start) / 86_400).astype(np.float32)
            appeared = self.age.appeared[drawn.shared]
            given["appeared"] = ((appeared - start) / 86_400).astype(np.float32)
        loss, slopes = self.step(embedded, given, rate)
        for name, inputs in (("query", self.queries), ("item", self.items)):
            for one in inputs:
                one.learn(slopes[f"{name}/{one.name}"])
        self._item_vectors = None
        return loss

    def _items_of(
        self,
        positives: NDArray[np.int32],
        drawn: Drawn,
        times: NDArray[np.int64] | None,
        rng: np.random.Generator,
    ) -> Items:
        """Line up the positives, further shared negatives and everybody's own negatives."""
        batch, n_own = drawn.own.shape
        further = drawn.shared[batch if self.sampler.kind in STARTS_WITH_BATCH else 0 :]
        items = np.concatenate([positives, further, drawn.own.ravel()])
        if self.age is None:
            return Items(items, None)
        moments = _moments_of(self.age.appeared[further], times, rng)
        return Items(items, np.concatenate([times, moments, np.repeat(times, n_own)]))

    def _loss_of_batch(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        """Compute the loss; all shapes are known when this is compiled."""
        tf = quiet.tensorflow()
        queries = self.query_tower(embedded, given)  # (batch, dim)
        items = self.item_tower(embedded, given)  # (batch + further + batch * n_own, dim)
        drawn = Drawn(**{name: given[f"drawn/{name}"] for name in Drawn._fields})
        batch, n_own = drawn.own.shape
        n_shared = drawn.shared.shape[0]
        reused = batch if self.sampler.kind in STARTS_WITH_BATCH else 0
        n_first = batch + n_shared - reused
        own = tf.reshape(items[n_first:], (batch, n_own, items.shape[1]))
        if "moments" in given and n_shared:
            absent = given["appeared"][None, :] > given["moments"][:, None]
            drawn = drawn._replace(known=drawn.known | absent if drawn.known.shape[1] else absent)
        made = logits(
            queries,
            items[:batch],
            items[batch - reused : n_first],
            own,
            given["positives"],
            drawn,
            temperature=self._temperature,
            hardness=self.sampler.hardness,
        )
        return self._loss(made, given["weights"])

    def _masks(self) -> dict[str, NDArray[np.float32]]:
        return {f"query/{i.name}/mask": i.mask() for i in self.queries if i.attends}

    def set_weights(self, weights):
        super().set_weights(weights)
        self._item_vectors = None

    def state(self):
        drawing = self.sampler.state()
        return super().state() | {f"sampler/{name}": held for name, held in drawing.items()}

    def load_state(self, state):
        super().load_state(state)
        start = "sampler/"
        held = {n.removeprefix(start): a for n, a in state.items() if n.startswith(start)}
        self.sampler.load_state(held)
        self._item_vectors = None

    # --- serving

    def scores(self, users):
        return self.query_vectors(self.now(self.log, users)) @ self.item_vectors().T

    def now(self, log: EventLog, users: NDArray[np.int64], moment: int | None = None) -> Queries:
        """Return users with what a log knows of them, at the moment of serving or another."""
        moment = self.moment if moment is None else moment
        return right_now(log, users, moment, self.history_length)

    def query_vectors(self, asked: Queries) -> NDArray[np.float32]:
        """Return the query tower's vectors, shape `(n, dim)`.

        With a `popularity_weight`, they have a 1 as one more coordinate, and items what they gain.
        """
        dim = self.query_tower.dim
        made = np.ones((len(asked.users), self._width(dim)), dtype=np.float32)
        for start in range(0, len(made), _ROWS):
            part = slice(start, start + _ROWS)
            log, *columns = asked
            some = Queries(log, *(None if c is None else c[part] for c in columns))
            made[part, :dim] = self._through(self.query_tower, self.queries, some)
        return made

    def item_vectors(self, moment: int | None = None) -> NDArray[np.float32]:
        """Return the item tower's vectors of all items at a moment, shape `(n_items, dim)`.

        One coordinate more with a `popularity_weight`, as for queries.
        """
        if self._item_vectors is not None and moment is None:
            return self._item_vectors
        dim = self.item_tower.dim
        made = np.empty((self.n_items, self._width(dim)), dtype=np.float32)
        at = self.moment if moment is None else moment
        for start in range(0, len(made), _ROWS):
            items = np.arange(start, min(start + _ROWS, len(made)))
            some = Items(items, np.full(len(items), at))
            made[items, :dim] = self._through(self.item_tower, self.items, some)
        if self._gains is not None:
            made[:, dim] = self._gains
        if moment is None:
            self._item_vectors = made
        return made

    def _width(self, dim: int) -> int:
        return dim + (self._gains is not None)

    def _through(self, tower: Tower, inputs: Sequence[Input], asked: Any) -> NDArray[np.float32]:
        looked = {f"{tower.name}/{i.name}": i.look(asked) for i in inputs}
        masks = {f"{tower.name}/{i.name}/mask": i.mask() for i in inputs if i.attends}
        tensor = quiet.tensorflow().convert_to_tensor
        given = {name: tensor(mask) for name, mask in masks.items()}
        return tower({name: tensor(held) for name, held in looked.items()}, given).numpy()


def _moments_of(
    appeared: NDArray[np.int64], times: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose a moment of the batch for each item, at random among those since it appeared."""
    moments = np.sort(times)
    first = np.searchsorted(moments, appeared)
    chosen = first + (rng.random(len(appeared)) * (len(moments) - first)).astype(np.int64)
    return moments[np.minimum(chosen, len(moments) - 1)]


def _tables(queries: Sequence[Input], items: Sequence[Input]) -> dict[str, EmbeddingTable]:
    """Name every table once, though two inputs may read it."""
    named: dict[str, EmbeddingTable] = {}
    for side, inputs in (("query", queries), ("item", items)):
        for one in inputs:
            for n, table in enumerate(one.tables):
                if all(table is not known for known in named.values()):
                    named[f"{side}/{one.name}" + f"/{n}" * bool(n)] = table
    return named
