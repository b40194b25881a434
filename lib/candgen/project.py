"""The project: the folder with `notebooks` and `params` that commands and notebooks work in."""

from __future__ import annotations

import os
from pathlib import Path

from candgen.errors import DataError


def project_root() -> Path:
    """Find the project: the nearest parent with `notebooks` and `params`, else CANDGEN_HOME.

    Without either, the checkout that this package is installed from.

    Raises:
        DataError: If there is no project to be found.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if _is_project(folder):
            return folder
    if home := os.environ.get("CANDGEN_HOME"):
        return Path(home).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[2]
    if _is_project(checkout):
        return checkout
    raise DataError(
        f"No candgen project around {here}: expected a folder that holds notebooks/ and params/. "
        "Go there, or set CANDGEN_HOME to it."
    )


def _is_project(folder: Path) -> bool:
    return (folder / "notebooks").is_dir() and (folder / "params").is_dir()
