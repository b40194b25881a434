"""An exported folder asked one user at a time: how long until the list with titles is there?

An invented run of 50,000 items is exported as each kind of index and asked for 100 candidates by
one client, then by two at once. Beside it stands what one would write by hand: a product with all
items, `argpartition`, and a look-up of titles in pandas. Loading is the wall time of a fresh
process from its start to its end with one answer, beside a process that only imports NumPy.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from candgen import files
from candgen.datasets.dataset import Dataset, write_dataset
from candgen.serving.export import export
from candgen.serving.reader import Exported

N_ITEMS = int(os.environ.get("CANDGEN_BENCH_ITEMS", "50_000"))
N_USERS, DIM, CLUSTERS, K, ASKED, HISTORY = 20_000, 64, 500, 100, 1_000, 30
KINDS: dict[str, dict[str, int]] = {
    "exact": {},
    "annoy": {"trees": 30, "search_k": 12_000},
    "faiss-ivf": {"probes": 40},
    "faiss-hnsw": {"ef": 100},
    "faiss-pq": {"probes": 40},
}
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def run() -> list[dict]:
    """Export once a kind, then ask."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch, project(Path(scratch)):
        data = invented_data(Path(scratch))
        invented_run(Path(scratch), data)
        users = np.random.default_rng(1).choice(N_USERS, ASKED, replace=False)
        best = None
        for kind, settings in KINDS.items():
            folder = export("run", Path(scratch) / kind, kind=kind, settings=settings)
            held, plain = Exported(folder), by_hand(folder)
            found = [[c.item for c in held.for_user(u, K)] for u in users[:200].tolist()]
            best = best or found
            recall = np.mean([len(set(f) & set(b)) / K for f, b in zip(found, best, strict=True)])
            for clients in (1, 2):
                ours = spent(lambda user, held=held: held.for_user(user, K), users, clients)
                others = spent(plain, users, clients)
                rows += compared(kind, clients, ours, others, recall)
            rows.append(loading(folder, kind))
            for row in rows[-1:]:
                print(row, flush=True)
    return rows


@contextlib.contextmanager
def project(root: Path) -> Iterator[None]:
    """Stand in an empty project meanwhile."""
    for name in ("notebooks", "params", "outputs"):
        (root / name).mkdir()
    with contextlib.chdir(root):
        yield


def invented_data(root: Path) -> Dataset:
    """Write a dataset of whole-number ids, titles and a history for each user."""
    rng = np.random.default_rng(0)
    taken = np.repeat(np.arange(N_USERS), HISTORY), rng.integers(N_ITEMS, size=N_USERS * HISTORY)
    train = pd.DataFrame({"user": taken[0], "item": taken[1]}).drop_duplicates()
    tables = {
        "interactions": train,
        "train": train,
        "test": train.head(1),
        "users": pd.DataFrame({"user": range(N_USERS), "user_id": range(N_USERS)}),
        "items": pd.DataFrame(
            {
                "item": range(N_ITEMS),
                "item_id": rng.permutation(10 * N_ITEMS)[:N_ITEMS],
                "title": [f"The title of film {n}, as long as titles are" for n in range(N_ITEMS)],
            }
        ),
    }
    return write_dataset(root / "outputs" / "datasets" / "invented", tables, {"name": "invented"})


def invented_run(root: Path, data: Dataset) -> None:
    """Write what a run leaves: vectors in clusters, their lengths lognormal."""
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((CLUSTERS, DIM), dtype=np.float32)

    def near(n: int) -> np.ndarray:
        spread = 0.6 * rng.standard_normal((n, DIM), dtype=np.float32)
        return centres[rng.integers(CLUSTERS, size=n)] + spread

    items = near(N_ITEMS) * rng.lognormal(sigma=0.3, size=(N_ITEMS, 1)).astype(np.float32)
    folder = root / "outputs" / "asked" / "run"
    folder.mkdir(parents=True)
    held = {"users": np.arange(N_USERS), "user_vectors": near(N_USERS), "item_vectors": items}
    np.savez(folder / "vectors.npz", **held, similarity=np.array("dot"))
    described = {"name": data.name, "digest": data.digest, "folder": str(data.folder)}
    files.write_json(folder / "metrics.json", {"dataset": described, "generators": []})


def by_hand(folder: Path) -> Callable[[int], pd.DataFrame]:
    """Return what answers a user with NumPy and pandas alone, everything in memory."""
    items = np.array(np.load(folder / "index" / "vectors.npy"))
    users = np.array(np.load(folder / "user_vectors.npy"))
    starts, seen = (np.load(folder / f"seen_{name}.npy") for name in ("starts", "items"))
    ids = np.load(folder / "index" / "ids.npy")
    titles = pd.DataFrame({"title": Exported(folder)._titles.to_pylist()}, index=ids)

    def answer(user: int) -> pd.DataFrame:
        scores = items @ users[user]
        scores[seen[starts[user] : starts[user + 1]]] = -np.inf
        rows = np.argpartition(-scores, K)[:K]
        rows = rows[np.argsort(-scores[rows])]
        return titles.loc[ids[rows]].assign(score=scores[rows])

    return answer


def spent(answer: Callable[[int], object], users: np.ndarray, clients: int) -> np.ndarray:
    """Return the seconds of each answer, asked by so many threads at once."""
    seconds: list[list[float]] = [[] for _ in range(clients)]

    def client(number: int) -> None:
        for user in users[number::clients].tolist():
            began = time.perf_counter()
            answer(user)
            seconds[number].append(time.perf_counter() - began)

    with threadpool_limits(1, "blas"):  # clients share the cores, and not one product each
        for user in users[:20].tolist():
            answer(user)
        threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return np.concatenate(seconds)


def compared(
    kind: str, clients: int, ours: np.ndarray, others: np.ndarray, recall: float
) -> list[dict]:
    rows = []
    for name, share in QUANTILES.items():
        mine, theirs = 1000 * np.quantile(ours, share), 1000 * np.quantile(others, share)
        rows.append(
            {
                "benchmark": f"serving {kind}, {clients} client{'s' * (clients > 1)}, {name}",
                "ours": mine, "other": theirs, "ratio": theirs / mine, "unit": "ms",
                "note": f"{N_ITEMS:,} items, k {K}, {recall:.3f} of exact; other: NumPy and pandas",
            }
        )  # fmt: skip
    return rows


def loading(folder: Path, kind: str) -> dict:
    """Time a fresh process until its first answer, beside one that only imports NumPy."""
    asked = [sys.executable, "reader.py", "--user", "7", "-k", str(K), "--json"]
    bare = [sys.executable, "-c", "import numpy"]
    answers = json.loads(subprocess.run(asked, cwd=folder, capture_output=True, check=True).stdout)
    assert len(answers) == K
    ours, other = (min(_seconds(command, folder) for _ in range(5)) for command in (asked, bare))
    return {
        "benchmark": f"serving {kind}: a fresh process to its first list",
        "ours": ours, "other": other, "ratio": other / ours, "unit": "s",
        "note": "wall time, the quickest of 5; aim: below 1 s; other: Python and NumPy alone",
    }  # fmt: skip


def _seconds(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - began
