"""Negatives: items that stand against the positive while a generator learns.

| kind | negatives of an example |
|---|---|
| none | no item |
| all | every item: the softmax over the whole catalogue |
| uniform | `n` items, each as likely as any other |
| popularity | `n` items, as likely as (times it is a positive) ** `alpha` |
| in-batch | the positives of the other examples |
| cross-batch | those, and the positives of the `memory` batches before |
| mixed | the positives of the other examples, and `n` uniform ones |
| hard | of `n` uniform ones the best scored share, `hardness` |
| impressions | `n` items that were shown to the example's user and left |

Whoever samples shows some items more often than others, and the softmax takes that for taste. With
`correction` the sampler says how often each negative is expected (log Q), and the loss takes it off
the negative's logit: sampled softmax then estimates the softmax over the catalogue.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from candgen.checks import Count, Share, checked
from candgen.columns import ITEM, USER
from candgen.datasets import Dataset
from candgen.negatives.frequency import FrequencyEstimator
from candgen.negatives.propensity import exposure_weights, item_exposure
from candgen.negatives.samplers import (
    ByPopularity,
    CrossBatch,
    Drawn,
    Everything,
    Hard,
    Impressions,
    InBatch,
    Mixed,
    NoNegatives,
    Sampler,
    Uniform,
)
from candgen.negatives.shown import KnownItems, Shown, shown_in_vain

KindWithNegatives = Literal[
    "all", "uniform", "popularity", "in-batch", "cross-batch", "mixed", "hard", "impressions"
]
Kind = Literal["none", KindWithNegatives]
KINDS = get_args(Kind)
STARTS_WITH_BATCH = ("in-batch", "cross-batch", "mixed")
"""Kinds whose first shared negatives are the positives of the batch, in its order."""

__all__ = [
    "KINDS",
    "STARTS_WITH_BATCH",
    "Drawn",
    "FrequencyEstimator",
    "Kind",
    "KindWithNegatives",
    "KnownItems",
    "Sampler",
    "Shown",
    "exposure_weights",
    "item_exposure",
    "make_sampler",
    "shown_in_vain",
]


def make_sampler(
    kind: str,
    dataset: Dataset,
    *,
    n: int = 1000,
    batch_size: int,
    alpha: float = 0.75,
    hardness: float = 0.1,
    memory: int = 4,
    correction: bool = False,
    skip_known: bool = False,
    positives: ArrayLike | None = None,
    users: ArrayLike | None = None,
    count_ahead: bool = True,
    cold_items: bool = False,
) -> Sampler:
    """Make the sampler of a kind for what a dataset trains on.

    Args:
        kind: One of `KINDS`.
        dataset: Its training part says which items there are, and how often.
        n: Negatives drawn for a batch, for each example with "impressions". "none", "all",
            "in-batch" and "cross-batch" have no use for it.
        batch_size: Examples a batch.
        alpha: Of "popularity", 0 to 1: 0 is uniform, 1 as often as in the events.
        hardness: Of "hard", above 0 and at most 1: the share of the pool that counts.
        memory: Of "cross-batch": earlier batches whose positives serve, too; 1 or more.
        correction: Whether the loss is told how often each negative is expected.
        skip_known: Whether shared negatives that the example's user has in the history are marked,
            so that they do not count.
        positives: The item of every training example, where examples are not the training events.
        users: The user of every training example, likewise.
        count_ahead: Whether items are counted beforehand; otherwise "in-batch", "cross-batch"
            and "mixed" estimate how often they occur from the stream of batches.
        cold_items: Whether items without a training event are drawn too: for generators that
            answer them.

    Raises:
        SettingError: If a setting is out of range.
        DataError: If the kind is "impressions" and the dataset has none.
    """
    kind, n_items = checked("negatives", kind, Kind), dataset.n_items
    n = checked("n_negatives", n, Count)
    batch_size = checked("batch_size", batch_size, Count)
    alpha = checked("alpha", alpha, Share)
    hardness = checked("hardness", hardness, Annotated[float, Field(gt=0, le=1)])
    memory = checked("memory", memory, Count)
    positives = dataset.train[ITEM].to_numpy() if positives is None else np.asarray(positives)
    users = dataset.train[USER].to_numpy() if users is None else np.asarray(users)
    counts = np.bincount(positives[positives >= 0], minlength=n_items)
    drawable = np.ones(n_items, bool) if cold_items else counts > 0
    ahead = counts if count_ahead else None
    known = KnownItems(dataset.history_matrix) if skip_known else None
    settings = {"correction": correction, "known": known}
    if kind == "none":
        return NoNegatives(n_items)
    if kind == "all":
        return Everything(drawable, **settings)
    if kind == "uniform":
        return Uniform(drawable, n, **settings)
    if kind == "popularity":
        return ByPopularity(counts, drawable, n, alpha, **settings)
    if kind == "in-batch":
        return InBatch(ahead, n_items, **settings)
    if kind == "cross-batch":
        return CrossBatch(ahead, n_items, batch_size, memory, **settings)
    if kind == "mixed":
        return Mixed(ahead, drawable, n, batch_size, **settings)
    if kind == "hard":
        return Hard(drawable, n, hardness, **settings)
    examples = np.bincount(users, minlength=dataset.n_users)
    return Impressions(shown_in_vain(dataset), n, n_items, examples)
