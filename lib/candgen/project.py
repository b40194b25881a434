"""The project: the folder with `notebooks` and `params` that commands and notebooks work in."""

from __future__ import annotations

import os
from pathlib import Path

from candgen.errors import DataError

OF_PAGE = "CANDGEN_PROJECT"
"""Environment variable of a page's kernel: the project that executes the page."""


def project_root() -> Path:
    """Find the project: the nearest parent with `notebooks` and `params`, else CANDGEN_HOME.

    Without either, the checkout that this package is installed from. In the kernel of a page it is
    the project that executes the page, also where its folder of notebooks is a link to another's.

    Raises:
        DataError: If there is no project to be found.
    """
    if executing := os.environ.get(OF_PAGE):
        return Path(executing)
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


def project_of(notebook: Path) -> Path | None:
    """Return the project of this process if a notebook is one of its own, else None."""
    try:
        root = project_root()
    except DataError:
        return None
    ours = notebook.resolve().is_relative_to((root / "notebooks").resolve())
    return root if ours else None


def _is_project(folder: Path) -> bool:
    return (folder / "notebooks").is_dir() and (folder / "params").is_dir()
