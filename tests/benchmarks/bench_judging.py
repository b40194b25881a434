"""Judging users by all metrics against the bare products of their vectors, in a large catalogue.

The data is a crowd with MovieLens-25M's number of films. A tenth of its users are judged: the work
is a sum over users, so the ratio is that of all of them. Vectors are random, as speed is all that
is looked at.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from candgen import evaluation
from candgen.datasets.preparation import prepare
from candgen.models.base import VectorGenerator

N_USERS, N_ITEMS, EVENTS_PER_USER = 16_000, 60_000, 156.25
DIM, K, ROWS, REPEATS = 64, 100, 1024, 3
MOST = 2.0  # times the bare products


class Drawn(VectorGenerator):
    """Random vectors that take no time to learn."""

    name = "drawn"

    def _fit(self, dataset):
        rng = np.random.default_rng(0)
        sizes = (dataset.n_users, DIM), (dataset.n_items, DIM)
        self.users, self.items = (rng.standard_normal(size, dtype=np.float32) for size in sizes)

    def item_vectors(self):
        return self.items

    def _user_vectors(self, users):
        return self.users[users]


def bare_products(queries, items) -> None:
    """The products alone, in the blocks that suit BLAS best."""
    out = np.empty((ROWS, len(items)), dtype=np.float32)
    for start in range(0, len(queries), ROWS):
        block = queries[start : start + ROWS]
        np.matmul(block, items.T, out=out[: len(block)])


def _seconds(call, *arguments) -> float:
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


def run() -> list[dict]:
    """Measure in turns and keep the fastest of each, so that no busy moment hits one alone."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"n_users": N_USERS, "n_items": N_ITEMS, "events_per_user": EVENTS_PER_USER}
        split = {"split": "leave_last_out", "tastes": 16, "days": 1825}
        data = prepare(Path(folder) / "crowd", source="crowd", **sizes, **split)
        model = Drawn().fit(data)
        evaluation.judge(model, data, k=K)  # compiled, and matrices are made
        queries = model.user_vectors(evaluation.judging.judged_users(data).users)
        bare, ours = [], []
        for _ in range(REPEATS):
            bare.append(_seconds(bare_products, queries, model.items))
            ours.append(_seconds(evaluation.judge, model, data))
    return [
        {
            "benchmark": "judging by all metrics against the bare products",
            "ours": min(ours),
            "other": min(bare),
            "ratio": min(bare) / min(ours),
            "unit": "s",
            "note": f"{len(queries):,} users x {N_ITEMS:,} items, {DIM} dimensions, k = {K}; a "
            f"ratio above {1 / MOST:g} is within {MOST:g}x of the products",
        }
    ]
