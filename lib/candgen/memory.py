"""Sizes of memory: as people write them, and as much as this process may still take."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from candgen.errors import SettingError

LIMIT = "CANDGEN_MEMORY"
"""Variable that limits the memory for which one process trains a generator."""
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_CGROUPS = (  # limit, use, and the statistics that tell how much of the use is a cache of files
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
_OF_FILES = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)


def parsed(name: str, text: str) -> int:
    """Return the bytes of a size such as 4GB, 4 GiB or 512MB; units are powers of 1,024.

    Args:
        name: Of the setting, for the message.
        text: A number with a unit.

    Raises:
        SettingError: If it is no size.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise SettingError(f"{name} must be a size such as 4GB or 512MB, got {text!r}.")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def at_least(name: str, text: str, least: str) -> int:
    """Return the bytes of a size that must not be smaller than another.

    Raises:
        SettingError: If it is no size, or too small.
    """
    found = parsed(name, text)
    if found < parsed(name, least):
        raise SettingError(f"{name} must be {least} or more, got {text!r}.")
    return found


def spelled(n_bytes: float) -> str:
    """Return a size for a message, such as "13.4 GiB"."""
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes / 2**10:,.1f} KiB"


def available() -> int:
    """Return the bytes that this process may still take.

    What the machine and its container have free, and what the variable CANDGEN_MEMORY, such as
    8GB, leaves to one process.
    """
    import psutil  # slow, and seldom needed

    found = psutil.virtual_memory().available
    for most, used, statistics in _CGROUPS:
        with suppress(OSError, ValueError):  # absent, or "max"
            left = int(Path(most).read_text()) - int(Path(used).read_text())
            left += max(map(int, _OF_FILES.findall(Path(statistics).read_text())), default=0)
            found = min(found, max(left, 0))
    if limit := os.environ.get(LIMIT):
        left = parsed(LIMIT, limit) - psutil.Process().memory_info().rss
        found = min(found, max(left, 0))
    return found
