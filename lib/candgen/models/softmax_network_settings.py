"""The settings of `candgen.models.softmax_network`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from candgen.checks import number, one_of, whole_number
from candgen.errors import SettingError
from candgen.models.content import plain
from candgen.models.towers.inputs import POOLINGS
from candgen.models.towers.network import NORMALIZATIONS
from candgen.negatives import KINDS
from candgen.training import TrainingSettings

QUERY_INPUTS = ("history", "features", "searches", "example_age")
ITEM_INPUTS = ("id", "features")
SIMILARITIES = ("dot", "cosine")


@dataclass(frozen=True, kw_only=True)
class SoftmaxNetworkSettings(TrainingSettings):
    """What the network reads, how it is built, and what it is taught."""

    query_inputs: list[str] = field(default_factory=list)
    """Out of history, features, searches, example_age; empty: all that the dataset has."""
    item_inputs: list[str] = field(default_factory=list)
    """Of a row of the last layer: id, features or both; empty: all that the dataset has."""
    user_features: dict[str, Any] = field(default_factory=dict)
    """Column of the users table -> kind or options; empty: by what the columns hold."""
    item_features: dict[str, Any] = field(default_factory=dict)
    """Column of the items table -> kind or options; empty: by what the columns hold."""
    number_bins: int = 24
    """Overlapping bins of a column of numbers that nobody declared."""
    hidden: list[int] = field(default_factory=list)
    """Sizes of the ReLU layers before the user vector; empty: the inputs are added up."""
    dim: int = 64
    """Length of user vectors and rows of the last layer, and of the embeddings of the history."""
    feature_dim: int = 16
    """With hidden layers: length of the embeddings of features, searches and example's age."""
    normalization: str = "none"
    """With hidden layers: layer (normalization before each ReLU) or none."""
    similarity: str = "dot"
    """dot, or cosine: user vectors and rows are scaled to length 1."""
    temperature: float = 1.0
    """Logits are divided by it."""
    biases: bool = True
    """Whether the last layer has a bias an item, one more coordinate of the vectors; dot only."""
    negatives: str = "all"
    """all (the full softmax), or uniform, popularity, in-batch, mixed, hard or impressions."""
    n_negatives: int = 1000
    """Shared negatives a batch (impressions: own ones an example); all and in-batch ignore it."""
    alpha: float = 0.75
    """Of popularity: the power of an item's events that makes it likely."""
    hardness: float = 0.1
    """Of hard: the share of the pool, best scored first, that counts."""
    correction: bool = True
    """Whether log Q, how often a negative is expected, is taken off its logit."""
    skip_known: bool = False
    """Whether negatives that the user has in the history do not count."""
    positive_column: str = ""
    """Column of the events that says how much was watched or liked; empty: every event counts."""
    positive_from: float = 0.0
    """Events whose `positive_column` is at least this are examples; history has all of them."""
    examples_per_user: int = 0
    """Most examples a user gives in an epoch, spread over the user's time; 0: all."""
    history_length: int = 50
    """Last events that are read, where events have times; 0: all."""
    pooling: str = "mean"
    """Of the history: mean, fading or attention."""
    fading: float = 0.9
    """With pooling fading: what an item weighs by each later one."""
    shared_item_table: bool = False
    """Whether the history reads the rows of the last layer instead of a table of its own."""
    search_length: int = 5
    """Last searches that are read."""
    age_bins: int = 8
    """Overlapping bins of the example's age, with equal numbers of examples between their knots."""
    id_at_least: int = 1
    """Training events from which an item has a row of its own."""
    id_dropout: float = 0.1
    """How often training hides a feature or, where rows read features, an item's own row."""
    spread: float = 0.1
    """Standard deviation of the start of the embeddings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("query_inputs", QUERY_INPUTS), ("item_inputs", ITEM_INPUTS)):
            for value in _as_list(name, getattr(self, name)):
                one_of(name, value, known)
        object.__setattr__(self, "user_features", plain(self.user_features))
        object.__setattr__(self, "item_features", plain(self.item_features))
        sizes = [whole_number("hidden", n, at_least=1) for n in _as_list("hidden", self.hidden)]
        object.__setattr__(self, "hidden", sizes)
        for name in ("dim", "feature_dim", "n_negatives", "search_length", "id_at_least"):
            whole_number(name, getattr(self, name), at_least=1)
        for name in ("age_bins", "number_bins"):
            whole_number(name, getattr(self, name), at_least=2)
        for name in ("history_length", "examples_per_user"):
            whole_number(name, getattr(self, name))
        one_of("normalization", self.normalization, NORMALIZATIONS)
        one_of("similarity", self.similarity, SIMILARITIES)
        one_of("negatives", self.negatives, [kind for kind in KINDS if kind != "none"])
        one_of("pooling", self.pooling, POOLINGS)
        number("temperature", self.temperature, above=0)
        number("spread", self.spread, above=0)
        number("positive_from", self.positive_from, at_least=-np.finfo(float).max)
        for name in ("alpha", "hardness", "fading", "id_dropout"):
            if number(name, getattr(self, name)) > 1:
                raise SettingError(f"{name} must be at most 1, got {getattr(self, name)!r}.")
        if self.biases and self.similarity == "cosine":
            raise SettingError("A cosine has no room for biases: set biases to false.")
        if self.positive_from and not self.positive_column:
            raise SettingError(
                f"positive_from is {self.positive_from:g}, but no positive_column says of what."
            )


def _as_list(name: str, value: Any) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise SettingError(f"{name} must be a list, got {value!r}.")
    return list(value)
