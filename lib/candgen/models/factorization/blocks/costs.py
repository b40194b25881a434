"""Memory, traffic and time of WALS over a cluster, computed from measured rates.

The counts follow what `candgen.models.factorization.blocks.sweeps` does. The rates are those of one
machine, measured by `tests/benchmarks/bench_blocks.py`; measure them on yours before you rely on
the seconds. What is assumed:

- Rows have average lengths, so blocks are alike; at the end of a half sweep a worker waits for half
  a block on average.
- Threads of a worker scale perfectly. In truth they share the bandwidth of its memory.
- A table goes from worker to worker, twice as many having it after each round.
- The shared folder answers as fast to many workers as to one. That of the measured machine is a
  local disk whose files are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2
from typing import NamedTuple

import numpy as np

from candgen.cluster.block_files import BLOCKS_A_WORKER

_FLOAT = 4  # bytes
_PAIR_ON_DISK, _PAIR_IN_BLOCK, _PAIR_HERE = 4, 12, 40  # bytes of a plain event
_BASE = 0.4e9  # bytes of a worker with its libraries loaded
_GB = 1e9


class Rates(NamedTuple):
    """Seconds of one thread for the parts of the work, measured."""

    pairs: tuple[tuple[float, float], ...]
    """Bytes of the other side's table -> seconds a pair, dimension and pass; rising in bytes."""
    rows: float
    """Seconds a row, dim^2 and pass."""
    grams: float
    """Seconds a row and dim^2 of the products of a table with itself, which one worker makes."""
    scores: float
    """Seconds a query, item and dimension of ranking everything."""
    files: float
    """Seconds a byte that is read or written."""
    sending: float
    """Seconds a byte that one worker sends to another."""
    tasks: float
    """Seconds that this process takes to give out a block."""

    def pair(self, table_bytes: float) -> float:
        """Seconds a pair, dimension and pass beside a table of that size: log-interpolated."""
        sizes, seconds = np.array(self.pairs).T
        return float(np.interp(np.log(max(table_bytes, 1)), np.log(sizes), seconds))


MEASURED_ON = (
    "one thread of a two-core Intel Xeon at 2.5 GHz, November 2026, while other work ran on it: "
    "processor time of computing and files, wall time of sending and giving out, which is too high"
)
MEASURED = Rates(
    pairs=((5.12e6, 8.9e-10), (5.12e7, 1.70e-9), (5.12e8, 3.08e-9)),
    rows=4.0e-11,
    grams=3.5e-11,
    scores=1.14e-10,
    files=7.5e-10,
    sending=3.7e-9,
    tasks=0.096,
)


class Costs(NamedTuple):
    """Costs of a job; seconds and traffic of one epoch."""

    worker_bytes: float
    """Memory of a worker: the larger side, a block, the libraries."""
    driver_bytes: float
    """Memory of the process that calls `fit`, while it writes the blocks."""
    sent_bytes: float
    """From worker to worker, an epoch."""
    file_bytes: float
    """Read from and written to the shared folder, an epoch."""
    seconds: float
    """Wall time of an epoch."""
    serial_seconds: float
    """The part of it in which one worker makes a table and the others wait."""


def estimate(
    n_users: int,
    n_items: int,
    n_events: int,
    dim: int,
    n_workers: int,
    *,
    threads: int = 1,
    cg_steps: int = 3,
    rates: Rates = MEASURED,
) -> Costs:
    """Compute what an epoch of WALS takes.

    Args:
        n_users: Rows of one side.
        n_items: Rows of the other.
        n_events: Distinct pairs, all of weight 1.
        dim: Length of the vectors.
        n_workers: Worker processes, each with a copy of a side.
        threads: Threads of each.
        cg_steps: Steps of conjugate gradients.
        rates: Measured on the machine in question.
    """
    sizes = {"users": n_users * dim * _FLOAT, "items": n_items * dim * _FLOAT}
    passes = 1 + cg_steps
    work = serial = 0.0
    for name, n_rows, other, more in (
        ("items", n_items, "users", 0),
        ("users", n_users, "items", 1),  # the errors of the pairs, for the objective
    ):
        pair = rates.pair(sizes[other])
        work += n_events * dim * (passes + more) * pair
        work += n_rows * dim**2 * passes * rates.rows
        read_and_written = n_events * _PAIR_ON_DISK + 2 * sizes[name]
        work += read_and_written * rates.files * threads  # files are read by one thread
        serial += sizes[name] * rates.files + n_rows * dim**2 * rates.grams
        serial += sizes[name] * rates.sending * ceil(log2(n_workers))
    waiting = 1 + 0.5 / BLOCKS_A_WORKER if n_workers > 1 else 1.0
    giving = 2 * BLOCKS_A_WORKER * n_workers * rates.tasks
    both = sum(sizes.values())
    n_blocks = BLOCKS_A_WORKER * n_workers
    block = n_events * _PAIR_IN_BLOCK / n_blocks + max(sizes.values()) / n_blocks
    return Costs(
        worker_bytes=_BASE + max(sizes.values()) + block,
        driver_bytes=_BASE + n_events * _PAIR_HERE + both,
        sent_bytes=(n_workers - 1) * both,
        file_bytes=2 * n_events * _PAIR_ON_DISK + 3 * both,
        seconds=work * waiting / (n_workers * threads) + serial + giving / n_workers,
        serial_seconds=serial,
    )


def ranking_seconds(
    n_queries: int,
    n_items: int,
    dim: int,
    n_workers: int,
    *,
    threads: int = 1,
    rates: Rates = MEASURED,
) -> float:
    """Compute the seconds that ranking all items takes, for so many users."""
    sent = n_items * dim * _FLOAT * rates.sending * ceil(log2(n_workers))
    return n_queries * n_items * dim * rates.scores / (n_workers * threads) + sent


def cost_table(
    sizes: Sequence[tuple[int, int, int]], dim: int, workers: Sequence[tuple[int, int]]
) -> str:
    """Lay out the costs of several jobs as a table in Markdown.

    Args:
        sizes: Events, users and items of each dataset.
        dim: Length of the vectors.
        workers: Worker processes and threads of each, for every dataset.
    """
    heads = [
        "events", "users", "items", "workers x threads", "GB a worker", "GB here",
        "GB sent an epoch", "GB of files an epoch", "minutes an epoch", "of it serial",
        "minutes to rank for 100,000 users",
    ]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|" + "---:|" * len(heads)]
    for n_events, n_users, n_items in sizes:
        for n_workers, threads in workers:
            found = estimate(n_users, n_items, n_events, dim, n_workers, threads=threads)
            ranking = ranking_seconds(100_000, n_items, dim, n_workers, threads=threads)
            in_bytes = (found.worker_bytes, found.driver_bytes, found.sent_bytes, found.file_bytes)
            in_seconds = (found.seconds, found.serial_seconds, ranking)
            cells = [f"{n:,}" for n in (n_events, n_users, n_items)]
            cells += [f"{n_workers} x {threads}"]
            cells += [f"{bytes_ / _GB:,.1f}" for bytes_ in in_bytes]
            cells += [f"{seconds / 60:,.{1 if seconds >= 60 else 2}f}" for seconds in in_seconds]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
