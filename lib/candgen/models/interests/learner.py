"""Learner of interests: each event of a window is taught to the interest nearest to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.columns import ITEM
from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.base import products
from candgen.models.interests.network import InterestNetwork
from candgen.models.sequences.start import item_table
from candgen.models.sequences.windows import Windows, last_events
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.training import CompiledStep, Learner, compile_time, quiet
from candgen.training.logits import masked
from candgen.training.losses import softmax
from candgen.training.programs import Program

_USERS_AT_ONCE = 128


class InterestLearner(Learner):
    """Rows of windows as examples; one table of items, which is read on both ends."""

    def __init__(self, network: InterestNetwork, dataset: Dataset, settings: Any) -> None:
        """Cut the windows and draw the start.

        Args:
            network: Makes interests of vectors.
            dataset: Its training part is learned, its history is answered.
            settings: An `InterestSettings`.
        """
        self.network, self.length = network, settings.window
        self.history = EventLog.of_history(dataset)
        log = EventLog.of_training(dataset)
        seed = derive_seed(settings.seed, "packing")
        self.windows = Windows(log, settings.window, seed=seed)
        self.n_examples = len(self.windows)
        self.table = item_table(log, dataset.n_items, settings)
        self.tables = {"items": self.table}
        nearer = 1 / np.arange(1, settings.ahead + 1)
        self._nearer = np.cumsum(nearer) / nearer.sum()
        self.learned_items = np.bincount(dataset.train[ITEM], minlength=dataset.n_items) > 0
        self._sampler = make_sampler(
            settings.negatives,
            dataset,
            n=settings.n_negatives,
            batch_size=settings.batch_size * settings.window,
            alpha=settings.alpha,
            correction=True,
        )
        self._against = settings.against
        self.step = CompiledStep(self._loss, layers=network.layers, optimizer=settings.optimizer)
        self._answer = _answering(network, settings.window)

    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        batch = self.windows.batch(examples, self._ahead(len(examples), rng))
        counting = (batch.items >= 0) * weights[:, None]  # the loss is the mean over these places
        drawn = self._sampler.draw(batch.targets.ravel(), batch.users.ravel(), rng)
        ids = {"items": batch.items, "targets": batch.targets, "shared": drawn.shared}
        given = {
            "owners": batch.owners,
            "steps": batch.steps,
            "target_ids": batch.targets,
            "shared_ids": drawn.shared,
            "log_expected": drawn.log_expected,
            "weights": counting.astype(np.float32),
        }
        embedded = {name: self.table.gather(rows) for name, rows in ids.items()}
        loss, slopes = self.step(embedded, given, rate)
        for name, rows in ids.items():
            self.table.add(rows, slopes[name])
        return loss

    def _ahead(self, n: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
        """Draw how many places later each target is, the nearer the likelier."""
        if len(self._nearer) == 1:
            return None
        return 1 + np.searchsorted(self._nearer[:-1], rng.random((n, self.length)), side="right")

    def _loss(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        """Compute the softmax of each target among its negatives, by the scores of serving."""
        tf = quiet.tensorflow()
        inputs, owners, steps = embedded["items"], given["owners"], given["steps"]
        states = self.network.states(inputs, owners, steps, training=True)
        states = tf.reshape(states, (-1, *states.shape[2:]))  # (places, interests, dim)
        targets = tf.reshape(embedded["targets"], (-1, self.network.dim))  # (places, dim)
        right = tf.einsum("nkd,nd->nk", states, targets)
        if self._against == "chosen":
            taught = tf.one_hot(tf.argmax(right, axis=1), self.network.interests)
            states = tf.reduce_sum(states * taught[:, :, None], axis=1, keepdims=True)
        wrong = tf.einsum("nkd,md->nkm", states, embedded["shared"])
        ids = tf.reshape(given["target_ids"], [-1])
        return softmax(
            tf.reduce_max(right, axis=1),
            masked(tf.reduce_max(wrong, axis=1), ids, given["shared_ids"][None, :]),
            tf.reshape(given["weights"], [-1]),
            log_expected=given["log_expected"],
        )

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return products(self.interests(users, self.history), self.table.rows)

    def interests(self, users: NDArray[np.int64], log: EventLog) -> NDArray[np.float32]:
        """Return the interests after each user's last event, shape `(n, interests, dim)`."""
        tf = quiet.tensorflow()
        shape = (len(users), self.network.interests, self.network.dim)
        out = np.empty(shape, dtype=np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            some = users[start : start + _USERS_AT_ONCE]
            filled = np.resize(some, _USERS_AT_ONCE)  # one shape, so that XLA compiles once
            items, counts = last_events(log, filled, self.length)
            vectors, last = self.table.gather(items), np.maximum(counts - 1, 0)
            found = self._answer(tf.constant(vectors), tf.constant(last, tf.int32))
            out[start : start + _USERS_AT_ONCE] = found.numpy()[: len(some)]
        return out


def _answering(network: InterestNetwork, length: int) -> Any:
    """Compile what turns the vectors of histories into the interests after their last items."""
    tf = quiet.tensorflow()
    vectors = tf.TensorSpec((_USERS_AT_ONCE, length, network.dim), tf.float32)
    last = tf.TensorSpec((_USERS_AT_ONCE,), tf.int32)

    @tf.function(jit_compile=True, autograph=False, input_signature=(vectors, last))
    def answer(vectors: Any, last: Any) -> Any:
        owners = tf.zeros((_USERS_AT_ONCE, length), tf.int32)
        steps = tf.tile(tf.range(length)[None], (_USERS_AT_ONCE, 1))
        states = network.states(vectors, owners, steps, training=False)
        return tf.gather(states, last, batch_dims=1)

    with compile_time.preparing():
        compiled = Program(answer.get_concrete_function())
        compiled(tf.zeros(vectors.shape), tf.zeros(last.shape, tf.int32))
    return compiled
