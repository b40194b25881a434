"""Overhead of a cluster on one machine: a sweep on two workers against one with two threads."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SWEEP = """\
question: What do two workers cost?
notebook: notebooks/40_matrix_factorization.ipynb
datasets:
  world: {source: world, n_users: 4000, n_items: 2000, events_per_user: 40.0}
defaults: {dataset: world, dim: 96, epochs: 40}
seeds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
runs:
  wals: {}
report: {metric: recall@20, baseline: popularity}
"""
CANDGEN = [sys.executable, "-c", "from candgen.cli import main; main()"]


def run() -> list[dict]:
    """Measure whole commands, from the start of Python to the report; the dataset is there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(
            ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*")
        )
        for inside in ("params", "outputs"):
            (folder / inside).mkdir()
        (folder / "params" / "asked.yaml").write_text(
            SWEEP.partition("seeds:")[0] + "runs: {wals: {}}\n"
        )
        _sweep(folder, "--workers", "2")  # prepares the dataset, compiles what numba keeps
        (folder / "params" / "asked.yaml").write_text(SWEEP)
        seconds = {"threads": [], "cluster": []}
        for _ in range(2):  # in turns, so that a machine that changes its pace changes it for both
            seconds["threads"].append(_sweep(folder, "--workers", "2"))
            seconds["cluster"].append(_sweep(folder, "--cluster", "local:2"))
    threads, cluster = (min(seconds[each]) for each in ("threads", "cluster"))
    return [
        {
            "benchmark": "a sweep of 20 runs on --cluster local:2",
            "ours": round(cluster, 1),
            "other": round(threads, 1),
            "ratio": round(threads / cluster, 3),
            "unit": "s",
            "note": f"other: --workers 2; {threads / 10:.1f} s a run; best of two, whole commands",
        }
    ]


def _sweep(folder: Path, *options: str) -> float:
    """Run all runs and the report anew; return the seconds."""
    for run in folder.glob("outputs/asked/wals*"):
        shutil.rmtree(run)
    surroundings = {"CANDGEN_HOME": str(folder), "PYTHONPATH": str(ROOT / "lib")}
    began = time.perf_counter()
    done = subprocess.run(
        [*CANDGEN, "sweep", "params/asked.yaml", *options],
        cwd=folder,
        env=os.environ | surroundings,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return time.perf_counter() - began
