"""The two-branch network: an epoch in one compiled call against Keras `fit` at its defaults.

Same rows, same sizes, same batch (32), same number of epochs; the test losses are of the same rows.
"""

import os
import statistics
import time
from pathlib import Path

import numpy as np

from candgen.datasets.source_films import source_films
from candgen.models.rating_network import DIM, HIDDEN, RatingNetwork

EPOCHS = int(os.environ.get("CANDGEN_BENCH_EPOCHS", "30"))
SEEDS = range(5)
DATA = Path(os.environ.get("CANDGEN_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def run() -> list[dict]:
    """Measure seconds an epoch, and where both end."""
    rows = source_films(str(DATA / "ml-latest-small"))
    ours = [RatingNetwork(epochs=EPOCHS, seed=seed).fit(rows) for seed in SEEDS]
    seconds, train, test = keras(ours[0])
    steady = statistics.median(s for model in ours for s in model.epoch_seconds_[1:])
    compiling = ours[0].epoch_seconds_[0]  # later ones find the program compiled
    note = f"{len(rows.rows):,} rows, batch 32, median of {EPOCHS} epochs"
    return [
        _row("two-branch network, an epoch", steady, statistics.median(seconds[1:]), "s", note),
        _row("the same, with compiling", compiling + (EPOCHS - 1) * steady, sum(seconds), "s",
             f"all {EPOCHS} epochs, the first of each included"),
        _row("training loss", *_loss([m.losses_[-1] for m in ours], train)),
        _row("test loss", *_loss([m.test_loss_ for m in ours], test)),
    ]  # fmt: skip


def keras(model: RatingNetwork) -> tuple[list[float], float, float]:
    """Train the same network with Keras as one writes it; seconds of each epoch, and losses."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    users, items = model.scaled_inputs()
    train, test = model.pairs(model.train_rows_), model.pairs(model.test_rows_)
    sides, vectors = [], []
    for table in (users, items):
        inputs = x = tf.keras.Input(shape=(table.shape[1],))
        for size in HIDDEN:
            x = tf.keras.layers.Dense(size, activation="relu")(x)
        x = tf.keras.layers.Dense(DIM)(x)
        sides.append(inputs)
        vectors.append(tf.keras.layers.UnitNormalization(axis=1)(x))
    twin = tf.keras.Model(sides, tf.keras.layers.Dot(axes=1)(vectors))
    twin.compile(tf.keras.optimizers.Adam(0.01), "mse")
    clock = _Clock(tf.keras.callbacks.Callback)
    shown = [users[train.users], items[train.items]]
    done = twin.fit(shown, train.targets, epochs=EPOCHS, verbose=0, callbacks=[clock.callback])
    asked = [users[test.users], items[test.items]]
    predicted = twin.predict(asked, verbose=0, batch_size=1024).ravel()
    tested = float(np.square(predicted - test.targets).mean())
    return clock.seconds, done.history["loss"][-1], tested


class _Clock:
    """Seconds of each epoch, by a callback."""

    def __init__(self, base: type) -> None:
        self.seconds: list[float] = []
        self.callback = base()
        self.callback.on_epoch_begin = lambda *_: setattr(self, "began", time.perf_counter())
        self.callback.on_epoch_end = lambda *_: self.seconds.append(
            time.perf_counter() - self.began
        )


def _loss(found: list[float], other: float) -> tuple[float, float, str, str]:
    spread = f"{min(found):.4f} to {max(found):.4f}, sd {statistics.stdev(found):.4f}"
    note = f"ours: mean of {len(found)} seeds, {spread}; other: Keras, one seed"
    return statistics.mean(found), other, "loss", note


def _row(name: str, ours: float, other: float, unit: str, note: str) -> dict:
    return {
        "benchmark": name,
        "ours": round(ours, 4),
        "other": round(other, 4),
        "ratio": round(other / ours, 2),
        "unit": unit,
        "note": note if unit == "loss" else f"other: Keras fit at its defaults; {note}",
    }
