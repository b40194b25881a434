"""Indexes: item vectors made ready to be searched, exactly or nearly so.

    index = indexes.build("faiss-ivf", model.item_vectors(), model.searched_by, ids=item_ids)
    index.save(folder)
    found = indexes.load(folder).query(model.user_vectors(users), 100, exclude=histories)

Every kind answers the same question in the same form, so one can take another's place. Libraries
are imported by the kind that needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from candgen.checks import CountOrZero, Settings, checked
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.retrieval.indexes import folders, sidecar
from candgen.retrieval.indexes.base import SIMILARITIES, Index, searched

_HOMES = {
    "exact": ("exact", "ExactIndex"),
    "annoy": ("trees", "AnnoyIndex"),
    "faiss-flat": ("faiss_kinds", "FlatIndex"),
    "faiss-ivf": ("faiss_lists", "ListsIndex"),
    "faiss-hnsw": ("faiss_kinds", "GraphIndex"),
    "faiss-pq": ("faiss_lists", "CompressedIndex"),
}
KINDS = tuple(_HOMES)

__all__ = ["KINDS", "Index", "build", "check_settings", "installed", "kind_of", "load"]


def installed() -> tuple[str, ...]:
    """Return the kinds that can be built here; annoy has no wheel and may have been left out."""
    return tuple(kind for kind in KINDS if kind != "annoy" or find_spec("annoy"))


def kind_of(kind: str) -> type[Index]:
    """Return the class of a kind of index.

    Raises:
        SettingError: If there is no such kind.
    """
    checked("kind", kind, Literal[KINDS])
    module, name = _HOMES[kind]
    return getattr(import_module(f"candgen.retrieval.indexes.{module}"), name)


def check_settings(kind: str, settings: Mapping[str, Any]) -> Settings:
    """Check the settings of a kind of index without building one.

    Raises:
        SettingError: If the kind or a setting does not exist, or a value is out of range.
    """
    found = kind_of(kind)
    known = list(found.Settings.model_fields)
    for name in settings:
        if name not in known:
            hint = did_you_mean(str(name), known) or " It has none."
            raise SettingError(f"A {kind} index has no setting {name!r}.{hint}")
    return found.Settings(**settings)


def build(
    kind: str,
    item_vectors: NDArray[np.floating],
    similarity: str,
    *,
    ids: ArrayLike | None = None,
    seed: int = 0,
    **settings: Any,
) -> Index:
    """Make item vectors ready to be searched.

    Args:
        kind: exact, annoy, faiss-flat, faiss-ivf, faiss-hnsw or faiss-pq.
        item_vectors: Shape `(n_items, dim)`.
        similarity: dot or cosine, a generator's `searched_by`.
        ids: One raw id an item, numbers or text; 0 .. n_items - 1 when omitted.
        seed: Of what is random in the building.
        **settings: Of the kind; its `Settings` says which.

    Raises:
        SettingError: If kind, similarity or a setting does not exist or is out of range, or the
            kind's library is not installed.
        DataError: If a vector is not finite, or there is not one id an item.
    """
    chosen = check_settings(kind, settings)
    found = kind_of(kind)
    checked("similarity", similarity, Literal[SIMILARITIES])
    vectors = searched(item_vectors, similarity)
    made = found(
        vectors, similarity, ids=_checked_ids(ids, len(vectors)),
        seed=checked("seed", seed, CountOrZero), settings=chosen,
    )  # fmt: skip
    made._build()
    return made


def load(
    folder: Path | str,
    *,
    similarity: str | None = None,
    dim: int | None = None,
    item_vectors: NDArray[np.floating] | None = None,
    ids: ArrayLike | None = None,
    whole: bool = False,
    digest: str = "",
) -> Index:
    """Open a saved index, its files mapped into memory, after comparing them with its sidecar.

    Libraries trust the files that they map. So the structure of files that neither this process
    wrote nor `digest` vouches for is checked first, in a process of its own.

    Args:
        folder: Where it was saved.
        similarity: What it is going to be asked for; refused if it was built for another.
        dim: Dimension of the queries to come.
        item_vectors: The generator's vectors as they are now; an older index is refused.
        ids: The raw ids as they are now.
        whole: Whether all bytes are digested; without, of files above 32 MiB evenly spread blocks.
        digest: SHA-256 of the folder's `index.json`, noted where the index was saved.

    Raises:
        DataError: If anything is missing, damaged, swapped or other than expected; the message
            names the file, what was expected, what was found and what to try.
    """
    folder = Path(folder)
    folders.settle(folder)
    said = sidecar.read(folder, list(KINDS))
    trusted = sidecar.is_trusted(folder, digest)
    vectors = folders.open_array(folder, folders.VECTORS, said.vectors, whole=whole)
    held = folders.open_array(folder, folders.IDS, said.ids, whole=whole)
    folders.check_shapes(folder, said, vectors, held)
    if not trusted:
        folders.check_values(folder, vectors, held)
    given = None if item_vectors is None else searched(item_vectors, said.similarity)
    raw = None if ids is None else _as_ids(ids)
    folders.check_asked(folder, said, similarity, dim, given, raw)
    return kind_of(said.kind).opened(folder, said, vectors, held, whole=whole, trusted=trusted)


def _as_ids(ids: ArrayLike) -> NDArray:
    found = np.asarray(ids)
    if found.dtype.kind == "O":
        found = found.astype(str)
    return found.astype(np.int64) if found.dtype.kind in "iu" else found


def _checked_ids(ids: ArrayLike | None, n_items: int) -> NDArray:
    found = np.arange(n_items) if ids is None else _as_ids(ids)
    if found.shape != (n_items,) or found.dtype.kind not in "iU":
        raise DataError(
            f"One id an item expected, whole numbers or text, for {n_items:,} items; got "
            f"{found.dtype} of shape {found.shape}."
        )
    if len(np.unique(found)) != n_items:
        raise DataError(f"Ids must differ, {n_items - len(np.unique(found)):,} are repeated.")
    return found
