"""Two towers: one reads a user at a moment, the other an item, and both end in the same space.

Trained so that the vector of what is known of a user lies near the vector of what the user takes
next. A query vector is computed from inputs when candidates are asked for, so new events need no
new training, and users and items that were never seen are served from their features.

- Yi et al., *Sampling-bias-corrected neural modeling for large corpus item recommendations*, RecSys
  2019: in-batch softmax with the correction for how often an item is a negative.
- Mao et al., *SimpleX*, CIKM 2021: cosine contrastive loss, many uniform negatives, and the user as
  `id_share * id + (1 - id_share) * mean of the history` in the space of the items.
- Rendle et al., *Neural collaborative filtering vs. matrix factorization revisited*, RecSys 2020:
  why the towers end in a product and in nothing deeper.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from candgen.checks import Count, CountOrZero, NotNegative, Positive, Share
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.features import EventLog
from candgen.models.base import VectorGenerator, unit_rows
from candgen.models.learned import LearnedGenerator
from candgen.models.towers import portable
from candgen.models.towers.building import (
    Shape,
    chosen_inputs,
    item_inputs,
    query_inputs,
    read_searches_of,
)
from candgen.models.towers.inputs import Ids
from candgen.models.towers.learning import TowerLearner
from candgen.models.towers.network import Tower
from candgen.models.towers.settings import TowerSettings
from candgen.negatives import Kind, make_sampler
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole


class TwoTowerSettings(TowerSettings):
    """Settings of TwoTower: what the towers read, how they are built, and what they learn."""

    query_inputs: list[Literal["id", "history", "features", "searches", "time"]] = [
        "id", "history", "features"
    ]  # fmt: skip
    """Inputs of the query tower: id, history, features, searches, time. Empty: all that the dataset
    has, but no id. The default leaves out what the dataset lacks."""
    item_inputs: list[Literal["id", "features", "age"]] = ["id", "features"]
    """Inputs of the item tower: id, features, age. Empty: all that the dataset has. The default
    leaves out what the dataset lacks."""
    hidden: list[Count] = [64]
    similarity: Literal["dot", "cosine"] = "cosine"
    """How the vectors are compared: dot or cosine."""
    temperature: Annotated[Positive, Real(0.03, 0.5, log=True)] = 0.1
    """Products are divided by it before the loss, except for contrastive."""
    loss: Literal["softmax", "logistic", "bpr", "hinge", "contrastive"] = "softmax"
    """Loss of positives against negatives: softmax, logistic, bpr, hinge or contrastive."""
    loss_margin: NotNegative = 0.9
    """Of the losses hinge and contrastive: margin between the positive and the negatives."""
    negative_weight: NotNegative = 1.0
    """Of the losses logistic and contrastive: weight of all negatives together, against 1."""
    negatives: Kind = "mixed"
    """Kind of negatives, as described in `candgen.negatives`."""
    n_negatives: Count = 200
    history_length: CountOrZero = 0
    id_at_least: Count = 5
    epochs: Annotated[Count, Whole(2, 16, log=True)] = 4
    batch_size: Count = 512
    learning_rate: Positive = 0.005
    shared_item_table: bool = True
    """Whether history and item ids read one table."""
    id_share: Share = 0.0
    """Without hidden layers: share of id against history in the sum; 0 adds them as they are."""
    uploaded: str = "upload_time"
    """Column of the items table that says when an item appeared, if there is one."""

    @model_validator(mode="after")
    def _contrastive_needs_cosines(self) -> TwoTowerSettings:
        if self.loss == "contrastive" and self.similarity != "cosine":
            raise SettingError("The contrastive loss needs cosines: set similarity to cosine.")
        return self

    def shape(self) -> Shape:
        """Return how inputs are made."""
        return replace(super().shape(), uploaded=self.uploaded)


def _default(setting: str) -> list[str]:
    return TwoTowerSettings.model_fields[setting].default


class TwoTower(LearnedGenerator, VectorGenerator):
    """A query tower and an item tower that meet in a dot product or a cosine.

    Whether users and items that nobody has trained on are answered depends on what the towers read.
    With features of users, or the time, users without any event are answered; with features of
    items, items without any are. Otherwise they are refused by name. Towers that read ids alone
    answer a user who has a history and was not trained on by the mean of the history's items.

    Attributes:
        query_inputs_: What the query tower reads.
        item_inputs_: What the item tower reads.
        moment_: When candidates are asked for: the second after the last training event.
    """

    name = "TwoTower"
    Settings = TwoTowerSettings
    chosen: TwoTowerSettings
    reads_histories = True
    computes_queries = True

    def fit(self, dataset: Dataset) -> TwoTower:
        """Learn from the training part of a dataset.

        Raises:
            SettingError: If the dataset lacks what an input reads.
        """
        own = {"query_inputs": self.query_inputs, "item_inputs": self.item_inputs}
        optional = [name for name, asked in own.items() if asked == _default(name)]
        chosen = chosen_inputs(dataset, **own, optional=optional)
        self.query_inputs_, self.item_inputs_ = chosen
        self.answers_cold_users = bool({"features", "time"} & set(self.query_inputs_))
        self.answers_cold_items = "features" in self.item_inputs_
        return super().fit(dataset)

    @property
    def searched_by(self) -> str:
        """dot where popularity has a coordinate beside the vectors of length 1."""
        return "dot" if self.popularity_weight else self.similarity

    def serving(self, dataset: Dataset) -> TwoTower:
        """Return the same towers with the histories of a dataset, without learning anything.

        Args:
            dataset: Of the same users and items, with more (or fewer) events known of users.
        """
        made = copy.copy(self)
        made._dataset, made._log = dataset, EventLog.of_history(dataset)
        made.history_matrix_ = dataset.history_matrix
        has_history = np.diff(made.history_matrix_.indptr) > 0
        made.known_users_ = np.ones_like(has_history) if self.answers_cold_users else has_history
        return made

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item as of `moment_`, shape `(n_items, dim)`; zeros for unknown.

        With a `popularity_weight`, shape `(n_items, dim + 1)`: the last coordinate is its part.
        """
        self._known("known_items_")
        return self._items

    def portable_queries(self) -> dict[str, NDArray]:
        """Return the query tower as arrays from which NumPy alone makes vectors of new users."""
        self._known("known_items_")
        return portable.portable_queries(self)

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        made = self._learned.query_vectors(self._learned.now(self._log, users))
        if self.query_inputs_ == ["id"]:
            untrained = self._untrained[users]
            if untrained.any():
                made[untrained] = self._means_of_histories(users[untrained])
        return made

    def _means_of_histories(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        history = self.history_matrix_[users]
        lengths = np.maximum(np.diff(history.indptr), 1).astype(np.float32)
        means = (history @ self._items) / lengths[:, None]
        places = means[:, : self.dim]  # without what popularity adds
        means[:, : self.dim] = unit_rows(places) if self.similarity == "cosine" else places
        means[:, self.dim :] = 1
        return means

    def _learner(self, dataset: Dataset) -> TowerLearner:
        log = EventLog.of(dataset.train, dataset.n_users)
        shape = self.chosen.shape()
        items = item_inputs(dataset, self.item_inputs_, shape, log=log, features=self.item_features)
        shared = next((i for i in items if isinstance(i, Ids)), None)
        if not self.shared_item_table or shared is None:
            shared = None
        queries = query_inputs(
            dataset,
            self.query_inputs_,
            shape,
            log=log,
            features=self.user_features,
            item_rows=None if shared is None else shared.row_of,
            item_table=None if shared is None else shared.table,
        )
        sampler = make_sampler(
            self.negatives,
            dataset,
            n=self.n_negatives,
            batch_size=self.batch_size,
            alpha=self.alpha,
            hardness=self.hardness,
            memory=self.memory,
            correction=self.correction and self.loss == "softmax",
            skip_known=self.skip_known,
        )
        towers = tuple(self._tower(name, i) for name, i in (("query", queries), ("item", items)))
        return TowerLearner(
            log,
            queries,
            items,
            towers,
            sampler,
            n_items=dataset.n_items,
            moment=dataset.known_until or 0,
            loss=self.loss,
            margin=self.loss_margin,
            negative_weight=self.negative_weight,
            temperature=self.temperature,
            history_length=self.history_length,
            example_weights=self.chosen.example_weights(dataset, log.items),
            optimizer=self.optimizer,
            popularity_weight=self.popularity_weight,
        )

    def _tower(self, name: str, inputs: list) -> Tower:
        return Tower(
            name,
            inputs,
            dim=self.dim,
            hidden=self.hidden,
            normalization=self.normalization,
            unit=self.similarity == "cosine",
            id_share=self.id_share,
            seed=derive_seed(self.seed, f"layers {name}"),
        )

    def _finish(self, learner: TowerLearner, dataset: Dataset) -> None:
        self._log = EventLog.of_history(dataset)
        self._untrained = learner.log.lengths == 0
        self.moment_ = learner.moment = dataset.known_until or 0
        self._learned = learner
        if self.patience:
            read_searches_of(dataset, learner.queries)
        self._items = learner.item_vectors(self.moment_) * self.known_items_[:, None]
