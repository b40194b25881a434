"""One at a time: a lock on a file, which the operating system drops when its owner dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from candgen.errors import BusyError


@contextmanager
def locked(path: Path | str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock on `path` during the block; the file itself stays behind, empty of meaning.

    Args:
        path: The lock file, made if it is missing.
        wait: Wait for whoever holds it instead of giving up.

    Raises:
        BusyError: If somebody else holds it and `wait` is False.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        while not _acquired(file):
            if not wait:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise BusyError(
                    f"{path.parent} is in use by process {owner}. Wait for it to end, or stop it."
                )
            time.sleep(0.2)
        try:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
        finally:
            _release(file)


if os.name == "nt":
    import msvcrt

    # Far behind the text, so that others may still read who holds it.
    _FAR = 1 << 20

    def _acquired(file) -> bool:
        file.seek(_FAR)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(file) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquired(file) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _release(file) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
