"""Base class of all indexes: candidates by inner product or cosine, under filters, padded."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import checks, files
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.models.base import unit_rows
from candgen.retrieval.indexes import folders
from candgen.retrieval.indexes.sidecar import FORMAT, SIDECAR, Sidecar
from candgen.retrieval.subsets import top_k_among
from candgen.retrieval.topk import Ranking, TopK, search_each, top_k

SIMILARITIES = ("dot", "cosine")


class Index(ABC):
    """Item vectors, made ready to be searched. Make one with `build`, get one back with `load`.

    Attributes:
        vectors: What is searched, shape `(n_items, dim)`: of length 1 where cosines are compared.
        ids: One raw id an item, shape `(n_items,)`.
        similarity: dot or cosine.
        settings: The settings of this kind of index, an instance of `Settings`.
        seed: Of what is random in the building.
    """

    kind: ClassVar[str]
    package: ClassVar[str] = ""
    """Distribution that writes the index file; empty where there is none."""
    file: ClassVar[str] = ""
    """Name of the index file; empty where there is none."""
    Settings: ClassVar[type[checks.Settings]] = checks.Settings
    at_query: ClassVar[tuple[str, ...]] = ()
    """Settings that can be changed without building again."""

    def __init__(
        self,
        vectors: NDArray[np.float32],
        similarity: str,
        *,
        ids: NDArray,
        seed: int,
        settings: Any,
    ) -> None:
        """Keep what is the same for all kinds; nothing is built yet."""
        self.vectors, self.similarity, self.ids = vectors, similarity, ids
        self.seed, self.settings = seed, settings

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the index files."""
        return (self.file,) if self.file else ()

    @property
    def n_items(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        return self.vectors.shape[1]

    def __repr__(self) -> str:
        settings = ", ".join(f"{n}={v!r}" for n, v in self.settings)
        return f"<{self.kind} index of {self.n_items:,} x {self.dim}; {settings or 'no settings'}>"

    def query(
        self,
        queries: NDArray[np.floating],
        k: int,
        *,
        exclude: csr_array | None = None,
        allowed: NDArray[np.bool_] | csr_array | None = None,
    ) -> TopK:
        """Find the best `k` items for each query.

        Scores are exact products (or cosines), whatever found the items. A row has fewer than `k`
        items only if fewer are eligible: a search that brings too few is widened, and in the end
        replaced by an exact one.

        Args:
            queries: Shape `(n_queries, dim)`, as the generator made them; or
                `(n_queries, vectors, dim)`: then each vector is searched, and an item's best score
                counts.
            k: Candidates a query, capped at the number of items.
            exclude: Items to withhold from each query, shape `(n_queries, n_items)`.
            allowed: Mask of shape `(n_items,)`, or a candidate list for each query, shape
                `(n_queries, n_items)`. Lists are always scored exactly.

        Returns:
            Items and scores, each of shape `(n_queries, min(k, n_items))`, padded with `NO_ITEM`.

        Raises:
            ValueError: If `k` is not positive, the shapes disagree, or a query is not finite.
        """
        if np.ndim(queries) == 3:
            told = {"exclude": exclude, "allowed": allowed}
            return search_each(queries, k, lambda one: self.query(one, k, **told))
        asked = self._checked(queries)
        Ranking(len(asked), self.n_items, k, exclude=exclude, allowed=allowed)  # checks the rest
        if isinstance(allowed, csr_array):
            return top_k(asked, self.vectors, k, exclude=exclude, allowed=allowed)
        return self._search(asked, min(k, self.n_items), exclude, allowed)

    def query_exactly(
        self,
        queries: NDArray[np.floating],
        k: int,
        *,
        exclude: csr_array | None = None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> TopK:
        """Search the same vectors exactly, among the allowed items alone; see `query`."""
        if np.ndim(queries) == 3:
            told = {"exclude": exclude, "allowed": allowed}
            return search_each(queries, k, lambda one: self.query_exactly(one, k, **told))
        asked = self._checked(queries)
        return top_k_among(asked, self.vectors, k, eligible=allowed, exclude=exclude)

    def tuned(self, **settings: Any) -> Self:
        """Return the same index with other settings of searching; nothing is built.

        Raises:
            SettingError: If a setting belongs to the building, does not exist or is out of range.
        """
        for name in settings:
            if name not in self.at_query:
                hint = did_you_mean(name, self.at_query) or " It has none that can be changed."
                raise SettingError(
                    f"{name!r} of a {self.kind} index is not a setting of searching.{hint} "
                    "Others need build(...)."
                )
        made = copy.copy(self)
        made.settings = self.Settings(**self.settings.model_dump() | settings)
        return made

    def save(self, folder: Path | str) -> Sidecar:
        """Write the index to a folder; an earlier one is replaced when the new one is whole.

        Returns:
            The sidecar that was written.

        Raises:
            DataError: If the folder holds something else than an index.
        """
        with folders.replacing(folder) as aside:
            return self._save(aside)

    def _save(self, folder: Path) -> Sidecar:
        vectors = folders.write_array(folder / folders.VECTORS, self.vectors)
        ids = folders.write_array(folder / folders.IDS, self.ids)
        written = {}
        for name in self.files:
            with files.appearing(folder / name) as passing:
                self._write(name, passing)
            written[name] = folders.content_of(folders.file_bytes(folder / name))
        sidecar = Sidecar(
            FORMAT, self.kind, self.similarity, self.dim, self.n_items,
            self.settings.model_dump(), self.seed, self.package,
            folders.package_version(self.package), vectors, ids, written,
        )  # fmt: skip
        sidecar.write(folder)
        return sidecar

    @classmethod
    def opened(
        cls,
        folder: Path,
        sidecar: Sidecar,
        vectors: NDArray,
        ids: NDArray,
        *,
        whole: bool,
        trusted: bool,
    ) -> Self:
        """Open an index whose sidecar and arrays are checked already."""
        try:
            settings = cls.Settings(**sidecar.settings)
        except SettingError as error:
            raise DataError(
                f"{folder / SIDECAR}: settings of a {cls.kind} index expected, got "
                f"{sidecar.settings} ({error}). Build the index again."
            ) from None
        made = cls(
            vectors, sidecar.similarity, ids=ids, seed=sidecar.seed,
            settings=settings,
        )  # fmt: skip
        paths = {
            name: folders.check_index_file(folder, name, sidecar, whole=whole)
            for name in made.files
        }
        if paths and not trusted:
            made._check_files(folder)
        for name, path in paths.items():
            made._open(name, path)
        return made

    @abstractmethod
    def _build(self) -> None:
        """Make ready to search `self.vectors`."""

    @abstractmethod
    def _search(
        self,
        queries: NDArray[np.float32],
        k: int,
        exclude: csr_array | None,
        eligible: NDArray[np.bool_] | None,
    ) -> TopK:
        """Answer checked queries; `k` is at most the number of items."""

    def _write(self, name: str, path: Path) -> None:  # noqa: B027  exact search has no file
        """Write one of the index files to a path."""

    def _check_files(self, folder: Path) -> None:  # noqa: B027
        """Check the structure of index files that nobody vouches for, before they are opened."""

    def _open(self, name: str, path: Path) -> None:  # noqa: B027
        """Map one of the index files; they come in the order of `files`."""

    def _checked(self, queries: NDArray[np.floating]) -> NDArray[np.float32]:
        asked = np.ascontiguousarray(queries, dtype=np.float32)
        if asked.ndim != 2 or asked.shape[1] != self.dim:
            raise ValueError(
                f"Queries of shape (n_queries, {self.dim}) expected, got {asked.shape}. Were they "
                "made by the generator whose items are indexed?"
            )
        if not np.isfinite(asked).all():
            raise ValueError("queries hold NaN or infinite numbers; did training diverge?")
        return unit_rows(asked) if self.similarity == "cosine" else asked


def searched(vectors: NDArray[np.floating], similarity: str) -> NDArray[np.float32]:
    """Return vectors as they are searched: of length 1 where cosines are compared.

    Raises:
        DataError: If they are no matrix, hold no item or a number that is not finite.
    """
    found = np.ascontiguousarray(vectors, dtype=np.float32)
    if found.ndim != 2 or 0 in found.shape:
        raise DataError(f"Item vectors of shape (n_items, dim) expected, got {found.shape}.")
    finite = np.isfinite(found).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise DataError(
            f"{len(bad):,} of {len(found):,} item vectors hold NaN or infinite numbers (the first "
            f"is item {bad[0]}): finite numbers expected. Did training diverge?"
        )
    return unit_rows(found) if similarity == "cosine" else found
