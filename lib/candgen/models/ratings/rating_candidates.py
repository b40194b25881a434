"""Predicted ratings as scores of candidates.

Whoever rates an item chose it first. A model of ratings knows nothing of that choice, so what it
scores highest is what few people took and those few liked. It stands here to show how far a good
predictor of ratings is from a good generator of candidates.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.checks import Count, CountOrZero, Positive, Settings
from candgen.columns import ITEM, RATING, USER
from candgen.datasets import Dataset, rated_films
from candgen.models.base import VectorGenerator
from candgen.models.ratings import ratings
from candgen.spaces import Real, Whole


class RatingSettings(Settings):
    """Settings of PredictedRating."""

    dim: Annotated[Count, Whole(5, 100, log=True)] = 20
    """Length of the vectors of users and items."""
    epochs: Annotated[Count, Whole(2, 20, log=True)] = 5
    """Alternating sweeps over users and items."""
    regularization: Annotated[Positive, Real(0.5, 50.0, log=True)] = 10.0
    """Penalty on the squared length of the vectors."""
    seed: CountOrZero = 0
    """Seed of the initial vectors."""


class PredictedRating(VectorGenerator):
    """Ranks items by the rating predicted, learned by alternating least squares."""

    name = "PredictedRating"
    needs = ("ratings",)
    Settings = RatingSettings
    predicts_ratings = True

    def _fit(self, dataset: Dataset) -> None:
        rated = rated_films.of_dataset(dataset)
        centred, self.means_ = ratings.normalized(rated)
        start = ratings.random_start(rated, self.dim, rng=np.random.default_rng(self.seed))
        options = {"sweeps": self.epochs, "regularization": self.regularization}
        self.fitted_ = ratings.fit_als(centred, start, **options)
        if dataset.has("fold_in"):
            known = dataset.table("fold_in")
            self._fold_in(known[~known[USER].isin(rated.user)])

    def _fold_in(self, known: pd.DataFrame) -> None:
        x, w, b = self.fitted_.vectors
        for user, events in known.groupby(USER):
            items = events[ITEM].to_numpy()
            given = events[RATING].to_numpy() - self.means_[items]
            w[user], b[user] = ratings.solve_user(x[items], given, self.regularization)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return 24 * self.dim * (n_users + n_items) + 48 * n_events

    def _learned_numbers(self) -> dict[str, NDArray]:
        return super()._learned_numbers() | {"vectors of users": self.fitted_.vectors.w}

    def item_vectors(self) -> NDArray[np.float32]:
        vectors = np.column_stack([self.fitted_.vectors.x, self.means_])
        return np.where(self.known_items_[:, None], vectors, 0).astype(np.float32)

    def predicted(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.float64]:
        """Predict the ratings of pairs, shape `(n,)`."""
        x, w, b = self.fitted_.vectors
        return np.einsum("nd,nd->n", x[items], w[users]) + b[users] + self.means_[items]

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        w = self.fitted_.vectors.w[users]  # the bias shifts a user's whole list, so it is left out
        return np.column_stack([w, np.ones(len(users))]).astype(np.float32)
