"""The two-branch network: an epoch in one compiled call against Keras `fit` at its defaults.

Same rows, same sizes, same batch (32), same number of epochs; the test losses are of the same rows.
"""

import os
import statistics
import tempfile
import time
from typing import Any

import numpy as np
from data import movielens

from candgen.studies.course.films import course_films
from candgen.studies.course.rating_network import DIM, HIDDEN, RatingNetwork

EPOCHS = int(os.environ.get("CANDGEN_BENCH_EPOCHS", "30"))
SEEDS = range(5)
TURNS = 5


def run() -> list[dict]:
    """Measure seconds an epoch, in turns so that both meet the same load, and where both end."""
    with tempfile.TemporaryDirectory() as folder:
        path, data = movielens(folder)
        rows = course_films(str(path))
    ours = [RatingNetwork(epochs=EPOCHS, seed=seed).fit(rows) for seed in SEEDS]
    twin = keras_twin(ours[0])
    losses = [fit(twin, ours[0]) for _ in range(EPOCHS)]  # the first of them builds the graph
    tested = test_loss(twin, ours[0])
    seconds, others = [], []
    for turn in range(TURNS):
        seconds += RatingNetwork(epochs=4, seed=turn).fit(rows).epoch_seconds_[1:]
        began = time.perf_counter()
        fit(twin, ours[0])
        others.append(time.perf_counter() - began)
    return [
        _row(
            seconds, others, f"{data}, {len(rows.rows):,} rows, batch 32, median of {TURNS} turns"
        ),
        _loss("training loss", [m.losses_[-1] for m in ours], losses[-1]),
        _loss("test loss", [m.test_loss_ for m in ours], tested),
    ]


def keras_twin(model: RatingNetwork) -> Any:
    """Make the same network as one writes it in Keras."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    sides, vectors = [], []
    for table in model.scaled_inputs():
        inputs = x = tf.keras.Input(shape=(table.shape[1],))
        for size in HIDDEN:
            x = tf.keras.layers.Dense(size, activation="relu")(x)
        x = tf.keras.layers.Dense(DIM)(x)
        sides.append(inputs)
        vectors.append(tf.keras.layers.UnitNormalization(axis=1)(x))
    twin = tf.keras.Model(sides, tf.keras.layers.Dot(axes=1)(vectors))
    twin.compile(tf.keras.optimizers.Adam(0.01), "mse")
    return twin


def fit(twin: Any, model: RatingNetwork) -> float:
    """Run one epoch of `fit`, all else at its defaults, and return its loss."""
    inputs, targets = _shown(model, model.train_rows_)
    return twin.fit(inputs, targets, verbose=0).history["loss"][0]


def test_loss(twin: Any, model: RatingNetwork) -> float:
    inputs, targets = _shown(model, model.test_rows_)
    predicted = twin.predict(inputs, verbose=0, batch_size=1024).ravel()
    return float(np.square(predicted - targets).mean())


def _shown(model: RatingNetwork, positions: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    users, items = model.scaled_inputs()
    pairs = model.pairs(positions)
    return [users[pairs.users], items[pairs.items]], pairs.targets


def _loss(name: str, found: list[float], other: float) -> dict:
    spread = f"{min(found):.4f} to {max(found):.4f}, sd {statistics.stdev(found):.4f}"
    return {
        "benchmark": f"two-branch network, {name}",
        "ours": round(statistics.mean(found), 4),
        "other": round(other, 4),
        "ratio": round(other / statistics.mean(found), 3),
        "unit": "loss",
        "note": f"ours: mean of {len(found)} seeds, {spread}; other: Keras, one seed",
    }


def _row(ours: list[float], others: list[float], note: str) -> dict:
    mine, theirs = statistics.median(ours), statistics.median(others)
    return {
        "benchmark": "two-branch network, an epoch",
        "ours": round(mine, 3),
        "other": round(theirs, 3),
        "ratio": round(theirs / mine, 2),
        "unit": "s",
        "note": f"other: Keras fit at its defaults; {note}",
    }
