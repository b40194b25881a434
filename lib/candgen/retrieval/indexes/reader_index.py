"""Search of a saved index through its own library, without candgen.

Exported folders hold a copy as `reader_index.py`, so this file imports nothing of candgen.
`candgen.retrieval.indexes` writes the index files and documents them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np


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


def open_index(folder: Path, sidecar: dict[str, Any]) -> TreesIndex | FaissIndex:
    """Map the index of a folder into memory."""
    return (TreesIndex if sidecar["kind"] == "annoy" else FaissIndex)(folder, sidecar)
