"""Faults at random moments, and what must hold after each of them.

One undisturbed run of everything says what is right. Then commands are killed again and again, or
meet a hardship such as a full disk. Whatever was interrupted is called once more without any fault,
and its results are compared with the right ones:

- nothing is called done whose files are not whole;
- what was done before a fault is still there, to the byte;
- after the next start nothing of the killed is left: no passing file, no process.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from faults.hardships import HARDSHIPS, Hardship
from faults.project import COMMANDS, RUNS, Broken, Project, say

SIGNALS = {
    "sweep": [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
    "kernel": [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM],
    "server": [signal.SIGKILL],
    "report": [signal.SIGKILL, signal.SIGTERM],
    "zip": [signal.SIGKILL],
    "prepare": [signal.SIGKILL, signal.SIGTERM],
    "export": [signal.SIGKILL, signal.SIGINT],
}
FAULTS = (*SIGNALS, *HARDSHIPS)


class Campaign:
    """One project, what is right in it, and the count of what happened."""

    def __init__(
        self, folder: Path, seed: int, faults: Sequence[str], runs: Sequence[str], in_a_row: int
    ) -> None:
        self.in_a_row = in_a_row
        self.project = Project(folder, runs)
        self.rng = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.took: dict[str, float] = {}
        self.hardships: dict[str, Hardship] = {
            name: HARDSHIPS[name](self.project, self.rng) for name in faults if name in HARDSHIPS
        }
        needed = set(COMMANDS) if self.hardships else {"sweep", *faults}
        for name, command in COMMANDS.items():
            if name in needed:
                began = time.monotonic()
                self.project.run(*command)
                self.took[name] = time.monotonic() - began
        known = {name: self.project.value_of(name) for name in self.project.results}
        self.right = {name: value for name, value in known.items() if value is not None}

    def kill(self, victim: str) -> None:
        """Kill a victim at random moments, call the command again, and compare."""
        name = "sweep" if victim in ("kernel", "server") else victim
        before = self.begin(name)
        for _ in range(self.rng.randint(1, self.in_a_row)):
            number = self.rng.choice(SIGNALS[victim])
            process = self.project.start(*COMMANDS[name])
            time.sleep(self.rng.uniform(0, self.took[name]))
            with self.explained(f"{signal.Signals(number).name} to the {victim}"):
                struck = self.strike(victim, process, number)
                self.counts[f"kill of {victim}"] += struck
                self.project.end(process)
                self.check_nothing_pretends(before)
            if not struck:
                break
        with self.explained(f"kills of the {victim}"):
            self.check_the_next(name)

    def suffer(self, fault: str) -> None:
        """Let a command meet a hardship, call it again without, and compare."""
        name = self.rng.choice(list(COMMANDS))
        before = self.begin(name)
        hardship = self.hardships[fault]
        with self.explained(f"{fault} of {name}"):
            with hardship.arranged():
                process = self.project.start(
                    *COMMANDS[name], limit=hardship.limit, extra=hardship.environment
                )
                hardship.watch(process)
                said = self.project.end(process)
            if process.returncode and hardship.harmless:
                raise Broken(f"it ended with {process.returncode}: {said}")
            if not hardship.harmless and not process.returncode:
                self.counts[f"{fault} without effect"] += 1
            else:
                self.counts[fault] += 1
            self.check_nothing_pretends(before)
            self.check_the_next(name)

    def begin(self, name: str) -> dict[str, str]:
        """Make one to all of a sweep's runs start anew; return what people have been given."""
        if name == "sweep":
            runs = self.project.runs
            for run in self.rng.sample(runs, self.rng.randint(1, len(runs))):
                shutil.rmtree(self.project.sweep / run, ignore_errors=True)
        return self.project.whole_files()

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
    def explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except Broken as error:
            raise Broken(f"After {what}: {error}") from None

    # --- what must hold

    def check_nothing_pretends(self, before: dict[str, str]) -> None:
        """After a fault: what says that it is done is whole, and what is shown is old or new."""
        if lost := self.project.pretending():
            raise Broken(f"runs say that they are done, but lack {lost}.")
        after = self.project.whole_files()
        if damaged := [name for name, state in after.items() if state == "damaged"]:
            raise Broken(f"{damaged} are damaged.")
        if lost := [name for name in before if name not in after]:
            raise Broken(f"{lost} are gone.")

    def check_the_next(self, name: str) -> None:
        """Call a command again: it ends well, everything is as at first, and no litter is left."""
        self.project.run(*COMMANDS[name])
        for result, right in self.right.items():
            found = self.project.value_of(result)
            if found != right:
                raise Broken(f"{result} is {str(found)[:200]}, expected {str(right)[:200]}.")
        if left := self.project.litter():
            raise Broken(f"left behind: {left}.")


def run(
    minutes: float,
    seed: int,
    faults: Sequence[str],
    *,
    rounds: int = 0,
    runs: Sequence[str] = tuple(RUNS),
    in_a_row: int = 4,
    tell: Callable[[str], None] = say,
) -> Counter[str]:
    """Run rounds until the time is over; return how often each fault happened.

    Args:
        minutes: Wall-clock time; a round that has begun ends.
        seed: Of faults, signals and moments.
        faults: Names of `FAULTS`, met in turn.
        rounds: Rounds instead of minutes, if not 0.
        runs: Of the sweep, names of `project.RUNS`.
        in_a_row: Most kills before the command may end.
        tell: Called with a line for each round.

    Raises:
        Broken: At the first promise that did not hold; the project is kept and named.
    """
    folder = Path(tempfile.mkdtemp(prefix="candgen-faults-"))
    try:
        campaign, began, n = Campaign(folder, seed, faults, runs, in_a_row), time.monotonic(), 0
        while n < rounds if rounds else time.monotonic() < began + 60 * minutes:
            fault = faults[n % len(faults)]
            campaign.kill(fault) if fault in SIGNALS else campaign.suffer(fault)
            n += 1
            tell(
                f"round {n}, {time.monotonic() - began:.0f} s: {fault}; "
                f"{kills_in(campaign.counts)} kills"
            )
    except Broken as error:
        raise Broken(f"{error}\nThe project is kept in {folder}.") from None
    for hardship in campaign.hardships.values():
        hardship.close()
    shutil.rmtree(folder)
    return campaign.counts


def kills_in(counts: Counter[str]) -> int:
    """Return how many of the counted faults were kills."""
    return sum(n for name, n in counts.items() if name.startswith("kill of "))
