"""Connection files of kernels: how their client reaches them, with the key in it.

Jupyter removes the file of a kernel that it ends. After the death of the process that started the
kernel the file would stay; its name says which process that was, so the next start removes it.
"""

from __future__ import annotations

import re
import tempfile
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

from candgen import owners

_BEGIN, _END = "candgen-kernel-", ".json"
_NAME = re.compile(rf"{_BEGIN}([0-9a-f-]+)-[0-9a-f]{{32}}\.json")


def new() -> Path:
    """Return the path of a connection file for one more kernel of this process."""
    name = f"{_BEGIN}{owners.token()}-{uuid.uuid4().hex}{_END}"
    return Path(tempfile.gettempdir()) / name


@cache
def remove_left_behind_once() -> None:
    """Remove the connection files of processes that have ended, once in this process."""
    remove_left_behind()


def remove_left_behind() -> None:
    """Remove the connection files of processes of this machine that have ended."""
    for path in Path(tempfile.gettempdir()).glob(f"{_BEGIN}*{_END}"):
        named = _NAME.fullmatch(path.name)
        if named is not None and owners.has_ended(named[1]):
            with suppress(OSError):  # somebody else's, or gone already
                path.unlink()
