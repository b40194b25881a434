"""Shared parts of the generators that learn from the graph: batches of users, and new users.

An example is a user with all events, not one event. The negatives that a step draws serve all its
users and all their events, so that their scores are one matrix product, and what a loss asks of
them follows from a user's scores alone: a user with 30 events costs little more than one with one.
Each negative is still as likely as any other item, so the gradient is the published one in
expectation. But the negatives of one step agree, where theirs are independent: its gradient is less
certain for items and no less for a user, and each user is updated once an epoch, not once an event.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.checks import Count, Positive
from candgen.datasets import Dataset
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.spaces import Whole
from candgen.training import EmbeddingTable, Learner, TrainingSettings

_EVENTS_A_USER = 32  # that memory is planned for


class GraphSettings(TrainingSettings):
    """Settings that UltraGCN and LightGCN share."""

    dim: Annotated[Count, Whole(16, 128, log=True)] = 64
    """Length of the vectors."""
    batch_size: Count = 512
    """Users a step, each with all events."""
    n_negatives: Count = 1000
    """Negatives drawn for a batch, from all items alike."""
    spread: Positive = 0.1
    """Standard deviation of the initial vectors."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"


class Batch(NamedTuple):
    """Users of a step with their events, those of a user side by side."""

    users: NDArray[np.int64]  # (n,)
    weights: NDArray[np.float32]  # (n,), of each event of a user
    starts: NDArray[np.int32]  # (n + 1,), where the events of each user begin
    items: NDArray[np.int32]  # of the events
    rows: NDArray[np.int64]  # of the events, places in `users`

    @property
    def counts(self) -> NDArray[np.int32]:
        """Return the events of each user."""
        return np.diff(self.starts)


class GraphLearner(Learner):
    """Users as examples; one table of users and one of items."""

    def __init__(self, dataset: Dataset, settings: GraphSettings) -> None:
        """Draw the start.

        Args:
            dataset: Its training part is learned.
            settings: How.
        """
        self.train = dataset.train_matrix
        degrees = np.diff(self.train.indptr)
        self.learned_users, self.learned_items = degrees > 0, degrees_of_items(self.train) > 0
        self._trained = np.flatnonzero(degrees)
        self._now: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self.n_examples = len(self._trained)
        self._scale = np.float32(self.n_examples / max(self.train.nnz, 1))
        self.tables = {
            name: EmbeddingTable(
                n,
                settings.dim,
                spread=settings.spread,
                optimizer=settings.optimizer,
                seed=derive_seed(settings.seed, name),
            )
            for name, n in zip(("users", "items"), self.train.shape, strict=True)
        }
        if self.n_examples:
            self.sampler = make_sampler(
                "uniform", dataset, n=settings.n_negatives, batch_size=settings.batch_size
            )

    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        self._now = None
        users = self._trained[examples]
        taken = self.train[users]
        # Summed over the events of an epoch, the loss is the mean over all events.
        each = (self._scale / max(float(weights.sum()), 1.0) * weights).astype(np.float32)
        rows = np.repeat(np.arange(len(users)), np.diff(taken.indptr))
        batch = Batch(users, each, taken.indptr, taken.indices, rows)
        shared = self.sampler.draw(batch.items, batch.users, rng).shared
        return self.learn_batch(batch, shared, rng)

    @abstractmethod
    def learn_batch(
        self, batch: Batch, shared: NDArray[np.int32], rng: np.random.Generator
    ) -> float:
        """Give the tables their gradients and return the loss.

        Args:
            batch: Users and their events.
            shared: Negatives of all of them, shape `(n_negatives,)`.
            rng: For whatever else is drawn.
        """

    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the vectors of users and of items by which items are scored; zeros if unknown."""
        if self._now is None:
            users, items = self.learned_vectors()
            self._now = users * self.learned_users[:, None], items * self.learned_items[:, None]
        return self._now

    @abstractmethod
    def learned_vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return vectors that are right for users and items with an event."""

    @abstractmethod
    def folded(self, histories: csr_array) -> NDArray[np.float32]:
        """Return vectors of users who were not trained on, shape `(n, dim)`.

        Args:
            histories: Learned items alone, shape `(n, n_items)`.
        """

    def load_state(self, state: dict[str, NDArray]) -> None:
        super().load_state(state)
        self._now = None

    def set_weights(self, weights: dict[str, NDArray]) -> None:
        super().set_weights(weights)
        self._now = None

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        of_users, of_items = self.vectors()
        return of_users[users] @ of_items.T


class GraphGenerator(LearnedGenerator, VectorGenerator):
    """Base class of generators that learn a vector of each user and each item from their graph."""

    Settings = GraphSettings
    chosen: GraphSettings
    folds_in = True

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for items not learned."""
        self._known("known_items_")
        return self._items

    def fold_in(self, weights: csr_array) -> NDArray[np.float32]:
        """Find vectors of new users, with everything that was learned still.

        Args:
            weights: Any stored entry counts, shape `(n, n_items)`.

        Returns:
            Vectors, shape `(n, dim)`; zeros for a user without events of learned items.
        """
        self._known("known_items_")
        places = np.flatnonzero(self._learned_items[weights.indices])
        rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))[places]
        ones = np.ones(len(places), np.float32)
        return self._folded(csr_array((ones, (rows, weights.indices[places])), shape=weights.shape))

    def _finish(self, learner: GraphLearner, dataset: Dataset) -> None:
        self._users, self._items = learner.vectors()
        self._folded, self._learned_items = learner.folded, learner.learned_items
        new = np.diff(self.history_matrix_.indptr) > np.diff(dataset.train_matrix.indptr)
        new |= self.known_users_ & ~learner.learned_users
        if new.any():
            self._users[new] = self.fold_in(self.history_matrix_[np.flatnonzero(new)])

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._users[users]

    def _learned_numbers(self) -> dict[str, NDArray]:
        return super()._learned_numbers() | {"vectors of users": self._users}

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        at_once = min(n_events, _EVENTS_A_USER * self.batch_size)
        return super()._bytes_of_model(n_users, n_items, n_events) + 16 * self.dim * at_once

    def _bytes_of_step(self, n_items: int) -> float:
        return 24 * self.batch_size * self.n_negatives


def degrees_of_items(train: csr_array) -> NDArray[np.int64]:
    """Return the users of each item, shape `(n_items,)`."""
    return np.bincount(train.indices, minlength=train.shape[1])
