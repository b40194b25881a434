"""Generators that read a history in its order and answer what comes next.

A state is made of a user's last events, and its product with an item's vector is the item's
score, so the state is the user's vector and any search by dot product serves. Nothing is kept of
users: whoever has a history is answered, trained on or not.
"""

from __future__ import annotations

import copy
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from candgen.checks import Count, CountOrZero, Positive, Share
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.features import EventLog
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.sequences.learner import SequenceLearner
from candgen.models.sequences.networks import AttentionNetwork, Network, RecurrentNetwork
from candgen.models.sequences.windows import last_events
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole
from candgen.training import TrainingSettings


class SequenceSettings(TrainingSettings):
    """Settings of GRU4Rec, shared by SASRec."""

    dim: Annotated[Count, Whole(32, 128, log=True)] = 64
    """Length of the vectors, and width of the network."""
    window: Count = 50
    """Events that are read at most, and places in a row of a batch; 200 for long histories."""
    windows: Literal["all", "last"] = "all"
    """"all" cuts whole histories into windows; "last" learns from each user's newest window."""
    ahead: Count = 1
    """The target is drawn among so many following events, the one j places later as 1 / j; 1 is
    always the next one. More helps where events come in bunches whose order means little."""
    blocks: Annotated[Count, Whole(1, 3)] = 2
    """Layers of attention or of recurrence."""
    dropout: Annotated[float, Field(ge=0, le=0.99), Real(0.0, 0.6)] = 0.3
    """Share of values that training drops, at each dropout layer."""
    initial_vectors: Literal["random", "neighbours"] = "random"
    """Item vectors at the start: random, or neighbours, a factorization of which items occur beside
    each other, which is most of the way where events are few."""
    spread: Positive = 0.02
    """Standard deviation of the initial vectors."""
    direct: CountOrZero = 0
    """Length of the vectors of a direct path from the newest items to the score, counted from which
    items followed which and added to the trained network's score (`direct`); 0: no such path. It
    helps where events are few, and where the next one depends on the last ones more than on
    taste."""
    direct_weight: Positive = 4.0
    """With direct: weight of its score. Above 1, since it is a mean over the newest items, of which
    most say nothing of the next one, and one or two say much."""
    direct_fading: Annotated[float, Field(gt=0, le=1)] = 0.8
    """With direct: weight factor per later item, as `fading` elsewhere; 1: all alike."""
    loss: Literal["softmax", "logistic"] = "softmax"
    """softmax of the target among its `negatives`, or logistic. "logistic" is binary cross-entropy
    against one uniform negative that the user does not have, whatever `negatives` says."""
    negatives: Literal["all", "uniform", "popularity"] = "all"
    """Of softmax, kind of negatives: all, uniform or popularity; the places of a batch share a
    sample."""
    n_negatives: Count = 1000
    """Negatives drawn for a batch, with uniform and popularity."""
    alpha: Share = 0.75
    """Of negatives by popularity: power of an item's events, 0 to 1; 0 is uniform."""
    epochs: Annotated[Count, Whole(2, 16, log=True)] = 4
    batch_size: Count = 16
    """Rows a step, each of `window` events."""
    learning_rate: Positive = 0.003
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    watch: str = "ndcg@10"


class AttentionSettings(SequenceSettings):
    """Settings of SASRec."""

    heads: Count = 1
    """Attention heads; they share `dim` among them."""
    inner: Count = 1
    """Width of the dense layer in a block, in multiples of `dim`."""

    @model_validator(mode="after")
    def _heads_share_dim(self) -> AttentionSettings:
        if self.dim % self.heads:
            raise SettingError(
                f"dim must be a multiple of heads, got dim={self.dim} and heads={self.heads}."
            )
        return self


class SequenceGenerator(LearnedGenerator, VectorGenerator):
    """Base class of both generators."""

    Settings = SequenceSettings
    chosen: SequenceSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, `dim` long and `direct` longer; zeros for unknown items."""
        self._known("known_items_")
        return self._items

    def _network(self) -> Network:
        raise NotImplementedError

    def _learner(self, dataset: Dataset) -> SequenceLearner:
        return SequenceLearner(self._network(), dataset, self.chosen)

    def _finish(self, learner: SequenceLearner, dataset: Dataset) -> None:
        self._states, self._log = learner.states, EventLog.of_history(dataset)
        self._gather, self._reader = learner.table.gather, learner.network
        self._items = np.where(self.known_items_[:, None], learner.item_vectors(), np.float32(0))

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._states(users, self._log)

    def reading(self, log: EventLog) -> Self:
        """Return the same fitted generator, which reads other events before it answers.

        Args:
            log: One history a user of the dataset, such as the same events in another order.
        """
        self._known("known_users_")
        other = copy.copy(self)
        other._log, other.known_users_ = log, log.lengths > 0
        return other


class SASRec(SequenceGenerator):
    """Self-attention: what comes next is read from the events that matter, however far back."""

    name = "SASRec"
    Settings = AttentionSettings

    def _network(self) -> AttentionNetwork:
        return AttentionNetwork(
            dim=self.dim,
            length=self.window,
            blocks=self.blocks,
            heads=self.heads,
            inner=self.inner,
            dropout=self.dropout,
            seed=derive_seed(self.seed, "network"),
        )

    def attention(self, users: ArrayLike, n: int) -> NDArray[np.float32]:
        """Return what the newest `n` events of each user look at.

        Args:
            users: Users with a history, shape `(m,)`.
            n: Events, at most; fewer where the longest of these histories is shorter.

        Returns:
            Shares, shape `(blocks, m, heads, n, n)`, oldest event first: what row i gives to
            column j. A row sums to 1, less what goes to events older than `n`; a user with fewer
            events has zeros at the beginning.
        """
        users = self.checked_users(users)
        items, counts = last_events(self._log, users, self.window)
        longest = int(counts.max(initial=1))
        n, steps = min(n, longest), np.tile(np.arange(longest, dtype=np.int32), (len(users), 1))
        vectors = self._gather(items[:, :longest])
        shares = self._reader.shares(vectors, np.zeros_like(steps), steps).numpy()
        newest = np.zeros((*shares.shape[:3], n, n), dtype=np.float32)
        for row, count in enumerate(counts):
            few = min(n, int(count))
            newest[:, row, :, n - few :, n - few :] = shares[
                :, row, :, count - few : count, count - few : count
            ]
        return newest


class GRU4Rec(SequenceGenerator):
    """Recurrence: what comes next is read from a memory that each event rewrites a little."""

    name = "GRU4Rec"

    def _network(self) -> RecurrentNetwork:
        return RecurrentNetwork(
            dim=self.dim,
            blocks=self.blocks,
            dropout=self.dropout,
            seed=derive_seed(self.seed, "network"),
        )
