"""What faiss's indexes share: files mapped into memory, threads, and one coordinate more."""

from __future__ import annotations

import threading
from abc import abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from candgen.errors import DataError
from candgen.retrieval.indexes.approximate import ApproximateIndex, Near
from candgen.retrieval.indexes.augmenting import (
    augmented_items,
    augmented_queries,
    padded,
)

MULTIPLE = 8  # floats that a distance takes at a time
_threads = threading.Lock()


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
    """Distances between vectors of one length: augmented for inner products, as they are else."""

    package = "faiss-cpu"
    file = "index.faiss"
    compares_products: ClassVar[bool] = False
    """Whether what faiss compares are inner products with the stored vectors themselves."""

    def _build(self) -> None:
        items = self._items()
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

    def _items(self) -> NDArray[np.float32]:
        """Return the items as faiss sees them."""
        if self.similarity == "dot":
            return augmented_items(self.vectors, multiple=MULTIPLE)
        return widened(self.vectors)

    def _asked(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return queries as faiss sees them."""
        if self.similarity == "dot":
            return augmented_queries(queries, self.longest, multiple=MULTIPLE)
        return widened(queries)

    def _nearest(self, queries: NDArray[np.float32], n: int, effort: float) -> Near:
        with as_many_threads():
            asked = self._asked(queries)
            scores, items = self._faiss.search(asked, n, params=self._parameters(n, effort))
        return Near(items, scores if self.compares_products else None)

    def _write(self, name: str, path: Path) -> None:
        import faiss

        faiss.write_index(self._faiss, str(path))

    def _open(self, name: str, path: Path) -> None:
        import faiss

        try:
            self._faiss = faiss.read_index(
                str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
            )
        except RuntimeError as error:
            said = str(error).splitlines()[0][-160:]
            raise DataError(f"{path}: faiss cannot open it ({said}). Build it again.") from None
        if (self._faiss.ntotal, self._faiss.d) != (self.n_items, self._width()):
            raise DataError(
                f"{path} holds {self._faiss.ntotal:,} vectors of {self._faiss.d} numbers, its "
                f"sidecar asks for {self.n_items:,} of {self._width()}. Build the index again."
            )

    def _width(self) -> int:
        return padded(self.dim + (self.similarity == "dot"), MULTIPLE)


def widened(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add zeros to a multiple of what a distance takes at a time."""
    more = padded(vectors.shape[1], MULTIPLE) - vectors.shape[1]
    return np.pad(vectors, ((0, 0), (0, more))) if more else np.ascontiguousarray(vectors)
