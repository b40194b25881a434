"""Memory and opening times of saved indexes, measured in a separate process.

Indexes are mapped into memory, so they hold what a search has touched, and the process that built
them holds much else. Here a fresh process opens each folder, searches it, and looks at itself.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

import candgen
from candgen import files
from candgen.retrieval import indexes
from candgen.retrieval.indexes.sidecar import SIDECAR

_MAPPED_ALONE = str(2**16)  # bytes: larger pieces go back to the system once they are not needed
_QUERIES = "asked.npy"


class Footprint(NamedTuple):
    """Seconds, memory and disk of one saved index."""

    load_seconds: float
    """Seconds to open it, with libraries imported and files in the system's cache."""
    memory_mib: float
    """Growth of the process: the index, and the parts of its files that the queries touched."""
    disk_mib: float
    """Size of the folder: vectors, ids, the library's file and the sidecar."""


class Observer:
    """A process that opens saved indexes and tells what that took. Use it in a `with` block."""

    def __enter__(self) -> Self:
        import numba

        home = str(Path(candgen.__file__).parents[1])
        paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
        surroundings = {
            **os.environ, "PYTHONPATH": paths, "MALLOC_MMAP_THRESHOLD_": _MAPPED_ALONE,
            "NUMBA_NUM_THREADS": str(numba.get_num_threads()),
        }  # fmt: skip
        told = [sys.executable, "-c", f"from {__name__} import main; main()"]
        self._process = subprocess.Popen(
            told, env=surroundings, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(self, *_: Any) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        self._process.wait(timeout=60)

    def look_at(self, folder: Path | str, queries: NDArray[np.floating], k: int) -> Footprint:
        """Open a saved index in the other process and ask it all queries at once.

        Raises:
            RuntimeError: If the other process ends; what it said stands above.
        """
        folder = Path(folder)
        disk = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
        files.write_array(folder / _QUERIES, queries)
        try:
            asked = [str(folder), k, files.sha256_of(folder / SIDECAR)]
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except (BrokenPipeError, FileNotFoundError):  # the latter: no sidecar, so no saved index
            answer = ""
        finally:
            (folder / _QUERIES).unlink()
        if not answer:
            raise RuntimeError(f"{folder} could not be searched in a process of its own.")
        return Footprint(*json.loads(answer), disk)


def main() -> None:
    """Answer each line of standard input, a folder and k, with load seconds and MiB."""
    for line in sys.stdin:
        folder, k, digest = json.loads(line)
        queries = np.load(Path(folder) / _QUERIES)
        indexes.load(folder, digest=digest).query(
            queries[:2], k
        )  # libraries and compiled code are loaded now
        print(json.dumps(_measured(folder, queries, k, digest)), flush=True)


def _measured(
    folder: str, queries: NDArray[np.floating], k: int, digest: str
) -> tuple[float, float]:
    import psutil

    gc.collect()
    process = psutil.Process()
    before, began = process.memory_info().rss, time.perf_counter()
    index = indexes.load(folder, digest=digest)
    seconds = time.perf_counter() - began
    index.query(queries, k)
    return seconds, max(process.memory_info().rss - before, 0) / 2**20
