"""Results by how active users are and how popular items are.

Users are cut into thirds by the length of their history, users of equal length staying together.
Items are cut by their share of training: the *head* is the fewest most popular items that make up a
third of all training events, the *tail* the least popular that make up the last third, items
that nobody has in training among them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import USER
from candgen.datasets.dataset import Dataset
from candgen.errors import DataError
from candgen.evaluation import metrics
from candgen.evaluation.beyond_accuracy import item_popularity
from candgen.evaluation.judgement import Judgement, resampled_means
from candgen.evaluation.significance import LEVEL, ends_of
from candgen.seeds import derive_seed

ACTIVITY = ("least active", "middle", "most active")
POPULARITY = ("head", "middle", "tail")


def by_group(
    judgements: Sequence[Judgement], dataset: Dataset, metric: str = "recall@20"
) -> pd.DataFrame:
    """Break results down by activity of users and by popularity of items.

    Args:
        judgements: Of this dataset. The rows by popularity need their candidates, and are
            left out for a judgement that has none.
        dataset: The dataset they were judged on.
        metric: A metric known per user. By activity it is averaged over the users of a group; by
            popularity, recall at the same cut-off is given: the share of the held-out events of
            a group of items that were found.

    Returns:
        One row a judgement and group: `generator`, `by` ("user activity" or "item popularity"),
        `group`, `range` (history lengths, or training users of an item), `metric`, `value`,
        `low`, `high` and `count` (users, or held-out events). By popularity there is no
        interval: `low` and `high` are NaN. Groups that hold nobody are left out.
    """
    lengths = np.diff(dataset.history_matrix.indptr)
    popularity = item_popularity(dataset)
    item_group = popularity_groups(popularity)
    cutoff = int(metric.rpartition("@")[2])
    rows = []
    for judgement in judgements:
        rows += _by_activity(judgement, lengths, metric)
        if judgement.candidates is not None:
            rows += _by_popularity(judgement, dataset, popularity, item_group, cutoff)
    return pd.DataFrame(rows)


def activity_groups(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number the third that each history length falls in, 0 for the shortest.

    Equal lengths share a group, so that thirds are only as even as the lengths allow.
    """
    if not len(lengths):
        raise DataError("There are no users to group.")
    first, second = np.quantile(lengths, [1 / 3, 2 / 3], method="inverted_cdf")
    return (lengths > first).astype(np.int64) + (lengths > second)


def popularity_groups(popularity: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number the third of training events that each item falls in, 0 for the head.

    An item belongs to the third in which the events of more popular items end; of equally popular
    items the one with the smaller index comes first.
    """
    order = np.argsort(-popularity, kind="stable")
    before = np.cumsum(popularity[order]) - popularity[order]
    group = np.empty(len(popularity), dtype=np.int64)
    group[order] = np.minimum(3 * before // max(popularity.sum(), 1), 2)
    return group


def _by_activity(judgement: Judgement, lengths: NDArray, metric: str) -> list[dict]:
    judgement.values(metric)  # refuses names that are unknown
    users, by_seed = np.sort(judgement.per_user[USER].to_numpy()), judgement.by_seed([metric])
    of_user = lengths[users]
    group = activity_groups(of_user)
    rows = []
    for number, name in enumerate(ACTIVITY):
        inside = group == number
        if not inside.any():
            continue
        values = {seed: found[inside] for seed, found in by_seed.items()}
        seed = derive_seed(judgement.seed, "bootstrap")
        low, high = ends_of(resampled_means([values], seed=seed)[0], level=LEVEL)
        rows.append(
            {
                "generator": judgement.generator,
                "by": "user activity",
                "group": name,
                "range": _range(of_user[inside]),
                "metric": metric,
                "value": float(np.mean([found.mean() for found in values.values()])),
                "low": float(low[0]),
                "high": float(high[0]),
                "count": int(inside.sum()),
            }
        )
    return rows


def _by_popularity(
    judgement: Judgement, dataset: Dataset, popularity: NDArray, item_group: NDArray, cutoff: int
) -> list[dict]:
    users = judgement.per_user[USER].to_numpy()
    items = judgement.candidates.for_users(users)[:, :cutoff]
    held_out = dataset.held_out_matrix[users]
    found = metrics.gains_of_lists(items, held_out) > 0
    hits = np.bincount(item_group[items[found]], minlength=len(POPULARITY))
    wanted = np.bincount(item_group[held_out.indices], minlength=len(POPULARITY))
    return [
        {
            "generator": judgement.generator,
            "by": "item popularity",
            "group": name,
            "range": _range(popularity[item_group == number]),
            "metric": f"recall@{cutoff}",
            "value": float(hits[number] / wanted[number]),
            "low": np.nan,
            "high": np.nan,
            "count": int(wanted[number]),
        }
        for number, name in enumerate(POPULARITY)
        if wanted[number]
    ]


def _range(values: NDArray) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def first_values(dataset: Dataset, column: str) -> NDArray[np.object_]:
    """Return a column of the items as text, shape `(n_items,)`; "" where a value is missing.

    Of a list of values, such as genres, the first one counts.
    """
    held = dataset.items[column]
    return np.array(
        [
            str(v[0] if np.ndim(v) and len(v) else "" if np.ndim(v) or pd.isna(v) else v)
            for v in held
        ],
        dtype=object,
    )
