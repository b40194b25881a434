"""How many queries a second an exact search answers, in a catalogue of any size."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike

from candgen.models.base import Generator, VectorGenerator, unit_rows
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
    if isinstance(generator, VectorGenerator):
        found = generator.item_vectors()[items]
        found = unit_rows(found) if generator.searched_by == "cosine" else found
    else:
        found = items

    def search(asked: np.ndarray) -> None:
        if isinstance(generator, VectorGenerator):
            queries = generator.user_vectors(asked)
            top_k(unit_rows(queries) if generator.searched_by == "cosine" else queries, found, k)
            return
        ranking, rows = Ranking(len(asked), len(items), k), default_rows(len(items))
        for start in range(0, len(asked), rows):
            ranking.take(start, generator.score(asked[start : start + rows], found))

    search(users[:2])
    best = np.inf
    for _ in range(repeats):
        began = time.perf_counter()
        search(users)
        best = min(best, time.perf_counter() - began)
    return len(users) / best
