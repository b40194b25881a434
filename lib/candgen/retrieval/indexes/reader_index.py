"""Search of a saved index through its own library, without candgen.

Exported folders hold a copy as `reader_index.py`, so this file imports nothing of candgen.
`candgen.retrieval.indexes` writes the index files and documents them.

annoy and faiss trust the files that they map: a damaged one may end the process, keep it busy for
ever or take all memory. `Apart` runs this file as a program, which opens the index and answers
queries on its standard input and output, within bounds of time and memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_SECONDS = 5  # of processor time for opening and for each query, and one more for each
_BYTES_A_SECOND = 50 * 2**20
_ROOM = 2**30  # bytes of memory beside the files


class IndexFault(RuntimeError):
    """An index cannot be opened or searched, or its answer is none."""


class TreesIndex:
    """Annoy's trees, with one more coordinate for inner products, searched band by band."""

    def __init__(self, folder: Path, sidecar: dict[str, Any]) -> None:
        import annoy

        self._more = sidecar["similarity"] == "dot"
        self._search_k = sidecar["settings"]["search_k"]
        self._rerank = sidecar["settings"]["rerank"]
        self._n_items = n_items = sidecar["n_items"]
        if "order.npy" in sidecar["index"]:
            order = np.asarray(np.load(folder / "order.npy", mmap_mode="r"))
        else:
            order = np.arange(n_items)
        self._vectors = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r"))
        names = [name for name in sidecar["index"] if name.endswith(".annoy")]
        names.sort(key=lambda name: (len(name), name))  # index, index-2, ...
        n_bands = min(sidecar["settings"]["bands"], n_items) if self._more else 1
        self._n_parts = len(names) // n_bands
        self._forests = []
        for forest, name in enumerate(names):
            band, part = divmod(forest, self._n_parts)
            start, end = (n_items * edge // n_bands for edge in (band, band + 1))
            trees = annoy.AnnoyIndex(sidecar["dim"] + self._more, "angular")
            trees.load(str(folder / name))
            self._forests.append((trees, order[start + part : end : self._n_parts]))

    def search(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        """Return about the `n` nearest items; an effort of 2 looks at twice as many."""
        query = np.append(vector, np.float32(0)) if self._more else vector
        nodes = -(-int(self._search_k * effort) // self._n_parts) or -1
        fetched = -(-min(n * self._rerank, self._n_items) // self._n_parts)

        def near(forest: int) -> np.ndarray:
            trees, members = self._forests[forest]
            return members[trees.get_nns_by_vector(query, fetched, nodes)].astype(np.int64)

        longest = [members[0] for _, members in self._forests[:: self._n_parts]]
        return search_bands(vector, n, near, longest, self._vectors, self._n_parts)


def search_bands(
    query: np.ndarray,
    n: int,
    near: Callable[[int], np.ndarray],
    longest: Sequence[int],
    vectors: np.ndarray,
    n_parts: int = 1,
    each: Callable[..., Iterable[np.ndarray]] = map,
) -> np.ndarray:
    """Search bands of items from the longest down, until no shorter item is likely to be found.

    Args:
        query: Shape `(dim,)`.
        n: Number of items wanted.
        near: Returns the nearest items in one forest, by its number; `n_parts` forests a band.
        longest: The longest item of each band.
        vectors: Item vectors, shape `(n_items, dim)`.
        n_parts: Number of forests of each band.
        each: Maps `near` over the forests of a band, one by one or in threads.

    Returns:
        Item numbers, without order.
    """
    found = np.zeros(0, dtype=np.int64)
    for band, first in enumerate(longest):
        if band and _enough(query, vectors[found], n, vectors[first]):
            break
        found = np.concatenate([found, *each(near, range(band * n_parts, (band + 1) * n_parts))])
    return found


def _enough(query: np.ndarray, found: np.ndarray, n: int, longest: np.ndarray) -> bool:
    """Return True if no item as long as `longest` is likely among the first `n` of those found.

    Such an item would have to point more nearly along the query than any item found.
    """
    if len(found) < n:
        return False
    scores = found @ query
    least = np.partition(scores, len(scores) - n)[len(scores) - n]
    with np.errstate(invalid="ignore", divide="ignore"):
        steepest = np.nanmax(scores / np.sqrt(np.einsum("ij,ij->i", found, found)))
    return bool(steepest * np.linalg.norm(longest) < least)


class FaissIndex:
    """An index of faiss, its vectors padded with zeros."""

    def __init__(self, folder: Path, sidecar: dict[str, Any]) -> None:
        import faiss

        self._settings = sidecar["settings"]
        flags = faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
        self._faiss = faiss.read_index(str(folder / "index.faiss"), flags)

    def search(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        """Return about the `n` nearest items; an effort of 2 looks at twice as many."""
        import faiss

        settings, parameters = self._settings, None
        query = np.zeros((1, self._faiss.d), dtype=np.float32)
        query[0, : len(vector)] = vector
        if "probes" in settings:
            lists = faiss.extract_index_ivf(self._faiss).nlist
            probes = min(lists, int(np.ceil(settings["probes"] * effort)))
            parameters = faiss.SearchParametersIVF(nprobe=probes)
            n = min(n * settings.get("rerank", 1), self._faiss.ntotal)
        elif "ef" in settings:
            looked_at = max(n, int(settings["ef"] * effort))
            parameters = faiss.SearchParametersHNSW(efSearch=looked_at)
        return self._faiss.search(query, n, params=parameters)[1][0]


def checked_rows(found: Any, n_items: int) -> np.ndarray:
    """Return the rows that a library found, in order, without the -1 of missing ones.

    Raises:
        IndexFault: If one is no row of an item, or occurs twice.
    """
    rows = np.asarray(found)
    if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
        raise IndexFault(f"it answers {rows.dtype} of shape {rows.shape}, expected a list of rows")
    rows = np.sort(rows[rows != -1]).astype(np.int64)
    if len(rows) and not 0 <= rows[0] <= rows[-1] < n_items:
        raise IndexFault(f"it answers rows {rows[0]} .. {rows[-1]} of {n_items:,} items")
    if (rows[1:] == rows[:-1]).any():
        raise IndexFault("it answers an item twice")
    return rows


class Apart:
    """An index that is opened and searched in a process of its own.

    Raises:
        IndexFault: In the constructor or in `search`, if that process reports a fault or ends.
    """

    def __init__(self, folder: Path, sidecar: dict[str, Any]) -> None:
        safe = ["-P"] if sys.version_info >= (3, 11) else []  # imports nothing from the folder
        command = [sys.executable, *safe, os.path.abspath(__file__), str(folder)]
        self._package = sidecar["package"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf-8",
        )  # fmt: skip
        self.close = weakref.finalize(self, _end, self._process)
        self._ask(sidecar)

    def search(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        """Return about the `n` nearest items; an effort of 2 looks at twice as many."""
        return np.array(self._ask([vector.tolist(), int(n), float(effort)]), dtype=np.int64)

    def _ask(self, question: Any) -> Any:
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except (BrokenPipeError, ValueError):  # it has ended, or was closed
            answer = ""
        if not answer.endswith("\n"):
            code = self.close()
            how = f"exit {code}" if code is None or code >= 0 else _name_of(-code)
            raise IndexFault(f"{self._package} ended its process ({how}), so a file is damaged")
        kind, said = json.loads(answer)
        if kind == "fault":
            self.close()
            raise IndexFault(said)
        return said


def _end(process: subprocess.Popen) -> int | None:
    with contextlib.suppress(OSError):  # what it did not read is still in the pipe
        process.stdin.close()
    process.stdout.close()
    try:
        return process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def open_index(folder: Path, sidecar: dict[str, Any]) -> TreesIndex | FaissIndex:
    """Map the index of a folder into memory."""
    return (TreesIndex if sidecar["kind"] == "annoy" else FaissIndex)(folder, sidecar)


def main() -> None:
    """Open the index of a folder and answer queries: a line of JSON each, the sidecar first."""
    folder, opened, bounds = Path(sys.argv[1]), None, None
    for line in sys.stdin:
        try:
            if opened is None:
                sidecar = json.loads(line)
                bounds = bounds or Bounds(folder, sidecar["kind"])
                bounds.renew()
                opened = open_index(folder, sidecar)
                answer = ["opened", None]
            else:
                vector, n, effort = json.loads(line)
                bounds.renew()
                found = opened.search(np.array(vector, dtype=np.float32), n, effort)
                answer = ["rows", np.asarray(found).tolist()]
        except Exception as error:  # whatever a library makes of a damaged file
            said = (str(error).strip() or "no message").splitlines()[0][-160:]
            answer = ["fault", f"{type(error).__name__}: {said}"]
        print(json.dumps(answer), flush=True)


class Bounds:
    """Limits of this process, where the system has them: what passes one is ended."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._size = sum(file.stat().st_size for file in folder.iterdir())
        if kind == "annoy":
            import annoy  # noqa: F401  its code counts before the limit is set
        else:
            import faiss

            faiss.omp_set_num_threads(1)  # one query at a time
        with contextlib.suppress(ImportError, OSError, ValueError):
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            most = held + _ROOM + 3 * self._size
            resource.setrlimit(
                resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1])
            )

    def renew(self) -> None:
        """Grant processor time for one more question."""
        with contextlib.suppress(ImportError, OSError, ValueError):
            import resource

            used = resource.getrusage(resource.RUSAGE_SELF)
            granted = _SECONDS + 1 + self._size // _BYTES_A_SECOND
            soft = int(used.ru_utime + used.ru_stime) + granted
            resource.setrlimit(
                resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1])
            )


if __name__ == "__main__":
    main()
