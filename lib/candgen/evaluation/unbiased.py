"""Recall corrected for exposure: an estimate of recall under uniform exposure from a biased log.

What is held out was shown first, so a generator that repeats what the service used to show finds
much of it. If events are weighed by the inverse of how often their item was shown, they count as
they would in a log that shows all items alike. Sums of weights stand in the denominator, too, user
by user (self-normalized inverse propensity scores: Swaminathan and Joachims, *The self-normalized
estimator for counterfactual learning*, NeurIPS 2015; Yang et al., *Unbiased offline recommender
evaluation for missing-not-at-random implicit feedback*, RecSys 2018):

    recall(u) = sum of w(i) over held-out items among the first k / sum of w(i) over all held out
    w(i) = exposure(i) ** -power

With few events a user, sums that are normalized user by user keep part of the bias: a user all of
whose events are favourites counts as much as one who found what is seldom shown. Pooled over users,
numerators and denominators apart, next to nothing of it is left, but active users count for more.
What was never shown is in no log, whatever the weights. Exposure of an item is taken to be the same
for all users. Where the truth is known, `true_recall` says how near an estimate comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.checks import NotNegative, checked
from candgen.columns import ITEM, USER
from candgen.datasets.dataset import Dataset
from candgen.errors import DataError
from candgen.evaluation import metrics
from candgen.evaluation.judgement import Judgement
from candgen.evaluation.significance import bootstrap_intervals
from candgen.negatives import item_exposure
from candgen.seeds import derive_seed

if TYPE_CHECKING:
    from candgen.datasets.world import Oracle


def held_out_exposure(dataset: Dataset) -> NDArray[np.int64]:
    """Return how often each item was shown in the time of the held-out events, shape `(n_items,)`.

    Where a split holds out engagements of all times, that is the time of training, too. Where
    nobody noted impressions, exposure in training stands for it. At least 1, and at least as often
    as the item was taken.
    """
    if not dataset.judges("impressions"):
        return item_exposure(dataset)
    shown = np.bincount(dataset.judging("impressions")[ITEM], minlength=dataset.n_items)
    if not dataset.judges_whole_log:
        shown += np.bincount(dataset.known("impressions")[ITEM], minlength=dataset.n_items)
    taken = np.bincount(dataset.held_out[ITEM], minlength=dataset.n_items)
    return np.maximum(np.maximum(shown, taken), 1)


def weighed_recall(
    judgement: Judgement,
    dataset: Dataset,
    k: int,
    *,
    exposure: NDArray[np.integer],
    power: float = 1.0,
    pooled: bool = False,
) -> NDArray[np.float64]:
    """Return each judged user's recall with held-out events weighed by inverse exposure.

    Args:
        judgement: With candidates.
        dataset: What it was judged on.
        k: Places of a list that count.
        exposure: How often each item was shown, above 0, shape `(n_items,)`.
        power: Of exposure; 0 gives plain recall.
        pooled: Whether weights are summed over all users before they are divided. The mean of what
            is returned is then that ratio, and a value is what the user adds to it (the ratio's
            linearization), so that intervals for the mean hold as they do otherwise.

    Returns:
        Shape `(n_judged,)`; in 0 .. 1, unless pooled.

    Raises:
        DataError: If an exposure is not above 0.
        SettingError: If `power` is negative.
    """
    power = checked("power", power, NotNegative)
    exposure = np.asarray(exposure, np.float64)
    if not (exposure > 0).all():
        raise DataError(
            f"Item {int(np.argmin(exposure > 0))} has an exposure of {exposure.min():g}; every "
            "exposure must be above 0, or its events could not be weighed."
        )
    users = judgement.per_user[USER].to_numpy()
    held_out = dataset.held_out_matrix[users].copy()
    # Any factor cancels; the mean keeps powers of large counts within reach of float32.
    held_out.data = ((exposure / exposure.mean()) ** -power)[held_out.indices]
    items = judgement.candidates.for_users(users)[:, :k]
    found = metrics.gains_of_lists(items, held_out).sum(axis=1)
    whole = np.asarray(held_out.sum(axis=1), np.float64)
    if not pooled:
        return found / whole
    ratio = found.sum() / whole.sum()
    return ratio + (found - ratio * whole) / whole.mean()


def true_recall(
    judgement: Judgement, dataset: Dataset, oracle: Oracle, k: int, *, rows_per_block: int = 256
) -> NDArray[np.float64]:
    """Return each judged user's recall in a log that shows every item alike, to everybody.

    That is the share of the user's true relevance, over all items not in the history, that lies in
    the first `k` places; as of the world's end.

    Args:
        judgement: With candidates.
        dataset: Says what users have.
        oracle: Of its world.
        k: Places of a list that count.
        rows_per_block: Users asked about at once.
    """
    users = judgement.per_user[USER].to_numpy()
    items = judgement.candidates.for_users(users)[:, :k]
    found = np.empty(len(users))
    for start in range(0, len(users), rows_per_block):
        block = slice(start, start + rows_per_block)
        relevance = oracle.relevance(users[block]).astype(np.float64)  # (rows, n_items)
        relevance[dataset.withheld_matrix[users[block]].nonzero()] = 0
        listed = np.take_along_axis(relevance, np.maximum(items[block], 0).astype(int), axis=1)
        there = np.where(items[block] >= 0, listed, 0).sum(axis=1)
        found[block] = there / np.maximum(relevance.sum(axis=1), np.finfo(float).tiny)
    return found


def recall_estimates(
    judgements: Mapping[str, Judgement],
    dataset: Dataset,
    k: int,
    *,
    oracle: Oracle | None = None,
    power: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Set plain, weighed and (where it is known) true recall beside each other.

    Args:
        judgements: By name, of the same users of one dataset, with candidates.
        dataset: What they were judged on.
        k: Places of a list that count.
        oracle: Of its world; None leaves the truth out.
        power: Of exposure, in the weighed estimate.
        seed: Of the bootstrap.

    Returns:
        One row a name and estimate: `generator`, `estimate` ("plain", "weighed", "pooled" or
        "true"), `mean`, and `low` and `high`, a 95 % interval over users.
    """
    exposure = held_out_exposure(dataset)
    rows, seed = [], derive_seed(seed, "bootstrap")
    for name, judgement in judgements.items():
        asked = (judgement, dataset, k)
        found = {
            "plain": weighed_recall(*asked, exposure=exposure, power=0),
            "weighed": weighed_recall(*asked, exposure=exposure, power=power),
            "pooled": weighed_recall(*asked, exposure=exposure, power=power, pooled=True),
        }
        if oracle is not None:
            found["true"] = true_recall(judgement, dataset, oracle, k)
        values = np.column_stack(list(found.values()))
        low, high = bootstrap_intervals(values, seed=seed)
        rows += zip([name] * len(found), found, values.mean(axis=0), low, high, strict=True)
    return pd.DataFrame(rows, columns=["generator", "estimate", "mean", "low", "high"])
