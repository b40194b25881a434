"""Learning embeddings: what a step costs as tables grow, against Keras, and against bare products.

1. A step of batch 1,024 with 2,000 shared negatives, on tables of 10,000 and of 5,000,000 rows: it
   should cost the same, and memory should follow the tables alone.
2. The id-only two-tower against the plain Keras way of the same model: two Embedding layers, Adam,
   `compile` and `fit`, the same in-batch softmax with correction and masked accidental hits, the
   same batch and dimension. Both losses of the same vectors must agree before the clock starts.
3. Each step beside the matrix products that it contains, run alone in NumPy.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from data import gowalla
from scipy.sparse import csr_array

from candgen.datasets.dataset import Dataset, write_dataset
from candgen.models.towers.learning import TowerLearner
from candgen.models.towers.two_tower import TwoTower
from candgen.negatives import Drawn
from candgen.negatives.samplers import Uniform
from candgen.training import CompiledStep, EmbeddingTable, quiet
from candgen.training.logits import logits
from candgen.training.losses import make_loss

DIM, RATE, TEMPERATURE = 64, 0.003, 1.0
SMALL, LARGE = 10_000, int(os.environ.get("CANDGEN_BENCH_ROWS", "5_000_000"))
BATCH, SHARED, STEPS, TURNS = 1_024, 2_000, 30, 2
IN_BATCH = 2_048  # examples a step against Keras
MILLION = int(os.environ.get("CANDGEN_BENCH_SIDE", "1_000_000"))


def run() -> list[dict]:
    """Measure ours and the other in turns; tables are paged in and all is compiled before."""
    quiet.tensorflow()
    rows = growth()
    with tempfile.TemporaryDirectory() as folder:
        matrix, name = gowalla()
        rows += against_keras(of_matrix(folder, matrix), name, keras_steps=STEPS)
    with tempfile.TemporaryDirectory() as folder:
        rows += against_keras(wide(folder, MILLION), f"{MILLION:,} a side", keras_steps=6)
    return rows


class Spent(NamedTuple):
    """Seconds of the wall, and of all processors, which say more on a busy machine."""

    wall: float
    cpu: float


def spent(work: Callable[[], Any]) -> Spent:
    """Return the seconds that a piece of work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(*works: Callable[[], Any], turns: int = STEPS) -> list[Spent]:
    """Return the median of each piece of work, done in turns so that all meet the same load."""
    rounds = np.array([[spent(work) for work in works] for _ in range(turns)])
    return [Spent(*median) for median in np.median(rounds, axis=0)]


# --- a step as tables grow


class Steps:
    """Steps of a factorization whose users and items have their rows in one table, all drawn."""

    def __init__(self, n_rows: int) -> None:
        self.table, self.n_rows = EmbeddingTable(n_rows, DIM), n_rows
        self.sampler = Uniform(np.ones(n_rows, bool), SHARED)
        self.step = CompiledStep(self._loss)
        self.rng = np.random.default_rng(0)
        self._softmax = make_loss("softmax")
        for held in self.table.state().values():  # every page is there before the clock starts
            held += 0

    def __call__(self) -> None:
        """Take one step, drawing included."""
        users, positives = self.rng.integers(self.n_rows, size=(2, BATCH), dtype=np.int32)
        drawn = self.sampler.draw(positives, users, self.rng)
        ids = {"users": users, "positives": positives, "shared": drawn.shared}
        embedded = {name: self.table.gather(rows) for name, rows in ids.items()}
        _, slopes = self.step(embedded, {"ids": positives, **drawn._asdict()}, RATE)
        for name, rows in ids.items():
            self.table.add(rows, slopes[name])
        self.table.update(RATE)

    def _loss(self, embedded: dict[str, Any], given: dict[str, Any]) -> Any:
        tf = quiet.tensorflow()
        drawn = Drawn(**{name: given[name] for name in Drawn._fields})
        vectors = embedded["users"], embedded["positives"], embedded["shared"]
        made = logits(*vectors, tf.zeros((BATCH, 0, DIM)), given["ids"], drawn)
        return self._softmax(made, tf.ones(BATCH))


def growth() -> list[dict]:
    """Steps on both tables in turns, one of each at a time."""
    small, large = Steps(SMALL), Steps(LARGE)
    for steps in (small, large):
        for _ in range(5):  # compiles, and makes room
            steps()
    ours, other = in_turns(large, small)
    kept, bare = large.table.nbytes / 2**30, large.table.rows.nbytes / 2**30
    grown = f"ours: {LARGE:,} rows, other: {SMALL:,}"
    what = f"batch {BATCH:,}, {SHARED:,} shared negatives, {DIM} dimensions; aim: above 0.67"
    held = (
        f"other: 3 x the vectors, for Adam keeps two more of each; ours / vectors {kept / bare:.2f}"
    )
    return [
        _row("a step on a large table", ours, other, "s", f"{grown}; {what}"),
        _row("memory of a large table", Spent(kept, 0), Spent(3 * bare, 0), "GiB", held),
        _products("a step on a small table", small, BATCH, SHARED),
    ]


# --- against Keras


def of_matrix(folder: str, matrix: csr_array) -> Dataset:
    """A matrix of training events as a dataset."""
    users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return _dataset(folder, users, matrix.indices, matrix.shape)


def wide(folder: str, n: int) -> Dataset:
    """As many events as users and as items, each of which occurs once."""
    rng = np.random.default_rng(0)
    return _dataset(folder, rng.permutation(n), rng.permutation(n), (n, n))


def _dataset(folder: str, users, items, shape: tuple[int, int]) -> Dataset:
    train = pd.DataFrame({"user": users, "item": items})
    tables = {
        "interactions": train,
        "train": train,
        "test": train.head(1),
        "users": pd.DataFrame({"user": range(shape[0]), "user_id": np.arange(shape[0])}),
        "items": pd.DataFrame({"item": range(shape[1]), "item_id": np.arange(shape[1])}),
    }
    return write_dataset(folder, tables, {"name": "bench"})


def against_keras(dataset: Dataset, what: str, *, keras_steps: int) -> list[dict]:
    model = TwoTower(
        query_inputs=["id"],
        item_inputs=["id"],
        dim=DIM,
        hidden=[],
        id_at_least=1,
        similarity="dot",
        temperature=TEMPERATURE,
        negatives="in-batch",
        correction=True,
        batch_size=IN_BATCH,
        learning_rate=RATE,
        epochs=1,
    )
    model.query_inputs_, model.item_inputs_ = ["id"], ["id"]  # as fit would find
    learner, twin = model._learner(dataset), KerasTwin(dataset)
    agree(learner, twin)
    take_step = steps_of(learner)
    take_step()  # both compile
    twin.fit(2)
    rounds = [
        (spent(lambda: [take_step() for _ in range(STEPS)]), twin.fit(keras_steps))
        for _ in range(TURNS)
    ]
    ours, other = (
        Spent(*(np.min(side, axis=0) / n))
        for side, n in zip(zip(*rounds, strict=True), (STEPS, keras_steps), strict=True)
    )
    speed = f"{IN_BATCH / ours.wall:,.0f} examples a second, Keras {IN_BATCH / other.wall:,.0f}"
    shape = f"{dataset.n_users:,} + {dataset.n_items:,} rows, batch {IN_BATCH:,}, {DIM} dimensions"
    name = f"two-tower on ids, {what}"
    return [
        _row(name, ours, other, "s/step", f"{speed}; {shape}; other: Keras fit"),
        _products(name, take_step, IN_BATCH, IN_BATCH),
    ]


def agree(learner: TowerLearner, twin: KerasTwin) -> None:
    """Give Keras the vectors of ours, and refuse to go on unless both find the same loss."""
    inputs = (learner.queries[0], twin.model.users), (learner.items[0], twin.model.items)
    for one, layer in inputs:
        layer.embeddings.assign(one.table.rows[one.row_of])
    examples = np.random.default_rng(1).integers(learner.n_examples, size=IN_BATCH)
    weights = np.ones(IN_BATCH, np.float32)
    ours = learner.learn(examples, weights, RATE, np.random.default_rng(0))
    theirs = twin.loss_of(learner.log.users[examples], learner.log.items[examples])
    if abs(ours - theirs) > 1e-4 * theirs:
        raise AssertionError(f"the same vectors have the losses {ours} and {theirs}")


def steps_of(learner: TowerLearner) -> Callable[[], None]:
    """Return what the training loop does for one batch; every page of the tables is there."""
    rng = np.random.default_rng(0)
    for table in learner.tables.values():
        for held in table.state().values():
            held += 0
    weights = np.ones(IN_BATCH, np.float32)

    def take_step() -> None:
        examples = rng.integers(learner.n_examples, size=IN_BATCH)
        learner.learn(examples, weights, RATE, rng)
        for table in learner.tables.values():
            table.update(RATE)

    return take_step


class KerasTwin:
    """The same model as one writes it in Keras."""

    def __init__(self, dataset: Dataset, **compiled: Any) -> None:
        import tensorflow as tf
        from tensorflow import keras

        counts = np.bincount(dataset.train["item"], minlength=dataset.n_items)
        share = counts / max(1, counts.sum() - 1)
        log_expected = tf.constant(np.log(np.maximum((IN_BATCH - 1) * share, 1e-12)), tf.float32)

        class InBatch(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                start = keras.initializers.RandomNormal(stddev=0.1)
                self.users = keras.layers.Embedding(dataset.n_users, DIM, start)
                self.items = keras.layers.Embedding(dataset.n_items, DIM, start)

            def call(self, inputs):
                users, items = inputs
                scores = tf.matmul(self.users(users), self.items(items), transpose_b=True)
                scores /= TEMPERATURE
                same = items[:, None] == items[None, :]
                diagonal = tf.eye(tf.shape(items)[0], dtype=tf.bool)
                others = tf.where(same, -1e9, scores - tf.gather(log_expected, items)[None, :])
                return tf.where(diagonal, scores, others)

        def loss(_, scores):
            right = tf.range(tf.shape(scores)[0])
            return tf.nn.sparse_softmax_cross_entropy_with_logits(right, scores)

        self.model = InBatch()
        self.model.compile(keras.optimizers.Adam(RATE), loss, **compiled)
        self.model.users.build((None,))
        self.model.items.build((None,))
        self._tf, self._train, self._loss = tf, dataset.train, loss

    def batches(self, n_steps: int) -> Any:
        """The way of the manual: shuffled, batched, fetched ahead."""
        train = self._train.sample(n_steps * IN_BATCH, replace=True, random_state=0)
        users, items = (train[c].to_numpy(np.int32) for c in ("user", "item"))
        data = self._tf.data.Dataset.from_tensor_slices(((users, items), items))
        data = data.shuffle(len(users)).batch(IN_BATCH, drop_remainder=True)
        return data.prefetch(self._tf.data.AUTOTUNE)

    def loss_of(self, users: np.ndarray, items: np.ndarray) -> float:
        """Return the mean loss of a batch."""
        scores = self.model([self._tf.constant(ids, self._tf.int32) for ids in (users, items)])
        return float(self._tf.reduce_mean(self._loss(None, scores)))

    def fit(self, n_steps: int) -> Spent:
        """Train for so many steps."""
        data = self.batches(n_steps)
        return spent(lambda: self.model.fit(data, verbose=0, shuffle=False))


# --- rows


def _products(name: str, take_step: Any, batch: int, n: int) -> dict:
    """Set a step beside its three products, run in turns: scores, and a gradient of each side."""
    rng = np.random.default_rng(0)
    queries, items = (rng.standard_normal((rows, DIM), np.float32) for rows in (batch, n))
    scores = np.empty((batch, n), np.float32)

    def products() -> None:
        np.matmul(queries, items.T, out=scores)
        np.matmul(scores, items, out=of_queries)
        np.matmul(scores.T, queries, out=of_items)

    of_queries, of_items = np.empty_like(queries), np.empty_like(items)
    ours, bare = in_turns(take_step, products)
    note = f"other: the three products alone, {batch:,} x {DIM} x {n:,}, in NumPy"
    return _row(f"{name}, beside its products", ours, bare, "s", note)


def _row(name: str, ours: Spent, other: Spent, unit: str, note: str) -> dict:
    if ours.cpu:
        note = f"{note}; by processor seconds {other.cpu / ours.cpu:.2f}"
    return {
        "benchmark": f"embeddings: {name}",
        "ours": round(float(ours.wall), 5),
        "other": round(float(other.wall), 5),
        "ratio": round(float(other.wall / ours.wall), 3),
        "unit": unit,
        "note": note,
    }
