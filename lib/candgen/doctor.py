"""Check of this machine: what candgen needs, what is installed, how to fix the rest."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from candgen import cache_folder, locks
from candgen.errors import CandgenError, DataError
from candgen.session import environment, paths

PYTHONS = ((3, 11), (3, 13))  # from .. to, both included
_GIB_OF_MEMORY, _GIB_OF_DISK = 4, 5
_KERNEL_SECONDS = 60
_LONGEST_TEMPORARY = 60  # characters; a socket's path has at most 104, with a name of our server's


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warning", "missing"]
    """`missing` is essential; a `warning` costs speed or a part of the work."""
    found: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Look at one thing after another; starting a kernel takes a few seconds."""
    yield _python()
    yield _packages()
    yield _annoy()
    yield _tensorflow()
    yield _kernels()
    yield _warm_kernels()
    yield _lab_kernel()
    yield _threads()
    yield _memory()
    yield _home()
    yield _temporary_folder()
    yield _compiled_code()
    yield from _project()


def _python() -> Finding:
    found = f"{sys.version.split()[0]}, {sys.executable}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Finding("interpreter", "ok", found)
    remedy = "Use Python 3.11, 3.12 or 3.13: `make PYTHON=python3.12 setup`."
    return Finding("interpreter", "missing", found, remedy)


def _annoy() -> Finding:
    if version := _version("annoy"):
        return Finding("annoy", "ok", version)
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    if any(name and shutil.which(name.split()[0]) for name in names):
        first = ""
    else:
        first = "Debian: `apt install g++ python3-dev`; macOS: `xcode-select --install`. Then "
    remedy = (
        f"{first}`{sys.executable} -m pip install annoy` compiles it; conda: python-annoy. "
        "The other indexes work without it."
    )
    return Finding("annoy", "warning", "not installed, one kind of index is missing", remedy)


def _packages() -> Finding:
    wanted = [_name(line) for line in metadata.requires("candgen") or [] if "extra ==" not in line]
    absent = [name for name in wanted if not _version(name)]
    if absent:
        remedy = "`make setup`, or `pip install -e .` in this environment."
        return Finding("packages", "missing", f"not installed: {', '.join(absent)}", remedy)
    return Finding("packages", "ok", f"candgen {_version('candgen')} and {len(wanted)} others")


def _tensorflow() -> Finding:
    version, keras = _version("tensorflow"), _version("keras")
    if version and keras:
        return Finding("TensorFlow", "ok", f"{version}, Keras {keras}")
    remedy = "Without it the networks cannot be trained, the rest can: `pip install tensorflow`."
    return Finding("TensorFlow", "warning", "not installed", remedy)


def _kernels() -> Finding:
    began = time.monotonic()
    try:
        asyncio.run(_start_kernel())
    except Exception as error:
        remedy = "`python -m pip install --force-reinstall ipykernel jupyter-client` mends most."
        return Finding("kernels", "missing", f"{type(error).__name__}: {error}", remedy)
    return Finding("kernels", "ok", f"one answered after {time.monotonic() - began:.1f} s")


async def _start_kernel() -> None:
    from candgen.sweeps.kernels import spec

    manager = spec.manager_class(spec.kernel_spec("ordinary"))(kernel_name=spec.NAME)
    await manager.start_kernel()
    try:
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=_KERNEL_SECONDS)
        finally:
            client.stop_channels()
    finally:
        await manager.shutdown_kernel(now=True)


def _warm_kernels() -> Finding:
    from candgen.sweeps.kernels import client

    if client.supported():
        return Finding("warm kernels", "ok", "forked from one preloaded server")
    found = f"forking is not safe on {sys.platform}"
    remedy = "Nothing to do: sweeps use ordinary kernels, which start more slowly."
    return Finding("warm kernels", "warning", found, remedy)


def _lab_kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    remedy = "`python -m ipykernel install --sys-prefix` makes it this one. Sweeps do not need it."
    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding("JupyterLab", "warning", "no kernel python3", remedy)
    # A bare `python` means the interpreter that Jupyter itself runs in.
    if python in ("python", "python3", Path(sys.executable).name, sys.executable):
        return Finding("JupyterLab", "ok", "its kernel python3 is this interpreter")
    return Finding("JupyterLab", "warning", f"its kernel python3 is {python}", remedy)


def _threads() -> Finding:
    cores = environment.usable_cores()
    limits = {n: v for n in environment.THREAD_VARIABLES if (v := os.environ.get(n))}
    if not limits:
        return Finding("threads", "ok", f"{cores} usable cores")
    found = f"{cores} usable cores, limited by " + ", ".join(f"{n}={v}" for n, v in limits.items())
    return Finding("threads", "warning", found, "Unset them to let sweeps share out the cores.")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB available"
    if memory.available >= _GIB_OF_MEMORY * 2**30:
        return Finding("memory", "ok", found)
    remedy = f"Below {_GIB_OF_MEMORY} GiB use `--workers 1` and smaller worlds."
    return Finding("memory", "warning", found, remedy)


def _home() -> Finding:
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir())
    if cache_folder.writable(folder):
        return Finding("home", "ok", os.path.expanduser("~"))
    found = f"cannot write {folder}, where each kernel keeps its connection file"
    remedy = "Set HOME to a folder of yours: `export HOME=/path/to/it`; or JUPYTER_RUNTIME_DIR."
    return Finding("home", "missing", found, remedy)


def _temporary_folder() -> Finding:
    wanted, name = os.environ.get("TMPDIR"), "temporary"
    remedy = "Set TMPDIR to a folder that can be written to: `export TMPDIR=/tmp`."
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(name, "missing", str(error), remedy)
    if wanted and Path(wanted).absolute() != Path(folder).absolute():
        return Finding(name, "warning", f"TMPDIR={wanted} cannot be used; {folder} is", remedy)
    if len(os.fsencode(folder)) > _LONGEST_TEMPORARY:
        found = f"{folder} is too long for the sockets of warm kernels"
        return Finding(name, "warning", found, "Set TMPDIR to a shorter path, such as /tmp.")
    return Finding(name, "ok", folder)


def _compiled_code() -> Finding:
    name, place = "numba cache", cache_folder.find_folder()
    if place.kind == "none" or (place.kind == "set" and not cache_folder.writable(place.path)):
        found = f"{place.path or 'no folder'} cannot be written to; compiled code fails at import"
        remedy = f"Set {cache_folder.VARIABLE} to a folder that can be written to."
        return Finding(name, "missing", found, remedy)
    if place.kind == "temporary" or place.path.name.startswith("candgen-numba-"):
        found = f"{place.path}, as neither the package nor the home folder is writable"
        remedy = f"To compile once and for all, set {cache_folder.VARIABLE} to a folder that stays."
        return Finding(name, "warning", found, remedy)
    return Finding(name, "ok", str(place.path))


def _project() -> Iterator[Finding]:
    try:
        root = paths.project_root()
    except DataError as error:
        yield Finding("project", "missing", "not found", str(error))
        return
    pages = len(list((root / "notebooks").glob("*.ipynb")))
    yield Finding("project", "ok", f"{root}, {pages} notebooks")
    yield _disk(root)
    yield _locks(root)
    yield _datasets()
    yield _real_data(root)


def _disk(root: Path) -> Finding:
    outputs = root / "outputs"
    try:
        outputs.mkdir(exist_ok=True)
        free = shutil.disk_usage(outputs).free / 2**30
    except OSError as error:
        return Finding("disk", "missing", str(error), f"Make {outputs} writable.")
    found = f"{free:.1f} GiB free for {outputs}"
    if not os.access(outputs, os.W_OK):
        return Finding("disk", "missing", f"{outputs} is not writable", "Change its permissions.")
    if free < _GIB_OF_DISK:
        remedy = f"Below {_GIB_OF_DISK} GiB large sweeps may fill it; remove old folders there."
        return Finding("disk", "warning", found, remedy)
    return Finding("disk", "ok", found)


def _locks(root: Path) -> Finding:
    outputs = root / "outputs"
    try:
        native = locks.native(outputs)
    except (OSError, CandgenError) as error:
        remedy = f"Sweeps lock files there: make {outputs} writable, or a link to another disk."
        return Finding("locks", "missing", str(error), remedy)
    if native:
        return Finding("locks", "ok", f"the file system of {outputs} locks files")
    found = f"the file system of {outputs} cannot lock files; marker files are used instead"
    remedy = "After a crash a marker may stay; the error then names it. A local disk has locks."
    return Finding("locks", "warning", found, remedy)


def _datasets() -> Finding:
    names = paths.dataset_names()
    found = ", ".join(names) if names else "none prepared yet; `candgen prepare` makes one"
    return Finding("datasets", "ok", found)


def _real_data(root: Path) -> Finding:
    folder = Path(os.environ.get("CANDGEN_TEST_DATA", root.parent / "shared" / "data"))
    if folder.is_dir():
        return Finding("real data", "ok", f"{folder}: {', '.join(sorted(os.listdir(folder)))}")
    remedy = (
        "Only tests want it: set CANDGEN_TEST_DATA to a folder with ml-latest-small and gowalla. "
        "For a report on real films: `make report DATA=<folder or zip of MovieLens>`."
    )
    return Finding("real data", "warning", f"none at {folder}", remedy)


def _name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]  # type: ignore[index]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
