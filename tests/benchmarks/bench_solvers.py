"""Solvers of one objective: WALS against gradient descent, and sparse steps against dense ones.

Both solvers run on the same invented events with the same penalty, and are timed until the
objective over all pairs is within half a percent of the best that either reaches. A dense step
updates both whole tables after each batch, as an optimizer without sparse updates would.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from scipy.sparse import csr_array

from candgen.models import WALS, SGDFactorization

DIM, BATCH, CLOSE = 32, 1024, 0.005
SAME = {"dim": DIM, "unobserved_weight": 0.1, "regularization": 0.003}


def run() -> list[dict]:
    """Measure seconds of the passes alone, after a first fit that compiles."""
    for warm in (WALS(epochs=1, **SAME), SGDFactorization(epochs=1, **SAME)):
        warm.fit_matrix(events(200, 150, 2_000))
    return [to_half_a_percent(), *catalogue(), dense()]


def events(n_users: int, n_items: int, n: int, seed: int = 0) -> csr_array:
    """Draw pairs by eight tastes and a long tail."""
    rng = np.random.default_rng(seed)
    users = rng.integers(n_users, size=n)
    rank = n_items // 8 * rng.random(n) ** 2.5
    items = (rank.astype(np.int64) * 8 + users % 8) % n_items
    stray = rng.random(n) < 0.2
    items[stray] = rng.integers(n_items, size=stray.sum())
    found = csr_array((np.ones(n, np.float32), (users, items)), shape=(n_users, n_items))
    found.sum_duplicates()
    found.data[:] = 1
    return found


def to_half_a_percent() -> dict:
    """WALS is ours here, for it is the default; gradient descent by gravity the other way."""
    pairs = events(3_000, 2_000, 150_000)
    solvers = WALS(epochs=40, **SAME), SGDFactorization(epochs=40, **SAME)
    for solver in solvers:
        solver.fit_matrix(pairs)
    best = min(solver.history_[-1].objective for solver in solvers)
    seconds = []
    for solver in solvers:
        spent = np.cumsum([epoch.seconds for epoch in solver.history_])
        near = [epoch.objective <= best * (1 + CLOSE) for epoch in solver.history_]
        seconds.append(float(spent[near.index(True)]) if any(near) else float("nan"))
    ends = solvers[1].history_[-1].objective / solvers[0].history_[-1].objective - 1
    note = f"other: SGD, Adam, gravity; after 40 epochs it is {ends:+.2%} from WALS"
    return _row("to 0.5 % of the best objective", *seconds, note)


def catalogue() -> list[dict]:
    """The same events in a catalogue ten times as large: an epoch should cost the same."""
    rows = []
    for unobserved in ("gravity", "sampled"):
        seconds = []
        for n_items in (200_000, 20_000):
            model = SGDFactorization(epochs=5, unobserved=unobserved, **SAME)
            model.fit_matrix(events(20_000, n_items, 200_000))
            seconds.append(median(epoch.seconds for epoch in model.history_[1:]))
        note = "ours: 200,000 items, other: 20,000 and as many events; 1 means no dependence"
        rows.append(_row(f"an epoch of SGD, {unobserved}, catalogue x 10", *seconds, note))
    return rows


def dense() -> dict:
    """A batch with whole-table Adam in NumPy, against ours, on 50,000 rows a side."""
    n = 50_000
    pairs = events(n, n, 200_000)
    model = SGDFactorization(epochs=3, batch_size=BATCH, **SAME)
    model.fit_matrix(pairs)
    batches = -(-pairs.nnz // BATCH)
    ours = median(epoch.seconds for epoch in model.history_[1:]) / batches
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(n, DIM)).astype(np.float32) for _ in range(2)]
    moments = [[np.zeros_like(table), np.zeros_like(table)] for table in tables]
    times = []
    for _ in range(5):
        rows = rng.integers(n, size=(2, BATCH))
        began = time.perf_counter()
        for side, (mean, square) in enumerate(moments):
            gradient = np.zeros_like(tables[side])
            np.add.at(gradient, rows[side], tables[1 - side][rows[1 - side]])
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient * gradient - square)
            tables[side] -= 0.01 * mean / (np.sqrt(square) + 1e-8)
        times.append(time.perf_counter() - began)
    note = "other: Adam on whole tables in NumPy, 2 x 50,000 rows, batch 1,024"
    return _row("a batch of SGD", ours, median(times), note)


def _row(name: str, ours: float, other: float, note: str) -> dict:
    return {
        "benchmark": name,
        "ours": round(ours, 5),
        "other": round(other, 5),
        "ratio": round(other / ours, 2),
        "unit": "s",
        "note": note,
    }
