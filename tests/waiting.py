"""Waiting for another process: for what it wrote, and never longer than it lives."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psutil

SECONDS = 180  # far more than anything here takes, even on a busy machine
# A file that is absent, empty or half written; a process that ended between two looks at it.
_NOT_YET = (OSError, ValueError, LookupError, psutil.Error)


def until(
    look: Callable[[], Any],
    what: str,
    *workers: subprocess.Popen | Future,
    seconds: float = SECONDS,
) -> Any:
    """Look again and again until something true is seen; return it.

    Args:
        look: Returns what is waited for, or something false, or raises while it is not there yet.
        what: The end of the sentence "waited in vain until ...".
        workers: Processes or futures that must do it. Once one of them has ended, nothing is left
            to wait for: the failure shows what it said.
        seconds: The longest wait.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended = [worker for worker in workers if _has_ended(worker)]
        with contextlib.suppress(*_NOT_YET):
            if found := look():
                return found
        if ended:
            raise AssertionError(f"waited in vain until {what}: {_last_words(ended[0])}")
        time.sleep(0.02)
    raise AssertionError(f"waited in vain until {what}, for {seconds:g} s")


def gone(pid: int) -> bool:
    """Tell whether a process has ended, be it buried or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _has_ended(worker: subprocess.Popen | Future) -> bool:
    return worker.done() if isinstance(worker, Future) else worker.poll() is not None


def _last_words(worker: subprocess.Popen | Future) -> str:
    if isinstance(worker, Future):
        return f"it returned {worker.result()!r}"  # or raises what went wrong
    said = worker.stderr.read() if worker.stderr else "(its errors went to the terminal)"
    return f"process {worker.pid} ended with {worker.returncode} and said:\n{said}"
