"""Locks on files: one holder at a time, and an error that says who holds it.

The package `filelock` does the locking. Where the file system locks files, the operating system
releases the lock when its process dies; this module adds process and machine to the file. Where it
does not (`flock` fails with ENOLCK, ENOTSUP or ENOSYS, as on some network drives), the existence
of a second file, the marker, is the lock. A killed process leaves its marker behind; `filelock`
replaces that where it can prove the death, and otherwise the error says which file to delete.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from candgen.errors import BusyError

_AT = 1  # the owner stands behind byte 0, which Windows keeps from readers while it is locked
_WIDTH = 120
_SPACE, _HOST_SPACE = "?pidns-", 0xEFFFFFFC  # a container's process namespace; that of the host
_NOT_SUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_LOOK_AGAIN = 1.0  # seconds of waiting for a marker until its owner is looked at again


@contextmanager
def locked(path: Path | str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock on `path` during the block. The file stays behind.

    Args:
        path: The lock file, made if it is missing.
        wait: Wait until the lock is free instead of giving up.

    Raises:
        BusyError: If another process holds the lock and `wait` is False, or if an ended process
            left a marker that cannot be replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _native(path, wait) or _by_marker(path, wait)
    try:
        yield
    finally:
        lock.release()


def native(folder: Path | str) -> bool:
    """Tell whether the file system of an existing folder locks files itself."""
    path = Path(folder) / f".lock-{os.getpid()}"
    try:
        lock = _native(path, wait=False)
        if lock is not None:
            lock.release()
        return lock is not None
    finally:
        path.unlink(missing_ok=True)


def _native(path: Path, wait: bool) -> BaseFileLock | None:
    """Acquire the operating system's lock; return None where it has none for this file."""
    lock = FileLock(path, timeout=-1 if wait else 0, on_acquired=_sign)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{path.parent} is in use by {_holder(path)}") from None
    except OSError as error:
        if error.errno in _NOT_SUPPORTED:
            return None
        raise
    return lock


def _by_marker(path: Path, wait: bool) -> BaseFileLock:
    marker = path.with_name(f"{path.name}.marker")
    lock = SoftFileLock(marker)
    while True:
        try:
            lock.acquire(timeout=_LOOK_AGAIN if wait else 0)
        except Timeout:
            pid, host = _read_owner(marker, at=0)
            if pid is None and not marker.exists():
                continue  # released in this very moment
            if host != _machine():
                where = host.replace(_SPACE, ", process namespace ")
                who = f"process {pid} on {where}" if host else "another process"
                advice = f"Wait for it to end; if it runs no more, delete {marker}."
            elif not _lives(pid):
                raise BusyError(
                    f"{path.parent} is locked by process {pid}, which has ended: this file "
                    f"system cannot lock files, so its marker stayed behind. Delete {marker}."
                ) from None
            else:
                who, advice = f"process {pid}", "Wait for it to end, or stop it."
            if not wait:
                raise BusyError(f"{path.parent} is in use by {who}. {advice}") from None
        else:
            return lock


def _sign(descriptor: int) -> None:
    os.lseek(descriptor, _AT, os.SEEK_SET)
    owner = f"{os.getpid()} {_machine()}".encode()[:_WIDTH]
    os.write(descriptor, owner.ljust(_WIDTH))


def _machine() -> str:
    """Name this machine, and the container if it numbers its processes itself, as filelock does."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not Linux
        space = _HOST_SPACE
    return socket.gethostname() + ("" if space == _HOST_SPACE else f"{_SPACE}{space:x}")


def _holder(path: Path) -> str:
    """Say who holds the operating system's lock on a file, and what to do."""
    pid, host = _read_owner(path, at=_AT)
    if pid is None:
        return "another process. Wait for it to end."
    if host and not _machine().startswith(host):
        where = host.replace(_SPACE, ", process namespace ")
        return f"process {pid} on {where}. Wait for it to end, or stop it there."
    if not _lives(pid):
        return (
            f"a process that process {pid} left behind when it ended. "
            f"Find it with `fuser {path}` and stop it."
        )
    return f"process {pid}. Wait for it to end, or stop it."


def _read_owner(path: Path, at: int) -> tuple[int | None, str]:
    """Return process and machine as written in a lock file; None and "" where there are none."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(at)
            words = file.read(1024).decode(errors="replace").split()
    except OSError:
        return None, ""
    if not words or not words[0].isdecimal():
        return None, ""
    return int(words[0]), words[1] if len(words) > 1 else ""


def _lives(pid: int | None) -> bool:
    import psutil

    return pid is not None and psutil.pid_exists(pid)
