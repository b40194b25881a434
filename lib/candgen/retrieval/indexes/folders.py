"""An index as a folder: what is written, and what is checked before it is believed.

The folder holds `vectors.npy` (what is searched), `ids.npy`, the library's own file where there is
one, and the sidecar, which appears last. All but the sidecar are mapped into memory, not read.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candgen import files, folders
from candgen.errors import DataError
from candgen.retrieval.indexes.digests import file_bytes, spread_digest, whole_digest
from candgen.retrieval.indexes.sidecar import AGAIN, SIDECAR, Content, Sidecar

VECTORS, IDS = "vectors.npy", "ids.npy"


def package_version(package: str) -> str:
    """Return the installed version of a package; empty without one."""
    try:
        return metadata.version(package) if package else ""
    except metadata.PackageNotFoundError:
        return ""


def content_of(array: NDArray) -> Content:
    """Return what an array is recognized by."""
    return Content(int(array.nbytes), spread_digest(array), whole_digest(array))


def write_array(path: Path, array: NDArray) -> Content:
    """Write an array that appears whole or not at all."""
    files.write_array(path, array)
    return content_of(array)


def replacing(folder: Path | str) -> AbstractContextManager[Path]:
    """Give an empty folder to write an index to; it replaces an earlier one when it is whole."""
    return folders.replacing(folder, folders.INDEX)


def settle(folder: Path | str) -> None:
    """End the replacement of an index whose writer was killed meanwhile."""
    folders.settle(folder, folders.INDEX)


def open_array(folder: Path, name: str, content: Content, *, whole: bool) -> NDArray:
    """Map an array of an index after comparing it with the sidecar.

    Raises:
        DataError: If the file is missing, cut off, unreadable or not the one that was indexed.
    """
    path = folder / name
    if not path.is_file():
        raise DataError(f"{path} is missing; {SIDECAR} describes it. Copy the whole folder again.")
    array = load_array(path, f"Expected an array of {content.size:,} bytes, found ")
    if array.nbytes != content.size or _differs(array, content, whole=whole):
        _check_finite(path, array)
        raise DataError(
            f"{path} is not what the index was built from: expected {content.size:,} bytes with "
            f"digest {content.spread[:12]}…, found {array.nbytes:,} with "
            f"{spread_digest(array)[:12]}…. The index is older than these {name[:-4]}. " + AGAIN
        )
    return array


def load_array(path: Path, expected: str = "Found ") -> NDArray:
    """Map an array file.

    Raises:
        DataError: If NumPy cannot open it.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's reader of headers raises whatever comes up
        raise DataError(
            f"{path} cannot be opened: {error}. {expected}a file of {path.stat().st_size:,} bytes. "
            "Copy the folder again, or build it again."
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} holds several arrays, expected one. Copy the folder again.")
    return array


def check_values(folder: Path, vectors: NDArray, ids: NDArray) -> None:
    """Check arrays that nobody vouches for: types, finite numbers, and that ids differ.

    Raises:
        DataError: If they are no vectors and ids of an index.
    """
    _check_finite(folder / VECTORS, vectors)
    for name, array, kinds in ((VECTORS, vectors, ("<f4",)), (IDS, ids, ("<i8", "<U"))):
        if not array.dtype.str.startswith(kinds):
            raise DataError(f"{folder / name} holds {array.dtype}, which no index does. " + AGAIN)
    if len(np.unique(ids)) < len(ids):
        raise DataError(f"{folder / IDS} holds an id twice. " + AGAIN)


def check_index_file(folder: Path, name: str, sidecar: Sidecar, *, whole: bool) -> Path:
    """Compare a file of the library, and the library, with the sidecar.

    Raises:
        DataError: If it is missing, cut off, another one, or written by another library version.
    """
    path, content = folder / name, sidecar.index.get(name)
    if content is None:
        raise DataError(f"{folder / SIDECAR} does not describe {name}, which {sidecar.kind} needs.")
    check_package(folder, sidecar)
    if not path.is_file():
        raise DataError(f"{path} is missing; {SIDECAR} describes it. Copy the whole folder again.")
    size = path.stat().st_size
    if size < content.size:
        raise DataError(
            f"{path} is truncated: expected {content.size:,} bytes, found {size:,}. Was the copy "
            "interrupted? Copy it again, or build the index again."
        )
    held = file_bytes(path)
    if size > content.size or _differs(held, content, whole=whole):
        raise DataError(
            f"{path} is not the file that {SIDECAR} was written for: expected {content.size:,} "
            f"bytes with digest {content.spread[:12]}…, found {size:,} with "
            f"{spread_digest(held)[:12]}…. Was it swapped with another index's? " + AGAIN
        )
    return path


def check_package(folder: Path, sidecar: Sidecar) -> None:
    """Compare the library's version, to its second number, with the one that wrote the index."""
    found = package_version(sidecar.package)
    if not found:
        raise DataError(
            f"{folder} holds an index of {sidecar.package} {sidecar.package_version}, and "
            f"{sidecar.package} is not installed. `pip install {sidecar.package}`, or build an "
            "exact index, which needs no library."
        )
    if found.split(".")[:2] != sidecar.package_version.split(".")[:2]:
        raise DataError(
            f"{folder / SIDECAR}: the index was written by {sidecar.package} "
            f"{sidecar.package_version}, installed is {found}, and their files may differ. "
            f"Install {sidecar.package} {sidecar.package_version}, or build the index again."
        )


def check_shapes(folder: Path, sidecar: Sidecar, vectors: NDArray, ids: NDArray) -> None:
    """Compare the arrays' shapes with what the sidecar says of them.

    Raises:
        DataError: If the dimension or the number of items or ids differs.
    """
    if vectors.ndim != 2 or vectors.shape[1] != sidecar.dim:
        raise DataError(
            f"{folder / VECTORS}: {SIDECAR} says dimension {sidecar.dim}, found vectors of shape "
            f"{vectors.shape}. " + AGAIN
        )
    if len(vectors) != sidecar.n_items:
        raise DataError(
            f"{folder / VECTORS}: {SIDECAR} says {sidecar.n_items:,} items, found "
            f"{len(vectors):,} vectors. " + AGAIN
        )
    if ids.shape != (sidecar.n_items,):
        raise DataError(
            f"{folder / IDS}: expected an id for each of {sidecar.n_items:,} items, found "
            f"{len(ids):,}. " + AGAIN
        )


def check_asked(
    folder: Path,
    sidecar: Sidecar,
    similarity: str | None,
    dim: int | None,
    vectors: NDArray | None,
    ids: NDArray | None,
) -> None:
    """Compare an index with what its user is going to ask of it; None is not compared.

    Raises:
        DataError: If the metric, the dimension, the vectors or the ids are others.
    """
    if similarity is not None and similarity != sidecar.similarity:
        raise DataError(
            f"{folder} was built for similarity {sidecar.similarity!r}, asked for {similarity!r}: "
            f"the neighbours would be wrong ones. Build it again with similarity={similarity!r}."
        )
    dim = vectors.shape[1] if dim is None and vectors is not None else dim
    if dim is not None and dim != sidecar.dim:
        raise DataError(
            f"{folder} holds vectors of dimension {sidecar.dim}, asked for {dim}. Load the index "
            "of this generator, or build one from its vectors."
        )
    if vectors is not None and spread_digest(vectors) != sidecar.vectors.spread:
        raise DataError(
            f"{folder} was built from other vectors than these: {sidecar.n_items:,} items with "
            f"digest {sidecar.vectors.spread[:12]}…, not {len(vectors):,} with "
            f"{spread_digest(vectors)[:12]}…. The generator was trained since. " + AGAIN
        )
    if ids is not None and len(ids) != sidecar.n_items:
        raise DataError(
            f"{folder} has {sidecar.n_items:,} items, and {len(ids):,} ids were given. " + AGAIN
        )
    if ids is not None and spread_digest(ids) != sidecar.ids.spread:
        raise DataError(
            f"{folder} was built with other ids, or in another order, than these "
            f"{len(ids):,}. " + AGAIN
        )


def _check_finite(path: Path, array: NDArray) -> None:
    """Refuse numbers that no index is built from; only an exchanged file can hold them."""
    if array.dtype.kind != "f" or array.ndim != 2 or np.isfinite(array).all():
        return
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    raise DataError(
        f"{path} holds NaN or infinite numbers, first in vector {bad[0]}; the index was built from "
        "finite ones. Did the training since then diverge? " + AGAIN
    )


def _differs(array: NDArray, content: Content, *, whole: bool) -> bool:
    if spread_digest(array) != content.spread:
        return True
    return whole and whole_digest(array) != content.whole
