"""Watching a kernel from outside: what it uses, and whether its time is up."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

import psutil

EVERY = 0.5  # seconds between samples


class Watch:
    """Samples a kernel and all it started, and kills it at the deadline.

    Args:
        pid_of: Returns the kernel's process number, or None while there is none.
        timeout_s: Wall-clock seconds until the kernel is killed; None for no limit.
        stop_when: Says why the kernel is to be killed now; None while it may go on.
    """

    def __init__(
        self,
        pid_of: Callable[[], int | None],
        timeout_s: float | None,
        stop_when: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.pid_of = pid_of
        self.stop_when = stop_when
        self.why_stopped: str | None = None
        self.deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.timed_out = False
        self.stopped = False
        self.peak_memory_mib = 0.0
        self._cpu: dict[tuple[int, float], float] = {}  # seconds by process and its birth
        self._sampling = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kernel-watch", daemon=True)

    @property
    def cpu_seconds(self) -> float:
        return sum(self._cpu.values())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def stop(self) -> None:
        """Kill the kernel, now or as soon as there is one."""
        self.stopped = True
        self._kill()

    def sample(self) -> None:
        """Look once at the kernel and its descendants."""
        pid = self.pid_of()
        if pid is None:
            return
        memory = 0
        with self._sampling, contextlib.suppress(psutil.Error):
            kernel = psutil.Process(pid)
            for process in (kernel, *kernel.children(recursive=True)):
                with contextlib.suppress(psutil.Error), process.oneshot():
                    used = process.cpu_times()
                    key = (process.pid, process.create_time())
                    self._cpu[key] = max(self._cpu.get(key, 0.0), used.user + used.system)
                    memory += process.memory_info().rss
            self.peak_memory_mib = max(self.peak_memory_mib, memory / 2**20)

    def _run(self) -> None:
        while not self._over.wait(self._pause()):
            self.sample()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.timed_out = True
            self.why_stopped = self.why_stopped or self.stop_when()
            if self.timed_out or self.stopped or self.why_stopped:
                self._kill()

    def _kill(self) -> None:
        if (pid := self.pid_of()) is not None:
            kill_group(pid)

    def _pause(self) -> float:
        if self.deadline is None or self.timed_out:
            return EVERY
        return min(EVERY, max(0.01, self.deadline - time.monotonic()))


def kill_group(pid: int) -> None:
    """Kill a process, and its whole group if it leads one.

    A process that has not made its own group yet is in its parent's, which is ours.
    """
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg") and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
