"""Training on pairs: a positive and its user's negatives, one compiled step a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.models.pairs.network import PairNetwork
from candgen.models.pairs.scoring import Scorer
from candgen.negatives import Sampler
from candgen.training import CompiledStep, EmbeddingTable, Learner
from candgen.training.logits import Logits, masked

_FOLD_IN_RATE = 0.05  # of Adam, at the first step; it falls to 0 in a straight line

Loss = Callable[[Logits, Any], Any]


class PairLearner(Learner):
    """Learns from each pair of a user and an item that was taken, against items drawn anew."""

    def __init__(
        self,
        dataset: Dataset,
        network: PairNetwork,
        tables: dict[str, EmbeddingTable],
        sampler: Sampler,
        loss: Loss,
        *,
        n_negatives: int,
        batch_size: int,
        skip_known: bool,
        optimizer: str,
    ) -> None:
        """Prepare.

        Args:
            dataset: Its training pairs are the examples, repeated ones once.
            network: Turns vectors into log-odds.
            tables: Where the vectors are, by the names that the network reads.
            sampler: Draws `n_negatives * batch_size` shared negatives; each example gets its own.
            loss: Of `candgen.training.losses.make_loss`.
            n_negatives: Negatives of an example.
            batch_size: Examples a step.
            skip_known: Whether a negative that its user has in training does not count.
            optimizer: Of the layers.
        """
        pairs = dataset.train_matrix
        self._n_items = dataset.n_items
        self._users = np.repeat(np.arange(dataset.n_users, dtype=np.int32), np.diff(pairs.indptr))
        self._items = pairs.indices.astype(np.int32)
        self.n_examples = len(self._items)
        self.learned_items = np.bincount(self._items, minlength=dataset.n_items) > 0
        self.tables, self._network, self._sampler = tables, network, sampler
        self._shape, self._skip_known = (batch_size, n_negatives), skip_known
        self._keys = self._users * np.int64(self._n_items) + self._items  # in rising order

        def loss_of(embedded: dict[str, Any], given: dict[str, Any]) -> Any:
            odds = network(embedded)  # (batch, 1 + n_negatives)
            others = masked(odds[:, 1:], given["positives"], given["negatives"])
            nothing = np.zeros(n_negatives, np.float32)
            return loss(Logits(odds[:, 0], others, nothing), given["weights"])

        self.step = CompiledStep(loss_of, layers=network.layers, optimizer=optimizer)

    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        users, positives = self._users[examples], self._items[examples]
        items, negatives = self._with_negatives(users, positives, self._keys, rng)
        rows = {name: users if name.startswith("users/") else items for name in self.tables}
        embedded = {name: table.gather(rows[name]) for name, table in self.tables.items()}
        given = {"positives": positives, "negatives": negatives, "weights": weights}
        loss, slopes = self.step(embedded, given, rate)
        for name, table in self.tables.items():
            table.add(rows[name], slopes[name])
        return loss

    def scorer(self) -> Scorer:
        """Return what scores with the weights and vectors as they are now."""
        rows = {name: table.rows for name, table in self.tables.items()}
        return Scorer(self._network.arrays(), rows)

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.scorer().scores(users)

    def fold_in(
        self, users: NDArray[np.int64], history: csr_array, *, steps: int, l2: float, seed: int
    ) -> None:
        """Give users rows by descent on the loss of their own history, all else still.

        Each step takes one item of each user's history, or several where the users do not fill a
        batch, and negatives drawn as in training.

        Args:
            users: Users whose rows are replaced, each with a history.
            history: What is known of users, shape `(n_users, n_items)`.
            steps: Steps for each user.
            l2: Penalty, as in training.
            seed: Of the draws.
        """
        size, rng = self._shape[0], np.random.default_rng(seed)
        ones = np.ones(size, np.float32)
        for start in range(0, len(users), size):
            some = users[start : start + size]
            own = history[some]
            lengths = np.diff(own.indptr)
            keys = np.repeat(some, lengths) * np.int64(self._n_items) + own.indices
            at = np.resize(np.arange(len(some)), size)  # places in `some`
            tables = self._rows_for(some)
            for step in range(steps):
                places = own.indptr[at] + (rng.random(size) * lengths[at]).astype(np.int64)
                positives = own.indices[places].astype(np.int32)
                items, negatives = self._with_negatives(some[at], positives, keys, rng)
                embedded = {
                    name: tables[name].gather(at) if name in tables else table.gather(items)
                    for name, table in self.tables.items()
                }
                given = {"positives": positives, "negatives": negatives, "weights": ones}
                slopes = self.step(embedded, given, 0.0)[1]  # at a rate of 0 layers stay
                for name, table in tables.items():
                    table.add(at, slopes[name])
                    # A user's items are averaged over the batch; l2 keeps its share of that.
                    table.update(_FOLD_IN_RATE * (1 - step / steps), l2=l2 * size / len(some))
            for name, table in tables.items():
                self.tables[name].rows[some] = table.rows

    def _rows_for(self, users: NDArray[np.int64]) -> dict[str, EmbeddingTable]:
        """Make small tables for some users, starting from the rows that they have."""
        made = {}
        for name, table in self.tables.items():
            if name.startswith("users/"):
                made[name] = EmbeddingTable(len(users), table.dim, spread=0.0)
                made[name].rows[:] = table.rows[users]
        return made

    def _with_negatives(
        self,
        users: NDArray[np.integer],
        positives: NDArray[np.int32],
        keys: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Draw negatives.

        Returns:
            Items to gather, the positive first, shape `(batch, 1 + n)`; and the negatives, -1 for
            one that its user is known to have, shape `(batch, n)`.
        """
        drawn = self._sampler.draw(positives, users, rng).shared.reshape(self._shape)
        items = np.concatenate([positives[:, None], drawn], axis=1)
        if self._skip_known and len(keys):
            asked = users[:, None] * np.int64(self._n_items) + drawn
            places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
            drawn = np.where(keys[places] == asked, np.int32(-1), drawn)
        return items, drawn
