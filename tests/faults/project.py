"""A small project in a temporary folder: its commands, its results, and what its files say."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600  # the longest wait for a command; far more than any takes
CANDGEN = [sys.executable, "-c", "from candgen.cli import main; main()"]
RUNS = {
    "popularity": "{generator: popularity}",
    "neighbours": "{generator: ItemKNN}",
    "wals": "{notebook: notebooks/40_matrix_factorization.ipynb, dim: 4, epochs: 2}",
}
SWEEP = """\
question: Does a sweep survive?
notebook: notebooks/15_baselines.ipynb
datasets:
  small: {source: world, n_users: 60, n_items: 40, events_per_user: 10.0}
defaults: {dataset: small, seed: 3, k: 20, cutoffs: [10, 20]}
runs:
"""
REPORT = "report: {metric: recall@10, baseline: popularity}\n"
WORLD = ["-p", "n_users=60", "-p", "n_items=40", "-p", "events_per_user=10.0"]
COMMANDS = {
    "sweep": ["sweep", "params/asked.yaml", "--workers", "2"],
    "report": ["report", "asked"],
    "zip": ["report", "asked", "--zip"],
    "prepare": ["prepare", "--source", "world", "--name", "d1", *WORLD],
    "export": ["export", "asked/wals", "--folder", "outputs/exports/wals"],
}
PASSING = ("*.part*", "*.candgen-new*", "*kernel-*.json", "candgen-*")


class Broken(AssertionError):
    """A promise that did not hold."""


class Project:
    """A project with the notebooks of this checkout and one sweep.

    Args:
        folder: An empty one.
        runs: Of `RUNS`, those of the sweep.
    """

    def __init__(self, folder: Path, runs: Sequence[str] = tuple(RUNS)) -> None:
        self.folder, self.runs = folder, tuple(runs)
        self.outputs = folder / "outputs"
        self.sweep = self.outputs / "asked"
        self.dataset = self.outputs / "datasets" / "d1"
        self.export = self.outputs / "exports" / "wals"
        self.temporary = folder / "temporary"
        ignored = shutil.ignore_patterns(".*")
        shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=ignored)
        for name in ("params", "outputs", "temporary"):
            (folder / name).mkdir()
        asked = "".join(f"  {name}: {RUNS[name]}\n" for name in runs)
        (folder / "params" / "asked.yaml").write_text(SWEEP + asked + REPORT)
        self.results = [
            *(f"{run}/{file}" for run in runs for file in ("metrics.json", "candidates.parquet")),
            "wals/vectors.npz", "asked/leaderboard.csv", "d1", "export",
        ]  # fmt: skip

    def start(
        self, *arguments: str, limit: str = "", extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen:
        """Start a command of candgen in a session of its own.

        Args:
            arguments: Of candgen.
            limit: An option of the shell's `ulimit` with its value, such as "-v 500000".
            extra: Variables of its environment.
        """
        surroundings = {
            "CANDGEN_HOME": str(self.folder), "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT / "lib"),
        }  # fmt: skip
        limited = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh"] if limit else []
        return subprocess.Popen(
            [*limited, *CANDGEN, *arguments],
            cwd=self.folder,
            env=os.environ | surroundings | (extra or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen) -> str:
        """Wait for a command; return what it said."""
        try:
            return process.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            raise Broken(f"process {process.pid} did not end within {SECONDS} s.") from None

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; return what it said."""
        process = self.start(*arguments)
        said = self.end(process)
        if process.returncode != code:
            raise Broken(f"candgen {' '.join(arguments)} ended with {process.returncode}: {said}")
        return said

    def value_of(self, name: str) -> object:
        """Return what a result says, without what may differ; None where it cannot be read."""
        try:
            if name == "d1":
                return read(self.dataset / "dataset.json")["digest"]
            if name == "export":
                files = read(self.export / "export.json")["files"]
                right = all((self.export / n).stat().st_size == f["size"] for n, f in files.items())
                return sorted(files) if right else None
            if name == "asked/leaderboard.csv":
                lines = (self.sweep / "leaderboard.csv").read_text().splitlines()
                return sorted(line.split(",")[0] for line in lines)
            if name.endswith("metrics.json"):
                rows = read(self.sweep / name)["generators"]
                return [{k: v for k, v in row.items() if "@" in k} for row in rows]
            if name.endswith("vectors.npz"):
                with np.load(self.sweep / name) as held:
                    return {n: hashlib.sha256(held[n].tobytes()).hexdigest() for n in held.files}
            return sha256(self.sweep / name)
        except (OSError, ValueError, KeyError):
            return None

    def whole_files(self) -> dict[str, str]:
        """Tell of each thing that people were given whether it is "whole" or "damaged"."""
        found = {}
        for name in ("asked/report.html", "asked/leaderboard.csv", "asked/asked-report.zip"):
            path = self.outputs / name
            if path.is_file():
                found[name] = "whole" if _ends_well(path) else "damaged"
        if (self.dataset / "dataset.json").is_file():
            tables = read(self.dataset / "dataset.json").get("tables", {})
            well = all(
                sha256(self.dataset / f"{n}.parquet") == t["sha256"] for n, t in tables.items()
            )
            found["d1"] = "whole" if well and tables else "damaged"
        return found

    def pretending(self) -> list[str]:
        """Name results that are missing though the status of their run says that it is done."""
        found = []
        for path in sorted(self.sweep.glob("*/status.json")):
            if read(path).get("state") == "done":
                names = [n for n in self.results if n.startswith(f"{path.parent.name}/")]
                found += [n for n in names if self.value_of(n) is None]
        return found

    def told_since(self, began: float) -> str:
        """Return what the status files written since a time of day say of errors."""
        told = []
        for path in self.outputs.rglob("status.json"):
            with contextlib.suppress(OSError, ValueError):
                if path.stat().st_mtime >= began:
                    found = read(path)
                    told += [found["error"], *(each["error"] for each in found["attempts"])]
        return json.dumps(told)

    def litter(self) -> list[str]:
        """Name passing files, and processes that still work in this project."""
        left = [
            path.relative_to(self.folder).as_posix()
            for pattern in PASSING
            for folder in (self.outputs, self.temporary)
            for path in folder.rglob(pattern)
        ]
        return left + [f"process {p.pid}" for p in psutil.process_iter() if self.is_ours(p)]

    def is_ours(self, process: psutil.Process) -> bool:
        """Tell whether a process lives and works in this project."""
        with contextlib.suppress(psutil.Error):
            return process.environ().get("CANDGEN_HOME") == str(self.folder) and (
                process.status() != psutil.STATUS_ZOMBIE
            )
        return False


def _ends_well(path: Path) -> bool:
    content = path.read_bytes()
    if path.suffix == ".html":
        return content.rstrip().endswith(b"</html>")
    if path.suffix == ".zip":
        return b"PK\x05\x06" in content[-22:]
    return content.endswith(b"\n")


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def say(line: str) -> None:
    """Print a line at once, also where the output is a file."""
    print(line, flush=True)
