"""Locks on files, released by the operating system when their process dies.

The package `filelock` does the locking; this module adds the process that holds the lock to the
file, and a `BusyError` that names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from candgen.errors import BusyError

_AT = 1  # the process stands behind byte 0, which Windows keeps from readers while it is locked


@contextmanager
def locked(path: Path | str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock on `path` during the block. The file stays behind.

    Args:
        path: The lock file, made if it is missing.
        wait: Wait until the lock is free instead of giving up.

    Raises:
        BusyError: If another process holds the lock and `wait` is False.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=-1 if wait else 0, on_acquired=_sign)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"{path.parent} is in use by process {_owner(path)}. Wait for it to end, or stop it."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _sign(descriptor: int) -> None:
    os.lseek(descriptor, _AT, os.SEEK_SET)
    os.write(descriptor, f"{os.getpid():<20}".encode())


def _owner(path: Path) -> str:
    with open(path, "rb", buffering=0) as file:
        file.seek(_AT)
        return file.read().decode().strip() or "unknown"
