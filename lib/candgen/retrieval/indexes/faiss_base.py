"""Base class of the faiss indexes: inner products, memory-mapped files, threads."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from candgen.errors import DataError
from candgen.retrieval.indexes import soundness
from candgen.retrieval.indexes.approximate import ApproximateIndex, Near

_MULTIPLE = 8  # floats that faiss multiplies at a time


@contextmanager
def as_many_threads() -> Any:
    """Let faiss use as many threads as our compiled code does, inside a `with` block."""
    import faiss
    import numba

    before, wanted = faiss.omp_get_max_threads(), numba.get_num_threads()
    if before != wanted:
        faiss.omp_set_num_threads(wanted)
    try:
        yield
    finally:
        if before != wanted:
            faiss.omp_set_num_threads(before)


class FaissIndex(ApproximateIndex):
    """Inner products with the stored vectors, which are of length 1 where cosines are compared."""

    package = "faiss-cpu"
    file = "index.faiss"
    scores_exactly: ClassVar[bool] = True
    """Whether faiss holds the vectors themselves, so that its scores can be kept."""

    def _build(self) -> None:
        items = widened(self.vectors)
        with as_many_threads():
            self._faiss = self._made(items.shape[1])
            if not self._faiss.is_trained:
                self._faiss.train(items if len(items) > 1 else np.repeat(items, 2, axis=0))
            self._faiss.add(items)

    @abstractmethod
    def _made(self, width: int) -> Any:
        """Return an empty index of faiss for vectors of `width` numbers."""

    def _parameters(self, n: int, effort: float) -> Any:
        """Return faiss's search parameters; None where there are none."""
        return None

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        with as_many_threads():
            parameters = self._parameters(n, effort)
            scores, items = self._faiss.search(widened(queries), n, params=parameters)
        return Near(items, scores if self.scores_exactly else None)

    def _write(self, name: str, path: Path) -> None:
        import faiss

        with open(path, "wb") as file:  # faiss itself loses the error of its last bytes
            faiss.write_index(self._faiss, faiss.PyCallbackIOWriter(file.write))

    def _check_files(self, folder: Path) -> None:
        width = padded(self.dim)
        soundness.check_apart(folder, self.kind, self.package, width, {self.file: self.n_items})

    def _open(self, name: str, path: Path) -> None:
        import faiss

        try:
            self._faiss = faiss.read_index(
                str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
            )
        except RuntimeError as error:
            said = str(error).splitlines()[0][-160:]
            raise DataError(f"{path}: faiss cannot open it ({said}). Build it again.") from None
        if (self._faiss.ntotal, self._faiss.d) != (self.n_items, padded(self.dim)):
            raise DataError(
                f"{path} holds {self._faiss.ntotal:,} vectors of {self._faiss.d} numbers, its "
                f"sidecar asks for {self.n_items:,} of {padded(self.dim)}. Build the index again."
            )


def widened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put zeros behind the vectors, up to a multiple of what is multiplied at a time."""
    more = padded(vectors.shape[1]) - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, more))) if more else np.ascontiguousarray(vectors)


def padded(dim: int) -> int:
    """Return the length of a vector with zeros behind it."""
    return -(-dim // _MULTIPLE) * _MULTIPLE
