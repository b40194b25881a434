"""Hardships that a command may meet: too little memory, a full disk, a clock that steps.

A full disk and read-only outputs need a mount of their own: `python tests/faults` starts itself
again by `unshare`, so that nobody else sees the mounts, and says so where that is not allowed.
"""

from __future__ import annotations

import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from faults.project import Broken, Project

MOUNTED = "CANDGEN_FAULTS_MOUNTED"  # set in the process that may mount
DISK = 512  # MiB of the disk that the outputs lie on
MOST_STEP = 400 * 86_400  # seconds that the clock steps at most
MOST_MORE = 64 * 2**20  # bytes that a process may still take when its memory becomes scarce
_DAY = 86_400


class Hardship:
    """One kind of hardship, arranged anew for each command.

    Args:
        project: The one that the command works in.
        rng: Of the hardship's strength.
    """

    harmless = False
    """Tells whether the command must end well in spite of it."""
    limit = ""
    """Option of `ulimit` for the command."""
    signs: tuple[str, ...] = ()
    """Words of which one is said by a command, or by the status of a run, that met the hardship."""

    def __init__(self, project: Project, rng: random.Random) -> None:
        self.project, self.rng = project, rng
        self.environment: dict[str, str] = {}
        self.set_up()

    def set_up(self) -> None:
        """Make what all rounds need."""

    @contextmanager
    def arranged(self) -> Iterator[None]:
        """Hold the hardship around a command."""
        yield

    def watch(self, process: subprocess.Popen, seconds: float) -> None:
        """Act while the command works, which takes so many seconds without the hardship."""

    def close(self) -> None:
        """Remove what `set_up` made."""


class OutOfMemory(Hardship):
    """The address space of a command, its kernel server and its kernels runs out.

    Either all of them may use little from the start, or what one of them may use is limited at a
    random moment to a little more than it has.
    """

    signs = (
        "MemoryError", "Cannot allocate memory", "bad_alloc", "nable to allocate", "out of memory",
        "can't start new thread", "DeadKernelError", "pthread_create failed",
        "failed to map segment", "Could not find/load shared object",
        "Cannot create worker thread", "Resource temporarily unavailable",
    )  # fmt: skip

    @contextmanager
    def arranged(self) -> Iterator[None]:
        kib = math.exp(self.rng.uniform(math.log(150_000), math.log(1_500_000)))
        self.limit = f"-v {kib:.0f}" if self.rng.random() < 0.3 else ""
        yield

    def watch(self, process: subprocess.Popen, seconds: float) -> None:
        while not self.limit and process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.rng.uniform(0, seconds / 2))
            with suppress(psutil.Error, ProcessLookupError):
                command = psutil.Process(process.pid)
                chosen = self.rng.choice([command, *command.children(recursive=True)])
                soft, hard = resource.prlimit(chosen.pid, resource.RLIMIT_AS)
                most = chosen.memory_info().vms + int(self.rng.uniform(0, MOST_MORE))
                if soft == resource.RLIM_INFINITY:  # limited once; its children are, too
                    resource.prlimit(chosen.pid, resource.RLIMIT_AS, (most, hard))


class SmallFiles(Hardship):
    """No file may grow beyond a size."""

    signs = ("File too large", "Errno 27", "maximum file size")

    @contextmanager
    def arranged(self) -> Iterator[None]:
        self.limit = f"-f {2 ** self.rng.randint(0, 10)}"  # blocks of 512 bytes
        yield


class FullDisk(Hardship):
    """Outputs lie on a disk that becomes full."""

    def set_up(self) -> None:
        _mount_outputs(self.project)

    @contextmanager
    def arranged(self) -> Iterator[None]:
        outputs = self.project.outputs
        used = shutil.disk_usage(outputs).used
        ballast = outputs / "ballast"
        with open(ballast, "wb") as file:
            free = shutil.disk_usage(outputs).free
            left = int(self.rng.uniform(0, 0.5) ** 2 * used)
            os.posix_fallocate(file.fileno(), 0, max(free - left, 1))
        yield
        ballast.unlink()

    def close(self) -> None:
        _unmount_outputs(self.project)


class ReadOnly(Hardship):
    """Outputs lie on a disk that cannot be written to."""

    def set_up(self) -> None:
        _mount_outputs(self.project)

    @contextmanager
    def arranged(self) -> Iterator[None]:
        for mode in ("ro", "rw"):
            command = ["mount", "-o", f"remount,{mode}", str(self.project.outputs)]
            subprocess.run(command, check=True)
            if mode == "ro":
                yield

    def close(self) -> None:
        _unmount_outputs(self.project)


class SteppingClock(Hardship):
    """The time of day jumps back and forth, for the command and for who asks after its runs."""

    harmless = True

    def set_up(self) -> None:
        library, self.steps = self.project.folder / "clock.so", self.project.folder / "steps"
        source = Path(__file__).with_name("stepping_clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_STEPS": str(self.steps)}
        self.step()
        seen = subprocess.run(
            [sys.executable, "-c", "import time; print(time.time())"],
            env=os.environ | self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        if abs(float(seen.stdout) - time.time()) < _DAY:
            raise Broken("the clock does not step, so this hardship would prove nothing.")

    def step(self) -> None:
        """Set the clock a day or more forwards or back."""
        seconds = self.rng.choice([-1, 1]) * self.rng.randint(2 * _DAY, MOST_STEP)
        passing = self.steps.with_name("steps.next")
        passing.write_text(str(seconds))
        passing.replace(self.steps)

    def watch(self, process: subprocess.Popen, seconds: float) -> None:
        asking = None
        while process.poll() is None:
            self.step()
            time.sleep(0.2)
            if asking is None:
                asking = self.project.start("runs", "--json", extra=self.environment)
            elif asking.poll() is not None:
                said = self.project.end(asking)
                states = {row["name"]: row["state"] for row in json.loads(said)}
                if process.poll() is None and "interrupted" in states.values():
                    raise Broken(f"a sweep lives, but its runs are called {states}.")
                asking = None
        if asking is not None:
            self.project.end(asking)


HARDSHIPS: dict[str, type[Hardship]] = {
    "out of memory": OutOfMemory, "small files": SmallFiles, "full disk": FullDisk,
    "read-only outputs": ReadOnly, "stepping clock": SteppingClock,
}  # fmt: skip


def possible() -> tuple[list[str], list[str]]:
    """Return the hardships that can be arranged here, and why others cannot."""
    missing = {}
    if MOUNTED not in os.environ:
        reason = "this machine lets nobody mount a disk (unshare)"
        missing = dict.fromkeys(("full disk", "read-only outputs"), reason)
    if not sys.platform.startswith("linux"):
        missing["out of memory"] = "it needs Linux, which limits another process (prlimit)"
    if shutil.which("cc") is None or not sys.platform.startswith("linux"):
        missing["stepping clock"] = "it needs Linux and a C compiler"
    left_out = [f"{name} is left out: {reason}" for name, reason in missing.items()]
    return [name for name in HARDSHIPS if name not in missing], left_out


def start_again_with_mounts() -> None:
    """Start this program again in a mount namespace of its own, where that is allowed."""
    if MOUNTED in os.environ or shutil.which("unshare") is None:
        return
    for way in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = [*way, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            os.environ[MOUNTED] = "1"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])


def _mount_outputs(project: Project) -> None:
    if not os.path.ismount(project.outputs):
        options = ["-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs"]
        subprocess.run(["mount", *options, str(project.outputs)], check=True)


def _unmount_outputs(project: Project) -> None:
    if os.path.ismount(project.outputs):
        subprocess.run(["umount", str(project.outputs)], check=True)
