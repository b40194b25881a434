"""Environment of a run: package versions, commit, machine, threads, seeds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "candgen", "numpy", "scipy", "pandas", "pyarrow", "numba", "scikit-learn", "tensorflow",
    "keras", "matplotlib", "seaborn", "ipykernel", "papermill", "nbconvert",
)  # fmt: skip
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


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
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": commit(),
        "machine": machine(),
        "threads": {name: os.environ.get(name) for name in _THREAD_VARIABLES}
        | {"usable_cores": usable_cores()},
        "seeds": {k: v for k, v in parameters.items() if k == "seed" or k.endswith("_seed")},
    }


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


@cache
def commit() -> str | None:
    """Return the project's commit, with "+changes" when files differ from it; None outside git."""
    from candgen.session.paths import project_root

    root = project_root()
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
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
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or "unknown"
