"""The settings that every generator with towers shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from candgen.checks import number, one_of, whole_number
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.models.content_based.content import plain
from candgen.models.towers.building import Shape
from candgen.models.towers.inputs import POOLINGS
from candgen.models.towers.network import NORMALIZATIONS
from candgen.negatives import exposure_weights, item_exposure
from candgen.training import TrainingSettings

SIMILARITIES = ("dot", "cosine")


@dataclass(frozen=True, kw_only=True)
class TowerSettings(TrainingSettings):
    """What is read, how it is built, and which negatives it is taught with."""

    QUERY_INPUTS: ClassVar[tuple[str, ...]]
    """What `query_inputs` may name."""
    ITEM_INPUTS: ClassVar[tuple[str, ...]]
    """What `item_inputs` may name."""

    query_inputs: list[str] = field(default_factory=list)
    """Of the query; empty: all that the dataset has."""
    item_inputs: list[str] = field(default_factory=list)
    """Of the item; empty: all that the dataset has."""
    user_features: dict[str, Any] = field(default_factory=dict)
    """Column of the users table -> kind or options; empty: by what the columns hold."""
    item_features: dict[str, Any] = field(default_factory=dict)
    """Column of the items table -> kind or options; empty: by what the columns hold."""
    hidden: list[int] = field(default_factory=list)
    """Sizes of the ReLU layers; empty: the inputs are added up."""
    dim: int = 64
    """Length of the vectors of users and items, and of the tables of ids."""
    feature_dim: int = 16
    """With hidden layers: length of the vectors of features, searches, time and age."""
    normalization: str = "none"
    """With hidden layers: layer (normalization before each ReLU) or none."""
    n_negatives: int = 1000
    """Drawn for a batch (impressions: for an example); all, in-batch and cross-batch ignore it."""
    alpha: float = 0.75
    """Of popularity: the power of an item's events that makes it likely."""
    hardness: float = 0.1
    """Of hard: the share of the pool, best scored first, that counts."""
    memory: int = 4
    """Of cross-batch: earlier batches whose positives serve, too."""
    correction: bool = True
    """Of softmax: whether log Q, how often a negative is expected, is taken off its logit."""
    skip_known: bool = False
    """Whether negatives that the user has in the history do not count."""
    exposure_power: float = 0.0
    """An example weighs as the inverse of its item's exposure to this power; 0: all alike."""
    exposure_clip: float = 10.0
    """No example weighs more than this many times the average one."""
    history_length: int = 50
    """Last events that a query reads, where events have times; 0: all."""
    pooling: str = "mean"
    """Of the history: mean, fading or attention."""
    fading: float = 0.9
    """With pooling fading: what an item weighs by each later one."""
    search_length: int = 5
    """Last searches that a query reads."""
    id_at_least: int = 1
    """Training events from which a user or an item has a vector of its own."""
    id_dropout: float = 0.1
    """How often training hides an id or a feature, so that unknown ones have a learned answer."""
    spread: float = 0.1
    """Standard deviation of the start of the tables."""

    popularity_weight: float = 0.0
    """What a candidate's score gains by its popularity: so much times log(1 + training events)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("query_inputs", "item_inputs"):
            for value in _as_list(name, getattr(self, name)):
                one_of(name, value, getattr(self, name.upper()))
        object.__setattr__(self, "user_features", plain(self.user_features))
        object.__setattr__(self, "item_features", plain(self.item_features))
        sizes = [whole_number("hidden", n, at_least=1) for n in _as_list("hidden", self.hidden)]
        object.__setattr__(self, "hidden", sizes)
        for name in ("dim", "feature_dim", "n_negatives", "memory", "search_length", "id_at_least"):
            whole_number(name, getattr(self, name), at_least=1)
        whole_number("history_length", self.history_length)
        one_of("normalization", self.normalization, NORMALIZATIONS)
        one_of("pooling", self.pooling, POOLINGS)
        number("spread", self.spread, above=0)
        number("exposure_power", self.exposure_power)
        number("exposure_clip", self.exposure_clip, at_least=1.0)
        for name in ("alpha", "hardness", "popularity_weight"):
            number(name, getattr(self, name))
        for name in ("fading", "id_dropout"):
            number(name, getattr(self, name), at_most=1)

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


def _as_list(name: str, value: Any) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise SettingError(f"{name} must be a list, got {value!r}.")
    return list(value)
