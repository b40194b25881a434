"""Base class of the solvers of the weighted squared objective.

See `candgen.models.factorization.wals_solver` for the objective. A solver adds `fit_matrix`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.errors import TrainingError
from candgen.models.base import VectorGenerator
from candgen.models.factorization.looking import looks_of
from candgen.models.factorization.pair_weights import pair_weights
from candgen.models.factorization.settings import WeightedSettings
from candgen.models.factorization.wals_solver import Observed, Penalty, gram_of, solve_rows
from candgen.training.watching import Looks

_FOLDING = ("unobserved_weight", "regularization", "frequency_power")


class WeightedFactorization(VectorGenerator):
    """User and item vectors whose products are near 1 where a pair was observed, else near 0."""

    Settings = WeightedSettings
    folds_in = True
    folds_in_items = True
    _users: NDArray[np.float32]  # (n_users, dim)
    _items: NDArray[np.float32]  # (n_items, dim)

    @abstractmethod
    def fit_matrix(
        self,
        weights: csr_array,
        values: csr_array | None = None,
        *,
        looks: Looks | None = None,
    ) -> None:
        """Learn vectors from a matrix alone; `fit` calls this with the training events.

        Args:
            weights: Weight of each observed pair, 0 or greater, shape `(n_users, n_items)`.
            values: Values to fit at the same stored pairs; ones when omitted.
            looks: What looks at the vectors after each epoch.
        """

    def fold_in(self, weights: csr_array, values: csr_array | None = None) -> NDArray[np.float32]:
        """Solve for vectors of users from what they took, with the item vectors still.

        Args:
            weights: Weight of each observed pair, shape `(n, n_items)`; ones for plain events.
            values: Values to fit at the same pairs; ones when omitted.

        Returns:
            Vectors, shape `(n, dim)`; zeros for a user without events.
        """
        return self._solved(weights, values, "items")

    @classmethod
    def portable_fold_in(cls, settings: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the weights of the objective; None where events were weighted.

        A list of items does not tell the weights of events.
        """
        if settings.get("weight_by") or settings.get("weight_power"):
            return None
        return {name: float(settings[name]) for name in _FOLDING}

    def fold_in_items(
        self, weights: csr_array, values: csr_array | None = None
    ) -> NDArray[np.float32]:
        """Solve for vectors of items from who took them, with the user vectors still.

        Args:
            weights: Weight of each observed pair, shape `(n, n_users)`; ones for plain events.
            values: Values to fit at the same pairs; ones when omitted.

        Returns:
            Vectors, shape `(n, dim)`; zeros for an item that nobody took.
        """
        return self._solved(weights, values, "users")

    def prior_precision(self) -> NDArray[np.float32]:
        """Return A of a user without events: w0 V'V + r I, shape `(dim, dim)`.

        Each event or answer with weight w about item i adds w v_i v_i' to it, and to r what the
        frequency adds.
        """
        self._known("known_items_")
        nothing = Observed.of(csr_array((1, len(self._items)), dtype=np.float32))
        r = self._penalty.of_rows(nothing, len(self._items))[0]
        return self.unobserved_weight * self._gram("items") + r * np.eye(self.dim, dtype=np.float32)

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for items never trained on."""
        self._known("known_items_")
        return self._items

    def _make_ready(self) -> None:
        """Do now what the first user would wait for: the items' products and the compiled code."""
        self.fold_in(csr_array((1, len(self._items)), dtype=np.float32))

    def _solved(
        self, weights: csr_array, values: csr_array | None, side: Literal["users", "items"]
    ) -> NDArray[np.float32]:
        """Solve for rows that are not of `side`, from what they have to do with it."""
        fixed = self._items if side == "items" else self._users
        if weights.shape[1] != len(fixed):
            raise ValueError(
                f"Weights to fold in must have one column for each of the {len(fixed):,} {side} "
                f"of training, got shape {weights.shape}."
            )
        vectors = np.zeros((weights.shape[0], self.dim), dtype=np.float32)
        observed = Observed.of(weights, values)
        solve_rows(observed, fixed, self._penalty, vectors, gram=self._gram(side))
        if not np.isfinite(vectors).all():
            self._refuse("vectors that were folded in are not finite", weights)
        return vectors

    def _refuse(self, what: str, weights: csr_array) -> NoReturn:
        """Say what overflowed, or which system is singular in the precision of the solver."""
        raise TrainingError(
            f"{self.name}: {what}. Observed pairs weigh {weights.data.min(initial=np.inf):g} to "
            f"{weights.data.max(initial=0):g}, beside a regularization of "
            f"{self.regularization:g} and an unobserved_weight of {self.unobserved_weight:g}: the "
            "numbers lie too far apart. Weight pairs by a logarithm or a root of the column, or "
            "raise regularization."
        )

    def _gram(self, side: Literal["users", "items"]) -> NDArray[np.float32]:
        """Return `fixed.T @ fixed` of a side, kept until other vectors are learned."""
        fixed = self._items if side == "items" else self._users
        grams = self.__dict__.setdefault("_grams", {})
        if grams.get(side, (None,))[0] is not fixed:
            grams[side] = fixed, gram_of(fixed)
        return grams[side][1]

    @property
    def _penalty(self) -> Penalty:
        return Penalty(self.unobserved_weight, self.regularization, self.frequency_power)

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._users[users]

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return 16 * self.dim * (n_users + n_items) + 48 * n_events

    def _learned_numbers(self) -> dict[str, NDArray]:
        return super()._learned_numbers() | {"vectors of users": self._users}

    def _fit(self, dataset: Dataset) -> None:
        self._fit_by(partial(self.fit_matrix, looks=looks_of(self, dataset)), dataset)

    def _fit_by(self, fit_matrix: Callable[[csr_array], None], dataset: Dataset) -> None:
        fit_matrix(self._weights(dataset, dataset.train))
        not_trained = np.flatnonzero(
            np.diff(self.history_matrix_.indptr) > np.diff(dataset.train_matrix.indptr)
        )
        if len(not_trained):
            known = pd.concat([dataset.train, dataset.table("fold_in")], ignore_index=True)
            self._users[not_trained] = self.fold_in(self._weights(dataset, known)[not_trained])

    def _weights(self, dataset: Dataset, events: pd.DataFrame) -> csr_array:
        return pair_weights(dataset, events, self.weight_by, self.weight_power)
