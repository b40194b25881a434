"""Kills of a search at random moments: it must end as undisturbed, with exactly its trials.

    python tests/faults/searches.py --kills 10 --trials 40

One undisturbed search says what is right. Another one is killed with SIGKILL again and again and
called once more. Both train a toy in real kernels, some of whose trials are pruned as they run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from tiny_project import PREPARE, PREPARE_BODY, notebook  # noqa: E402

SECONDS = 900  # the longest wait for a command; far more than any takes
# The report is not what is tried here and takes seconds to import; nor is what the pages of the
# library preload.
CANDGEN = """\
import sys, types

from candgen import cli
from candgen.sweeps.kernels import client

def make_report(folder, **_):
    (folder / "report.html").write_text("made")
    return folder / "report.html"

run_report = types.ModuleType("candgen.sweeps.run_report")
run_report.make_report = make_report
sys.modules[run_report.__name__] = run_report
client.LIGHT = ("ipykernel.kernelapp", "ipykernel.ipkernel")
cli.main()
"""
PAGE = """\
dataset: str = "world"
evaluate_on: str = "test"
dim: int = 8  # length of a vector
rate: float = 0.5
cutoffs: list = [10, 20]
seed: int = 0
run_folder: str = ""
"""
BODY = """\
import json, math, pathlib, time
from candgen.training import steps
value = 0.8 - math.log2(dim / 24) ** 2 / 20 - (rate - 0.3) ** 2
steps.keep_in(run_folder)
known, done = steps.begin("Toy"), []
for epoch in range(1, 7):
    time.sleep(0.05)
    done.append((epoch, value * (1 - 0.5 ** epoch)))
    steps.write(known, done)
row = {"generator": "toy", "baseline": False, "recall@20": value}
judged = {"digest": "d1", "evaluate_on": evaluate_on}
metrics = {"format": 1, "dataset": judged, "generators": [row]}
pathlib.Path(run_folder, "metrics.json").write_text(json.dumps(metrics))
"""
SWEEP = """\
notebook: notebooks/30_toy.ipynb
datasets:
  world: {n_users: 30}
budget: {trials: TRIALS}
runs:
  toy: {search: {dim: {int: [2, 64], log: true}, rate: {float: [0.01, 1.0]}}}
"""


class Broken(AssertionError):
    """A promise that did not hold."""


class Project:
    """A project with one search, in a folder of its own."""

    def __init__(self, folder: Path, n_trials: int) -> None:
        self.folder, self.sweep = folder, folder / "outputs" / "asked"
        for name in ("notebooks", "params", "outputs"):
            (folder / name).mkdir(parents=True)
        pages = {"10_prepare_data": (PREPARE, PREPARE_BODY), "30_toy": (PAGE, BODY)}
        pages["90_compare_runs"] = ('title: str = ""\n',)
        for name, cells in pages.items():
            path = folder / "notebooks" / f"{name}.ipynb"
            path.write_text(json.dumps(notebook(*cells)))
        sweep = SWEEP.replace("TRIALS", str(n_trials))
        (folder / "params" / "asked.yaml").write_text(sweep)

    def start(self) -> subprocess.Popen:
        """Start the sweep, one trial at a time."""
        surroundings = {"CANDGEN_HOME": str(self.folder), "PYTHONPATH": str(ROOT / "lib")}
        return subprocess.Popen(
            [sys.executable, "-c", CANDGEN, "sweep", "params/asked.yaml", "--workers", "1"],
            cwd=self.folder,
            env=os.environ | surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> float:
        """Run the sweep to its end; return the seconds it took."""
        began = time.monotonic()
        process = self.start()
        said = process.communicate(timeout=SECONDS)[0]
        if process.returncode != 0:
            raise Broken(f"The sweep ended with {process.returncode}: {said}")
        return time.monotonic() - began

    def kill_after(self, n_written: int, rng: random.Random) -> bool:
        """Kill the sweep a moment after its journal has grown by some bytes; tell if it lived."""
        journal = self.sweep / "search.journal"
        process = self.start()
        before = size_of(journal)
        while process.poll() is None and size_of(journal) - before < n_written:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.6))
        alive = process.poll() is None
        process.kill()
        process.communicate(timeout=SECONDS)
        return alive

    def outcome(self) -> dict[str, Any]:
        """Return what must be the same: trials, what was chosen, and what it reached on test."""
        found = json.loads((self.sweep / "search.json").read_text())
        toy = found["runs"]["toy"]
        told = ("number", "params", "state", "value", "folder", "steps")
        return {
            "trials": [{name: trial[name] for name in told} for trial in toy["trials"]],
            "chosen": toy["chosen"],
            "metrics": json.loads((self.sweep / "toy" / "metrics.json").read_text()),
            "readings": [each["reading"] for each in found["test_readings"]],
        }

    def check(self, n_trials: int) -> None:
        """Check that there are exactly the trials, and no test figure among them."""
        trials = self.outcome()["trials"]
        folders = sorted(path.name for path in (self.sweep / "trials" / "toy").iterdir())
        if [trial["number"] for trial in trials] != list(range(n_trials)):
            raise Broken(f"{len(trials)} trials, expected {n_trials}.")
        if folders != [f"{n:03d}" for n in range(n_trials)]:
            raise Broken(f"The trials have the folders {folders}.")
        for path in self.sweep.glob("trials/toy/*/metrics.json"):
            if json.loads(path.read_text())["dataset"]["evaluate_on"] != "validation":
                raise Broken(f"{path} holds a test figure.")


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def compare(folder: Path, kills: int, n_trials: int, seed: int) -> dict[str, int]:
    """Run a search undisturbed, and one that is killed; return what was counted.

    Raises:
        Broken: If they differ.
    """
    right, killed = (Project(folder / name, n_trials) for name in ("undisturbed", "killed"))
    right.run()
    right.check(n_trials)
    rng, lived = random.Random(seed), 0
    whole = size_of(right.sweep / "search.journal")
    for _ in range(kills):
        lived += killed.kill_after(rng.randrange(max(1, whole // (kills + 2))), rng)
    killed.run()
    killed.check(n_trials)
    expected, found = right.outcome(), killed.outcome()
    for name, value in expected.items():
        if found[name] != value:
            raise Broken(f"{name} differ after {lived} kills: {found[name]}, not {value}")
    pruned = sum(trial["state"] == "pruned" for trial in found["trials"])
    return {"kills": lived, "trials": len(found["trials"]), "pruned": pruned}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--kills", type=int, default=10)
    asked.add_argument("--trials", type=int, default=40)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="candgen-faults-") as folder:
        counted = compare(Path(folder), given.kills, given.trials, given.seed)
    print(", ".join(f"{name} {number}" for name, number in counted.items()))


if __name__ == "__main__":
    main()
