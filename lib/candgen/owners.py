"""Owners: the process that a lock, a running stage or a passing file belongs to.

An owner is a machine, a process number, a boot of the machine and the moment at which the process
started. Linux counts that moment in ticks since the boot, so a clock that is set forwards or back
changes nothing; elsewhere the system keeps the moment it once noted. A process number alone would
not do: after the process has ended, another one gets it.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

SPACE = "?pidns-"  # between a host's name and its container's process namespace
_HOST_SPACE = 0xEFFFFFFC  # process namespace of the host itself
_TOKEN = re.compile(r"([0-9]+)-([0-9]*)-([0-9a-f]{8})-([0-9a-f]{8})")


@dataclass(frozen=True)
class Owner:
    """One process on one machine."""

    host: str
    """Machine, and the process namespace of a container; empty if unknown."""
    pid: int
    boot: str = ""
    """Id of the machine's boot; empty where the system has none."""
    started: float | None = None
    """Moment the process started: ticks since the boot on Linux, else milliseconds since 1970."""

    def state(self) -> Literal["lives", "ended", "elsewhere"]:
        """Tell whether the process lives; "elsewhere" if it belongs to another machine."""
        if self.host and self.host != machine():
            return "elsewhere"
        if self.boot and boot() and self.boot != boot():
            return "ended"
        now = _start_of(self.pid)
        if now is None:
            return "lives" if _is_hidden(self.pid) else "ended"
        return "lives" if self.started in (None, now) else "ended"

    @property
    def place(self) -> str:
        """The machine as a message names it."""
        return self.host.replace(SPACE, ", process namespace ")

    def as_json(self) -> dict[str, Any]:
        """Describe the owner as `from_json` reads it."""
        return {
            "host": self.host, "pid": self.pid, "boot": self.boot, "pid_started": self.started
        }  # fmt: skip


def this_process() -> Owner:
    """Describe the process that asks."""
    pid = os.getpid()  # not kept: a fork is another process
    return Owner(machine(), pid, boot(), _start_of(pid))


def from_json(found: Any) -> Owner | None:
    """Read an owner from JSON that may hold more; None if it names no process."""
    if not isinstance(found, dict):
        return None
    host, pid, boot_, started = (found.get(name) for name in ("host", "pid", "boot", "pid_started"))
    if isinstance(pid, bool) or not isinstance(pid, int) or pid <= 0:
        return None
    known = isinstance(started, int | float) and not isinstance(started, bool)
    return Owner(
        host if isinstance(host, str) else "",
        pid,
        boot_ if isinstance(boot_, str) else "",
        started if known else None,
    )


def token() -> str:
    """Return a short text that names this process in the name of a passing file."""
    mine = this_process()
    started = "" if mine.started is None else mine.started
    return f"{mine.pid}-{started}-{_short(mine.host)}-{_short(mine.boot)}"


def has_ended(text: str) -> bool:
    """Tell whether the process that a token names has surely ended; other texts name none."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return False
    pid, started, host, boot_ = found.groups()
    if host != _short(machine()):
        return False
    if boot_ != _short(boot()):
        return True
    owner = Owner(machine(), int(pid), boot(), int(started) if started else None)
    return owner.state() == "ended"


def machine() -> str:
    """Name this machine, and the container if it numbers its processes itself, as filelock does."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not Linux
        space = _HOST_SPACE
    return socket.gethostname() + ("" if space == _HOST_SPACE else f"{SPACE}{space:x}")


@cache
def boot() -> str:
    """Return the id of this machine's boot; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _start_of(pid: int) -> int | None:
    """Return the moment at which a process started; None if there is no such process."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        fields = stat[stat.rindex(b")") + 2 :].split()  # the name before may hold spaces
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    import psutil

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else round(process.create_time() * 1000)
    except psutil.Error:
        return None


def _is_hidden(pid: int) -> bool:
    """Tell whether there is such a process of another user, which the system shows nobody else."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False  # ours: it has ended, and its parent has not noticed yet


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
