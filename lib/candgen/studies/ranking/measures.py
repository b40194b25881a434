"""Measures of a ranked pool: worth of each generator, size of the pool, importance of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.evaluation import metrics
from candgen.evaluation.significance import bootstrap_intervals
from candgen.retrieval import NO_ITEM, pools
from candgen.seeds import derive_seed
from candgen.studies.ranking.rows import Rows, answers, rows_of
from candgen.studies.ranking.stages import Stages, by_worth, fused


def worth(stages: Stages, k: int, metric: str) -> pd.DataFrame:
    """Return what each generator adds to the other generators' pool, before and after ranking.

    Without a generator the pool has the same size, and a ranker of its own, which learned from
    such pools and has no feature of that generator.

    Returns:
        One row a generator: `generator`; `adds`, the metric of the whole ranked pool less that
        without the generator, with the ends `low` and `high` of its paired interval over users;
        `recall_adds`, the same difference of the pool's recall.
    """
    held_out = stages.judging.held_out
    whole = _per_user(stages.ordered(k), held_out, metric)
    found = pools.recall_of(rows_of(stages.judging, k).items, held_out)
    rows = []
    for name in stages.judging.lists:
        without = stages.ordered(k, without=name)
        less = (whole - _per_user(without, held_out, metric))[:, None]
        row = {"generator": name, **_mean("adds", less, stages.seed)}
        rows.append(row | {"recall_adds": found - pools.recall_of(without, held_out)})
    return pd.DataFrame(rows)


def by_size(stages: Stages, sizes: Sequence[int], metric: str) -> pd.DataFrame:
    """Return how the recall of pools of several sizes turns into the metric of the ranked pool.

    Returns:
        One row a size, in their order: `k`; `recall`, that of the pool; `ranked` with the ends
        `low` and `high` of its interval over users; `fused`, by rank fusion; `ceiling`, the metric
        if a ranker put every held-out item of the pool first. Each size has a ranker of its own.
    """
    held_out = stages.judging.held_out
    rows = []
    for k in sizes:
        candidates = rows_of(stages.judging, k)
        chances = stages.learned(k).chances(candidates)
        hits = answers(candidates, held_out)
        values = {
            "ranked": by_worth(candidates.items, chances),
            "fused": fused(candidates),
            "ceiling": by_worth(candidates.items, hits.astype(float)),
        }
        measured = {name: _per_user(items, held_out, metric) for name, items in values.items()}
        row: dict[str, Any] = {"k": int(k), "recall": pools.recall_of(candidates.items, held_out)}
        row |= _mean("ranked", measured["ranked"][:, None], stages.seed)
        rows.append(row | {name: float(measured[name].mean()) for name in ("fused", "ceiling")})
    return pd.DataFrame(rows)


def importance(stages: Stages, k: int, metric: str, *, rounds: int = 3) -> pd.DataFrame:
    """Return how much the metric falls if a feature's values are shuffled among all candidates.

    Score and rank of a generator are shuffled together, since each tells nearly all of the other.

    Args:
        stages: The ranker learns on validation; candidates of test are shuffled.
        k: Size of the pool.
        metric: Such as "ndcg@10".
        rounds: Shuffles to take the mean of.

    Returns:
        One row a feature, the largest drop first: `feature`, `drop`, and the ends `low` and
        `high` of its interval over users.
    """
    held_out, rows, ranker = stages.judging.held_out, rows_of(stages.judging, k), stages.learned(k)
    whole = _per_user(by_worth(rows.items, ranker.chances(rows)), held_out, metric)
    there = rows.items != NO_ITEM
    found = []
    for group, names in rows.groups().items():
        rng = np.random.default_rng(derive_seed(stages.seed, f"shuffle {group}"))
        drops = np.zeros(len(whole))
        for _ in range(rounds):
            order = rng.permutation(int(there.sum()))
            changed = dict(rows.features)
            for name in names:
                changed[name] = rows.features[name].copy()
                changed[name][there] = rows.features[name][there][order]
            chances = ranker.chances(Rows(rows.items, changed, rows.generators))
            drops += whole - _per_user(by_worth(rows.items, chances), held_out, metric)
        found.append({"feature": group, **_mean("drop", drops[:, None] / rounds, stages.seed)})
    return pd.DataFrame(found).sort_values("drop", ascending=False, ignore_index=True)


def _per_user(items: NDArray[np.int32], held_out: Any, metric: str) -> NDArray[np.float64]:
    """Return a metric of each user; lists shorter than its cut-off are judged as they are."""
    cutoff = int(metric.partition("@")[2])
    return metrics.per_user(items, held_out, [cutoff])[metric].to_numpy()


def _mean(name: str, values: NDArray[np.float64], seed: int) -> dict[str, float]:
    """Return a mean over users by its name, and the ends of its interval."""
    low, high = bootstrap_intervals(values, seed=derive_seed(seed, "bootstrap"))
    return {name: float(values.mean()), "low": float(low[0]), "high": float(high[0])}
