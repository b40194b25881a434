"""Samplers of negatives: one interface, one class for each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.alias import Alias
from candgen.negatives.frequency import FrequencyEstimator
from candgen.negatives.shown import KnownItems, Shown

_LEAST = 1e-12  # an expected number below this one would make a correction without bound
_MOST_SLOTS = 1 << 22


class Drawn(NamedTuple):
    """The negatives of a batch."""

    shared: NDArray[np.int32]
    """Items that serve every example of the batch, shape `(n_shared,)`; may be empty."""
    log_expected: NDArray[np.float32]
    """Log of how often each of `shared` is expected among the negatives of one example, shape
    `(n_shared,)`. That is what correction subtracts; zeros when correction is off."""
    own: NDArray[np.int32]
    """Items that serve one example alone, shape `(batch, n_own)`; -1 fills up."""
    known: NDArray[np.bool_]
    """Which of `shared` the example's user has in the history, so that they do not count, shape
    `(batch, n_shared)`; `(batch, 0)` when the history is not looked at."""


class Sampler(ABC):
    """Draws negatives for the examples of a batch; equal batch sizes give equal shapes."""

    kind: ClassVar[str]
    hardness: float = 1.0
    """Share of an example's negatives, the best scored ones, that counts."""

    def __init__(self, *, correction: bool = False, known: KnownItems | None = None) -> None:
        """Keep what all kinds have.

        Args:
            correction: Whether `log_expected` is filled in.
            known: Marks shared items that an example's user has already; None marks none.
        """
        self.correction, self._known = correction, known

    def draw(
        self, positives: NDArray[np.int32], users: NDArray[np.int32], rng: np.random.Generator
    ) -> Drawn:
        """Draw the negatives of a batch.

        Args:
            positives: The item of each example, shape `(batch,)`.
            users: The user of each example, shape `(batch,)`.
            rng: Where the draws come from.
        """
        shared, expected = self._shared(np.asarray(positives, np.int32), rng)
        log_expected = np.zeros(len(shared), np.float32)
        if self.correction:
            log_expected[:] = np.log(np.maximum(expected, _LEAST))
        own = self._own(users, rng)
        if self._known is None:
            return Drawn(shared, log_expected, own, np.zeros((len(users), 0), np.bool_))
        return Drawn(shared, log_expected, own, self._known.mark(users, shared))

    @abstractmethod
    def probabilities(self) -> NDArray[np.float64]:
        """Return the probability of each item in one draw, shape `(n_items,)`; no draw: zeros."""

    def state(self) -> dict[str, NDArray]:
        """Return what earlier batches left behind, by name; the arrays are not copies."""
        return {}

    def load_state(self, state: dict[str, NDArray]) -> None:  # noqa: B027, most kinds have none
        """Go on from a state that `state` returned."""

    def _shared(
        self, positives: NDArray[np.int32], rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return shared items, and how often each is expected among an example's negatives."""
        return np.zeros(0, np.int32), np.zeros(0)

    def _own(self, users: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
        return np.zeros((len(users), 0), np.int32)


class NoNegatives(Sampler):
    """Only positives are taught."""

    kind = "none"

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self._n_items = n_items

    def probabilities(self) -> NDArray[np.float64]:
        return np.zeros(self._n_items)


class Everything(Sampler):
    """Every item that may be drawn, once: the softmax over the whole catalogue."""

    kind = "all"

    def __init__(self, drawable: NDArray[np.bool_], **shared_settings) -> None:
        super().__init__(**shared_settings)
        self._drawable, self._items = drawable, np.flatnonzero(drawable).astype(np.int32)

    def probabilities(self) -> NDArray[np.float64]:
        return self._drawable / len(self._items)

    def _shared(self, positives, rng):
        return self._items, np.ones(len(self._items))


class Uniform(Sampler):
    """Every item that may be drawn is as likely as any other; drawn with replacement."""

    kind = "uniform"

    def __init__(self, drawable: NDArray[np.bool_], n: int, **shared_settings) -> None:
        super().__init__(**shared_settings)
        self.n, self._drawable = n, drawable
        self._items = np.flatnonzero(drawable).astype(np.int32)

    def probabilities(self) -> NDArray[np.float64]:
        return self._drawable / len(self._items)

    def _shared(self, positives, rng):
        shared = self._items[rng.integers(len(self._items), size=self.n, dtype=np.int32)]
        return shared, np.full(self.n, self.n / len(self._items))


class Hard(Uniform):
    """A pool drawn uniformly, of which the best scored share counts, example by example.

    The choice is made where the scores are: see `candgen.training.logits.keep_hardest`.
    """

    kind = "hard"

    def __init__(self, drawable: NDArray[np.bool_], n: int, hardness: float, **shared_settings):
        super().__init__(drawable, n, **shared_settings)
        self.hardness = hardness


class ByPopularity(Sampler):
    """Items are as likely as a power of how often they are positives; with replacement."""

    kind = "popularity"

    def __init__(
        self,
        counts: NDArray[np.integer],
        drawable: NDArray[np.bool_],
        n: int,
        alpha: float,
        **shared_settings,
    ) -> None:
        super().__init__(**shared_settings)
        self.n = n
        self._alias = Alias(np.where(drawable, counts.astype(np.float64) ** alpha, 0.0))

    def probabilities(self) -> NDArray[np.float64]:
        return self._alias.probabilities

    def _shared(self, positives, rng):
        shared = self._alias.draw(self.n, rng)
        return shared, self.n * self._alias.probabilities[shared]


class InBatch(Sampler):
    """The positives of the other examples; items come as often as they are positives.

    How often is known from `counts`, or else learned from the stream of batches.

    Attributes:
        estimator: What learns it; None where counts are known.
    """

    kind = "in-batch"

    def __init__(self, counts: NDArray[np.integer] | None, n_items: int, **shared_settings) -> None:
        super().__init__(**shared_settings)
        self._counts, self._n_items = counts, n_items
        self.estimator = None
        if counts is None:
            slots = 1 << int(np.clip(4 * n_items, 1 << 10, _MOST_SLOTS) - 1).bit_length()
            self.estimator = FrequencyEstimator(n_slots=slots)

    def probabilities(self) -> NDArray[np.float64]:
        if self.estimator is None:
            return self._counts / self._counts.sum()
        shares = self.estimator.shares(np.arange(self._n_items))
        return shares / shares.sum()

    def state(self) -> dict[str, NDArray]:
        return {} if self.estimator is None else self.estimator.state()

    def load_state(self, state: dict[str, NDArray]) -> None:
        if self.estimator is not None:
            self.estimator.load_state(state)

    def _shared(self, positives, rng):
        if self.estimator is not None:
            self.estimator.observe(positives)
        return positives, self._expected(positives, len(positives) - 1)

    def _expected(self, items: NDArray[np.int32], n_others: int) -> NDArray[np.float64]:
        """Return how often each item is expected among so many other examples."""
        if self.estimator is not None:
            return n_others * self.estimator.shares(items)
        # An epoch shuffles the examples, so the others are drawn from all examples but this one.
        return n_others * self._counts[items] / max(1, self._counts.sum() - 1)


class CrossBatch(InBatch):
    """The positives of the other examples and of the batches before (Wang et al., SIGIR 2021).

    Ids are remembered, first in first out, and their vectors are computed anew: unlike those of
    the paper's memory they are never stale, and they cost what as many drawn negatives do. While
    the memory fills, -1 stands for what is not there yet; it counts for nobody, and the expected
    numbers are those of what is held, so every batch has the same shape and the right correction.
    """

    kind = "cross-batch"

    def __init__(
        self,
        counts: NDArray[np.integer] | None,
        n_items: int,
        batch_size: int,
        memory: int,
        **shared_settings,
    ) -> None:
        """Start with nothing remembered.

        Args:
            counts: As for `InBatch`.
            n_items: Items of the catalogue.
            batch_size: Examples a batch.
            memory: Earlier batches that are remembered.
            **shared_settings: Those of `Sampler`.
        """
        super().__init__(counts, n_items, **shared_settings)
        self._held = np.full(memory * batch_size, -1, np.int32)

    def state(self) -> dict[str, NDArray]:
        return {**super().state(), "held": self._held}

    def load_state(self, state: dict[str, NDArray]) -> None:
        super().load_state(state)
        self._held = np.array(state["held"], np.int32)

    def _shared(self, positives, rng):
        if self.estimator is not None:
            self.estimator.observe(positives)
        shared = np.concatenate([positives, self._held])
        there = shared >= 0
        expected = np.ones(len(shared))
        expected[there] = self._expected(shared[there], int(there.sum()) - 1)
        self._held = np.concatenate([self._held, positives])[len(positives) :]  # the oldest go
        return shared, expected


class Mixed(InBatch):
    """The positives of the other examples, and items drawn uniformly (Yang et al. 2020).

    The second part shows the model items that are seldom anybody's positive.
    """

    kind = "mixed"

    def __init__(
        self,
        counts: NDArray[np.integer] | None,
        drawable: NDArray[np.bool_],
        n: int,
        batch_size: int,
        **shared_settings,
    ) -> None:
        super().__init__(counts, len(drawable), **shared_settings)
        self.n, self._batch_size = n, batch_size
        self._items = np.flatnonzero(drawable).astype(np.int32)
        self._uniform = drawable / len(self._items)

    def probabilities(self) -> NDArray[np.float64]:
        others = self._batch_size - 1
        return (others * super().probabilities() + self.n * self._uniform) / (others + self.n)

    def _shared(self, positives, rng):
        batch, of_batch = super()._shared(positives, rng)
        drawn = self._items[rng.integers(len(self._items), size=self.n, dtype=np.int32)]
        shared = np.concatenate([batch, drawn])
        of_drawn = self._expected(drawn, len(positives) - 1)
        return shared, np.concatenate([of_batch, of_drawn]) + self.n * self._uniform[shared]


class Impressions(Sampler):
    """Draw from the impressions that the user ignored; with replacement, -1 where none."""

    kind = "impressions"

    def __init__(
        self, shown: Shown, n: int, n_items: int, examples_of_users: NDArray[np.integer]
    ) -> None:
        super().__init__()
        self.n, self._shown, self._n_items = n, shown, n_items
        self._weights = examples_of_users.astype(np.float64)

    def probabilities(self) -> NDArray[np.float64]:
        """Return the probability of each item in a draw for an example picked at random."""
        lengths = np.diff(self._shown.starts)
        weights = np.where(lengths > 0, self._weights, 0.0) / np.maximum(lengths, 1)
        drawn = np.bincount(self._shown.items, np.repeat(weights, lengths), self._n_items)
        return drawn / max(drawn.sum(), _LEAST)

    def _own(self, users, rng):
        starts = self._shown.starts[users]
        lengths = self._shown.starts[users + 1] - starts
        places = starts[:, None] + (rng.random((len(users), self.n)) * lengths[:, None]).astype(int)
        if not len(self._shown.items):
            return np.full(places.shape, -1, np.int32)
        drawn = self._shown.items[np.minimum(places, len(self._shown.items) - 1)]
        return np.where(lengths[:, None] > 0, drawn, np.int32(-1))
