"""Learner of what comes next in windows: gathers their vectors and applies the loss."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.columns import ITEM
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.features import EventLog
from candgen.models.sequences.direct import DirectPath
from candgen.models.sequences.losses import (
    binary_loss,
    generalized_binary_loss,
    power_of_positives,
    softmax_loss,
)
from candgen.models.sequences.networks import Network
from candgen.models.sequences.start import item_table
from candgen.models.sequences.windows import Batch, Windows, last_events, last_times
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.training import CompiledStep, Learner, compile_time, quiet
from candgen.training.programs import Program

_USERS_AT_ONCE = 128
_NEVER = 1e30  # subtracted from the score of an item that nobody has in training
_DRAWS = 10  # of a negative that the user must not have


class SequenceLearner(Learner):
    """Rows of windows as examples; one table of items, which is read on both ends."""

    _with_last: ClassVar[bool] = False
    """Whether windows hold a user's last event, too."""
    _further_rows: ClassVar[int] = 0
    """Rows of the table behind those of the items."""

    def __init__(self, network: Network, dataset: Dataset, settings: Any) -> None:
        """Cut the windows and draw the start.

        Args:
            network: Makes states of vectors.
            dataset: Its training part is learned, its history is answered.
            settings: A `SequenceSettings`.
        """
        self.network, self.length = network, settings.window
        self.history = EventLog.of_history(dataset)
        log = EventLog.of_training(dataset)
        if network.reads_times and not log.has_times:
            raise DataError(
                f"read_times is on, but the training events of {dataset.name!r} have no times. "
                "Leave it off."
            )
        seed = derive_seed(settings.seed, "packing")
        self.windows = Windows(
            log, settings.window, cut=settings.windows, with_last=self._with_last, seed=seed
        )
        self.n_examples, self.n_items = len(self.windows), dataset.n_items
        self.table = item_table(log, self.n_items, settings, self._further_rows)
        self.tables = {"items": self.table}
        self.direct, self._weight = None, np.float32(settings.direct_weight)
        self._fading = settings.direct_fading
        if settings.direct:
            self.direct = DirectPath.counted(
                log, dataset.n_items, settings.direct, seed=derive_seed(settings.seed, "direct")
            )
        nearer = 1 / np.arange(1, getattr(settings, "ahead", 1) + 1)
        self._nearer = np.cumsum(nearer) / nearer.sum()
        self.learned_items = np.bincount(dataset.train[ITEM], minlength=dataset.n_items) > 0
        self._taken = _Taken(dataset.train_matrix) if settings.loss == "logistic" else None
        self._sampler = None
        loss = _loss_of(settings)
        if loss == "sampled":
            self._sampler = make_sampler(
                settings.negatives,
                dataset,
                n=settings.n_negatives,
                batch_size=settings.batch_size * settings.window,
                alpha=settings.alpha,
                correction=True,
            )
        self._n_negatives = settings.n_negatives
        self._beta = power_of_positives(
            settings.n_negatives, int(self.learned_items.sum()), settings.calibration
        )
        self._gather, of_loss = getattr(self, f"_for_{loss}"), getattr(self, f"_{loss}")
        self.step = CompiledStep(of_loss, layers=network.layers, optimizer=settings.optimizer)
        self._answer = _answering(network, settings.window)

    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        batch = self._batch(examples, rng)
        counting = (batch.targets >= 0) * weights[:, None]
        counting = (counting / max(counting.sum(), 1.0)).astype(np.float32)
        ids, given = self._gather(batch, rng)
        given |= {"owners": batch.owners, "steps": batch.steps, "weights": counting}
        given |= self._further(batch)
        embedded = {name: self.table.gather(rows) for name, rows in ids.items()}
        loss, slopes = self.step(embedded, given, rate)
        for name, rows in ids.items():
            self.table.add(rows, slopes[name])
        return loss

    def _batch(self, examples: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """Return what is read and what is to be found; places without a target do not count."""
        return self.windows.batch(examples, self._ahead(len(examples), rng))

    def _further(self, batch: Batch) -> dict[str, NDArray]:
        """Return what else a step reads."""
        return {"times": batch.times} if self.network.reads_times else {}

    def _read(
        self, users: NDArray[np.int64], log: EventLog
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return rows of the table that answer users, -1 behind, and the place of the answer."""
        items, counts = last_events(log, users, self.length)
        return items, np.maximum(counts - 1, 0)

    def _ahead(self, n: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
        """Draw how many places later each target is, the nearer the likelier."""
        if len(self._nearer) == 1:
            return None
        return 1 + np.searchsorted(self._nearer[:-1], rng.random((n, self.length)), side="right")

    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.states(users, self.history) @ self.item_vectors().T

    def states(self, users: NDArray[np.int64], log: EventLog) -> NDArray[np.float32]:
        """Return the state after each user's last event, and behind it the direct path's."""
        read = self._network_states(users, log)
        if self.direct is None:
            return read
        direct = self.direct.states(users, log, length=self.length, fading=self._fading)
        return np.hstack([read, self._weight * direct])

    def item_vectors(self) -> NDArray[np.float32]:
        """Return what the states are multiplied with, one vector an item."""
        rows = self.table.rows[: self.n_items]
        return rows if self.direct is None else np.hstack([rows, self.direct.targets])

    def _network_states(self, users: NDArray[np.int64], log: EventLog) -> NDArray[np.float32]:
        """Return the network's state after each user's last event, shape `(n, dim)`."""
        tf = quiet.tensorflow()
        out = np.empty((len(users), self.network.dim), dtype=np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            some = users[start : start + _USERS_AT_ONCE]
            filled = np.resize(some, _USERS_AT_ONCE)  # one shape, so that XLA compiles once
            rows, last = self._read(filled, log)
            vectors = self.table.gather(rows)
            inputs = [tf.constant(vectors), tf.constant(last, tf.int32)]
            if self.network.reads_times:
                inputs.append(tf.constant(last_times(log, filled, self.length)))
            states = self._answer(*inputs)
            out[start : start + _USERS_AT_ONCE] = states.numpy()[: len(some)]
        return out

    # --- one way of gathering and one loss a setting

    def _for_full(self, batch: Batch, rng: np.random.Generator) -> tuple[dict, dict]:
        never = np.full(len(self.table), _NEVER, dtype=np.float32)
        never[: self.n_items][self.learned_items] = 0
        given = {"items": batch.items, "targets": batch.targets, "never": never}
        return {"all": np.arange(len(self.table), dtype=np.int32)}, given

    def _full(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        tf = quiet.tensorflow()
        every = embedded["all"]
        there = tf.cast(given["items"] >= 0, tf.float32)[:, :, None]
        inputs = tf.gather(every, tf.maximum(given["items"], 0)) * there
        targets = tf.maximum(_column(given["targets"], given), 0)
        return softmax_loss(
            _column(self._states(inputs, given), given),
            tf.gather(every, targets),
            every,
            targets=targets,
            candidate_ids=tf.range(every.shape[0]),
            log_expected=given["never"],
            weights=_column(given["weights"], given),
        )

    def _for_sampled(self, batch: Batch, rng: np.random.Generator) -> tuple[dict, dict]:
        drawn = self._sampler.draw(batch.targets.ravel(), batch.users.ravel(), rng)
        given = {
            "targets": batch.targets,
            "shared": drawn.shared,
            "log_expected": drawn.log_expected,
        }
        return {"items": batch.items, "targets": batch.targets, "shared": drawn.shared}, given

    def _sampled(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        return softmax_loss(
            _column(self._states(embedded["items"], given), given),
            _column(embedded["targets"], given),
            embedded["shared"],
            targets=_column(given["targets"], given),
            candidate_ids=given["shared"],
            log_expected=given["log_expected"],
            weights=_column(given["weights"], given),
        )

    def _for_binary(self, batch: Batch, rng: np.random.Generator) -> tuple[dict, dict]:
        negatives = self._taken.avoid(batch.users, np.flatnonzero(self.learned_items), rng)
        return {"items": batch.items, "targets": batch.targets, "negatives": negatives}, {}

    def _binary(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        return binary_loss(
            _column(self._states(embedded["items"], given), given),
            _column(embedded["targets"], given),
            _column(embedded["negatives"], given),
            weights=_column(given["weights"], given),
        )

    def _for_gbce(self, batch: Batch, rng: np.random.Generator) -> tuple[dict, dict]:
        known = np.flatnonzero(self.learned_items).astype(np.int32)
        drawn = known[rng.integers(len(known), size=(len(batch.items), self._n_negatives))]
        ids = {"items": batch.items, "targets": batch.targets, "negatives": drawn}
        return ids, {"targets": batch.targets, "negative_ids": drawn}

    def _gbce(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        return generalized_binary_loss(
            self._states(embedded["items"], given),
            embedded["targets"],
            embedded["negatives"],
            targets=given["targets"],
            negative_ids=given["negative_ids"],
            beta=self._beta,
            weights=given["weights"],
        )

    def _states(self, inputs: Any, given: dict[str, Any]) -> Any:
        owners, steps, times = given["owners"], given["steps"], given.get("times")
        return self.network.states(inputs, owners, steps, times=times, training=True)


def _column(values: Any, given: dict[str, Any]) -> Any:
    """Put the places of all rows in one column; of `asked` ones alone, if the batch names them."""
    tf = quiet.tensorflow()
    column = tf.reshape(values, (-1, *values.shape[2:]))
    return tf.gather(column, given["asked"]) if "asked" in given else column


class _Taken:
    """Draws items that a user has not got."""

    def __init__(self, matrix: csr_array) -> None:
        users = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
        self._n_items = matrix.shape[1]
        self._pairs = users * self._n_items + matrix.indices  # ascending: users are, and items

    def avoid(
        self, users: NDArray[np.int32], known: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int32]:
        """Draw one of the known items for each place of a user, -1 where there is no user."""
        drawn = known[rng.integers(len(known), size=users.shape)]
        for _ in range(_DRAWS):
            pairs = users.astype(np.int64) * self._n_items + drawn
            places = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
            again = (self._pairs[places] == pairs) & (users >= 0)
            if not again.any():
                break
            drawn[again] = known[rng.integers(len(known), size=int(again.sum()))]
        return np.where(users >= 0, drawn, -1).astype(np.int32)


def _loss_of(settings: Any) -> Literal["full", "sampled", "binary", "gbce"]:
    """Return which of the learner's losses the settings `loss` and `negatives` ask for."""
    if settings.loss != "softmax":
        return "binary" if settings.loss == "logistic" else "gbce"
    return "full" if settings.negatives == "all" else "sampled"


def _answering(network: Network, length: int) -> Any:
    """Compile what turns the vectors of histories into the states after their last items."""
    tf = quiet.tensorflow()
    vectors = tf.TensorSpec((_USERS_AT_ONCE, length, network.dim), tf.float32)
    last = tf.TensorSpec((_USERS_AT_ONCE,), tf.int32)
    times = [tf.TensorSpec((_USERS_AT_ONCE, length), tf.int32)] if network.reads_times else []

    @tf.function(jit_compile=True, autograph=False, input_signature=(vectors, last, *times))
    def answer(vectors: Any, last: Any, times: Any = None) -> Any:
        steps = tf.tile(tf.range(length)[None], (_USERS_AT_ONCE, 1))
        owners = tf.where(steps <= last[:, None], 0, -1)
        states = network.states(vectors, owners, steps, times=times, training=False)
        return tf.gather(states, last, batch_dims=1)

    with compile_time.preparing():
        compiled = Program(answer.get_concrete_function())
        compiled(*(tf.zeros(spec.shape, spec.dtype) for spec in (vectors, last, *times)))
    return compiled
