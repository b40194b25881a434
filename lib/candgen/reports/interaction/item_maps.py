"""Maps of a run's items: two projections of their vectors, and each item's nearest neighbours.

A map takes seconds of processor time, where many runs take less than that as a whole. So it is
computed when a report is made, for a few runs, and kept in the report's folder by the digest of the
vectors: the next report reads it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen import files, folders
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.models.base import unit_rows
from candgen.retrieval.projections import (
    nearest_by_angle,
    neighbour_embedding,
    principal_directions,
)
from candgen.seeds import derive_seed

ITEMS = 1000
"""Items of a map: half of them the most popular, the others drawn at random."""
NEIGHBOURS = 10
_FORMAT = 1
_DAMAGED = (
    ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class ItemMap(NamedTuple):
    """Places and neighbours of the items of a map; rows of items without a vector are NaN."""

    components: NDArray[np.float64]  # (n, 2), principal components
    shares: NDArray[np.float64]  # (2,), of the variance of these items
    embedding: NDArray[np.float64]  # (n, 2), neighbour embedding
    near: NDArray[np.int64]  # (n, NEIGHBOURS), dense ids, nearest first, padded with -1
    cosines: NDArray[np.float64]  # (n, NEIGHBOURS)


def items_to_map(dataset: Dataset, n: int = ITEMS) -> NDArray[np.int64]:
    """Choose items that training events know: the most popular and as many drawn at random.

    The two kinds take turns, so the first few of them are a smaller sample of the same kind.

    Args:
        dataset: Its training events are counted.
        n: Items, at most.

    Returns:
        Dense ids, each once; the same ones every time.
    """
    popularity = item_popularity(dataset)
    known = np.flatnonzero(popularity)
    by_popularity = known[np.argsort(-popularity[known], kind="stable")]
    n = min(n, len(known))
    popular, others = np.split(by_popularity, [n - n // 2])
    drawn = np.random.default_rng(derive_seed(0, "map of the items")).permutation(others)[: n // 2]
    found = np.empty(n, dtype=np.int64)
    found[0::2], found[1::2] = popular, drawn
    return found


def map_of(path: Path, dataset: Dataset, items: NDArray[np.int64], kept_in: Path) -> ItemMap:
    """Return the map of a run's vectors; read it if it was computed before.

    Args:
        path: The run's `vectors.npz`.
        dataset: What the run was judged on.
        items: From `items_to_map`.
        kept_in: The report's folder. Maps are kept there once it is a run's folder.

    Raises:
        DataError: If the vectors cannot be read, or are of other items.
    """
    kept = kept_in / name_of(path, dataset, items)
    made = _read(kept, len(items))
    if made is None:
        made = computed(*_vectors(path, dataset.n_items), items, item_popularity(dataset) > 0)
        if folders.is_marked(kept_in, folders.RUN):
            files.write_arrays(kept, made._asdict())
    return made


def computed(
    vectors: NDArray[np.float32],
    similarity: str,
    items: NDArray[np.int64],
    allowed: NDArray[np.bool_],
) -> ItemMap:
    """Compute a map.

    Args:
        vectors: Of all items, shape `(n_items, dim)`.
        similarity: What they are searched by: the components of "cosine" are those of unit vectors.
        items: To be placed, dense ids.
        allowed: Items that may be named as neighbours, shape `(n_items,)`.
    """
    n = len(items)
    has_vector = np.linalg.norm(vectors[items], axis=1) > 0
    placed = items[has_vector]
    empty = ItemMap(
        np.full((n, 2), np.nan), np.zeros(2), np.full((n, 2), np.nan),
        np.full((n, NEIGHBOURS), -1), np.zeros((n, NEIGHBOURS)),
    )  # fmt: skip
    if not len(placed):
        return empty
    own = vectors[placed].astype(np.float64)
    shown = unit_rows(own) if similarity == "cosine" else own
    axes, shares = principal_directions(shown)
    empty.components[has_vector] = (shown - shown.mean(axis=0)) @ axes
    empty.embedding[has_vector] = neighbour_embedding(own)
    found = nearest_by_angle(vectors, placed, NEIGHBOURS, allowed=allowed)
    width = found.items.shape[1]
    rows = np.flatnonzero(has_vector)[:, None]
    empty.near[rows, np.arange(width)] = found.items
    empty.cosines[rows, np.arange(width)] = np.where(found.items < 0, 0, found.scores)
    return empty._replace(shares=shares)


def name_of(path: Path, dataset: Dataset, items: NDArray[np.int64]) -> str:
    """Name the file of a map by all that it is computed from."""
    key = [_FORMAT, files.sha256_of(path), dataset.digest, dataset.evaluate_on, len(items)]
    return f"map-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.npz"


def forget_others(folder: Path, names: Collection[str]) -> None:
    """Remove maps of vectors that are no longer there from the report's folder."""
    if folders.is_marked(folder, folders.RUN):
        for path in folder.glob("map-*.npz"):
            if path.name not in names:
                path.unlink(missing_ok=True)


def _read(path: Path, n: int) -> ItemMap | None:
    """Read a kept map; None if there is none, or it is damaged."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = ItemMap(**{name: file[name] for name in file.files})
    except _DAMAGED:
        return None
    shapes = [(n, 2), (2,), (n, 2), (n, NEIGHBOURS), (n, NEIGHBOURS)]
    return found if [array.shape for array in found] == shapes else None


def _vectors(path: Path, n_items: int) -> tuple[NDArray[np.float32], str]:
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            vectors, similarity = file["item_vectors"], str(file["similarity"])
    except _DAMAGED as error:
        raise DataError(f"{path} cannot be opened: {str(error)[:200]}. Run it again.") from None
    if vectors.ndim != 2 or len(vectors) != n_items or vectors.dtype.kind != "f":
        raise DataError(
            f"{path} holds item vectors of shape {vectors.shape}; its dataset has {n_items:,} "
            "items. Run it again."
        )
    vectors = vectors.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise DataError(f"{path} holds NaN or infinite numbers. Did training diverge?")
    return vectors, similarity
