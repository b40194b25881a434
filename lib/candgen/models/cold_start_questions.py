"""Choice of the items to ask a new user about, so that few answers tell much.

Each function chooses items from training alone. The answer to a question is yes (the user would
take the item) or no.

*Most uncertain answer.* With p the share of users who took an item, the entropy of the answer,
-p log p - (1 - p) log(1 - p), is largest at one half. Where nobody took half of what there is, that
is the order of popularity and nothing else.

*Most informative.* A factorization solves for a user's vector x by least squares, which is the
middle of a normal distribution with precision A = w0 V'V + r I before any answer (V: item vectors).
An answer about item i, with weight w, adds w v_i v_i' to A. The variance of all scores together is
the trace of V A^-1 V', and by Sherman and Morrison the answer lessens it by

    w |V A^-1 v_i|^2 / (1 + w v_i' A^-1 v_i).

We take the item for which this is largest, update A, and go on. What is answered does not enter,
so all users are asked the same. Yes and no may weigh differently: w is then what is expected.

Rashid and others, *Getting to know you: learning new user preferences in recommender systems*, IUI
2002, compare popularity, entropy and their product. D. MacKay, *Information-based objective
functions for active data selection*, Neural Computation 4, 1992, for the Gaussian case.
T. Gonzalez, *Clustering to minimize the maximum intercluster distance*, Theoretical Computer
Science 38, 1985, for items far from each other.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Count, checked
from candgen.errors import SettingError
from candgen.models.base import unit_rows
from candgen.models.factorization.weighted_factorization import WeightedFactorization
from candgen.seeds import derive_seed

STRATEGIES = ("popular", "most uncertain", "informative", "diverse", "random")


def questions(
    model: WeightedFactorization,
    strategy: str,
    n: int,
    *,
    no_weight: float = 1.0,
    pool: int = 200,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Choose items to ask every new user about, in the order in which they are asked.

    Args:
        model: Fitted; new users are none of its training users.
        strategy: One of `STRATEGIES`.
        n: How many, at most the items known.
        no_weight: What a no weighs when it is folded in, against 1 of a yes.
        pool: "diverse" chooses among so many of the most popular items.
        seed: Of "random".

    Raises:
        SettingError: If the strategy is unknown or there are fewer items than questions.
    """
    checked("strategy", strategy, Literal[STRATEGIES])
    counts = model.item_counts_
    known = np.flatnonzero(model.known_items_)
    if checked("n", n, Count) > len(known):
        raise SettingError(f"There are {len(known):,} items to ask about, which is fewer than {n}.")
    by_popularity = known[np.argsort(-counts[known], kind="stable")]
    if strategy == "popular":
        return by_popularity[:n]
    if strategy == "random":
        rng = np.random.default_rng(derive_seed(seed, "questions"))
        return rng.choice(known, n, replace=False)
    shares = counts / max(int((np.diff(model.history_matrix_.indptr) > 0).sum()), 1)
    if strategy == "most uncertain":
        return known[np.argsort(-entropy(shares[known]), kind="stable")][:n]
    vectors = model.item_vectors()
    if strategy == "diverse":
        among = by_popularity[: max(pool, n)]
        return among[far_apart(unit_rows(vectors[among]), n)]
    weights = no_weight + (1 - no_weight) * shares[known]
    return known[least_variance(vectors[known], model.prior_precision(), weights, n)]


def entropy(shares: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the entropy, in bits, of a yes that is given with these probabilities."""
    p = np.clip(np.asarray(shares, dtype=np.float64), 0, 1)
    parts = np.stack([p, 1 - p])
    return -(parts * np.log2(parts, out=np.zeros_like(parts), where=parts > 0)).sum(axis=0)


def least_variance(
    vectors: NDArray[np.floating],
    precision: NDArray[np.floating],
    weights: NDArray[np.floating],
    n: int,
) -> NDArray[np.int64]:
    """Choose rows, one after the other, each lessening the variance of all scores the most.

    Args:
        vectors: Of the items that may be asked about, shape `(n_items, dim)`.
        precision: Of a user's vector before any answer, shape `(dim, dim)`.
        weights: Of an answer about each item, shape `(n_items,)`.
        n: Rows to choose; none is chosen twice.
    """
    v = np.asarray(vectors, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    covariance = np.linalg.inv(np.asarray(precision, dtype=np.float64))
    spread = v.T @ v
    free, chosen = np.ones(len(v), dtype=bool), []
    for _ in range(n):
        reached = v @ covariance  # (n_items, dim), rows A^-1 v_i
        own = np.einsum("nd,nd->n", reached, v)
        lessened = weights * np.einsum("nd,nd->n", reached @ spread, reached) / (1 + weights * own)
        best = int(np.argmax(np.where(free, lessened, -np.inf)))
        step = reached[best]
        covariance -= weights[best] / (1 + weights[best] * own[best]) * np.outer(step, step)
        free[best] = False
        chosen.append(best)
    return np.array(chosen, dtype=np.int64)


def far_apart(vectors: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Choose rows, beginning with the first, each the farthest from those chosen before."""
    chosen = [0]
    nearest = np.linalg.norm(vectors - vectors[0], axis=1)
    while len(chosen) < min(n, len(vectors)):
        nearest[chosen] = -1
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return np.array(chosen, dtype=np.int64)
