"""Exposure of items, and inverse-propensity weights that correct for it.

An event needs two things: the item was shown, and the user wanted it. The log counts both together.
Where items are shown in proportion to some exposure, an event of item i weighed by 1 / exposure(i)
makes the log's sums those of a world that shows all items alike (inverse propensity scores:
Schnabel et al., *Recommendations as treatments*, ICML 2016; Saito et al., *Unbiased recommender
learning from missing-not-at-random implicit feedback*, WSDM 2020).

Exposure is the number of impressions of an item that a model knows, each counted once, whatever its
position: how attention falls down a page is not in the log, and cannot be told from it without an
experiment, for the best is put on top. Where nobody noted impressions, an item's training events
stand for them. That is what can be done, and it is biased: of two items shown alike the more
relevant one is then weighed down.

Whole weights are noisy, for what was hardly shown weighs as much as what was shown a thousand
times; a power below 1 and a largest weight buy calm with some bias.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from candgen.checks import NotNegative, checked
from candgen.columns import ITEM
from candgen.datasets import Dataset


def item_exposure(dataset: Dataset) -> NDArray[np.int64]:
    """Return how often each item was shown while a model learns, shape `(n_items,)`; at least 1.

    An item that was taken more often than it was noted as shown was shown as often as taken.
    """
    events = np.bincount(dataset.train[ITEM], minlength=dataset.n_items)
    shown = np.zeros_like(events)
    if dataset.has("impressions"):
        shown = np.bincount(dataset.known("impressions")[ITEM], minlength=dataset.n_items)
    return np.maximum(np.maximum(shown, events), 1)


def exposure_weights(
    exposure: NDArray[np.integer],
    items: NDArray[np.integer],
    *,
    power: float,
    clip: float = 10.0,
) -> NDArray[np.float32]:
    """Weigh examples by the inverse of their item's exposure to a power; their mean is 1.

    Args:
        exposure: How often each item was shown, above 0, shape `(n_items,)`.
        items: The item of each example, shape `(n,)`.
        power: 0 weighs all alike, 1 makes up for all of the exposure.
        clip: The largest weight, 1 or more. What it takes from the largest is given to the others
            in proportion to theirs, so that the mean stays 1.

    Returns:
        Shape `(n,)`.

    Raises:
        SettingError: If `power` is negative, or `clip` below 1.
    """
    power = checked("exposure_power", power, NotNegative)
    clip = checked("exposure_clip", clip, Annotated[float, Field(ge=1)])
    if not power or not len(items):
        return np.ones(len(items), np.float32)
    share = np.asarray(exposure, np.float64)[items] ** -power
    return np.minimum(share * _scale(share, clip), clip).astype(np.float32)


def _scale(share: NDArray[np.float64], clip: float) -> float:
    """Return what makes the mean of `min(share * scale, clip)` 1."""
    falling = np.sort(share)[::-1]
    n = len(falling)
    rest = np.cumsum(falling[::-1])[::-1]  # sum from each place on
    scales = (n - clip * np.arange(n)) / rest  # if so many, the largest, are clipped
    fits = falling * scales <= clip
    return float(scales[np.argmax(fits)])
