"""Versions of candgen and its packages: a worker must have those of the driver."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import candgen
from candgen import files
from candgen.session import environment


@cache
def source_digest() -> str:
    """Digest the source of the package that runs: modules and data files, not compiled ones."""
    folder = Path(candgen.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and "__pycache__" not in name.parts and not name.name.startswith("."):
            digest.update(f"{name.as_posix()} {files.sha256_of(path)}\n".encode())
    return digest.hexdigest()


def here() -> dict[str, Any]:
    """Describe this process: version and source digest of candgen, Python and packages."""
    return {"candgen": candgen.__version__, "source": source_digest(), **environment.versions()}


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """List what differs between the driver and a worker, such as `numpy 2.1.0, here 2.2.0`."""
    found = []
    if theirs["source"] != ours["source"]:
        told = [f"{each['candgen']} of source {each['source'][:8]}" for each in (theirs, ours)]
        found.append(f"candgen {told[0]}, here {told[1]}")
    if theirs["python"] != ours["python"]:
        found.append(f"Python {theirs['python']}, here {ours['python']}")
    for name, version in ours["packages"].items():
        other = theirs["packages"].get(name)
        if other != version and name != "candgen":
            found.append(f"{name} {other or 'not installed'}, here {version or 'not installed'}")
    return found
