"""Learner of an autoencoder: histories as examples, and a softmax over all items.

The first and the last layer have a row an item and are embedding tables. The encoder pools the rows
of a history's items, which costs as much as the history is long; the decoder multiplies a batch
with the rows of all items. So memory follows the users of a batch, not all of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.seeds import derive_seed
from candgen.training import Bags, CompiledStep, EmbeddingTable, Learner, quiet
from candgen.training.logits import NOTHING

if TYPE_CHECKING:
    from candgen.models.autoencoders.mult_vae import MultVAESettings


class AutoencoderLearner(Learner):
    """Users with training events as examples."""

    def __init__(self, dataset: Dataset, settings: MultVAESettings, width: int) -> None:
        """Draw the start.

        Args:
            dataset: Its training part is learned, its history is answered.
            settings: How.
            width: Size of the tanh layers.
        """
        self.settings, self._history = settings, dataset.history_matrix
        train, n_items = dataset.train_matrix, dataset.n_items
        self.learned_items = np.bincount(train.indices, minlength=n_items) > 0
        self._users = np.flatnonzero(np.diff(train.indptr))
        self._train, self.n_examples = train, len(self._users)
        self._n_steps = settings.epochs * math.ceil(self.n_examples / settings.batch_size)
        self._never = np.where(self.learned_items, 0, NOTHING).astype(np.float32)

        def table(name: str, n_rows: int, dim: int, spread: float) -> EmbeddingTable:
            seed = derive_seed(settings.seed, f"table {name}")
            return EmbeddingTable(
                n_rows, dim, spread=spread, optimizer=settings.optimizer, seed=seed
            )

        self.tables = {
            "inputs": table("inputs", n_items, width, settings.spread),
            "shift": table("shift", 1, width, 0.0),
            "outputs": table("outputs", n_items, width + 1, math.sqrt(2 / (n_items + width))),
        }
        self.tables["outputs"].rows[:, -1] = 0  # biases
        self._encode, self._decode = self._layers(width)
        layers = [self._encode, self._decode]
        self.step = CompiledStep(self._loss, layers=layers, optimizer=settings.optimizer)

    def _layers(self, width: int) -> tuple[Any, Any]:
        """Make what leads from the encoder's tanh layer to z, and from z to the decoder's."""
        keras, dim = quiet.keras(), self.settings.dim
        made = []
        of_encoder = (2 if self.settings.variational else 1) * dim  # mean and log of the variance
        for name, entering, size in (("encoder", width, of_encoder), ("decoder", dim, width)):
            seed = derive_seed(self.settings.seed, f"layer {name}")
            start = keras.initializers.GlorotNormal(seed=seed)
            layer = keras.layers.Dense(size, kernel_initializer=start, name=name)
            layer.build((None, entering))
            made.append(layer)
        return tuple(made)

    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        taken = self._train[self._users[examples]]
        noise = rng.standard_normal((len(examples), self.settings.dim), dtype=np.float32)
        seen = self._bags(taken, rng)
        everything = np.arange(len(self._never), dtype=np.int32)
        nothing = np.zeros(1, np.int32)
        inputs, shift, outputs = self.tables.values()
        embedded = {
            "inputs": inputs.pool(seen),
            "shift": shift.gather(nothing),
            "outputs": outputs.gather(everything),
        }
        given = {
            "taken": taken.toarray(),
            "noise": noise,
            "never": self._never,
            "weights": weights / max(float(weights.sum()), 1.0),
            "kl_weight": np.float32(self._kl_weight()),
        }
        loss, slopes = self.step(embedded, given, rate)
        inputs.add_pooled(seen, slopes["inputs"])
        shift.add(nothing, slopes["shift"])
        outputs.add(everything, slopes["outputs"])
        return loss

    def _loss(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        tf, dim = quiet.tensorflow(), self.settings.dim
        z = self._encode(tf.tanh(embedded["inputs"] + embedded["shift"]))
        divergence = 0.0
        if self.settings.variational:
            mean, log_variance = z[:, :dim], z[:, dim:]
            terms = tf.exp(log_variance) + mean * mean - 1 - log_variance
            divergence = tf.reduce_sum(terms, axis=1) / 2
            z = mean + tf.exp(log_variance / 2) * given["noise"]
        else:
            z = tf.tanh(z)
        state = tf.tanh(self._decode(z))  # (batch, width)
        rows, biases = embedded["outputs"][:, :-1], embedded["outputs"][:, -1]
        logits = tf.matmul(state, rows, transpose_b=True) + biases + given["never"]
        taken = given["taken"]  # (batch, n_items), ones and zeros
        all_together = tf.reduce_logsumexp(logits, axis=1)
        surprise = tf.reduce_sum(taken * (all_together[:, None] - logits), axis=1)
        return tf.reduce_sum(given["weights"] * (surprise + given["kl_weight"] * divergence))

    def _kl_weight(self) -> float:
        """Return the weight of the KL divergence in the step to come."""
        done = int(self.tables["outputs"].state()["steps"])
        rising = self.settings.kl_rise * self._n_steps
        return self.settings.kl_weight * (min(done / rising, 1.0) if rising else 1.0)

    def _bags(self, taken: csr_array, rng: np.random.Generator | None = None) -> Bags:
        """Return the histories of length 1; with random numbers, some events are dropped."""
        rows = np.repeat(np.arange(taken.shape[0]), np.diff(taken.indptr))
        weights = taken.data * self.learned_items[taken.indices]
        squares = np.bincount(rows, weights.astype(np.float64) ** 2, minlength=taken.shape[0])
        weights = weights / np.maximum(np.sqrt(squares), 1e-12)[rows]
        dropout = self.settings.dropout
        if rng is not None and dropout:
            weights = weights * (rng.random(len(weights)) >= dropout) / (1 - dropout)
        starts = taken.indptr.astype(np.int64)
        return Bags(
            rows=taken.indices.astype(np.int32),
            starts=starts[:-1],
            stops=starts[1:],
            skips=np.full(taken.shape[0], -1),
            weights=weights.astype(np.float32),
            mean=False,
        )

    def states(self, history: csr_array) -> NDArray[np.float32]:
        """Return what the items' vectors are multiplied with; zeros for an empty history.

        Args:
            history: Weight of each event, shape `(n, n_items)`.

        Returns:
            Shape `(n, width + 1)`; the last number is 1, for the biases.
        """
        inputs, shift, _ = self.tables.values()
        bags = self._bags(history)
        z = np.tanh(inputs.pool(bags) + shift.rows) @ self._encode.kernel.numpy()
        z = (z + self._encode.bias.numpy())[:, : self.settings.dim]
        if not self.settings.variational:
            z = np.tanh(z)
        state = np.tanh(z @ self._decode.kernel.numpy() + self._decode.bias.numpy())
        state = np.hstack([state, np.ones((len(state), 1), np.float32)])
        state[np.diff(history.indptr) == 0] = 0
        return state

    def item_vectors(self) -> NDArray[np.float32]:
        """Return vectors with biases, shape `(n_items, width + 1)`; zeros for items not learned."""
        return np.where(self.learned_items[:, None], self.tables["outputs"].rows, np.float32(0))

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.states(self._history[users]) @ self.item_vectors().T
