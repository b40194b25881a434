"""item2vec: skip-gram with negative sampling, with items for words and histories for sentences.

Each event i is an example. An event j is drawn from the window around it, the one d places away as
likely as 1 / d, and negatives n from all items, as likely as (events)^alpha; the loss is

    -log s(v_i c_j) - w mean over n of log s(-v_i c_n),    s(x) = 1 / (1 + exp(-x)).

T. Mikolov, I. Sutskever, K. Chen, G. Corrado, J. Dean, "Distributed representations of words and
phrases and their compositionality", NeurIPS 2013; O. Barkan, N. Koenigstein, "Item2vec: Neural item
embedding for collaborative filtering", MLSP 2016. Theirs are Adagrad's or plain steps for one pair
at a time with negatives of its own; here a batch shares its negatives, which turns the scores into
a matrix product. Frequent items are not thinned out. The contexts' vectors are thrown away; an
item's score is its cosine with the mean of the user's newest items, each of length 1.

Settings far from those for words are needed: H. Caselles-Dupré, F. Lesaint, J. Royo-Letelier,
"Word2vec applied to recommendation: Hyperparameters matter", RecSys 2018.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from candgen.checks import Count, NotNegative, Positive, Share
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.features import EventLog
from candgen.models.base import VectorGenerator, unit_rows
from candgen.models.learned import LearnedGenerator
from candgen.models.sessions.counting import Window, newest_items
from candgen.models.slopes import softplus
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole
from candgen.training import EmbeddingTable, Learner, TrainingSettings


class Item2VecSettings(TrainingSettings):
    """Settings of item2vec."""

    dim: Annotated[Count, Whole(16, 128, log=True)] = 64
    """Length of the vectors."""
    reach: Annotated[Count, Whole(1, 30, log=True)] = 10
    """Places between two events that are close, at most."""
    within_seconds: NotNegative = 0.0
    """Seconds between two events that are close, at most; 0: no limit."""
    pause_seconds: NotNegative = 0.0
    """Seconds without an event that end a session: no pair spans them; 0: never."""
    last: Annotated[Count, Whole(1, 20, log=True)] = 10
    """Newest items of a history that count."""
    fading: Annotated[float, Field(gt=0, le=1), Real(0.1, 1.0)] = 0.8
    """Weight factor per later item; 1: all alike."""
    n_negatives: Count = 100
    """Negatives drawn for a batch."""
    negative_weight: NotNegative = 5.0
    """Weight of all negatives of a positive together, against its 1."""
    alpha: Share = 0.0
    """Of negatives by popularity: power of an item's events, 0 to 1; 0 is uniform. For words .75 is
    usual; here it leaves rare items near to everything."""
    spread: Positive = 0.1
    """Standard deviation of the initial vectors."""
    epochs: Annotated[Count, Whole(5, 40, log=True)] = 15
    learning_rate: Annotated[Positive, Real(0.001, 0.05, log=True)] = 0.01
    schedule: Literal["constant", "linear", "cosine"] = "linear"


class SkipGramLearner(Learner):
    """Events as examples; one table of items and one of the contexts that items occur in."""

    def __init__(self, dataset: Dataset, settings: Item2VecSettings) -> None:
        """Find the windows and draw the start.

        Args:
            dataset: Its training part is learned, its history is answered.
            settings: How.

        Raises:
            DataError: If the settings need times that the events lack.
        """
        from candgen.models.sessions import kernels

        self.settings, self._n_items = settings, dataset.n_items
        log = EventLog.of_training(dataset)
        window = Window(settings.reach, settings.within_seconds, settings.pause_seconds)
        if window.needs_times and not log.has_times:
            raise DataError(
                f"within_seconds and pause_seconds need the times of events, and the training "
                f"events of {dataset.name!r} lack them. Leave both at 0."
            )
        before, after = np.zeros(len(log), np.int32), np.zeros(len(log), np.int32)
        within = float(settings.within_seconds)
        sessions, times = window.sessions(log), window.times(log)
        kernels.lengths_of_windows(sessions, times, within, settings.reach, before, after)
        self._places = np.flatnonzero(before + after)
        self._items, self._before, self._after = log.items, before, after
        self._likely = np.cumsum(window.weights())  # by places away: of all up to there
        self.n_examples = len(self._places)
        taught = log.items[self._places]
        self.learned_items = np.bincount(taught, minlength=dataset.n_items) > 0
        self.tables = {
            name: EmbeddingTable(
                dataset.n_items,
                settings.dim,
                spread=settings.spread,
                optimizer=settings.optimizer,
                seed=derive_seed(settings.seed, name),
            )
            for name in ("items", "contexts")
        }
        if self.n_examples:
            self._sampler = make_sampler(
                "popularity",
                dataset,
                n=settings.n_negatives,
                batch_size=settings.batch_size,
                alpha=settings.alpha,
                positives=taught,
            )
        self._known = self.histories(dataset)

    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        places = self._places[examples]
        items, near = self._items[places], self._items[places + self._steps(places, rng)]
        shared = self._sampler.draw(near, items, rng).shared
        of_items, of_contexts = self.tables["items"], self.tables["contexts"]
        vectors, targets = of_items.gather(items), of_contexts.gather(near)
        against = of_contexts.gather(shared)  # (n_negatives, dim)
        positive = np.einsum("bd,bd->b", vectors, targets)
        negative = vectors @ against.T  # (batch, n_negatives)
        counts = shared[None, :] != near[:, None]
        share = self.settings.negative_weight / np.maximum(counts.sum(axis=1), 1)
        each = (weights / max(float(weights.sum()), 1.0)).astype(np.float32)
        of_positive, of_negative = softplus(-positive), softplus(negative)
        pull = (-of_positive.slopes * each)[:, None]
        push = of_negative.slopes * counts * (share * each)[:, None].astype(np.float32)
        of_items.add(items, pull * targets + push @ against)
        of_contexts.add(near, pull * vectors)
        of_contexts.add(shared, push.T @ vectors)
        losses = of_positive.losses + share * (of_negative.losses * counts).sum(axis=1)
        return float(losses @ each)

    def _steps(self, places: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw how many places away the context of each example is; negative: before it."""
        ahead, back = self._likely[self._after[places]], self._likely[self._before[places]]
        drawn = rng.random(len(places)) * (ahead + back)
        later = drawn < ahead
        drawn = np.where(later, drawn, drawn - ahead)
        far = np.searchsorted(self._likely, drawn, side="right")
        most = np.where(later, self._after[places], self._before[places])
        return np.where(later, 1, -1) * np.minimum(far, most)  # the sum may round up

    def histories(self, dataset: Dataset) -> EventLog:
        """Return the histories without the items that are not learned."""
        log = EventLog.of_history(dataset)
        return log.part(np.flatnonzero(self.learned_items[log.items]))

    def item_vectors(self) -> NDArray[np.float32]:
        """Return vectors of length 1, shape `(n_items, dim)`; zeros for items not learned."""
        rows = np.where(self.learned_items[:, None], self.tables["items"].rows, np.float32(0))
        return unit_rows(rows)

    def states(
        self, users: NDArray[np.int64], log: EventLog, rows: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the mean vector of each user's newest items, shape `(n, dim)`."""
        chosen = self.settings
        return newest_items(log, users, self._n_items, chosen.last, chosen.fading) @ rows

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = self.item_vectors()
        return self.states(users, self._known, rows) @ rows.T


class Item2Vec(LearnedGenerator, VectorGenerator):
    """Scores an item by its vector's likeness to the mean of the user's newest items.

    Nothing is learned of users: whoever has a history of learned items is answered.
    """

    name = "item2vec"
    similarity = "cosine"
    Settings = Item2VecSettings
    chosen: Item2VecSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for items not learned."""
        self._known("known_items_")
        return self._items

    def _learner(self, dataset: Dataset) -> SkipGramLearner:
        return SkipGramLearner(dataset, self.chosen)

    def _finish(self, learner: SkipGramLearner, dataset: Dataset) -> None:
        self._log = learner.histories(dataset)
        self.known_users_ = self._log.lengths > 0
        self._items = learner.item_vectors()
        self._states = learner.states

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._states(users, self._log, self._items)

    def _bytes_of_step(self, n_items: int) -> float:
        return 24 * self.batch_size * (self.n_negatives + self.dim)
