"""The settings of `candgen.models.softmax_network.softmax_network`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from candgen.checks import number, one_of, whole_number
from candgen.errors import SettingError
from candgen.models.towers.settings import SIMILARITIES, TowerSettings
from candgen.negatives import KINDS

QUERY_INPUTS = ("history", "features", "searches", "example_age")
ITEM_INPUTS = ("id", "features")


@dataclass(frozen=True, kw_only=True)
class SoftmaxNetworkSettings(TowerSettings):
    """What the network reads, how it is built, and what it is taught."""

    QUERY_INPUTS = QUERY_INPUTS
    ITEM_INPUTS = ITEM_INPUTS

    query_inputs: list[str] = field(default_factory=list)
    """Out of history, features, searches, example_age; empty: all that the dataset has."""
    item_inputs: list[str] = field(default_factory=list)
    """Of a row of the last layer: id, features or both; empty: all that the dataset has."""
    number_bins: int = 24
    """Overlapping bins of a column of numbers that nobody declared."""
    similarity: str = "dot"
    """dot, or cosine: user vectors and rows are scaled to length 1."""
    temperature: float = 1.0
    """Logits are divided by it."""
    biases: bool = True
    """Whether the last layer has a bias an item, one more coordinate of the vectors; dot only."""
    negatives: str = "all"
    """all (the full softmax), or any other kind of `candgen.negatives` but none."""
    positive_column: str = ""
    """Column of the events that says how much was watched or liked; empty: every event counts."""
    positive_from: float = 0.0
    """Events whose `positive_column` is at least this are examples; history has all of them."""
    examples_per_user: int = 0
    """Most examples a user gives in an epoch, spread over the user's time; 0: all."""
    shared_item_table: bool = False
    """Whether the history reads the rows of the last layer instead of a table of its own."""
    age_bins: int = 8
    """Overlapping bins of the example's age, with equal numbers of examples between their knots."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("age_bins", "number_bins"):
            whole_number(name, getattr(self, name), at_least=2)
        whole_number("examples_per_user", self.examples_per_user)
        one_of("similarity", self.similarity, SIMILARITIES)
        one_of("negatives", self.negatives, [kind for kind in KINDS if kind != "none"])
        number("temperature", self.temperature, above=0)
        number("positive_from", self.positive_from, at_least=-np.finfo(float).max)
        for name in ("alpha", "hardness"):
            number(name, getattr(self, name), at_most=1)
        if self.biases and self.similarity == "cosine":
            raise SettingError("A cosine has no room for biases: set biases to false.")
        if self.positive_from and not self.positive_column:
            raise SettingError(
                f"positive_from is {self.positive_from:g}, but no positive_column says of what."
            )
