"""How many queries a second are answered, by a generator in a catalogue of any size or an index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from candgen.models.base import Generator, unit_rows
from candgen.retrieval.indexes.base import Index
from candgen.retrieval.topk import Ranking, default_rows, top_k


def queries_per_second(
    generator: Generator,
    users: ArrayLike,
    k: int,
    *,
    n_items: int | None = None,
    repeats: int = 3,
) -> float:
    """Search the catalogue exactly for each user; return the best of some repeats.

    What the generator holds of items is repeated until the catalogue has the size asked for: its
    items are then not new, but each costs what a new one would.

    Args:
        generator: A fitted generator of either kind.
        users: Who asks, shape `(n,)`.
        k: Candidates a user.
        n_items: Size of the catalogue; the items that the generator knows when omitted.
        repeats: Searches, after a small one that compiles.
    """
    users = generator.checked_users(users)
    known = np.flatnonzero(generator.known_items_)
    items = np.resize(known, n_items or len(known))
    k = min(k, len(items))
    if generator.has_vectors:
        found = generator.item_vectors()[items]
        found = unit_rows(found) if generator.searched_by == "cosine" else found
    else:
        found = items

    def search(asked: np.ndarray) -> None:
        if generator.has_vectors:
            queries = generator.user_vectors(asked)
            top_k(unit_rows(queries) if generator.searched_by == "cosine" else queries, found, k)
            return
        ranking, rows = Ranking(len(asked), len(items), k), default_rows(len(items))
        for start in range(0, len(asked), rows):
            ranking.take(start, generator.score(asked[start : start + rows], found))

    search(users[:2])
    return len(users) / least_seconds(lambda: search(users), repeats)


_ENOUGH = 0.25  # seconds of work that need no second measurement
_LASTING = 0.1  # seconds that short work is repeated for: one repeat may have met with anything


class Speeds(NamedTuple):
    """Queries a second of an index, asked in three ways."""

    single: float
    """One query at a time, with all threads."""
    one_thread: float
    """All queries at once, with one thread."""
    batch: float
    """All queries at once, with all threads."""


def speeds(
    index: Index,
    queries: NDArray[np.floating],
    k: int,
    *,
    exclude: csr_array | None = None,
    n_single: int = 50,
    repeats: int = 2,
) -> Speeds:
    """Time an index, the best of some repeats.

    Args:
        index: What is asked.
        queries: Shape `(n_queries, dim)`.
        k: Candidates a query.
        exclude: Items to withhold from each query.
        n_single: Of the queries, so many are asked one at a time.
        repeats: Of each way, at least; the first also serves to compile.
    """

    def alone() -> None:
        for row in range(n_single):
            seen = None if exclude is None else exclude[[row]]
            index.query(queries[row : row + 1], k, exclude=seen)

    def together() -> None:
        index.query(queries, k, exclude=exclude)

    n_single = min(n_single, len(queries))
    told = {"enough": _ENOUGH, "lasting": _LASTING}
    batch, single = (least_seconds(way, repeats, **told) for way in (together, alone))
    with one_thread():
        plain = least_seconds(together, repeats, **told)
    return Speeds(n_single / single, len(queries) / plain, len(queries) / batch)


def least_seconds(
    work: Callable[[], Any], repeats: int = 2, *, enough: float = np.inf, lasting: float = 0.0
) -> float:
    """Return the wall seconds of the quickest of some repeats.

    Args:
        work: What is repeated.
        repeats: How often at least.
        enough: Seconds of a repeat after which another would tell little.
        lasting: Seconds of all repeats until which more are made.
    """
    took: list[float] = []
    while len(took) < repeats or sum(took) < lasting:
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
        if took[-1] > enough:
            break
    return min(took)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let compiled code, and the libraries that follow it, use one thread inside a `with` block."""
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)
