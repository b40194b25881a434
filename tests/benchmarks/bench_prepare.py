"""Preparing 25 million ratings from a CSV: seconds, and memory at its peak.

The file is invented, in MovieLens' columns, and removed afterwards. Reading it with pandas alone
is the yardstick: preparing also checks, filters, numbers, splits, writes and digests.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

N_RATINGS, N_USERS, N_ITEMS = 25_000_000, 162_000, 59_000
MOST_GIB = 6.0

_MEASURE = """
import resource, sys, time
start = time.perf_counter()
{work}
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
_OURS = """
from candgen.datasets.preparation import prepare
prepare(sys.argv[2], source="movielens", path=sys.argv[1], min_user_events=5, min_item_events=5)
"""
_OTHER = """
import pandas as pd
pd.read_csv(sys.argv[1] + "/ratings.csv")
"""


def run() -> list[dict]:
    """Make the file, prepare it in a process of its own, and read it with pandas in another."""
    with tempfile.TemporaryDirectory() as folder:
        films, prepared = Path(folder) / "ml-invented", Path(folder) / "prepared"
        rows = write_films(films, N_RATINGS, N_USERS, N_ITEMS)
        seconds, gib = _measured(_OURS, films, prepared)
        pandas_seconds, pandas_gib = _measured(_OTHER, films, prepared)
    name = f"prepare {rows / 1e6:.0f}M ratings"
    return [
        {
            "benchmark": name,
            "ours": seconds,
            "other": pandas_seconds,
            "ratio": pandas_seconds / seconds,
            "unit": "s",
            "note": "other: pandas.read_csv alone; aim: 60 s",
        },
        {
            "benchmark": f"{name}, peak memory",
            "ours": gib,
            "other": MOST_GIB,
            "ratio": MOST_GIB / gib,
            "unit": "GiB",
            "note": f"other: the limit; pandas.read_csv alone {pandas_gib:.1f} GiB",
        },
    ]


def write_films(folder: Path, n_ratings: int, n_users: int, n_items: int, seed: int = 0) -> int:
    """Write invented `ratings.csv` and `movies.csv`; no pair of user and film repeats."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    pairs = _pairs(rng, n_ratings, n_users, n_items)
    ratings = pa.table(
        {
            "userId": pairs // n_items + 1,
            "movieId": pairs % n_items + 1,
            "rating": rng.choice(np.arange(1, 11) / 2, len(pairs), p=_STARS),
            "timestamp": rng.integers(789_652_009, 1_574_327_703, len(pairs)),
        }
    )
    pa.csv.write_csv(ratings, folder / "ratings.csv")
    ids = np.arange(1, n_items + 1)
    titles = [f"Invented Film {i} ({1950 + i % 70})" for i in ids]
    films = {"movieId": ids, "title": titles, "genres": ["Drama|War"] * n_items}
    pa.csv.write_csv(pa.table(films), folder / "movies.csv")
    return len(pairs)


_STARS = [0.016, 0.031, 0.016, 0.066, 0.05, 0.196, 0.127, 0.266, 0.088, 0.144]


def _pairs(rng: np.random.Generator, n_ratings: int, n_users: int, n_items: int) -> np.ndarray:
    """Draw distinct pairs, user by user, films by a long tail."""
    tail = 1 / np.arange(10, n_items + 10)
    edges = np.cumsum(tail / tail.sum())
    drawn = np.empty(0, dtype=np.int64)
    while len(drawn) < n_ratings:
        more = n_ratings - len(drawn) + n_ratings // 20
        users = rng.integers(n_users, size=more) * n_items
        films = np.minimum(np.searchsorted(edges, rng.random(more)), n_items - 1)
        drawn = np.sort(np.concatenate([drawn, users + films]))
        drawn = drawn[np.r_[True, drawn[1:] != drawn[:-1]]]
    keep = np.ones(len(drawn), dtype=bool)
    keep[rng.choice(len(drawn), len(drawn) - n_ratings, replace=False)] = False
    return drawn[keep]


def _measured(work: str, films: Path, prepared: Path) -> tuple[float, float]:
    """Return seconds, imports included, and peak GiB of a fresh process."""
    script = _MEASURE.format(work=work)
    done = subprocess.run(
        [sys.executable, "-c", script, str(films), str(prepared)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, gib = done.stdout.split()[-2:]
    return float(seconds), float(gib)
