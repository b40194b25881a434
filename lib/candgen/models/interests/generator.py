"""Generator with several vectors a user, one for each interest that the history shows.

One vector is a compromise where somebody likes two things that have little in common: it lies
between both, or near one of them. Here the newest events are summed up by K attentions (see
`network`) into K vectors v_1 .. v_K, and

    score(u, i) = max over k of v_k(u) q_i,

so candidates come from K searches, one for each interest, merged by their best score. Training is a
softmax of this score, over sampled negatives under logQ correction or over the catalogue:

    loss = -score(u, i) + log sum over j of exp(score(u, j)).

So an event teaches the interest nearest to it and no other, and a negative the one nearest to it.
As published (`against="chosen"`), negatives stand against the interest that the event has chosen
alone. That parts the interests: where each user has two of six tastes and nothing else, three find
.88 of the right taste, one finds .63. But nothing lowers what another interest gives to negatives,
so the maximum, which nobody has trained, can rank far worse: on validation of the invented world,
with accounts that two people share, recall@20 of four vectors is .132 so and .209 with "best",
where interests stay more alike; one vector has .208. Choose between both on validation.

The attention that an item gets is the same for all users, so interests are kinds of items. In the
invented world a taste is one vector by construction, which leaves little for several to gain.

J. Weston, R. J. Weiss, H. Yee, "Nonlinear latent factorization by embedding multiple user
interests", RecSys 2013 (the maximum over vectors); Y. Cen, J. Zhang, X. Zou, C. Zhou, H. Yang,
J. Tang, "Controllable multi-interest framework for recommendation", KDD 2020 (ComiRec-SA: the
attentions, and the choice of the taught interest); C. Li and others, "Multi-interest network with
dynamic routing for recommendation at Tmall", CIKM 2019 (MIND). Ours differs in this: every event of
a window is a target, not one of each user; negatives, as said above; an event's place enters as a
number added to its attention score and not to its vector; interests are normalized.
"""

from __future__ import annotations

import copy
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from candgen.checks import Count, Positive, Share
from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.base import VectorGenerator
from candgen.models.interests.learner import InterestLearner
from candgen.models.interests.network import InterestNetwork
from candgen.models.learned import LearnedGenerator
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole
from candgen.training import TrainingSettings


class InterestSettings(TrainingSettings):
    """Settings of MultiInterest."""

    dim: Annotated[Count, Whole(8, 128, log=True)] = 32
    """Length of the vectors."""
    interests: Annotated[Count, Whole(1, 8)] = 4
    """Vectors a user; 1 is the same network with one."""
    window: Count = 50
    """Events that are read at most, and places in a row of a batch."""
    ahead: Annotated[Count, Whole(1, 20, log=True)] = 1
    """Following events that the target is drawn from, the one j places later as 1 / j; 1 is always
    the next one."""
    inner: Count = 2
    """Width of the attention's hidden layer, in multiples of `dim`."""
    dropout: Annotated[float, Field(ge=0, le=0.99), Real(0.0, 0.6)] = 0.3
    """Share of values of the items' vectors that training drops."""
    initial_vectors: Literal["random", "neighbours"] = "random"
    """Item vectors at the start: random, or neighbours, a factorization of which items occur beside
    each other."""
    spread: Positive = 0.02
    """Standard deviation of the initial vectors."""
    against: Literal["best", "chosen"] = "best"
    """Vector that a negative is scored by: best, the one nearest to it, as in serving, or chosen,
    the one that is taught, as published."""
    negatives: Literal["all", "uniform", "popularity"] = "uniform"
    """Kind of negatives: all, uniform or popularity; the places of a batch share a sample."""
    n_negatives: Count = 300
    """Negatives drawn for a batch, with uniform and popularity."""
    alpha: Share = 0.75
    """Of negatives by popularity: power of an item's events, 0 to 1; 0 is uniform."""
    epochs: Annotated[Count, Whole(2, 32, log=True)] = 8
    batch_size: Count = 32
    """Rows a step, each of `window` events."""
    learning_rate: Positive = 0.01
    schedule: Literal["constant", "linear", "cosine"] = "cosine"


class MultiInterest(LearnedGenerator, VectorGenerator):
    """Several vectors a user, each a learned mean of some of the newest items.

    Nothing is kept of users: whoever has a history is answered, trained on or not.
    """

    name = "MultiInterest"
    Settings = InterestSettings
    chosen: InterestSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for unknown items."""
        self._known("known_items_")
        return self._items

    def reading(self, log: EventLog) -> Self:
        """Return the same fitted generator, which reads other events before it answers.

        Args:
            log: One history a user of the dataset.
        """
        self._known("known_users_")
        other = copy.copy(self)
        other._log, other.known_users_ = log, log.lengths > 0
        return other

    def _learner(self, dataset: Dataset) -> InterestLearner:
        network = InterestNetwork(
            dim=self.dim,
            interests=self.interests,
            length=self.window,
            inner=self.inner,
            dropout=self.dropout,
            seed=derive_seed(self.seed, "network"),
        )
        return InterestLearner(network, dataset, self.chosen)

    def _finish(self, learner: InterestLearner, dataset: Dataset) -> None:
        self._interests, self._log = learner.interests, EventLog.of_history(dataset)
        self._items = np.where(self.known_items_[:, None], learner.table.rows, np.float32(0))

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._interests(users, self._log)

    def _bytes_of_step(self, n_items: int) -> float:
        drawn = n_items if self.negatives == "all" else self.n_negatives
        places = self.batch_size * self.window
        attention = self.window + self.dim
        return 12 * places * (self.interests * (drawn + attention) + self.inner * self.dim)
