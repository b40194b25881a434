"""Preparing a hundred million events within 4 GiB: memory at its peak, and seconds.

The Parquet file is invented block by block and removed afterwards. The peak is that of a process
of its own, with everything it imports. Disk: some 2 GB for the file, 2 GB for the dataset, 3 GB
for DuckDB meanwhile.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N_EVENTS, N_USERS, N_ITEMS = 100_000_000, 1_000_000, 100_000
MEMORY = "4GB"
BLOCK = 5_000_000

_MEASURE = """
import resource, sys, time
start = time.perf_counter()
from candgen.datasets.preparation import prepare
data = prepare(sys.argv[2], source="table", path=sys.argv[1], memory=sys.argv[3])
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, data.n_events)
"""


def run() -> list[dict]:
    """Make the file and prepare it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.parquet"
        write_events(events, N_EVENTS, N_USERS, N_ITEMS)
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, str(events), str(Path(folder) / "made"), MEMORY],
            check=True,
            capture_output=True,
            text=True,
        )
    seconds, gib, kept = map(float, done.stdout.split()[-3:])
    name, most = f"prepare {N_EVENTS / 1e6:.0f}M events within {MEMORY}", float(MEMORY[:-2])
    return [
        {
            "benchmark": f"{name}, peak memory",
            "ours": gib,
            "other": most,
            "ratio": most / gib,
            "unit": "GiB",
            "note": f"other: the limit; {kept:,.0f} events after repeated pairs; {seconds:,.0f} s",
        }
    ]


def write_events(path: Path, n_events: int, n_users: int, n_items: int, seed: int = 0) -> None:
    """Write invented events, block by block, in no order; some pairs repeat."""
    rng = np.random.default_rng(seed)
    tail = np.cumsum(1 / np.arange(100, n_items + 100))
    writer = None
    for start in range(0, n_events, BLOCK):
        n = min(BLOCK, n_events - start)
        block = pa.table(
            {
                "user": rng.integers(n_users, size=n),
                "item": np.searchsorted(tail, rng.random(n) * tail[-1]),
                "rating": rng.integers(1, 11, n).astype(np.float32) / 2,
                "timestamp": rng.integers(1_500_000_000, 1_700_000_000, n),
            }
        )
        writer = writer or pq.ParquetWriter(path, block.schema)
        writer.write_table(block)
    writer.close()
