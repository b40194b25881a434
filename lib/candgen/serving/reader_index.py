"""The approximate index of an exported folder, asked through its own library.

A copy lies in exported folders as `reader_index.py`, so it imports nothing of candgen. What an
index file holds is said in `candgen.retrieval.indexes`, which writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class TreesIndex:
    """Annoy's trees, with one coordinate more where inner products are compared, band by band."""

    def __init__(self, folder: Path, sidecar: dict[str, Any]) -> None:
        import annoy

        self._more = sidecar["similarity"] == "dot"
        self._search_k = sidecar["settings"]["search_k"]
        self._rerank = sidecar["settings"]["rerank"]
        self._n_items = n_items = sidecar["n_items"]
        if "order.npy" in sidecar["index"]:
            order = np.asarray(np.load(folder / "order.npy", mmap_mode="r"))
            self._vectors = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r"))
        else:
            order = np.arange(n_items)
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
        looked_at = -(-int(self._search_k * effort) // self._n_parts) or -1
        fetched = -(-min(n * self._rerank, self._n_items) // self._n_parts)
        found = np.zeros(0, dtype=np.int64)
        for forest, (trees, members) in enumerate(self._forests):
            begins = forest and not forest % self._n_parts  # a band of shorter items
            if begins and self._enough(vector, found, n, members[0]):
                break
            near = trees.get_nns_by_vector(query, fetched, looked_at)
            found = np.append(found, members[near].astype(np.int64))
        return found

    def _enough(self, vector: np.ndarray, found: np.ndarray, n: int, longest: int) -> bool:
        """Tell whether no item as long as `longest` is likely among the first `n`."""
        if len(found) < n:
            return False
        vectors = self._vectors[found]
        scores = vectors @ vector
        with np.errstate(invalid="ignore", divide="ignore"):
            steepest = np.nanmax(scores / np.linalg.norm(vectors, axis=1))
        least = np.partition(scores, len(scores) - n)[len(scores) - n]
        return bool(steepest * np.linalg.norm(self._vectors[longest]) < least)


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
