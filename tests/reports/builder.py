"""Invented sweep folders, written as a sweep leaves them, for tests of the report.

A small world of films and users is prepared once; generators are imitated by mixing what each
user really watches next with noise, so that better ones are better on every user.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from candgen.datasets.dataset import Dataset, write_dataset

EVIL = "<script>alert(1)</script>"
HEADLINE = "recall@20"
ADJECTIVES = ("Quiet", "Last", "Golden", "Broken", "Hidden", "Northern", "Paper", "Second")
NOUNS = ("River", "Harbour", "Winter", "Garden", "Engine", "Letter", "Orchard", "Signal")


def build_dataset(
    folder: Path,
    *,
    name: str = "world",
    n_users: int = 150,
    n_items: int = 240,
    seed: int = 0,
    evil: bool = True,
) -> Dataset:
    """Prepare a dataset of users who each like one of three tastes; item 0 has an evil title."""
    rng = np.random.default_rng(seed)
    popularity = 1 / np.arange(1, n_items + 1) ** 0.7
    rows = {"train": [], "validation": [], "test": []}
    for user in range(n_users):
        weight = popularity * np.where(np.arange(n_items) % 3 == user % 3, 6.0, 1.0)
        watched = rng.choice(
            n_items, size=rng.integers(12, 30), replace=False, p=weight / weight.sum()
        )
        for part, items in zip(
            rows, np.split(watched, [len(watched) - 7, len(watched) - 4]), strict=True
        ):
            rows[part] += [(user, int(item)) for item in items]
    tables = {part: pd.DataFrame(pairs, columns=["user", "item"]) for part, pairs in rows.items()}
    tables["interactions"] = pd.concat(tables.values(), ignore_index=True)
    titles = [
        f"The {ADJECTIVES[i % 8]} {NOUNS[i // 8 % 8]} {1970 + i % 50}" for i in range(n_items)
    ]
    if evil:
        titles[0] = EVIL
        titles[1] = "5 > 3 & \"quotes\" 'n' $math_$ {{ 7 * 7 }} </table>"
        titles[2] = "映画 — " + "a very long title that goes on " * 5
    tables["users"] = pd.DataFrame(
        {"user": range(n_users), "user_id": [f"u{u}" for u in range(n_users)]}
    )
    tables["items"] = pd.DataFrame(
        {
            "item": range(n_items),
            "item_id": range(100, 100 + n_items),
            "title": titles,
            "year": 1970 + np.arange(n_items) % 50,
        }
    )
    info = {
        "name": name,
        "source": {"kind": "world", "title": f"The {name} of tests"},
        "licence": "invented; free to use",
        "citation": "Nobody, Nowhere, 2026.",
        "parameters": {"seed": seed},
        "split": {"kind": "leave_last_out"},
        "warnings": [f"The split lets the model see the future of 3 users of {name}."],
    }
    return write_dataset(folder, tables, info)


def imitate(dataset: Dataset, skill: float, seed: int, k: int = 50) -> np.ndarray:
    """Rank items: `skill` times the truth, plus popularity, plus noise. Shape (n_users, k)."""
    rng = np.random.default_rng(seed)
    popular = np.asarray(dataset.train_matrix.sum(axis=0)).ravel()
    scores = skill * dataset.held_out_matrix.toarray()
    scores = scores + popular / popular.max() + rng.normal(0, 0.6, scores.shape)
    scores[dataset.history_matrix.toarray() > 0] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k].astype(np.int32)


def per_user(dataset: Dataset, items: np.ndarray) -> pd.DataFrame:
    """Compute recall and NDCG of each user by hand."""
    held = dataset.held_out_matrix.toarray() > 0
    n = held.sum(axis=1)
    hits = np.take_along_axis(held, items, axis=1)
    gains = 1 / np.log2(np.arange(items.shape[1]) + 2)
    frame = {"user": np.arange(dataset.n_users)}
    for cutoff in (10, 20, 50):
        ideal = np.array([gains[: min(cutoff, many)].sum() for many in n])
        frame[f"recall@{cutoff}"] = hits[:, :cutoff].sum(axis=1) / n
        frame[f"ndcg@{cutoff}"] = (hits[:, :cutoff] * gains[:cutoff]).sum(axis=1) / ideal
        frame[f"popularity_bias@{cutoff}"] = 1.0 + hits[:, :cutoff].mean(axis=1)
    return pd.DataFrame(frame)


def entry(
    dataset: Dataset,
    generator: str,
    items: np.ndarray,
    *,
    baseline: bool,
    settings: dict,
    seconds: float = 1.0,
) -> tuple[dict, pd.DataFrame]:
    users = per_user(dataset, items)
    row = {"generator": generator, "baseline": baseline, "settings": settings}
    for metric in users.columns.drop("user"):
        mean, error = users[metric].mean(), users[metric].std() / np.sqrt(len(users))
        row |= {metric: mean, f"{metric}_low": mean - 2 * error, f"{metric}_high": mean + 2 * error}
    n = np.diff(dataset.held_out_matrix.indptr)
    for cutoff in (10, 20, 50):
        row[f"micro_recall@{cutoff}"] = np.average(users[f"recall@{cutoff}"], weights=n)
        row[f"coverage@{cutoff}"] = len(np.unique(items[:, :cutoff])) / dataset.n_items
        row[f"gini@{cutoff}"] = 0.5
    row |= {
        "fit_seconds": seconds,
        "fit_cpu_seconds": 1.8 * seconds,
        "rank_seconds": 0.2,
        "compile_seconds": 3.5,
        "queries_per_second": 5000.0 / seconds,
        "peak_memory_mib": None if baseline else 200 + 40 * seconds,
    }
    users.insert(0, "generator", generator)
    return row, users


def write_run(
    folder: Path,
    dataset: Dataset,
    generator: str,
    skill: float,
    *,
    params: dict,
    seed: int = 0,
    seconds: float = 1.0,
    evaluate_on: str = "test",
    dim: int = 0,
) -> None:
    """Write a finished run with its own generator, popularity and random; `dim` of vectors."""
    dataset = dataset.for_validation() if evaluate_on == "validation" else dataset
    folder.mkdir(parents=True)
    made = [(generator, skill, seed + 10, False, {"dim": params.get("dim", 1), "seed": seed})]
    made += [("popularity", 0.5, 1, True, {}), ("random", 0.0, seed, True, {"seed": seed})]
    rows, frames = [], []
    for name, strength, draw, baseline, settings in made:
        items = imitate(dataset, strength, draw)
        row, users = entry(
            dataset,
            name,
            items,
            baseline=baseline,
            settings=settings,
            seconds=seconds if not baseline else 0.01,
        )
        rows.append(row)
        frames.append(users)
        if not baseline:
            write_candidates(folder / "candidates.parquet", items, dataset)
    if dim:
        write_vectors(folder / "vectors.npz", dataset, dim)
    described = {
        "name": dataset.name,
        "digest": dataset.digest,
        "evaluate_on": evaluate_on,
        "folder": str(dataset.folder),
    }
    write(folder / "metrics.json", {"format": 1, "dataset": described, "generators": rows})
    pd.concat(frames).to_parquet(folder / "per_user.parquet", index=False)
    write(
        folder / "params.json",
        {
            "dataset": dataset.name,
            "evaluate_on": evaluate_on,
            "k": 50,
            "seed": seed,
            "run_folder": str(folder),
            **params,
        },
    )
    write_status(folder, "done")
    write(folder / "environment.json", ENVIRONMENT)
    (folder / "notebook.ipynb").write_text("{}")
    (folder / "page.html").write_text(f"<!doctype html><title>{generator}</title><p>page of a run")


def write_candidates(path: Path, items: np.ndarray, dataset: Dataset) -> None:
    n, k = items.shape
    table = pa.table(
        {
            "user": np.repeat(np.arange(n, dtype=np.int32), k),
            "item": items.ravel(),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), n),
            "score": np.tile(np.linspace(1, 0, k, dtype=np.float32), n),
        }
    )
    metadata = {"candgen.ids": "dense", "candgen.dataset_digest": dataset.digest}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def write_vectors(path: Path, dataset: Dataset, dim: int, similarity: str = "dot") -> None:
    """Write vectors of tastes: items of one remainder lie together; the last item has none."""
    rng = np.random.default_rng(dim)
    tastes = 3 * rng.normal(size=(3, dim))
    items = tastes[np.arange(dataset.n_items) % 3] + rng.normal(size=(dataset.n_items, dim))
    items[-1] = 0
    users = np.arange(dataset.n_users, dtype=np.int32)
    arrays = {"users": users, "user_vectors": tastes[users % 3].astype(np.float32)}
    arrays |= {"item_vectors": items.astype(np.float32), "similarity": np.array(similarity)}
    np.savez(path, **arrays)


def write_failed(folder: Path, *, params: dict, state: str = "failed", message: str = EVIL) -> None:
    """Write a run that broke in its fourth cell."""
    folder.mkdir(parents=True)
    write(folder / "params.json", {"k": 50, "run_folder": str(folder), **params})
    tail = [
        "Traceback (most recent call last):",
        "  \x1b[31mmodel.fit(data)\x1b[0m",
        f"ValueError: {message}",
    ]
    write_status(
        folder,
        state,
        error={
            "name": "ValueError",
            "message": message,
            "cell": 4,
            "traceback_tail": tail,
        },
    )
    (folder / "page.html").write_text("<!doctype html><title>failed</title><p>page of a failed run")


def write_orphan(folder: Path, *, params: dict) -> None:
    """Write what a run leaves when it and its sweep were killed: it still says "running"."""
    folder.mkdir(parents=True)
    write(folder / "params.json", {"k": 50, "run_folder": str(folder), **params})
    write_status(folder, "running", pid=dead_pid())


def write_status(
    folder: Path, state: str, *, error: dict | None = None, pid: int | None = None
) -> None:
    ended = None if state == "running" else "2026-11-23T10:01:30+00:00"
    write(
        folder / "status.json",
        {
            "state": state,
            "fingerprint": "f" * 64,
            "started": "2026-11-23T10:00:00+00:00",
            "ended": ended,
            "wall_seconds": 90.0,
            "cpu_seconds": 120.5,
            "peak_memory_mib": 812.0,
            "pid": pid or os.getpid(),
            "error": error,
        },
    )


def write_sweep(folder: Path, runs: dict[str, dict], **more) -> None:
    """Write sweep.json for runs given as name -> parameters."""
    datasets = sorted(path.name for path in folder.glob("datasets/*"))
    plan = {
        "format": 1,
        "name": folder.name,
        "file": "params/question.yaml",
        "question": f"Does dim matter more than {EVIL}?",
        "command": "candgen sweep params/question.yaml",
        "runs": [
            {
                "name": name,
                "notebook": "notebooks/40_matrix_factorization.ipynb",
                "parameters": parameters,
            }
            for name, parameters in runs.items()
        ],
        "datasets": [
            {"name": name, "notebook": "notebooks/10_prepare_data.ipynb", "parameters": {}}
            for name in datasets
        ],
        "report": {
            "title": "How many dimensions?",
            "metric": HEADLINE,
            "baseline": "popularity",
            "margin": 0.005,
        },
    }
    write(folder / "sweep.json", plan | more)


def build_sweep(folder: Path) -> Path:
    """Write a whole sweep: two datasets, seeds, a failure, an orphan and one never started."""
    world = build_dataset(folder / "datasets/world")
    films = build_dataset(folder / "datasets/films", name="films", n_users=60, n_items=90, seed=5)
    for dataset in (world, films):
        write_status(dataset.folder, "done")
        (dataset.folder / "page.html").write_text("<!doctype html><title>data</title><p>a dataset")
    runs = {}
    for dim, skill in ((4, 0.9), (16, 1.4), (64, 1.45)):
        for seed in (1, 2):
            runs[f"wals-dim{dim:02}-seed{seed}"] = (world, "WALS", skill, seed, {"dim": dim}, dim)
    runs["ease"] = (world, "EASE", 1.6, 1, {"generator": "EASE", "regularization": 80.0}, 9.0)
    runs["films-wals"] = (films, "WALS", 1.2, 1, {"dim": 16}, 2.0)
    for name, (dataset, generator, skill, seed, params, seconds) in runs.items():
        write_run(
            folder / name, dataset, generator, skill, params=params, seed=seed, seconds=seconds,
            dim=4 if name == "films-wals" else 0,
        )  # fmt: skip
    write_failed(folder / "broken", params={"dim": 0})
    write_orphan(folder / "orphan", params={"dim": 128})
    planned = {name: {**run[4], "seed": run[3]} for name, run in runs.items()}
    planned |= {"broken": {"dim": 0}, "orphan": {"dim": 128}, "never": {"dim": 256}}
    write_sweep(folder, planned)
    return folder


def build_empty_sweep(folder: Path) -> Path:
    """Write a sweep of which every run failed."""
    for name in ("one", "two"):
        write_failed(folder / name, params={"dim": 0}, message="no memory left")
    write_sweep(folder, {"one": {"dim": 0}, "two": {"dim": 0}})
    return folder


def dead_pid() -> int:
    """Return the number of a process that has ended."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def write(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, default=float))


ENVIRONMENT = {
    "python": "3.12.7",
    "implementation": "CPython",
    "packages": {"candgen": "0.1.0", "numpy": "2.4.0", "pandas": "3.1.1", "tensorflow": None},
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "machine": {
        "system": "Linux 6.1",
        "architecture": "x86_64",
        "processor": "An Ordinary Processor",
        "cores": 2,
        "memory_mib": 16000,
    },
    "threads": {"OMP_NUM_THREADS": "1", "usable_cores": 2},
    "seeds": {"seed": 1},
}
