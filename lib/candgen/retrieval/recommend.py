"""Top items of any generator for many users, in dense ids and in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from candgen.errors import UnsupportedError
from candgen.models.base import Generator, unit_rows
from candgen.retrieval.in_blocks import top_k_on
from candgen.retrieval.topk import Ranking, TopK, default_rows, top_k

if TYPE_CHECKING:
    from candgen.cluster.workers import Cluster


def top_items(
    generator: Generator,
    users: ArrayLike,
    k: int,
    *,
    exclude: csr_array | Literal["history"] | None = "history",
    allowed: NDArray[np.bool_] | csr_array | None = None,
    rows_per_block: int | None = None,
    cluster: Cluster | None = None,
) -> TopK:
    """Find the best `k` items for each user, out of the items that the generator knows.

    Args:
        generator: A fitted generator of either kind.
        users: Dense user ids, shape `(n,)`.
        k: Candidates a user, capped at the number of items.
        exclude: Items to withhold from each user, shape `(n, n_items)`, one row for each of
            `users`. By default the user's own history, unless the dataset allows repeats;
            None withholds nothing.
        allowed: A mask of shape `(n_items,)`, or candidate lists of shape `(n, n_items)`.
        rows_per_block: Users scored at once; by default as many as fit the scores held at once.
        cluster: Workers that share the users out, from `candgen.open_cluster`, for a generator
            that `has_vectors`; they find what this process alone would find.

    Returns:
        Items and scores, each of shape `(n, min(k, n_items))`, padded with `NO_ITEM`.

    Raises:
        ColdStartError: If a user has no history and the generator does not answer for those.
        ValueError: If `k` is not positive, or the shapes disagree.
        UnsupportedError: If a cluster is given and the generator has no vectors.
    """
    if cluster is not None and not generator.has_vectors:
        raise UnsupportedError(
            f"{generator.name} has no vectors to send to the workers of a cluster. Leave out "
            "cluster, or choose a generator whose has_vectors is True."
        )
    users = generator.checked_users(users)
    if isinstance(exclude, str):
        exclude = generator.withheld_matrix_[users]
    known = generator.known_items_
    if allowed is None:
        allowed = known
    elif isinstance(allowed, np.ndarray):
        allowed = allowed & known
    else:
        allowed = _only(allowed, known)
    if generator.has_vectors:
        queries, items = generator.user_vectors(users), generator.item_vectors()
        if generator.searched_by == "cosine":
            queries, items = unit_rows(queries), unit_rows(items)
        masks = {"exclude": exclude, "allowed": allowed}
        if cluster is not None:
            return top_k_on(cluster, queries, items, k, **masks, rows_per_block=rows_per_block)
        return top_k(queries, items, k, **masks, rows_per_block=rows_per_block)
    ranking = Ranking(len(users), len(known), k, exclude=exclude, allowed=allowed)
    rows = rows_per_block or default_rows(len(known))
    for start in range(0, len(users), rows):
        ranking.take(start, generator.score(users[start : start + rows]))
    return ranking.found


def _only(lists: csr_array, items: NDArray[np.bool_]) -> csr_array:
    """Keep the stored entries that belong to the given items."""
    if lists.shape[1] != len(items) or items.all():
        return lists  # a wrong shape is named where the ranking checks it
    kept = lists.tocoo()
    mask = items[kept.col]
    return csr_array((kept.data[mask], (kept.row[mask], kept.col[mask])), shape=lists.shape)
