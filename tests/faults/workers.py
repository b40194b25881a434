"""Kills of workers of a cluster: `python tests/faults --workers 20`.

A sweep on two workers of this machine, one of which is killed at a random moment. The same sweep
must end by itself with the results of an undisturbed one on one machine, and leave nothing behind.

To spare time, the driver is this process, no report is made, and four sweeps of five share one
cluster: Dask starts its killed workers again. The others start a cluster of their own, whose
workers may die while they start.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from candgen.cluster import address
from candgen.sweeps import plan, run_report, run_sweep
from candgen.sweeps.kernels import client
from faults.project import Broken, Project, say

OWN = "local:2"


class Said:
    """A view that keeps what was said."""

    def __init__(self, *_: object) -> None:
        self.said: list[str] = []

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def started(self, record: object) -> None:
        """Show nothing."""

    progressed = ended = started

    def say(self, text: str) -> None:
        self.said.append(text)


class Here(Project):
    """A project whose driver is this process."""

    def is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            tracker = "resource_tracker" in " ".join(process.cmdline())  # of this process itself
            return not tracker and super().is_ours(process)
        return False


class Campaign:
    """Rounds of the runs of a sweep on two workers, compared with one machine."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.project = Here(folder)
        self.rng = random.Random(seed)
        os.environ |= {"CANDGEN_HOME": str(folder), "TMPDIR": str(self.project.temporary)}
        tempfile.tempdir = None
        os.chdir(folder)
        run_report.make_report = _no_report
        self.sweep(workers=2)
        client.shutdown()
        named = [name for name in self.project.results if name.split("/")[0] in self.project.runs]
        self.right = {name: self.project.value_of(name) for name in named}
        if None in self.right.values():
            raise Broken(f"the undisturbed sweep left {self.right}.")
        self.took: dict[str, float] = {}

    def sweep(self, **options: object) -> list[str]:
        """Run the sweep's runs anew; its dataset stays. Return what was said."""
        for run in self.project.runs:
            shutil.rmtree(self.project.sweep / run, ignore_errors=True)
        view = Said()
        asked = plan.read_plan(self.project.folder / "params" / "asked.yaml")
        outcome = run_sweep.run_sweep(asked, view=lambda *_: view, **options)
        if outcome.exit_code:
            ended = {record.stage.name: (record.state, record.why) for record in outcome.records}
            raise Broken(f"the sweep ended with {outcome.exit_code}: {ended}, {view.said}")
        return view.said

    def undisturbed(self, where: str) -> None:
        """Take the time of a sweep on a cluster, and compare its results."""
        began = time.monotonic()
        self.sweep(cluster=where)
        self.took[where] = time.monotonic() - began
        self.check_results()

    def round(self, where: str) -> str | None:
        """Kill a worker at a random moment; tell what happened, None if there was no worker."""
        struck: list[int] = []
        moment = self.rng.uniform(0, self.took[where])
        killing = threading.Timer(moment, lambda: struck.extend(self.kill_one()))
        killing.start()
        said = self.sweep(cluster=where)
        killing.cancel()
        killing.join()
        self.check_results()
        if where == OWN and (left := self.project.litter()):
            raise Broken(f"left behind: {left}.")
        again = "; ".join(line for line in said if "trying again" in line)
        after = f"after {moment:.0f} of {self.took[where]:.0f} s"
        return f"{after}: {again or 'no run was lost'}" if struck else None

    def kills(self, where: str, n: int) -> Iterator[str]:
        """Tell what happened in each of `n` rounds in which a worker was killed."""
        if n:
            self.undisturbed(where)
        while n > 0:
            if (said := self.round(where)) is not None:
                n -= 1
                yield said

    def kill_one(self) -> list[int]:
        """Kill one of the worker processes, if there is any; return its number."""
        with contextlib.suppress(psutil.Error, IndexError):
            children = psutil.Process().children()
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
            chosen = self.rng.choice(workers)
            chosen.send_signal(signal.SIGKILL)
            return [chosen.pid]
        return []

    def check_results(self) -> None:
        for name, right in self.right.items():
            found = self.project.value_of(name)
            if found != right:
                raise Broken(f"{name} is {str(found)[:200]}, expected {str(right)[:200]}.")


def _no_report(folder: Path, **_: object) -> Path:
    for name in ("report.html", "leaderboard.csv"):
        (folder / name).write_text("made")
    return folder / "report.html"


def run(kills: int, seed: int, tell: Callable[[str], None] = say) -> None:
    """Run rounds until that many workers were killed.

    Raises:
        Broken: At the first promise that did not hold; the project is kept and named.
    """
    folder, n = Path(tempfile.mkdtemp(prefix="candgen-faults-")), 0
    try:
        campaign = Campaign(folder, seed)
        with address.connected(OWN) as shared:
            for said in campaign.kills(shared.scheduler.address, kills - kills // 5):
                n += 1
                tell(f"kill {n} {said}")
        for said in campaign.kills(OWN, kills // 5):
            n += 1
            tell(f"kill {n} {said}")
    except Broken as error:
        raise Broken(f"{error}\nThe project is kept in {folder}.") from None
    finally:
        os.chdir("/")
    shutil.rmtree(folder)
