"""Generators that read a history in its order and answer what comes next.

A state is made of a user's last events, and its product with an item's vector is the item's
score, so the state is the user's vector and any search by dot product serves. Nothing is kept of
users: whoever has a history is answered, trained on or not.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from candgen.checks import number, one_of, whole_number
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.features import EventLog
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.sequences.learner import LOSSES, STARTS, SequenceLearner
from candgen.models.sequences.networks import AttentionNetwork, Network, RecurrentNetwork
from candgen.models.sequences.windows import CUTS, last_events
from candgen.seeds import derive_seed
from candgen.training import TrainingSettings


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
    ahead: int = 1
    """What is guessed is drawn among so many events that follow, j places later as 1 / j; 1 is the
    next one always. More helps where events come in bunches whose order means little."""
    blocks: int = 2
    """Layers of attention or of recurrence."""
    dropout: float = 0.2
    """Share of what is dropped at each place where something is, while training."""
    start: str = "random"
    """Where item vectors begin: random, or neighbours, a factorization of who occurs beside whom,
    which is most of the way where events are few."""
    spread: float = 0.02
    """Standard deviation of item vectors at the start."""
    direct: int = 0
    """Length of the vectors of a direct path from the newest items to the score, counted from what
    followed what and added to the trained network's score (`direct`); 0: no such path. It helps
    where events are few, and where the next one hangs on the last ones more than on taste."""
    direct_weight: float = 4.0
    """direct: how much it counts. Above 1, since it is a mean over the newest items, of which most
    say nothing of the one that comes, and one or two say much."""
    direct_fading: float = 0.8
    """direct: the item one place further back has this share of the say; 1: all alike."""
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
        whole_number("ahead", self.ahead, at_least=1)
        whole_number("blocks", self.blocks, at_least=1)
        one_of("start", self.start, STARTS)
        number("spread", self.spread, above=0)
        whole_number("direct", self.direct)
        number("direct_weight", self.direct_weight, above=0)
        number("direct_fading", self.direct_fading, above=0)
        one_of("loss", self.loss, LOSSES)
        whole_number("negatives", self.negatives, at_least=1)
        for name, most in (("dropout", 0.99), ("alpha", 1.0), ("direct_fading", 1.0)):
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
        """Return one vector an item, `dim` long and `direct` longer; zeros for unknown items."""
        self._known("known_items_")
        return self._items

    def _network(self) -> Network:
        raise NotImplementedError

    def _learner(self, dataset: Dataset) -> SequenceLearner:
        return SequenceLearner(self._network(), dataset, self.training)

    def _finish(self, learner: SequenceLearner, dataset: Dataset) -> None:
        self.known_items_ = self.known_items_ & learner.known_items  # with patience, fewer
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
