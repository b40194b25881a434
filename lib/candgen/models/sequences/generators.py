"""Generators that read a history in its order and answer what comes next.

A state is made of a user's last events, and its product with an item's vector is the item's
score, so the state is the user's vector and any search by dot product serves. Nothing is kept of
users: whoever has a history is answered, trained on or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from candgen.checks import number, one_of, whole_number
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.features import EventLog
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.sequences.learner import LOSSES, SequenceLearner
from candgen.models.sequences.networks import AttentionNetwork, Network, RecurrentNetwork
from candgen.models.sequences.windows import CUTS, last_events
from candgen.seeds import derive_seed
from candgen.training import TrainingSettings, quiet


@dataclass(frozen=True, kw_only=True)
class SequenceSettings(TrainingSettings):
    """Settings of both sequence generators.

    Raises:
        SettingError: If a setting is out of range.
    """

    dim: int = 64
    """Length of the vectors, and width of the network."""
    window: int = 200
    """Events that are read at most, and places in a row of a batch."""
    windows: str = "all"
    """all cuts whole histories into windows; last learns from each user's newest window."""
    blocks: int = 2
    """Layers of attention or of recurrence."""
    dropout: float = 0.2
    """Share of what is dropped at each place where something is, while training."""
    spread: float = 0.02
    """Standard deviation of item vectors at the start."""
    loss: str = "full"
    """full softmax, sampled softmax, or binary: cross-entropy with one negative."""
    negatives: int = 1000
    """sampled: items drawn for a batch, shared by its places."""
    alpha: float = 0.0
    """sampled: items are drawn by popularity to this power; 0 is uniform."""
    epochs: int = 30
    batch_size: int = 32
    """Rows a step, each of `window` events."""
    learning_rate: float = 0.001
    watch: str = "ndcg@10"

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("dim", self.dim, at_least=1)
        whole_number("window", self.window, at_least=1)
        one_of("windows", self.windows, CUTS)
        whole_number("blocks", self.blocks, at_least=1)
        number("spread", self.spread, above=0)
        one_of("loss", self.loss, LOSSES)
        whole_number("negatives", self.negatives, at_least=1)
        for name, most in (("dropout", 0.99), ("alpha", 1.0)):
            if number(name, getattr(self, name)) > most:
                raise SettingError(f"{name} must be at most {most:g}, got {getattr(self, name)!r}.")


@dataclass(frozen=True, kw_only=True)
class AttentionSettings(SequenceSettings):
    """Settings of SASRec."""

    heads: int = 1
    """Ways to look at once; they share `dim` among them."""
    inner: int = 1
    """Width of the dense layer inside a block, in multiples of `dim`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("heads", self.heads, at_least=1)
        whole_number("inner", self.inner, at_least=1)
        if self.dim % self.heads:
            raise SettingError(
                f"dim must be a multiple of heads, got dim={self.dim} and heads={self.heads}."
            )


class SequenceGenerator(LearnedGenerator, VectorGenerator):
    """What both generators share."""

    Settings: ClassVar[type[TrainingSettings]] = SequenceSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for items it does not know."""
        self._known("known_items_")
        return self._items

    def _network(self) -> Network:
        raise NotImplementedError

    def _learner(self, dataset: Dataset) -> SequenceLearner:
        return SequenceLearner(self._network(), dataset, self.training)

    def _finish(self, learner: SequenceLearner, dataset: Dataset) -> None:
        self._states, self._log = learner.states, EventLog.of_history(dataset)
        self._gather, self._reader = learner.table.gather, learner.network
        self._items = np.where(self.known_items_[:, None], learner.table.rows, np.float32(0))

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._states(users, self._log)

    def states_after(self, log: EventLog, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors that users would have with another history, shape `(n, dim)`.

        Args:
            log: The events to read instead, such as the same ones in another order.
            users: Which of its users, each with an event at least, shape `(n,)`.
        """
        self._known("known_users_")
        return self._states(np.asarray(users, dtype=np.int64), log)


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

    def attention(self, user: int) -> NDArray[np.float32]:
        """Return what each of a user's last events looks at.

        Returns:
            Shares, shape `(blocks, heads, n, n)` for n events, oldest first; a row sums to 1.
        """
        tf = quiet.tensorflow()
        users = self.checked_users([user])
        items, counts = last_events(self._log, users, self.window)
        steps = tf.range(self.window)[None]
        shares = self._reader.shares(self._gather(items), tf.zeros_like(steps), steps)
        n = int(counts[0])
        return shares.numpy()[:, 0, :, :n, :n]


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
