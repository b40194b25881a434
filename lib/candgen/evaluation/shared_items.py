"""Overlap between the candidates of two generators.

Two lists of equal recall that share little are worth more together than either alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.columns import USER
from candgen.errors import DataError
from candgen.evaluation.judgement import Judgement


def overlap(judgements: Sequence[Judgement], k: int) -> pd.DataFrame:
    """Mean Jaccard index of the first k candidates: shared items over items in either list.

    Returns:
        A square table with the generators' names on both sides, 0 .. 1, ones on the diagonal.
        Users with two empty lists are left out of a pair.

    Raises:
        DataError: If candidates are missing, or the users differ.
    """
    users = _common_users(judgements)
    lists = [_marked(judgement, users, k) for judgement in judgements]
    return _square(judgements, lambda a, b: _jaccard(lists[a], lists[b]))


def _jaccard(one: csr_array, other: csr_array) -> float:
    columns = max(one.shape[1], other.shape[1])
    one, other = (_widened(lists, columns) for lists in (one, other))
    shared = one.multiply(other).sum(axis=1)
    either = one.sum(axis=1) + other.sum(axis=1) - shared
    filled = either > 0
    return float((shared[filled] / either[filled]).mean()) if filled.any() else 1.0


def _widened(lists: csr_array, columns: int) -> csr_array:
    return csr_array((lists.data, lists.indices, lists.indptr), shape=(lists.shape[0], columns))


def _marked(judgement: Judgement, users: NDArray, k: int) -> csr_array:
    items = judgement.candidates.for_users(users)[:, :k]
    row, place = np.nonzero(items >= 0)
    marks = (np.ones(len(row), dtype=np.int64), (row, items[row, place]))
    return csr_array(marks, shape=(len(users), int(items.max(initial=0)) + 1))


def _common_users(judgements: Sequence[Judgement]) -> NDArray[np.int32]:
    without = [judgement.generator for judgement in judgements if judgement.candidates is None]
    if without or not judgements:
        raise DataError(f"Overlap needs candidates; there are none for {without or 'nobody'}.")
    users = np.sort(judgements[0].per_user[USER].to_numpy())
    for judgement in judgements[1:]:
        if not np.array_equal(users, np.sort(judgement.per_user[USER].to_numpy())):
            raise DataError(
                f"{judgement.generator} and {judgements[0].generator} were judged on different "
                "users; overlap needs the same dataset and split for both."
            )
    return users


def _square(judgements: Sequence[Judgement], of_pair) -> pd.DataFrame:
    names = [judgement.generator for judgement in judgements]
    cells = [[of_pair(a, b) for b in range(len(names))] for a in range(len(names))]
    return pd.DataFrame(cells, index=names, columns=names)
