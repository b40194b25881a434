"""Weighted matrix factorization, solved by weighted alternating least squares (WALS)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from candgen.checks import one_of, whole_number
from candgen.errors import SettingError
from candgen.models.factorization.wals_solver import Observed, Solver, objective, solve_rows
from candgen.models.factorization.weighted_factorization import WeightedFactorization
from candgen.seeds import derive_seed
from candgen.training.compile_time import Stopwatch

SOLVERS = ("cg", "cholesky")


class Epoch(NamedTuple):
    """One sweep over items and users."""

    epoch: int  # 0 is the random start
    objective: float
    seconds: float  # of the sweep alone


class WALS(WeightedFactorization):
    """User and item vectors whose products are near 1 where a pair was observed, else near 0.

    See `candgen.models.factorization.wals_solver` for the objective. Each epoch solves for
    the items with the
    users held still, then for the users, so trained users stand where folding in would put them.

    Attributes:
        history_: One `Epoch` a sweep, with the objective, which never rises.
    """

    name = "WALS"

    def __init__(
        self,
        *,
        dim: int = 32,
        epochs: int = 12,
        unobserved_weight: float = 0.1,
        regularization: float = 0.003,
        frequency_power: float = 1.0,
        weight_by: str = "",
        weight_power: float = 0.0,
        solver: Solver = "cg",
        cg_steps: int = 3,
        seed: int = 0,
    ) -> None:
        """Check and keep the settings.

        Args:
            dim: Length of the vectors.
            epochs: Alternating sweeps.
            unobserved_weight: w0, the weight of every pair's pull towards 0; an observed pair
                pulls towards 1 with weight 1, or what `weight_by` says.
            regularization: Penalty on the length of vectors.
            frequency_power: Multiplies the penalty of a row by (observed pairs + w0 * all
                pairs) to this power. 0 treats all rows alike.
            weight_by: Column of the events that weights observed pairs, summed over repeats.
            weight_power: Observed pairs weigh (n_u n_i)^-weight_power besides; 0: all alike.
            solver: "cg" takes a few steps a sweep; "cholesky" solves each row exactly.
            cg_steps: Steps of conjugate gradients a row and sweep.
            seed: Of the random start, which has standard deviation 0.1 / sqrt(dim).

        Raises:
            SettingError: If a setting is out of range.
        """
        self._keep_objective(
            dim, epochs, unobserved_weight, regularization, frequency_power,
            weight_by, weight_power, seed,
        )  # fmt: skip
        self.solver = one_of("solver", solver, SOLVERS)
        self.cg_steps = whole_number("cg_steps", cg_steps, at_least=1)
        if unobserved_weight == 0 and regularization == 0:
            raise SettingError(
                "unobserved_weight and regularization are both 0: nothing would keep the vectors "
                "of rare users and items finite. Set one of them above 0."
            )

    def fit_matrix(self, weights: csr_array, values: csr_array | None = None) -> None:
        n_users, n_items = weights.shape
        by_user = Observed.of(weights, values)
        by_item = Observed.of(weights.T.tocsr(), None if values is None else values.T.tocsr())
        rng = np.random.default_rng(derive_seed(self.seed, "initial vectors"))
        spread = np.float32(0.1 / np.sqrt(self.dim))
        users, items = (
            spread * rng.standard_normal((n, self.dim), dtype=np.float32)
            for n in (n_users, n_items)
        )
        for vectors, observed in ((users, by_user), (items, by_item)):
            vectors[observed.counts() == 0] = 0
        steps = {"solver": self.solver, "cg_steps": self.cg_steps}
        item_counts = by_item.counts()
        start = objective(by_user, users, items, self._penalty, item_counts)
        self.history_ = [Epoch(0, start, 0.0)]
        for epoch in range(1, self.epochs + 1):
            clock = Stopwatch()
            solve_rows(by_item, users, self._penalty, items, **steps)
            solve_rows(by_user, items, self._penalty, users, **steps)
            seconds = clock.read().seconds
            reached = objective(by_user, users, items, self._penalty, item_counts)
            self.history_.append(Epoch(epoch, reached, seconds))
        self._users, self._items = users, items
        self._make_ready()
