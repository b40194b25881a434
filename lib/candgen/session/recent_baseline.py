"""Popularity of late, recorded beside popularity on datasets that are split at a date.

What is popular changes: where events are split at a date, counts of the newest events often find
more than counts of all, and sometimes more than a trained model. So a report of such a split should
not be read without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from candgen.datasets import Dataset
    from candgen.evaluation import Judgement

_SPLIT = "timeline"
_POPULARITY, _RECENT = "popularity", "RecentPopularity"


def beside(judgements: Sequence[Judgement], data: Dataset) -> list[Judgement]:
    """Judge RecentPopularity, with its default settings, as popularity was judged.

    Args:
        judgements: All that a run is about to record.
        data: The dataset that they were judged on.

    Returns:
        One judgement; none where the split is no timeline, training events lack times, popularity
        is not among the judgements or was judged on other users, or RecentPopularity is there.
    """
    by_name = {found.generator: found for found in judgements}
    dated = data.info.get("split", {}).get("policy") == _SPLIT
    if not dated or _POPULARITY not in by_name or _RECENT in by_name:
        return []
    from candgen import evaluation
    from candgen.columns import USER
    from candgen.models import RecentPopularity
    from candgen.models.popularity.recent import has_times

    popular = by_name[_POPULARITY]
    if not has_times(data):
        return []
    cutoffs = sorted({int(metric.partition("@")[2]) for metric in popular.metrics})
    model = RecentPopularity().fit(data)
    found = evaluation.judge(model, data, k=cutoffs[-1], cutoffs=cutoffs, seed=popular.seed)
    return [found] if found.per_user[USER].equals(popular.per_user[USER]) else []
