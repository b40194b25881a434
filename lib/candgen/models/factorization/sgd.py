"""Weighted matrix factorization, solved by stochastic gradient descent (SGD)."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from candgen.models.factorization.settings import SGDSettings
from candgen.models.factorization.sgd_solver import Descent, Side, descend, initial_vectors
from candgen.models.factorization.wals_solver import Observed, objective
from candgen.models.factorization.weighted_factorization import WeightedFactorization
from candgen.seeds import derive_seed
from candgen.training.watching import Looks


class SGDFactorization(WeightedFactorization):
    """The objective of WALS, reached by small steps on batches of observed pairs.

    See `candgen.models.factorization.wals_solver` for the objective and
    `candgen.models.factorization.sgd_solver` for the
    steps. Users who were not trained on fold in by an exact solve.

    Attributes:
        history_: One `Epoch` a pass over the observed pairs, with the objective over all pairs.
    """

    name = "MF-SGD"
    Settings = SGDSettings
    chosen: SGDSettings

    def fit_matrix(
        self,
        weights: csr_array,
        values: csr_array | None = None,
        *,
        looks: Looks | None = None,
    ) -> None:
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
            self.name,
            looks,
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
            self.n_negatives,
        )
