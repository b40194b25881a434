"""Kills at random moments, and what must hold after each of them.

One undisturbed run of everything says what is right. Then victims are killed again and again,
whatever was interrupted is called once more, and its results are compared with the right ones:

- nothing is called done whose files are not whole;
- what was done before a kill is still there, to the byte;
- after the next start nothing of the killed is left: no passing file, no process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600  # the longest wait for a command; far more than any takes
CANDGEN = [sys.executable, "-c", "from candgen.cli import main; main()"]
SWEEP = """\
question: Does a sweep survive?
notebook: notebooks/15_baselines.ipynb
datasets:
  small: {source: world, n_users: 60, n_items: 40, events_per_user: 10.0}
defaults: {dataset: small, seed: 3, k: 20, cutoffs: [10, 20]}
runs:
  popularity: {generator: popularity}
  neighbours: {generator: ItemKNN}
  wals: {notebook: notebooks/40_matrix_factorization.ipynb, dim: 4, epochs: 2}
report: {metric: recall@10, baseline: popularity}
"""
WORLD = ["-p", "n_users=60", "-p", "n_items=40", "-p", "events_per_user=10.0"]
RUNS = ("popularity", "neighbours", "wals")
RESULTS = [
    *(f"{run}/{file}" for run in RUNS for file in ("metrics.json", "candidates.parquet")),
    "wals/vectors.npz", "asked/leaderboard.csv", "d1", "export",
]  # fmt: skip
PASSING = ("*.part*", "*.candgen-new*", "*kernel-*.json", "candgen-*")


class Broken(AssertionError):
    """A promise that did not hold."""


class Project:
    """A project in a temporary folder, with the notebooks of this checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sweep = folder / "outputs" / "asked"
        self.dataset = folder / "outputs" / "datasets" / "d1"
        self.export = folder / "outputs" / "exports" / "wals"
        self.temporary = folder / "temporary"
        ignored = shutil.ignore_patterns(".*")
        shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=ignored)
        for name in ("params", "outputs", "temporary"):
            (folder / name).mkdir()
        (folder / "params" / "asked.yaml").write_text(SWEEP)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start a command of candgen in a session of its own."""
        surroundings = {
            "CANDGEN_HOME": str(self.folder), "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT / "lib"),
        }  # fmt: skip
        return subprocess.Popen(
            [*CANDGEN, *arguments],
            cwd=self.folder,
            env=os.environ | surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; return what it said."""
        process = self.start(*arguments)
        said = process.communicate(timeout=SECONDS)[0]
        if process.returncode != code:
            raise Broken(f"candgen {' '.join(arguments)} ended with {process.returncode}: {said}")
        return said


COMMANDS = {
    "sweep": ["sweep", "params/asked.yaml", "--workers", "2"],
    "report": ["report", "asked"],
    "zip": ["report", "asked", "--zip"],
    "prepare": ["prepare", "--source", "world", "--name", "d1", *WORLD],
    "export": ["export", "asked/wals", "--folder", "outputs/exports/wals"],
}
SIGNALS = {
    "sweep": [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
    "kernel": [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM],
    "server": [signal.SIGKILL],
    "report": [signal.SIGKILL, signal.SIGTERM],
    "zip": [signal.SIGKILL],
    "prepare": [signal.SIGKILL, signal.SIGTERM],
    "export": [signal.SIGKILL, signal.SIGINT],
}


class Campaign:
    """One project, what is right in it, and the count of what happened."""

    def __init__(self, folder: Path, seed: int, victims: Sequence[str]) -> None:
        self.project = Project(folder)
        self.rng = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.took: dict[str, float] = {}
        for name, command in COMMANDS.items():
            if name == "sweep" or name in victims:
                began = time.monotonic()
                self.project.run(*command)
                self.took[name] = time.monotonic() - began
        self.right = {n: v for n in RESULTS if (v := self.value_of(n)) is not None}

    def round(self, victim: str) -> None:
        """Kill a victim at a random moment, call the command again, and compare."""
        name = "sweep" if victim in ("kernel", "server") else victim
        command = COMMANDS[name]
        if name == "sweep":
            self.make_stale()
        before = self.whole_files()
        process = self.project.start(*command)
        time.sleep(self.rng.uniform(0, self.took[name]))
        number = self.rng.choice(SIGNALS[victim])
        with self.explained(victim, number):
            if self.strike(victim, process, number):
                self.kills[victim] += 1
            process.communicate(timeout=SECONDS)
            self.check_nothing_pretends(before)
            self.project.run(*command)
            self.check_results()
            self.check_litter()

    def make_stale(self) -> None:
        """Make one to all of the runs start anew."""
        for run in self.rng.sample(RUNS, self.rng.randint(1, len(RUNS))):
            shutil.rmtree(self.project.sweep / run, ignore_errors=True)

    def strike(self, victim: str, process: subprocess.Popen, number: int) -> bool:
        """Send the signal; tell whether there was anybody to send it to."""
        target = process.pid if victim not in ("kernel", "server") else self.below(process, victim)
        if target is None or process.poll() is not None:
            return False
        try:
            os.kill(target, number)
        except ProcessLookupError:
            return False
        return True

    def below(self, process: subprocess.Popen, victim: str) -> int | None:
        """Find the kernel server of a sweep, or one of its kernels."""
        with contextlib.suppress(psutil.Error):
            servers = [
                child
                for child in psutil.Process(process.pid).children()
                if "candgen.sweeps.kernels.server" in child.cmdline()
            ]
            kernels = [kernel for server in servers for kernel in server.children()]
            found = servers if victim == "server" else kernels
            return self.rng.choice(found).pid if found else None
        return None

    @contextlib.contextmanager
    def explained(self, victim: str, number: int) -> Iterator[None]:
        try:
            yield
        except Broken as error:
            name = signal.Signals(number).name
            raise Broken(f"After {name} to the {victim}: {error}") from None

    # --- what must hold

    def check_nothing_pretends(self, before: dict[str, str]) -> None:
        """After a kill: what says that it is done is whole, and what is shown is old or new."""
        for path in sorted(self.project.sweep.glob("*/status.json")):
            state = read(path).get("state")
            missing = [n for n in self.right if n.startswith(f"{path.parent.name}/")]
            if state == "done" and (lost := [n for n in missing if self.value_of(n) is None]):
                raise Broken(f"{path.parent.name} says that it is done, but lacks {lost}.")
        after = self.whole_files()
        if damaged := [name for name, state in after.items() if state == "damaged"]:
            raise Broken(f"{damaged} are damaged.")
        if lost := [name for name in before if name not in after]:
            raise Broken(f"{lost} are gone.")

    def whole_files(self) -> dict[str, str]:
        """Tell of each thing that people were given whether it is "whole" or "damaged"."""
        found = {}
        for name in ("asked/report.html", "asked/leaderboard.csv", "asked/asked-report.zip"):
            path = self.project.folder / "outputs" / name
            if path.is_file():
                found[name] = "whole" if ends_well(path) else "damaged"
        folder = self.project.dataset
        if (folder / "dataset.json").is_file():
            tables = read(folder / "dataset.json").get("tables", {})
            well = all(sha256(folder / f"{n}.parquet") == t["sha256"] for n, t in tables.items())
            found[folder.name] = "whole" if well and tables else "damaged"
        return found

    def check_results(self) -> None:
        """After the command was called again: everything is there, and as it was at first."""
        for name, right in self.right.items():
            found = self.value_of(name)
            if found != right:
                raise Broken(f"{name} is {str(found)[:200]}, expected {str(right)[:200]}.")

    def check_litter(self) -> None:
        """Nothing that the killed left behind survives the next start."""
        left = [
            path.relative_to(self.project.folder).as_posix()
            for pattern in PASSING
            for folder in (self.project.folder / "outputs", self.project.temporary)
            for path in folder.rglob(pattern)
        ]
        alive = [p.pid for p in psutil.process_iter() if self.is_ours(p)]
        if left or alive:
            raise Broken(f"left behind: files {left}, processes {alive}.")

    def is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.environ().get("CANDGEN_HOME") == str(self.project.folder) and (
                process.status() != psutil.STATUS_ZOMBIE
            )
        return False

    def value_of(self, name: str) -> object:
        """Return what a result says, without what may differ; None where it cannot be read."""
        sweep = self.project.sweep
        try:
            if name == "d1":
                return read(self.project.dataset / "dataset.json")["digest"]
            if name == "export":
                files = read(self.project.export / "export.json")["files"]
                right = all(
                    (self.project.export / n).stat().st_size == f["size"] for n, f in files.items()
                )
                return sorted(files) if right else None
            if name == "asked/leaderboard.csv":
                lines = (sweep / "leaderboard.csv").read_text().splitlines()
                return sorted(line.split(",")[0] for line in lines)
            if name.endswith("metrics.json"):
                rows = read(sweep / name)["generators"]
                return [{k: v for k, v in row.items() if "@" in k} for row in rows]
            if name.endswith("vectors.npz"):
                with np.load(sweep / name) as held:
                    return {n: hashlib.sha256(held[n].tobytes()).hexdigest() for n in held.files}
            return sha256(sweep / name)
        except (OSError, ValueError, KeyError):
            return None


def run(
    minutes: float,
    seed: int,
    victims: Sequence[str],
    *,
    rounds: int = 0,
    tell: Callable[[str], None] = print,
) -> Counter[str]:
    """Run rounds until the time is over; return the number of kills of each victim.

    Args:
        minutes: Wall-clock time; a round that has begun ends.
        seed: Of victims, signals and moments.
        victims: Names of `SIGNALS`.
        rounds: Rounds instead of minutes, if not 0.
        tell: Called with a line for each round.

    Raises:
        Broken: At the first promise that did not hold; the project is kept and named.
    """
    folder = Path(tempfile.mkdtemp(prefix="candgen-faults-"))
    try:
        campaign, end, n = Campaign(folder, seed, victims), time.monotonic() + 60 * minutes, 0
        while n < rounds if rounds else time.monotonic() < end:
            victim = victims[n % len(victims)]
            campaign.round(victim)
            n += 1
            tell(f"round {n}: {victim}; {campaign.kills.total()} kills")
    except Broken as error:
        raise Broken(f"{error}\nThe project is kept in {folder}.") from None
    shutil.rmtree(folder)
    return campaign.kills


def ends_well(path: Path) -> bool:
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
