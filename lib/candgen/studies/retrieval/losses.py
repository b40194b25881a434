"""Losses of approximate search in held-out items, paired by user with exact search."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from candgen import evaluation
from candgen.datasets import Dataset
from candgen.evaluation.judging import judged_users
from candgen.models import VectorGenerator
from candgen.retrieval import indexes
from candgen.studies.retrieval import tradeoff


def lost_to_approximation(
    model: VectorGenerator,
    data: Dataset,
    picks: pd.DataFrame,
    *,
    metric: str,
    margin: float,
    k: int,
    cutoffs: Sequence[int],
    seed: int = 0,
) -> pd.DataFrame:
    """Judge the candidates of indexes for all users by held-out items, against exact search.

    Args:
        model: Fitted to the data.
        data: Judged on.
        picks: Rows of `tradeoff`, exact search among them. Where a kind is there twice, each
            has its settings beside its name.
        metric: Such as recall@20.
        margin: Differences up to this size do not matter in practice.
        k: Candidates a user.
        cutoffs: Where lists are cut.
        seed: As it was of the building.

    Returns:
        As `evaluation.compare`, paired by user with "exact".
    """
    users = judged_users(data).users
    told = {"exclude": data.withheld_matrix[users], "allowed": model.known_items_}
    judged, twice = [], picks["kind"].duplicated(keep=False)
    for row in picks.itertuples():
        name = tradeoff.name_of(row) if twice[row.Index] else row.kind
        made = {"seed": seed, **row.settings}
        index = indexes.build(row.kind, model.item_vectors(), model.searched_by, **made)
        lists = evaluation.Candidates(users, *index.query(model.user_vectors(users), k, **told))
        judged.append(evaluation.judge_candidates(lists, data, cutoffs, name, seed=seed))
    return evaluation.compare(judged, metric, baseline="exact", margin=margin, seed=seed)


def said_of(lost: pd.DataFrame) -> str:
    """Return the loss of each index as text, with intervals, from `lost_to_approximation`."""
    ends = lost[["difference", "high", "low"]].mul(-1).round(4) + 0.0  # no -0.0000
    rows = zip(lost["generator"], ends.itertuples(index=False), strict=True)
    return "; ".join(f"{n} {r.difference:.4f} ({r.high:.4f} to {r.low:.4f})" for n, r in rows)
