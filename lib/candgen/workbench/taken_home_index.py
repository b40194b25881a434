"""The approximate index of an exported folder, asked through its own library.

A copy lies in exported folders as `reader_index.py`, so it imports nothing of candgen. What an
index file holds is said in `candgen.retrieval.indexes`, which writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class TreesIndex:
    """Annoy's trees, with one coordinate more where inner products are compared."""

    def __init__(self, folder: Path, sidecar: dict[str, Any]) -> None:
        import annoy

        self._more = sidecar["similarity"] == "dot"
        self._search_k = sidecar["settings"]["search_k"]
        self._rerank = sidecar["settings"]["rerank"]
        self._trees = annoy.AnnoyIndex(sidecar["dim"] + self._more, "angular")
        self._trees.load(str(folder / "index.annoy"))

    def search(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        """Return about the `n` nearest items; an effort of 2 looks at twice as many."""
        query = np.append(vector, np.float32(0)) if self._more else vector
        looked_at = int(self._search_k * effort) or -1
        n = min(n * self._rerank, self._trees.get_n_items())
        return np.array(self._trees.get_nns_by_vector(query, n, looked_at), dtype=np.int64)


class FaissIndex:
    """An index of faiss, its vectors padded with zeros or the coordinate that makes them alike."""

    def __init__(self, folder: Path, sidecar: dict[str, Any]) -> None:
        import faiss

        self._settings, self._longest = sidecar["settings"], sidecar["longest"]
        flags = faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
        self._faiss = faiss.read_index(str(folder / "index.faiss"), flags)

    def search(self, vector: np.ndarray, n: int, effort: float) -> np.ndarray:
        """Return about the `n` nearest items; an effort of 2 looks at twice as many."""
        import faiss

        settings, parameters = self._settings, None
        query = np.zeros((1, self._faiss.d), dtype=np.float32)
        query[0, : len(vector)] = vector * (self._longest / (np.linalg.norm(vector) or 1))
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
