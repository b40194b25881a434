"""True relevance of candidates, for invented worlds with an oracle.

Logged events depend on the items that were shown. The oracle gives the true relevance of every item
to every user, shown or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candgen.columns import USER
from candgen.evaluation.judgement import Judgement
from candgen.evaluation.significance import bootstrap_intervals
from candgen.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

    from candgen.datasets import Dataset
    from candgen.datasets.world import Oracle


def true_relevance(judgement: Judgement, oracle: Oracle, k: int) -> NDArray[np.float64]:
    """Return each judged user's mean true relevance over the first `k` places, in 0 .. 1.

    An empty place counts as 0, as it does for every metric.
    """
    users = judgement.per_user[USER].to_numpy()
    items = judgement.candidates.for_users(users)  # (n_judged, most), -1 where empty
    return relevance_of_lists(users, items, oracle, k)


def relevance_of_lists(
    users: NDArray[np.integer], items: NDArray[np.integer], oracle: Oracle, k: int
) -> NDArray[np.float64]:
    """Return the mean true relevance over the first `k` places of each user's list.

    Args:
        users: Dense ids, shape `(n,)`.
        items: Their candidates, best first, shape `(n, most)`; -1 is an empty place and counts 0.
        oracle: Of the world that they live in.
        k: Places that are looked at.
    """
    items = items[:, :k]
    present = items >= 0
    relevance = np.zeros(items.shape)
    rows = np.repeat(users, present.sum(axis=1))
    relevance[present] = oracle.relevance_of_pairs(rows, items[present], oracle.end)
    return relevance.sum(axis=1) / k


def relevance_table(
    found: Mapping[str, NDArray[np.float64]], *, baseline: str, seed: int = 0
) -> pd.DataFrame:
    """Set means of true relevance beside each other, with intervals, and paired with a baseline.

    Args:
        found: What each generator reached, one value a user, of the same users in the same order.
        baseline: The name that others are compared with.
        seed: Of the bootstrap.

    Returns:
        One row a name: `generator`, `mean`, `low`, `high`, then `difference`, `difference_low` and
        `difference_high` from the baseline, user by user; 95 % intervals over users.
    """
    import pandas as pd

    values = np.column_stack(list(found.values()))
    less = values - found[baseline][:, None]
    seed = derive_seed(seed, "bootstrap")
    (low, high), (less_low, less_high) = (bootstrap_intervals(v, seed=seed) for v in (values, less))
    return pd.DataFrame(
        {
            "generator": list(found),
            "mean": values.mean(axis=0),
            "low": low,
            "high": high,
            "difference": less.mean(axis=0),
            "difference_low": less_low,
            "difference_high": less_high,
            "users": len(values),
        }
    )


def relevance_tables(
    found: Mapping[str, Mapping[str, NDArray[np.float64]]], *, baseline: str, seed: int = 0
) -> pd.DataFrame:
    """Set several measures below each other, each as `relevance_table` does.

    Args:
        found: By measure, then by generator, one value a user; the same users everywhere.
        baseline: The generator that others are compared with.
        seed: Of the bootstrap.

    Returns:
        One row a measure and generator, which are its index.
    """
    import pandas as pd

    tables = {
        measure: relevance_table(values, baseline=baseline, seed=seed).set_index("generator")
        for measure, values in found.items()
    }
    return pd.concat(tables, names=["measure"])


def best_true_relevance(
    users: NDArray[np.integer],
    dataset: Dataset,
    oracle: Oracle,
    k: int,
    *,
    rows_per_block: int = 256,
) -> NDArray[np.float64]:
    """Return the most that `true_relevance` can be for each user, with what they know left out."""
    best = np.empty(len(users))
    for start in range(0, len(users), rows_per_block):
        block = slice(start, start + rows_per_block)
        relevance = oracle.relevance(users[block])  # (rows, n_items)
        relevance[dataset.withheld_matrix[users[block]].nonzero()] = 0
        top = np.partition(relevance, -min(k, relevance.shape[1]), axis=1)[:, -k:]
        best[block] = top.sum(axis=1) / k
    return best
