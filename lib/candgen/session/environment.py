"""Environment of a run: package versions, commit, machine, threads, seeds."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from candgen.errors import DataError

PACKAGES = (
    "candgen", "numpy", "scipy", "pandas", "pyarrow", "numba", "scikit-learn", "tensorflow",
    "keras", "matplotlib", "seaborn", "ipykernel", "papermill", "nbconvert",
)  # fmt: skip
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
COMMIT = "CANDGEN_COMMIT"
"""Variable in which a sweep tells its kernels the commit, so that git is asked once."""
UNKNOWN = "unknown"
_GIT_SECONDS = 15.0  # filters may read each notebook of a fresh checkout
_asking = threading.Lock()


def describe(parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe this process's surroundings in JSON types.

    Args:
        parameters: The run's parameters; those that are named like seeds are repeated.

    Returns:
        `python`, `packages` (None where not installed), `commit` (None outside git), `machine`,
        `threads` and `seeds`. Nothing in it names the machine or its owner.
    """
    parameters = parameters or {}
    return {
        **versions(),
        "implementation": platform.python_implementation(),
        "commit": commit(),
        "machine": machine(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES}
        | {"usable_cores": usable_cores()},
        "seeds": {k: v for k, v in parameters.items() if k == "seed" or k.endswith("_seed")},
    }


def versions() -> dict[str, Any]:
    """Return the version of `python` and of each of the `packages`, None where not installed."""
    packages = {name: _version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "packages": packages}


@cache
def machine() -> dict[str, Any]:
    """Describe the hardware: system, processor, cores, memory in MiB."""
    import psutil

    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
    }


def commit() -> str | None:
    """Return the project's commit; None outside a project or git.

    Git is asked once a process, and not at all where a sweep has told its kernel.

    Returns:
        The commit, with "+changes" when tracked files differ from it and "+unknown" when git did
        not say in time whether they do; "unknown" in a repository whose commit git did not say.
    """
    told = os.environ.get(COMMIT)
    if told is not None:
        return told or None
    with _asking:  # stages of a sweep start in several threads
        return _asked_commit()


@cache
def _asked_commit() -> str | None:
    from candgen.project import project_root

    try:
        root = project_root()
    except DataError:
        return None
    head = _git(root, "rev-parse", "HEAD")
    if not head:
        inside = any((folder / ".git").exists() for folder in (root, *root.parents))
        return UNKNOWN if inside else None
    # Unlike `git status`, this takes a notebook that was only executed for unchanged.
    changed = _git(root, "diff", "--name-only", "HEAD")
    if changed is None:
        return f"{head}+unknown"
    return f"{head}+changes" if changed else head


def usable_cores() -> int:
    """Count the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints; None where it fails or takes too long, and none of it runs on."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), *arguments]
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    surroundings = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        asked = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=surroundings, start_new_session=True,
            **quiet,
        )  # fmt: skip
    except OSError:
        return None
    try:
        said, _ = asked.communicate(timeout=_GIT_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if asked.poll() is None:  # its filters belong to its group
            os.killpg(asked.pid, signal.SIGKILL)
            asked.communicate()
    return said.strip() if asked.returncode == 0 else None


def _processor() -> str:
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or "unknown"
