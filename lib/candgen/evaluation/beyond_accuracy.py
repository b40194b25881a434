"""Measures beyond accuracy: coverage, Gini, novelty, popularity bias and diversity.

    coverage@k         share of the catalogue that is in at least one user's first k
    gini@k             Gini coefficient of how often each item of the catalogue is shown:
                       0 when all are shown equally often, near 1 when a few items take every place
    novelty@k          mean of -log2 p(item), p being the share of the training users who have
                       the item; an item nobody has counts as if one user had it
    popularity_bias@k  average popularity of a user's candidates over the average popularity of the
                       user's history, both averaged over users first; 1 means as popular as what
                       people choose
    diversity@k        mean Jaccard distance between the genres of two items of a list; items
                       without genres are left out

Novelty, popularity and diversity are averaged within each list, then over the users whose list has
something to average.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.columns import GENRES
from candgen.datasets.dataset import Dataset
from candgen.numba_cache import njit

_WORD = 64


def beyond_accuracy(
    items: NDArray[np.integer],
    users: NDArray[np.integer],
    dataset: Dataset,
    cutoffs: Sequence[int],
) -> dict[str, float]:
    """Describe the lists as a whole.

    Args:
        items: Item ids, best first, shape `(n_users, k)`, padded with -1.
        users: The dense id of each row, shape `(n_users,)`.
        dataset: Where popularity, histories and genres come from.
        cutoffs: Where the lists are cut.

    Returns:
        Values named like `coverage@20`. `popularity_bias` is absent when no user has a history,
        `diversity` when no list has two items
        with genres.
    """
    popularity = item_popularity(dataset)
    n_users_trained = int((np.diff(dataset.train_matrix.indptr) > 0).sum())
    history = dataset.history_matrix[users]
    own = popularity_of_histories(history, popularity) if history.nnz else 0.0
    found: dict[str, dict[int, float]] = {"coverage": {}, "gini": {}, "novelty": {}}
    for k in cutoffs:
        shown = exposure(items[:, :k], dataset.n_items)
        found["coverage"][k] = float((shown > 0).mean())
        found["gini"][k] = gini(shown)
        found["novelty"][k] = novelty(items[:, :k], popularity, n_users_trained)
        if history.nnz:
            bias = popularity_bias(items[:, :k], own, popularity)
            found.setdefault("popularity_bias", {})[k] = bias
    if GENRES in dataset.items:
        found["diversity"] = diversity(items, genre_marks(dataset.items[GENRES]), cutoffs)
    return {f"{name}@{k}": value for name, by_k in found.items() for k, value in by_k.items()}


def item_popularity(dataset: Dataset) -> NDArray[np.int64]:
    """Count the training users of each item, shape `(n_items,)`."""
    return np.bincount(dataset.train_matrix.indices, minlength=dataset.n_items)


def exposure(items: NDArray[np.integer], n_items: int) -> NDArray[np.int64]:
    """Count how often each item is shown, shape `(n_items,)`; padding is not counted."""
    return np.bincount(items[items >= 0], minlength=n_items)


def gini(counts: NDArray[np.integer]) -> float:
    """Gini coefficient of counts, 0 for all alike; also 0 when nothing is counted."""
    counts = np.sort(np.asarray(counts, dtype=np.float64))
    n, total = len(counts), counts.sum()
    if not total:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) * counts).sum() / (n * total))


def novelty(items: NDArray[np.integer], popularity: NDArray[np.integer], n_users: int) -> float:
    """Mean self-information of the candidates in bits; 0 when every list is empty."""
    information = -np.log2(np.maximum(popularity, 1) / max(n_users, 1))
    return _mean_of_means(items, information)


def popularity_bias(
    items: NDArray[np.integer], own: float, popularity: NDArray[np.integer]
) -> float:
    """Average popularity of the candidates over `own`, that of the users' histories."""
    return float(_mean_of_means(items, popularity) / own) if own else 0.0


def popularity_of_histories(history: csr_array, popularity: NDArray[np.integer]) -> float:
    """Average the popularity within each history, then over the users who have one."""
    per_event = popularity[history.indices].astype(np.float64)
    length = np.diff(history.indptr)
    row = np.repeat(np.arange(len(length)), length)
    sums = np.bincount(row, weights=per_event, minlength=len(length))
    return (sums[length > 0] / length[length > 0]).mean()


def diversity(
    items: NDArray[np.integer], marks: NDArray[np.uint64], cutoffs: Sequence[int]
) -> dict[int, float]:
    """Mean Jaccard distance within the lists, by cut-off; absent where no list has two items.

    Args:
        items: Item ids, shape `(n_users, k)`, padded with -1.
        marks: From `genre_marks`.
        cutoffs: Where the lists are cut.
    """
    if not items.shape[1]:
        return {}
    sums, pairs = _distances(np.ascontiguousarray(items), marks)  # (n_users, k) each
    sums, pairs = sums.cumsum(axis=1), pairs.cumsum(axis=1)
    found = {}
    for k in cutoffs:
        last = min(k, items.shape[1]) - 1
        compared = pairs[:, last] > 0
        if compared.any():
            found[k] = float((sums[compared, last] / pairs[compared, last]).mean())
    return found


def genre_marks(genres: pd.Series) -> NDArray[np.uint64]:
    """Mark the genres of each item as bits, shape `(n_items, n_words)`.

    Args:
        genres: A list of names for each item; None or an empty list means unknown.
    """
    known = [names if isinstance(names, (list, tuple, np.ndarray)) else () for names in genres]
    codes, found = pd.factorize(np.array([*chain.from_iterable(known)], dtype=object))
    items = np.repeat(np.arange(len(known)), [len(names) for names in known])
    marks = np.zeros((len(known), max(1, -(-len(found) // _WORD))), dtype=np.uint64)
    bits = np.uint64(1) << (codes % _WORD).astype(np.uint64)
    np.bitwise_or.at(marks, (items, codes // _WORD), bits)
    return marks


def _mean_of_means(items: NDArray[np.integer], worth: NDArray) -> float:
    """Average `worth[item]` within each list, then over the lists that hold an item."""
    present = items >= 0
    lengths = present.sum(axis=1)
    sums = np.where(present, worth[np.maximum(items, 0)], 0.0).sum(axis=1)
    filled = lengths > 0
    return float((sums[filled] / lengths[filled]).mean()) if filled.any() else 0.0


@njit(parallel=True)
def _distances(items, marks):  # pragma: no cover - compiled
    """Sum the distances from each item to those before it in the list, and count the pairs.

    The marks of a list are brought side by side, and one item is compared with all after it. So
    several pairs are done at once, and each sum is still taken in the order of the list.
    """
    n_users, k = items.shape
    n_words = marks.shape[1]
    sums = np.zeros((n_users, k), dtype=np.float64)
    pairs = np.zeros((n_users, k), dtype=np.int64)
    sizes = np.zeros(len(marks), dtype=np.int64)
    for item in range(len(marks)):
        for word in range(n_words):
            sizes[item] += _ones(marks[item, word])
    for row in numba.prange(n_users):
        words = np.empty((n_words, k), dtype=np.uint64)
        size, shared = np.empty(k, dtype=np.int32), np.empty(k, dtype=np.int32)
        sum_of, places = np.zeros(k, dtype=np.float64), np.empty(k, dtype=np.int64)
        n = 0
        for place in range(k):
            item = items[row, place]
            if item >= 0 and sizes[item]:
                for word in range(n_words):
                    words[word, n] = marks[item, word]
                size[n], places[n] = sizes[item], place
                n += 1
        for one in range(n - 1):
            after = slice(one + 1, n)
            _add_distances(
                words[:, one], size[one], words[:, after], size[after], shared[after], sum_of[after]
            )
        for one in range(n):
            sums[row, places[one]], pairs[row, places[one]] = sum_of[one], one
    return sums, pairs


@njit
def _add_distances(mark, size, marks, sizes, shared, sums):  # pragma: no cover - compiled
    """Add the distance from one item to each of the others; `shared` is room to work in."""
    shared[:] = 0
    for word in range(len(mark)):
        for other in range(len(sizes)):
            shared[other] += np.int32(_ones(mark[word] & marks[word, other]))
    for other in range(len(sizes)):
        either = size + sizes[other] - shared[other]
        sums[other] += 1.0 - np.float64(shared[other]) / np.float64(either)


@njit(inline="always")
def _ones(word):  # pragma: no cover - compiled
    """Count the bits that are set, in halves, quarters, ... of the word at once."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
