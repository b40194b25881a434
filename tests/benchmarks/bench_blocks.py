"""WALS in blocks over two worker processes against one process, and the cost model against both.

The pairs are invented: 138,000 users, 27,000 items, 20 million pairs, some items far more popular
than others. One process and each worker have one thread. Where other work runs on the machine, wall
times mean little: the row by processor time compares what one process spent with what the busier
worker and this process spent.

`python tests/benchmarks/bench_blocks.py` prints the rates of this machine, as they stand in
`candgen.models.factorization.blocks.costs`. CANDGEN_BENCH_PAIRS makes it smaller.
"""

import os
import tempfile
import time
from pathlib import Path

os.environ["NUMBA_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from scipy.sparse import csr_array

import candgen
from candgen import files
from candgen.cluster import block_files
from candgen.models.factorization.blocks.costs import Rates, estimate
from candgen.models.factorization.blocks.sweeps import in_blocks
from candgen.models.factorization.wals_solver import (
    Observed,
    Penalty,
    Sweeps,
    gram_of,
    solve_rows,
)
from candgen.retrieval import top_k

DIM, STEPS, EPOCHS, PENALTY = 128, 3, 2, Penalty(0.1, 0.003, 1.0)
PAIRS = int(os.environ.get("CANDGEN_BENCH_PAIRS", 20_000_000))
USERS, ITEMS = 138_000 * PAIRS // 20_000_000, 27_000 * PAIRS // 20_000_000
SOLVER = {"solver": "cg", "cg_steps": STEPS}


def seconds(call, *arguments, repeats=3, **settings) -> float:
    """Processor time of the quickest of a few calls."""
    found = []
    for _ in range(repeats):
        began = time.process_time()
        call(*arguments, **settings)
        found.append(time.process_time() - began)
    return min(found)


def drawn(rng, n, n_items) -> np.ndarray:
    """Items, some far more popular than others, in no order."""
    places = (n_items * rng.random(n) ** 2).astype(np.int32)
    return rng.permutation(n_items).astype(np.int32)[places]


def rows_of(rng, n_rows, length, n_fixed) -> Observed:
    columns = drawn(rng, n_rows * length, n_fixed)
    ones = np.ones(len(columns), dtype=np.float32)
    return Observed(np.arange(n_rows + 1, dtype=np.int64) * length, columns, ones, ones)


def measured_rates(cluster) -> Rates:
    """Measure this machine, one thread at a time."""
    rng = np.random.default_rng(0)
    passes, pairs, rows_rate = 1 + STEPS, [], 0.0
    for n_fixed in (10_000, 100_000, 1_000_000):
        fixed = rng.standard_normal((n_fixed, DIM), dtype=np.float32)
        gram = gram_of(fixed)

        def solving(n_rows, length, fixed=fixed, gram=gram, n_fixed=n_fixed):
            observed = rows_of(rng, n_rows, length, n_fixed)
            rows = np.full((n_rows, DIM), 0.01, dtype=np.float32)
            return seconds(solve_rows, observed, fixed, PENALTY, rows, gram=gram, **SOLVER)

        if not rows_rate:
            solving(100, 10)  # compiled before the clock starts
            rows_rate = solving(50_000, 1) / 50_000
        n_rows, length = 4_000, 150
        spent = solving(n_rows, length) - n_rows * rows_rate
        pairs.append((n_fixed * DIM * 4.0, spent / (n_rows * length * DIM * passes)))
    rows_rate -= pairs[0][1] * DIM * passes  # each of those rows had a pair
    grams = seconds(gram_of, fixed, repeats=1) / (len(fixed) * DIM**2)
    top_k(fixed[:64], fixed[:20_000], 100)
    scores = seconds(top_k, fixed[:1024], fixed[:20_000], 100) / (1024 * 20_000 * DIM)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "written.npy"
        some = fixed[:200_000]
        spent = seconds(files.write_array, path, some)

        disk = (spent + seconds(block_files.read_array, path)) / (2 * some.nbytes)
    return Rates(
        tuple(pairs), rows_rate / (DIM**2 * passes), grams, scores, disk, *_of_cluster(cluster)
    )


def _of_cluster(cluster) -> tuple[float, float]:
    """Seconds a byte sent, and seconds to give out a block."""
    here, there = list(cluster.client.nthreads())
    held = cluster.client.submit(np.ones, 25_000_000, np.float32, workers=[here], pure=False)
    cluster.value(held)
    began = time.perf_counter()
    cluster.value(cluster.client.submit(len, held, workers=[there], pure=False))
    sending = (time.perf_counter() - began) / 100e6
    calls = [(n,) for n in range(100)]
    list(cluster.each(abs, calls[:10]))
    began = time.perf_counter()
    list(cluster.each(abs, calls))
    return sending, (time.perf_counter() - began) * cluster.n_workers / len(calls)


def invented() -> csr_array:
    rng = np.random.default_rng(0)
    lengths = rng.lognormal(sigma=1.0, size=USERS)
    lengths = np.maximum(1, np.rint(lengths * PAIRS * 1.02 / lengths.sum())).astype(np.int64)
    users = np.repeat(np.arange(USERS, dtype=np.int32), lengths)
    pairs = (np.ones(len(users), np.float32), (users, drawn(rng, len(users), ITEMS)))
    matrix = csr_array(pairs, shape=(USERS, ITEMS))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def start(matrix) -> tuple:
    rng = np.random.default_rng(1)
    vectors = (
        0.1 / np.sqrt(DIM) * rng.standard_normal((n, DIM), dtype=np.float32) for n in matrix.shape
    )
    return (
        Observed.of(matrix),
        Observed.of(matrix.T.tocsr()),
        *(each.astype(np.float32) for each in vectors),
        PENALTY,
    )


def an_epoch(sweeps, cluster=None) -> tuple[float, float, float]:
    """Wall seconds of a sweep and its objective; processor seconds of this process and of workers.

    On a busy machine one worker may get most of the blocks, so their time is given summed.
    """
    before = cluster.cpu_seconds() if cluster else {}
    wall, cpu = time.perf_counter(), time.process_time()
    sweeps.sweep()
    sweeps.objective()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = cluster.cpu_seconds() if cluster else {}
    return wall, cpu, sum(after[worker] - before[worker] for worker in after)


def run() -> list[dict]:
    """Measure rates, one process and two workers in turns, and keep the quickest of each."""
    matrix = invented()
    with candgen.open_cluster("local:2", threads=1) as cluster, cluster.job("wals") as folder:
        alone = Sweeps(*start(matrix), **SOLVER)
        shared = in_blocks(cluster, folder, *start(matrix), **SOLVER)  # loads and compiles
        rates = measured_rates(cluster)
        spent = [(an_epoch(alone), an_epoch(shared, cluster)) for _ in range(EPOCHS)]
        apart = np.abs(shared.vectors()[0] - alone.vectors()[0]).max()
    (one_wall, one_cpu, _), (wall, here, workers) = (min(each) for each in zip(*spent, strict=True))
    cpu = here + workers / 2
    shape = USERS, ITEMS, matrix.nnz, DIM
    computing = rates._replace(sending=0.0, tasks=0.0)  # what a busy machine delays most
    predicted = estimate(*shape, 1, rates=computing._replace(files=0.0)).seconds
    two_predicted = estimate(*shape, 2, rates=rates).seconds
    two_computing = estimate(*shape, 2, rates=computing).seconds
    what = f"{USERS:,} x {ITEMS:,}, {matrix.nnz:,} pairs, {DIM} dimensions, one thread each"
    numbers = ", ".join(f"{name}={value!r}" for name, value in rates._asdict().items())
    return [
        _row("blocks: two workers against one process", wall, one_wall, f"wall time; {what}"),
        _row(
            "blocks: the same by processor time",
            cpu,
            one_cpu,
            f"this process {here:.2f} s and half of the workers' {workers:.2f} s; "
            f"largest difference of a vector {apart:.1e}",
        ),
        _row("blocks: measured against the cost model, two workers", two_predicted, wall, numbers),
        _row("blocks: the same by processor time", two_computing, cpu, "without sending"),
        _row(
            "blocks: measured against the cost model, one process", predicted, one_cpu, "the same"
        ),
    ]


def _row(name: str, ours: float, other: float, note: str) -> dict:
    return {
        "benchmark": name,
        "ours": ours,
        "other": other,
        "ratio": other / ours,
        "unit": "s",
        "note": note,
    }


if __name__ == "__main__":
    for row in run():
        print(row, flush=True)
