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
import math
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
BELOW = ("kernel", "server")  # processes of a sweep, which it survives
FAULTS = (*SIGNALS, *HARDSHIPS)
LATER = 2.0  # seconds up to which a kernel lives on after its moment, if that was before its birth


class Campaign:
    """One project, what is right in it, and the count of what happened."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        faults: Sequence[str],
        runs: Sequence[str],
        in_a_row: int,
        tell: Callable[[str], None],
    ) -> None:
        self.in_a_row, self.tell = in_a_row, tell
        self.ends = math.inf
        """Moment after which a row of kills grows no longer; what is killed is still compared."""
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
        self.took["sweep"] /= 2  # the first one also compiles and prepares the dataset
        known = {name: self.project.value_of(name) for name in self.project.results}
        self.right = {name: value for name, value in known.items() if value is not None}

    def kill(self, victim: str) -> None:
        """Kill a victim at random moments in a row, call the command again, and compare.

        A sweep survives its kernels and its kernel server, so these are killed one after the other
        while it works. The row ends early where a command ends before its moment has come.
        """
        name = "sweep" if victim in BELOW else victim
        before = self.begin(name)
        wanted, n_kills = self.rng.randint(1, self.in_a_row), 0
        while n_kills < wanted:
            process = self.project.start(*COMMANDS[name])
            sent = self.strike(victim, process, wanted - n_kills)
            n_kills += len(sent)
            self.counts[f"kill of {victim}"] += len(sent)
            with self.explained(f"{', '.join(sent) or 'no signal'} to the {victim}"):
                self.project.end(process)
                self.check_nothing_pretends(before)
            if not sent or time.monotonic() > self.ends:
                break
        with self.explained(f"{n_kills} kills of the {victim}"):
            self.check_the_next(name)
        if n_kills > 1:
            self.counts[f"row of kills of {victim}, then its end"] += 1

    def suffer(self, fault: str) -> None:
        """Let a command meet a hardship, call it again without, and compare."""
        name = self.rng.choice(list(COMMANDS))
        before, began = self.begin(name), time.time()
        hardship = self.hardships[fault]
        with self.explained(f"{fault} of {name}"):
            with hardship.arranged():
                process = self.project.start(
                    *COMMANDS[name], limit=hardship.limit, extra=hardship.environment
                )
                hardship.watch(process, self.took[name])
                said = self.project.end(process)
            if process.returncode and hardship.harmless:
                raise Broken(f"it ended with {process.returncode}: {said}")
            told = said + self.project.told_since(began)
            seen = [sign for sign in hardship.signs if sign in told]
            if hardship.signs and not seen and process.returncode not in (0, -signal.SIGKILL):
                self.tell(f"{fault} of {name} ended with {process.returncode}: {said[-2000:]}")
            if seen or hardship.harmless or (process.returncode and not hardship.signs):
                self.counts[fault] += 1
                self.counts.update(f"{fault} of {name}: {sign}" for sign in seen)
            else:
                self.counts[f"{fault} without effect"] += 1
            self.check_nothing_pretends(before)
            self.check_the_next(name)

    def begin(self, name: str) -> dict[str, str]:
        """Make one to all of a sweep's runs start anew; return what people have been given."""
        if name == "sweep":
            runs = self.project.runs
            for run in self.rng.sample(runs, self.rng.randint(1, len(runs))):
                shutil.rmtree(self.project.sweep / run, ignore_errors=True)
        return self.project.whole_files()

    def strike(self, victim: str, process: subprocess.Popen, most: int) -> list[str]:
        """Send signals at random moments while a command works; return their names."""
        sent: list[str] = []
        most = most if victim in BELOW else 1
        while len(sent) < most and self.works(process, self.took_of(victim) / most):
            target = process.pid
            if victim in BELOW:
                while self.below(process, victim) is None and process.poll() is None:
                    time.sleep(0.02)
                self.works(process, LATER)  # not always at its birth
                target = self.below(process, victim)
            number = self.rng.choice(SIGNALS[victim])
            if target is not None and process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(target, number)
                    sent.append(signal.Signals(number).name)
        return sent

    def works(self, process: subprocess.Popen, most: float) -> bool:
        """Wait up to a number of seconds; tell whether the command still works then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.uniform(0, most))
        return process.returncode is None

    def took_of(self, victim: str) -> float:
        return self.took["sweep" if victim in BELOW else victim]

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
        began = time.monotonic()
        self.project.run(*COMMANDS[name])
        # The first run did more, and the machine may be busier now: moments follow.
        self.took[name] = (self.took[name] + time.monotonic() - began) / 2
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
    in_a_row: int = 8,
    projects: int = 1,
    tell: Callable[[str], None] = say,
) -> Counter[str]:
    """Run rounds until the time is over; return how often each fault happened.

    Args:
        minutes: Wall-clock time; a round that has begun ends.
        seed: Of faults, signals and moments.
        faults: Names of `FAULTS`, met in turn.
        rounds: Rounds of each project instead of minutes, if not 0.
        runs: Of the sweep, names of `project.RUNS`.
        in_a_row: Most kills before the command may end.
        projects: Projects side by side, each with its own undisturbed run and its own moments.
        tell: Called with a line for each round.

    Raises:
        Broken: At the first promise that did not hold; the project is kept and named.
    """
    stopped = threading.Event()

    def one(place: int) -> Counter[str]:
        # Each begins elsewhere, so that two do not suffer the same at once.
        first = place * len(faults) // projects
        turned = [*faults[first:], *faults[:first]]
        try:
            return _rounds(minutes, seed + place, turned, rounds, runs, in_a_row, stopped, tell)
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(projects) as pool:
        return sum(pool.map(one, range(projects)), Counter())


def _rounds(
    minutes: float,
    seed: int,
    faults: Sequence[str],
    rounds: int,
    runs: Sequence[str],
    in_a_row: int,
    stopped: threading.Event,
    tell: Callable[[str], None],
) -> Counter[str]:
    folder = Path(tempfile.mkdtemp(prefix="candgen-faults-"))
    try:
        campaign = Campaign(folder, seed, faults, runs, in_a_row, tell)
        began, n = time.monotonic(), 0
        campaign.ends = math.inf if rounds else began + 60 * minutes
        while n < rounds if rounds else time.monotonic() < campaign.ends:
            if stopped.is_set():
                break
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
