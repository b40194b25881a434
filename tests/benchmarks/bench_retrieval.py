"""Search among a million vectors: exact, inverted lists, trees, a graph, compressed vectors.

Invented vectors in clusters, their lengths lognormal, searched by inner product with
all threads each. Exact search stands beside the bare matrix product and faiss's flat index; each
approximate index, its effort raised until it finds 95 of the best 100, beside exact search.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from candgen.retrieval import indexes
from candgen.retrieval.effort import effort_of, reaching
from candgen.retrieval.invented_vectors import clustered

N = int(os.environ.get("CANDGEN_BENCH_ITEMS", "1_000_000"))
KINDS = os.environ.get("CANDGEN_BENCH_KINDS", "faiss-ivf,faiss-pq,annoy,faiss-hnsw").split(",")
DIM, CLUSTERS, K, ASKED, TARGET = 64, 2_000, 100, 512, 0.95
BUILDING: dict[str, dict[str, Any]] = {
    "faiss-ivf": {"lists": 6_144},
    "faiss-pq": {"lists": 6_144},
    "annoy": {
        "trees": 60,
        "bands": 2,
        "parts": 2,
        "jobs": 2,
        "length_quantile": 0.35,
        "rerank": 12,
    },
    "faiss-hnsw": {"links": 64, "ef_build": 80},
}


def run() -> list[dict]:
    """Build each index once, raise its effort to the target, then measure."""
    items, queries, _ = clustered(N, ASKED, DIM, clusters=CLUSTERS)
    exact = indexes.build("exact", items, "dot")
    best = exact.query(queries, K).items
    batch, single = speed(exact, queries), speed_alone(exact, queries[:24])
    rows = beside_products(items, queries, batch)
    flat = indexes.build("faiss-flat", items, "dot")
    rows.append(_row("exact beside faiss flat", batch, speed(flat, queries), "aim: 2 or more"))
    del flat
    for kind in KINDS:
        rows += approximate(kind, items, queries, best, batch, single)
        for row in rows[-2:]:
            print(row, flush=True)
    return rows


def beside_products(items: np.ndarray, queries: np.ndarray, batch: float) -> list[dict]:
    block = queries[:64]
    out = np.empty((len(block), N), dtype=np.float32)
    bare = len(block) / least(lambda: np.matmul(block, items.T, out=out))
    return [_row("exact beside the bare product", batch, bare, "aim: above 0.6")]


def approximate(
    kind: str, items: np.ndarray, queries: np.ndarray, best: np.ndarray, batch: float, single: float
) -> list[dict]:
    began = time.perf_counter()
    index = indexes.build(kind, items, "dot", **BUILDING[kind])
    built = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        index.save(folder)
        size = sum((Path(folder) / name).stat().st_size for name in index.files) / 2**20
        indexes.load(folder)
        loading = least(lambda: indexes.load(folder))
        index, recall = reaching(indexes.load(folder), queries, best, TARGET)
        note = (
            f"recall@{K} {recall:.3f} at effort {effort_of(index, K):,}; built in {built:.0f} s, "
            f"{size:.0f} MiB, loaded in {loading:.3f} s; {N:,} x {DIM}; other: exact"
        )
        return [
            _row(f"{kind}, in batches", speed(index, queries), batch, note),
            _row(f"{kind}, one at a time", speed_alone(index, queries[:100]), single, note),
        ]


def speed(index: indexes.Index, queries: np.ndarray) -> float:
    return len(queries) / least(lambda: index.query(queries, K))


def speed_alone(index: indexes.Index, queries: np.ndarray) -> float:
    return len(queries) / least(lambda: [index.query(query[None], K) for query in queries])


def least(work: Callable[[], Any], seconds: float = 1.0) -> float:
    """Return the seconds of the quickest repeat, of two at least and as many as take so long."""
    took: list[float] = []
    while len(took) < 2 or sum(took) < seconds:
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def _row(name: str, ours: float, other: float, note: str) -> dict:
    return {
        "benchmark": name, "ours": ours, "other": other, "ratio": ours / other,
        "unit": "queries/s", "note": note,
    }  # fmt: skip
