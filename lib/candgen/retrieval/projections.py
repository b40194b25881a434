"""Projections of item vectors to two dimensions, and the nearest items in the full space.

Two projections show different things. Principal components keep large distances: the first
direction of a factorization is often popularity. A neighbour embedding (t-SNE: van der Maaten and
Hinton, Journal of Machine Learning Research 2008) keeps small distances, so groups become visible,
and distances between groups mean little. It starts from the principal components (Kobak and
Berens, Nature Communications 2019), so the same vectors give the same map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.models.base import unit_rows
from candgen.retrieval.topk import TopK, top_k

PERPLEXITY = 30.0
STEPS = 500
_START = 1e-4  # standard deviation of the first coordinate, as in the papers
_ANGLE = 0.8  # of the approximation by Barnes and Hut: coarser than usual, a fifth faster
_FEWEST = 5  # items below which neighbours say nothing


class Directions(NamedTuple):
    """Directions in which vectors vary most."""

    axes: NDArray[np.float64]  # (dim, 2)
    shares: NDArray[np.float64]  # (2,), of the variance, between 0 and 1


def principal_directions(vectors: NDArray[np.floating]) -> Directions:
    """Find the two orthogonal directions in which vectors vary most around their mean.

    The largest entry of each direction is positive, so the same vectors give the same signs. With
    one dimension, the second direction is zero.

    Args:
        vectors: Shape `(n, dim)`, with at least one row.
    """
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    variances, found = np.linalg.eigh(centred.T @ centred)
    order = np.argsort(-variances, kind="stable")[:2]
    axes, shares = np.zeros((centred.shape[1], 2)), np.zeros(2)
    whole = max(float(variances.sum()), np.finfo(float).tiny)
    for place, column in enumerate(order):
        direction = found[:, column]
        axes[:, place] = direction * np.sign(direction[np.argmax(np.abs(direction))])
        shares[place] = max(float(variances[column]), 0.0) / whole
    return Directions(axes, shares)


def neighbour_embedding(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Place vectors in the plane so that those of small angles come to lie together.

    Length is left out: that of a factorization's vectors follows popularity. 1,000 vectors take
    about 3 s of processor time, 2,000 about 10 s. One thread works, because the order of sums
    would otherwise change the map.

    Args:
        vectors: Shape `(n, dim)`, none of them zero.

    Returns:
        Places, shape `(n, 2)`. Fewer than five vectors, or vectors of one direction, are placed
        by their principal components.
    """
    units = unit_rows(np.asarray(vectors, dtype=np.float64))
    start = (units - units.mean(axis=0)) @ principal_directions(units).axes
    spread = start[:, 0].std()
    if len(units) < _FEWEST or spread < np.finfo(np.float32).eps:
        return start
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        made = TSNE(
            init=(start * (_START / spread)).astype(np.float32),
            perplexity=min(PERPLEXITY, (len(units) - 1) / 3),
            max_iter=STEPS,
            angle=_ANGLE,
            random_state=0,  # decides nothing: the start is given
            n_jobs=1,
        ).fit_transform(units.astype(np.float32))
    return made.astype(np.float64)


def nearest_by_angle(
    vectors: NDArray[np.floating],
    items: NDArray[np.integer],
    n: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
) -> TopK:
    """Find the `n` other items with the largest cosine to each item, by exact search.

    Args:
        vectors: Of all items, shape `(n_items, dim)`.
        items: Whose neighbours are asked for, shape `(m,)`; none of their vectors is zero.
        n: Neighbours of each, itself not among them.
        allowed: Items that may be named, shape `(n_items,)`. A vector of zeros is never named.

    Returns:
        Items and cosines, each of shape `(m, min(n, n_items))`, padded with `NO_ITEM`.
    """
    units = unit_rows(np.asarray(vectors, dtype=np.float32))
    known = np.linalg.norm(units, axis=1) > 0
    known = known if allowed is None else known & allowed
    own = (np.ones(len(items), np.float32), (np.arange(len(items)), items))
    itself = csr_array(own, shape=(len(items), len(units)))
    return top_k(units[items], units, n, exclude=itself, allowed=known)
