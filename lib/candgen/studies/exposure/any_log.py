"""Parts of the study of exposure that any log allows, whether the truth is known or not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import evaluation
from candgen.datasets import Dataset
from candgen.datasets.world import Oracle
from candgen.evaluation import Judgement
from candgen.evaluation.off_policy import held_out_rounds, shown_at_random
from candgen.models import Generator
from candgen.retrieval.recommend import top_items

UNIFORM = (
    "All items had the same chance in every held-out round, so exposure biases no held-out click: "
    "plain recall is an estimate without bias."
)


def outcomes(
    judged: Mapping[str, Judgement], oracle: Oracle | None, k: int, metric: str
) -> dict[str, NDArray[np.floating]]:
    """Return what trainings are compared by, for each judged user.

    Args:
        judged: By name.
        oracle: Of the world; None where nobody knows the truth.
        k: Places of a list that count.
        metric: What stands for true relevance where that is not known.
    """
    if oracle is None:
        return {name: judgement.values(metric) for name, judgement in judged.items()}
    return {
        name: evaluation.true_relevance(judgement, oracle, k) for name, judgement in judged.items()
    }


def said_of_values(dataset: Dataset, values: pd.DataFrame) -> list[str]:
    """Return sentences on policy values: which is best, and what is not to be trusted.

    Args:
        dataset: Whose held-out rounds were used.
        values: From `policy_values`.
    """
    robust = values[values["estimate"] == "dr"].set_index("generator")
    logged = values[values["estimate"] == "mean"].iloc[0]
    best = robust.loc[robust["value"].idxmax()]
    said = [
        f"Most by dr: {best.name}, {best['value']:.3f} engagements per place ({best['low']:.3f} to "
        f"{best['high']:.3f}), from as much as {best['effective']:,.0f} of {best['rounds']:,.0f} "
        f"rounds. The log itself has {logged['value']:.3f} ({logged['low']:.3f} to "
        f"{logged['high']:.3f})."
    ]
    if shown_at_random(held_out_rounds(dataset)):
        said.append(UNIFORM)
    return [*said, *evaluation.value_warnings(values)]


def lists_of(
    models: Mapping[str, Generator], dataset: Dataset, k: int
) -> tuple[dict[str, NDArray[np.int32]], NDArray[np.int64]]:
    """Return each generator's lists of the users of the held-out rounds, and these users."""
    users = np.unique(held_out_rounds(dataset).users).astype(np.int64)
    return {name: top_items(model, users, k).items for name, model in models.items()}, users


def policy_values(models: Mapping[str, Generator], dataset: Dataset, k: int) -> pd.DataFrame:
    """Estimate the value of offering each generator's first `k`, see `evaluation.policy_values`.

    Args:
        models: By name, fitted to the dataset.
        dataset: With impressions and propensities, split by time.
        k: Candidates offered.
    """
    lists, users = lists_of(models, dataset, k)
    return evaluation.policy_values(lists, users, dataset, k)
