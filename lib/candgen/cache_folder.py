"""Folder for compiled code where neither the package nor the home folder can be written to.

numba keeps what it compiled beside the source, else in the user's cache folder. If it can write
to neither, each of our compiled functions fails at import; `find_folder` then names a temporary
folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal, NamedTuple

VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parent


class Place(NamedTuple):
    """Folder that compiled code is kept in."""

    kind: Literal["set", "package", "home", "temporary", "none"]
    """`set` by the user, with the package, in the home folder, temporary, or nowhere."""
    path: Path | None


def find_folder() -> Place:
    """Find the folder that compiled code is kept in; name a temporary one to numba if need be.

    The environment carries it to the kernels that this process starts.
    """
    if os.environ.get(VARIABLE):
        return Place("set", Path(os.environ[VARIABLE]))
    if all(os.access(folder, os.W_OK) for folder, _, _ in os.walk(_PACKAGE)):
        return Place("package", _PACKAGE)
    if writable(home := _home_cache()):
        return Place("home", home)
    try:
        os.environ[VARIABLE] = str(made := _temporary())
    except OSError:
        return Place("none", None)
    return Place("temporary", made)


def writable(folder: Path) -> bool:
    """Tell whether a folder can be written to, or made if it is missing."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _home_cache() -> Path:
    """Return the folder that numba takes for the user's caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "numba"


def _temporary() -> Path:
    """Make a folder that only this user can write to: compiled code is executed when it is read."""
    import tempfile  # slow, and seldom needed

    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"candgen-numba-{user}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        there = folder.lstat()
        ours = folder.is_dir() and not folder.is_symlink()
        if hasattr(os, "getuid"):
            ours = ours and there.st_uid == os.getuid() and not there.st_mode & 0o077
        if not ours:
            return Path(tempfile.mkdtemp(prefix="candgen-numba-"))
    return folder
