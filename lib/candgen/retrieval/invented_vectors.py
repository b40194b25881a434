"""Invented vectors to search, of any number, dimension and spread of lengths.

Vectors that a generator learns lie in groups and differ in length, and both decide how well an
index does: points without any groups are harder to find than real ones, points of one length are
easier. So items lie around centres, and their lengths are stretched by a lognormal factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Count, CountOrZero, NotNegative, checked

_ITEMS_A_CLUSTER = 500
_ROOTED = 0.5  # share of the items that lie near the home of their cluster
_COUNTRY = ((40.0, 55.0), (0.0, 25.0))  # latitudes, longitudes


class Invented(NamedTuple):
    """Item vectors and query vectors, invented around shared centres."""

    items: NDArray[np.float32]  # (n_items, dim)
    queries: NDArray[np.float32]  # (n_queries, dim)
    where: NDArray[np.float32]  # (n_items, 2): latitude and longitude of each item, in degrees


def clustered(
    n_items: int,
    n_queries: int,
    dim: int,
    *,
    clusters: int = 0,
    spread: float = 0.6,
    sigma: float = 0.3,
    seed: int = 0,
) -> Invented:
    """Invent items and queries around common centres, which are standard normal.

    Items also lie somewhere on a map: half of them within a degree or so of the home of their
    cluster, the others anywhere. A filter by place is therefore no random one: it leaves vectors
    that resemble each other.

    Args:
        n_items: Size of the catalogue.
        n_queries: Queries, which keep their lengths.
        dim: Length of the vectors.
        clusters: Number of centres; 0: one for 500 items, 10 at least.
        spread: Standard deviation around a centre, in each coordinate.
        sigma: Of the logarithm of the factor by which an item's length is stretched; 0: none is.
        seed: Same seed, same vectors.

    Raises:
        SettingError: If a number is out of range.
    """
    sizes = {"n_items": n_items, "n_queries": n_queries, "dim": dim}
    for name, value in sizes.items():
        checked(name, value, Count)
    checked("spread", spread, NotNegative)
    checked("sigma", sigma, NotNegative)
    rng = np.random.default_rng(seed)
    n_centres = checked("clusters", clusters, CountOrZero) or max(10, n_items // _ITEMS_A_CLUSTER)
    centres = rng.standard_normal((n_centres, dim), dtype=np.float32)

    def near(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        chosen = rng.integers(n_centres, size=n)
        drawn = centres[chosen]
        drawn += np.float32(spread) * rng.standard_normal((n, dim), dtype=np.float32)
        return drawn, chosen

    items, cluster = near(n_items)
    items *= rng.lognormal(sigma=sigma, size=(n_items, 1)).astype(np.float32)
    queries, _ = near(n_queries)
    return Invented(items, queries, _places(cluster, n_centres, rng))


def _places(
    cluster: NDArray[np.int64], n_centres: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    low, high = np.array(_COUNTRY).T
    homes = rng.uniform(low, high, size=(n_centres, 2))
    anywhere = rng.uniform(low, high, size=(len(cluster), 2))
    at_home = homes[cluster] + rng.normal(size=(len(cluster), 2))
    rooted = rng.random((len(cluster), 1)) < _ROOTED
    return np.where(rooted, at_home, anywhere).astype(np.float32)
