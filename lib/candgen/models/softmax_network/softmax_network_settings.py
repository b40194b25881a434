"""Settings of `candgen.models.softmax_network.softmax_network`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from candgen.checks import Count, CountOrZero, Positive
from candgen.errors import SettingError
from candgen.models.towers.building import Shape
from candgen.models.towers.settings import TowerSettings
from candgen.negatives import KindWithNegatives
from candgen.spaces import Whole

QUERY_INPUTS = ("history", "features", "searches", "time", "watch_time", "example_age")
ITEM_INPUTS = ("id", "features")


class SoftmaxNetworkSettings(TowerSettings):
    """Settings of SoftmaxNetwork: what it reads, how it is built, and what it learns."""

    query_inputs: list[
        Literal["history", "features", "searches", "time", "watch_time", "example_age"]
    ] = []
    """Inputs: history, features, searches, time, watch_time, example_age. Empty: all that the
    dataset has, but no time."""
    item_inputs: list[Literal["id", "features"]] = []
    """Inputs of a row of the last layer: id, features or both. Empty: all that the dataset has."""
    feature_dim: Count = 32
    epochs: Annotated[Count, Whole(2, 16, log=True)] = 4
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
    watch_column: str = ""
    """Column of the events that says how much was watched (a share, seconds, a rating), which the
    input watch_time and weighted_history read; empty: not read."""
    weighted_history: bool = False
    """Whether the items of the history are averaged with watch_column as weights."""
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
        reads = self.weighted_history or "watch_time" in self.query_inputs
        if reads and not self.watch_column:
            raise SettingError(
                "weighted_history and the input watch_time read how much was watched, but no "
                "watch_column names the column of the events that says it."
            )
        if self.weighted_history and self.pooling == "attention":
            raise SettingError(
                "With pooling attention, the network chooses the weights of the history: set "
                "weighted_history to false, or pooling to mean or fading."
            )
        return self

    def shape(self) -> Shape:
        """Return how inputs are made."""
        return replace(super().shape(), weighted=self.weighted_history)
