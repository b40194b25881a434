"""Settings of `candgen.models.softmax_network.softmax_network`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from candgen.checks import Count, CountOrZero, Positive
from candgen.errors import SettingError
from candgen.models.towers.settings import TowerSettings
from candgen.negatives import KindWithNegatives

QUERY_INPUTS = ("history", "features", "searches", "example_age")
ITEM_INPUTS = ("id", "features")


class SoftmaxNetworkSettings(TowerSettings):
    """Settings of SoftmaxNetwork: what it reads, how it is built, and what it learns."""

    query_inputs: list[Literal["history", "features", "searches", "example_age"]] = []
    """Inputs of the network: history, features, searches, example_age. Empty: all that the dataset
    has."""
    item_inputs: list[Literal["id", "features"]] = []
    """Inputs of a row of the last layer: id, features or both. Empty: all that the dataset has."""
    feature_dim: Count = 32
    epochs: Count = 4
    batch_size: Count = 2048
    learning_rate: Positive = 0.01
    number_bins: Annotated[int, Field(ge=2)] = 24
    """Overlapping bins of a column of numbers that nobody declared."""
    similarity: Literal["dot", "cosine"] = "dot"
    """dot, or cosine: user vectors and rows are scaled to length 1."""
    temperature: Positive = 1.0
    """Logits are divided by it."""
    biases: bool = True
    """Whether the last layer has a bias an item, one more coordinate of the vectors; dot only."""
    negatives: KindWithNegatives = "all"
    """Negatives: all, uniform, popularity or another kind of `candgen.negatives`; all is the full
    softmax."""
    positive_column: str = ""
    """Column of the events that says how much was watched or liked; empty: every event counts."""
    positive_from: float = 0.0
    """Events whose `positive_column` is at least this are examples; history has all of them."""
    examples_per_user: CountOrZero = 0
    """Most examples a user gives in an epoch, spread over the user's time; 0: all."""
    shared_item_table: bool = False
    """Whether the history reads the rows of the last layer instead of a table of its own."""
    age_bins: Annotated[int, Field(ge=2)] = 8
    """Overlapping bins of the example's age, with equal numbers of examples between their knots."""

    @model_validator(mode="after")
    def _fits_together(self) -> SoftmaxNetworkSettings:
        if self.biases and self.similarity == "cosine":
            raise SettingError("A cosine has no room for biases: set biases to false.")
        if self.positive_from and not self.positive_column:
            raise SettingError(
                f"positive_from is {self.positive_from:g}, but no positive_column says of what."
            )
        return self
