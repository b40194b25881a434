"""Checks of an index file's structure, in a process of its own, before a library maps it for good.

annoy and faiss follow the links and sizes in a file without a question. A digest that comes with
the file does not help against whoever changed both, so `check_apart` looks at every link: that of
a tree leads to an earlier node, that of a graph to an item of its floor, each item is in one list,
and the vectors that faiss holds are those of the index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import candgen
from candgen.errors import DataError
from candgen.retrieval.indexes import reader_index

_CLASSES = {
    "faiss-flat": "IndexFlatIP",
    "faiss-hnsw": "IndexHNSWFlat",
    "faiss-ivf": "IndexIVFFlat",
    "faiss-pq": "IndexIVFPQ",
}
_ROWS = 65_536  # items that are compared at once


class Fault(ValueError):
    """A file of an index is not what its library wrote."""


def check_apart(folder: Path, kind: str, package: str, width: int, files: dict[str, int]) -> None:
    """Check the files of an index in a process of its own.

    Args:
        folder: Of the index.
        kind: Of the index.
        package: Whose files they are, for the message.
        width: Numbers of a vector in them.
        files: Name of each file -> the number of items in it.

    Raises:
        DataError: If a file is not sound, or reading it ends the process.
    """
    code = f"from {__name__} import main; main()"
    asked = json.dumps({"folder": str(folder), "kind": kind, "width": width, "files": files})
    command = [sys.executable, "-P", "-c", code]
    home = str(Path(candgen.__file__).parents[1])
    paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command,
        input=asked,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    if done.returncode == 0 and not done.stdout.strip():
        return
    why = done.stdout.strip().splitlines()[-1:] or [f"{package} ended its process"]
    raise DataError(
        f"{folder} holds a damaged index: {why[0][:200]}. Copy the folder again, or build the "
        "index again from the vectors."
    )


def main() -> None:
    """Check the files that standard input names; print what is wrong, nothing if all is right."""
    asked = json.loads(sys.stdin.read())
    folder, kind = Path(asked["folder"]), asked["kind"]
    reader_index.Bounds(folder, kind).renew()
    try:
        for name, n_items in asked["files"].items():
            if kind == "annoy":
                check_trees(folder / name, n_items, asked["width"])
            else:
                vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
                check_faiss(folder / name, kind, vectors, asked["width"])
    except Exception as error:  # whatever a library makes of a damaged file
        print((str(error).strip() or type(error).__name__).splitlines()[0])


def check_trees(path: Path, n_items: int, width: int) -> None:
    """Check the nodes of annoy's trees.

    A node is the number of items below it, two links (or the items themselves, where they fit in
    the place of links and vector) and a vector of `width` numbers.

    Raises:
        Fault: If a node is none.
    """
    held = np.fromfile(path, dtype=np.int32)
    if len(held) % (3 + width) or len(held) < n_items * (3 + width):
        raise Fault(f"{path.name} has {path.stat().st_size:,} bytes, no whole number of nodes")
    nodes = held.reshape(-1, 3 + width)
    below, fits = nodes[:, 0], 2 + width
    if below[-1] != n_items:
        raise Fault(f"{path.name} holds {below[-1]:,} items, its sidecar asks for {n_items:,}")
    if (below[:n_items] != 1).any() or len(nodes) == n_items:
        raise Fault(f"{path.name} has nodes for other than {n_items:,} items")
    inner = np.arange(n_items, len(nodes))
    lists = inner[below[inner] <= fits]
    if (below[lists] < 1).any() or not np.isfinite(nodes[:, 3:].view(np.float32)[:n_items]).all():
        raise Fault(f"{path.name} has a node without items or a vector that is not finite")
    for start in range(0, len(lists), _ROWS):
        rows = lists[start : start + _ROWS]
        there = np.arange(fits) < below[rows, None]
        items = nodes[rows, 1:][there]
        if ((items < 0) | (items >= n_items)).any():
            raise Fault(f"{path.name} lists an item that does not exist")
    splits = inner[below[inner] > fits]
    links, planes = nodes[splits, 1:3], nodes[splits, 3:].view(np.float32)
    if ((links < 0) | (links >= splits[:, None])).any():
        raise Fault(f"{path.name} has a link that leads nowhere or back")
    if not np.isfinite(planes).all():
        raise Fault(f"{path.name} has a plane that is not finite")
    counts = np.where(np.arange(len(nodes)) < n_items, 1, below)
    if (counts[links].sum(axis=1, dtype=np.int64) != below[splits]).any():
        raise Fault(f"{path.name} has a node that counts other items than those below it")


def check_faiss(path: Path, kind: str, vectors: NDArray[np.float32], width: int) -> None:
    """Check an index of faiss against the vectors it was built from.

    Raises:
        Fault: If it is another kind, has other sizes, other vectors, or links that lead nowhere.
    """
    import faiss

    flags = faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_READ_ONLY
    index = faiss.read_index(str(path), flags)
    found, expected = type(index).__name__, _CLASSES[kind]
    sizes = (index.d, index.ntotal, index.metric_type)
    _ensure(found == expected, f"{path.name} is an {found}, expected an {expected}")
    _ensure(
        sizes == (width, len(vectors), faiss.METRIC_INNER_PRODUCT) and index.is_trained,
        f"{path.name} holds {index.ntotal:,} vectors of {index.d} numbers, its sidecar asks for "
        f"{len(vectors):,} of {width}, and for inner products",
    )
    if kind == "faiss-flat":
        _check_stored(index, vectors)
    elif kind == "faiss-hnsw":
        _check_stored(index.storage, vectors)
        graph = index.hnsw
        names = ("levels", "offsets", "neighbors", "cum_nneighbor_per_level")
        arrays = [faiss.vector_to_array(getattr(graph, name)) for name in names]
        _ensure(len(arrays[0]) == index.ntotal, "the graph has other nodes")
        check_graph(*arrays, graph.entry_point, graph.max_level)
    else:
        _check_lists(index, vectors)


def _check_stored(index: Any, vectors: NDArray[np.float32]) -> None:
    """Compare the vectors that a flat index holds with those it should hold."""
    held = _flat(index)
    for start in range(0, len(vectors), _ROWS):
        _compare(held[start : start + _ROWS], vectors[start : start + _ROWS])


def _flat(index: Any) -> NDArray[np.float32]:
    import faiss

    index = faiss.downcast_index(index)
    _ensure(isinstance(index, faiss.IndexFlat), "vectors are stored in another form")
    _ensure(index.codes.size() == 4 * index.ntotal * index.d, "stored vectors are cut off")
    if not index.ntotal:
        return np.zeros((0, index.d), dtype=np.float32)
    return faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(-1, index.d)


def _compare(held: NDArray[np.float32], vectors: NDArray[np.float32]) -> None:
    dim = vectors.shape[1]
    same = held.shape[0] == len(vectors) and np.array_equal(held[:, :dim], vectors)
    _ensure(same and not held[:, dim:].any(), "stored vectors are others than vectors.npy holds")


def check_graph(
    levels: NDArray[np.int32],
    offsets: NDArray[np.uint64],
    links: NDArray[np.int32],
    starts: NDArray[np.int32],
    entry: int,
    top: int,
) -> None:
    """Check the graph of an HNSW index; newer versions of faiss do some of it at reading.

    Args:
        levels: Floors that each node is on.
        offsets: Where each node's links begin, and where all of them end.
        links: Of all nodes, floor by floor; -1 for none.
        starts: Where the links of each floor begin, among those of a node.
        entry: Node that a search begins at.
        top: Highest floor, from 0.

    Raises:
        Fault: If a link or a size leads elsewhere.
    """
    n_items = len(levels)
    _ensure(n_items > 0 and len(offsets) == n_items + 1, "the graph has other nodes")
    floors = len(starts) - 1
    _ensure(
        floors > 0 and starts[0] == 0 and (np.diff(starts) > 0).all(), "the graph has no floors"
    )
    _ensure(((levels > 0) & (levels <= floors)).all(), "a node is on a floor that does not exist")
    right = np.concatenate([[0], np.cumsum(starts[levels], dtype=np.int64)])
    _ensure((offsets.astype(np.int64) == right).all(), "the graph's offsets are wrong")
    _ensure(len(links) == right[-1], "the graph's links are cut off")
    _ensure(
        top == levels.max() - 1 and 0 <= entry < n_items and levels[entry] == top + 1,
        "the graph is entered at a node that does not exist",
    )
    for start in range(0, n_items, _ROWS):
        end = min(start + _ROWS, n_items)
        part = links[right[start] : right[end]]
        place = np.arange(right[start], right[end]) - np.repeat(
            right[start:end], starts[levels[start:end]]
        )
        floor = np.searchsorted(starts, place, side="right") - 1
        _ensure(((part >= -1) & (part < n_items)).all(), "a link of the graph leads nowhere")
        there = part >= 0
        _ensure((levels[part[there]] > floor[there]).all(), "a link leads to another floor")


def _check_lists(index: Any, vectors: NDArray[np.float32]) -> None:
    import faiss

    lists, n = index.invlists, index.nlist
    centres = _flat(index.quantizer)
    _ensure(
        centres.shape == (n, index.d) and np.isfinite(centres).all(),
        "the centres of lists are none",
    )
    _ensure(lists.nlist == n and lists.code_size == index.code_size, "the lists have other sizes")
    whole = type(index).__name__ == "IndexIVFFlat"
    if whole:
        _ensure(index.code_size == 4 * index.d, "stored vectors have another size")
    else:
        pq = index.pq
        books = faiss.vector_to_array(pq.centroids)
        _ensure(
            pq.d == index.d and pq.M * pq.dsub == index.d and pq.ksub == 2**pq.nbits
            and 1 <= pq.nbits <= 8 and pq.code_size == -(-pq.M * pq.nbits // 8) == index.code_size
            and books.size == pq.ksub * index.d and np.isfinite(books).all(),
            "the code book is none",
        )  # fmt: skip
    seen = np.zeros(len(vectors), dtype=bool)
    for place in range(n):
        size = lists.list_size(place)
        if not size:
            continue
        _ensure(size <= len(vectors), "a list is longer than there are items")
        ids = faiss.rev_swig_ptr(lists.get_ids(place), size)
        fits = ((ids >= 0) & (ids < len(vectors))).all()
        _ensure(fits and len(np.unique(ids)) == size and not seen[ids].any(),
                "a list names an item twice or one that does not exist")  # fmt: skip
        seen[ids] = True
        codes = faiss.rev_swig_ptr(lists.get_codes(place), size * index.code_size)
        if whole:
            _compare(codes.view(np.float32).reshape(size, index.d), np.asarray(vectors)[ids])
    _ensure(seen.all(), "an item is in no list")


def _ensure(right: Any, what: str) -> None:
    if not right:
        raise Fault(what)
