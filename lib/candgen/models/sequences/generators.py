"""Generators that read a history in its order and answer what comes next.

A state is made of a user's last events, and its product with an item's vector is the item's
score, so the state is the user's vector and any search by dot product serves. Nothing is kept of
users: whoever has a history is answered, trained on or not.
"""

from __future__ import annotations

import copy
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.sequences.learner import SequenceLearner
from candgen.models.sequences.masking import MaskedLearner
from candgen.models.sequences.networks import AttentionNetwork, Network, RecurrentNetwork
from candgen.models.sequences.settings import (
    AttentionSettings,
    MaskedSettings,
    NextItemSettings,
    SASRecSettings,
    SequenceSettings,
)
from candgen.models.sequences.windows import last_events, last_times
from candgen.seeds import derive_seed


class SequenceGenerator(LearnedGenerator, VectorGenerator):
    """Base class of the generators."""

    Settings = SequenceSettings
    chosen: SequenceSettings
    _Learner: ClassVar[type[SequenceLearner]] = SequenceLearner

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, `dim` long and `direct` longer; zeros for unknown items."""
        self._known("known_items_")
        return self._items

    def _network(self) -> Network:
        raise NotImplementedError

    def _learner(self, dataset: Dataset) -> SequenceLearner:
        return self._Learner(self._network(), dataset, self.chosen)

    def _finish(self, learner: SequenceLearner, dataset: Dataset) -> None:
        self._states, self._log = learner.states, EventLog.of_history(dataset)
        self._gather, self._reader = learner.table.gather, learner.network
        self._items = np.where(self.known_items_[:, None], learner.item_vectors(), np.float32(0))

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._states(users, self._log)

    def _bytes_of_step(self, n_items: int) -> float:
        whole = (self.loss, self.negatives) == ("softmax", "all")
        drawn = n_items if whole else self.n_negatives
        return 12 * self.batch_size * self.window * drawn

    def reading(self, log: EventLog) -> Self:
        """Return the same fitted generator, which reads other events before it answers.

        Args:
            log: One history a user of the dataset, such as the same events in another order. With
                `read_times`, a log without times is read as if all happened at once.
        """
        self._known("known_users_")
        other = copy.copy(self)
        other._log, other.known_users_ = log, log.lengths > 0
        return other


class AttentionGenerator(SequenceGenerator):
    """Base class of the generators whose network is attention."""

    Settings = AttentionSettings
    chosen: AttentionSettings

    def _network(self) -> AttentionNetwork:
        return AttentionNetwork(
            dim=self.dim,
            length=self.window,
            blocks=self.blocks,
            heads=self.heads,
            inner=self.inner,
            dropout=self.dropout,
            gated=self.gated,
            seed=derive_seed(self.seed, "network"),
            **self._options(),
        )

    def _options(self) -> dict[str, bool]:
        return {}


class SASRec(AttentionGenerator):
    """Self-attention: what comes next is read from the events that matter, however far back.

    With `loss="gbce"` it is gSASRec; with `gated=True, inner=4, negatives="uniform",
    n_negatives=256` it is eSASRec.
    """

    name = "SASRec"
    Settings = SASRecSettings
    chosen: SASRecSettings

    def _options(self) -> dict[str, bool]:
        return {"reads_times": self.read_times}

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
        times = last_times(self._log, users, self.window)[:, :longest]
        shares = self._reader.shares(vectors, np.zeros_like(steps), steps, times).numpy()
        newest = np.zeros((*shares.shape[:3], n, n), dtype=np.float32)
        for row, count in enumerate(counts):
            few = min(n, int(count))
            newest[:, row, :, n - few :, n - few :] = shares[
                :, row, :, count - few : count, count - few : count
            ]
        return newest


class BERT4Rec(AttentionGenerator):
    """Attention in both directions: hidden events are guessed from those before and after them.

    Candidates are the guesses for a hidden event behind the newest `window` - 1. A pass teaches
    only what it hides, a fifth of what it teaches SASRec, so more passes are needed.

    F. Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations
    from transformer", CIKM 2019. The layers are those of SASRec; there is no further layer and no
    bias before the product with the item vectors, so that any search by dot product serves.
    """

    name = "BERT4Rec"
    Settings = MaskedSettings
    _Learner = MaskedLearner

    def _options(self) -> dict[str, bool]:
        return {"causal": False}


class GRU4Rec(SequenceGenerator):
    """Recurrence: what comes next is read from a memory that each event rewrites a little."""

    name = "GRU4Rec"
    Settings = NextItemSettings

    def _network(self) -> RecurrentNetwork:
        return RecurrentNetwork(
            dim=self.dim,
            blocks=self.blocks,
            dropout=self.dropout,
            seed=derive_seed(self.seed, "network"),
        )
