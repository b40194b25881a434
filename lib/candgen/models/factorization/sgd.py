"""Weighted matrix factorization, solved by stochastic gradient descent (SGD)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from candgen.checks import number, one_of, whole_number
from candgen.models.factorization.sgd_solver import (
    OPTIMIZERS,
    UNOBSERVED,
    Descent,
    Side,
    descend,
    initial_vectors,
)
from candgen.models.factorization.wals_solver import Observed, objective
from candgen.models.factorization.weighted_factorization import WeightedFactorization
from candgen.seeds import derive_seed


class SGDFactorization(WeightedFactorization):
    """The objective of WALS, reached by small steps on batches of observed pairs.

    See `candgen.models.factorization.wals_solver` for the objective and
    `candgen.models.factorization.sgd_solver` for the
    steps. Users who were not trained on fold in by an exact solve.

    Attributes:
        history_: One `Epoch` a pass over the observed pairs, with the objective over all pairs.
    """

    name = "MF-SGD"

    def __init__(
        self,
        *,
        dim: int = 32,
        epochs: int = 40,
        unobserved_weight: float = 0.1,
        regularization: float = 0.003,
        frequency_power: float = 1.0,
        weight_by: str = "",
        weight_power: float = 0.0,
        unobserved: Literal["gravity", "sampled"] = "gravity",
        negatives: int = 4,
        optimizer: Literal["adam", "adagrad"] = "adam",
        learning_rate: float = 0.05,
        batch_size: int = 1024,
        seed: int = 0,
    ) -> None:
        """Check and keep the settings.

        Args:
            dim: Length of the vectors.
            epochs: Passes over the observed pairs.
            unobserved_weight: w0, the weight of every pair's pull towards 0.
            regularization: Penalty on the length of vectors.
            frequency_power: Multiplies the penalty of a row by (observed pairs + w0 * all
                pairs) to this power. 0 treats all rows alike.
            weight_by: Column of the events that weights observed pairs, summed over repeats.
            weight_power: Observed pairs weigh (n_u n_i)^-weight_power; 0: all alike.
            unobserved: "gravity" counts the pull of all pairs exactly; "sampled" draws pairs.
            negatives: Pairs drawn for each observed one, where they are sampled.
            optimizer: "adam" or "adagrad".
            learning_rate: At the first batch; it falls to 0 in a straight line.
            batch_size: Observed pairs a batch.
            seed: Of the random start, the order of pairs and the pairs drawn.

        Raises:
            SettingError: If a setting is out of range.
        """
        self._keep_objective(
            dim, epochs, unobserved_weight, regularization, frequency_power,
            weight_by, weight_power, seed,
        )  # fmt: skip
        self.unobserved = one_of("unobserved", unobserved, UNOBSERVED)
        self.negatives = whole_number("negatives", negatives, at_least=1)
        self.optimizer = one_of("optimizer", optimizer, OPTIMIZERS)
        self.learning_rate = number("learning_rate", learning_rate, above=0)
        self.batch_size = whole_number("batch_size", batch_size, at_least=1)

    def fit_matrix(self, weights: csr_array, values: csr_array | None = None) -> None:
        n_users, n_items = weights.shape
        by_user, by_item = Observed.of(weights, values), Observed.of(weights.T.tocsr())
        rng = np.random.default_rng(derive_seed(self.seed, "initial vectors"))
        sides = []
        for observed, n_others in ((by_user, n_items), (by_item, n_users)):
            counts = observed.counts()
            vectors = initial_vectors(len(counts), self.dim, counts, rng)
            sides.append(Side.of(vectors, self._penalty.of_rows(observed, n_others), counts))
        users, items = sides
        self.history_ = descend(
            by_user,
            users,
            items,
            self._penalty,
            self._descent,
            lambda: objective(by_user, users.vectors, items.vectors, self._penalty, items.counts),
            np.random.default_rng(derive_seed(self.seed, "order of pairs")),
        )
        self._users, self._items = users.vectors, items.vectors
        self._make_ready()

    @property
    def _descent(self) -> Descent:
        return Descent(
            self.epochs,
            self.learning_rate,
            self.batch_size,
            self.optimizer,
            self.unobserved,
            self.negatives,
        )
