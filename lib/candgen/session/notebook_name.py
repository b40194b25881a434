"""The name under which a notebook keeps its results when it was given no folder.

Each front end says in its own way which file a kernel belongs to:

| caller | what names it |
|---|---|
| VS Code | `__vsc_ipynb_file__` among the names of the notebook |
| a Python script | `__file__` among its names |
| JupyterLab, Notebook | the environment variable `JPY_SESSION_NAME`, set when the kernel starts |
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from candgen.session import paths


def of_caller(namespace: Mapping[str, Any]) -> str:
    """Return the name for results of the notebook or script whose global names these are.

    A caller that no front end names has `unnamed-notebook-<time>-<process>`: two of them never
    share a folder, and one keeps its own until its kernel is restarted.
    """
    named = namespace.get("__vsc_ipynb_file__") or namespace.get("__file__")
    if not named and os.environ.get("JPY_SESSION_NAME", "").endswith(".ipynb"):
        named = os.environ["JPY_SESSION_NAME"]  # a console has a session, too, without a file
    return of_file(Path(named)) if named else _unnamed()


def of_file(path: Path) -> str:
    """Return the name for results of a notebook: its own, and more if it lies elsewhere.

    `15_baselines` is that of the project's `notebooks/` alone. A notebook of the same name in
    another folder has a digest of that folder behind its name.
    """
    folder = path.expanduser().resolve().parent
    if folder == paths.project_root() / "notebooks":
        return path.stem
    return f"{path.stem}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


@functools.cache
def _unnamed() -> str:
    return f"unnamed-notebook-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
