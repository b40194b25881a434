"""Settings that every generator with towers shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from candgen.checks import Count, CountOrZero, NotNegative, Positive, Share
from candgen.datasets import Dataset
from candgen.models.towers.building import Shape
from candgen.negatives import exposure_weights, item_exposure
from candgen.spaces import Real, Whole
from candgen.training import TrainingSettings


class TowerSettings(TrainingSettings):
    """Settings of generators with towers: inputs, layers and negatives."""

    user_features: dict[str, Any] = {}
    """Column of the users table -> kind or options; empty: by what the columns hold."""
    item_features: dict[str, Any] = {}
    """Column of the items table -> kind or options; empty: by what the columns hold."""
    hidden: list[Count] = []
    """Sizes of the ReLU layers; empty: the inputs are added up."""
    dim: Annotated[Count, Whole(16, 128, log=True)] = 32
    """Length of the vectors of users and items, and of the tables of ids."""
    feature_dim: Count = 16
    """With hidden layers: length of the vectors of features, searches, time and age."""
    normalization: Literal["none", "layer"] = "none"
    """With hidden layers: layer normalization before each ReLU, or none."""
    n_negatives: Count = 1000
    """Negatives drawn for a batch (impressions: for an example); the kinds all, in-batch and
    cross-batch ignore it."""
    alpha: Share = 0.75
    """Of negatives by popularity: power of an item's events, 0 to 1; 0 is uniform."""
    hardness: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Of hard negatives: the share of the pool, best scored first, that counts."""
    memory: Count = 4
    """Of cross-batch negatives: earlier batches whose positives serve, too."""
    correction: bool = True
    """Softmax only: subtract log Q (sampling probability) from negative logits."""
    skip_known: bool = False
    """Whether negatives from the user's history do not count."""
    exposure_power: NotNegative = 0.0
    """An example weighs as the inverse of its item's exposure to this power; 0: all alike."""
    exposure_clip: Annotated[float, Field(ge=1)] = 10.0
    """No example weighs more than this many times the average one."""
    history_length: CountOrZero = 50
    """Last events that a query reads, where events have times; 0: all."""
    pooling: Literal["mean", "fading", "attention"] = "mean"
    """How the items of the history become one vector."""
    fading: Share = 0.9
    """With pooling fading: weight factor per later item; 1: all alike."""
    search_length: Count = 5
    """Last searches that a query reads."""
    id_at_least: Count = 1
    """Training events from which a user or an item has a vector of its own."""
    id_dropout: Annotated[Share, Real(0.0, 0.4)] = 0.1
    """How often training hides an id or a feature, so that unknown ones have a learned answer."""
    spread: Positive = 0.1
    """Standard deviation of the initial vectors."""
    popularity_weight: Annotated[NotNegative, Real(0.0, 0.3)] = 0.0
    """Added to a score: so much times log(1 + training events of the item)."""

    def example_weights(
        self, dataset: Dataset, items: NDArray[np.integer]
    ) -> NDArray[np.float32] | None:
        """Weigh training examples of these items by `exposure_power`; None: all alike."""
        if not self.exposure_power:
            return None
        weighed = {"power": self.exposure_power, "clip": self.exposure_clip}
        return exposure_weights(item_exposure(dataset), items, **weighed)

    def shape(self) -> Shape:
        """Return how inputs are made."""
        return Shape(
            dim=self.dim,
            feature_dim=self.feature_dim,
            hidden=self.hidden,
            optimizer=self.optimizer,
            spread=self.spread,
            dropout=self.id_dropout,
            at_least=self.id_at_least,
            pooling=self.pooling,
            fading=self.fading,
            history_length=self.history_length,
            search_length=self.search_length,
            seed=self.seed,
        )
