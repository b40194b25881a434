"""Weighted matrix factorization, solved by weighted alternating least squares (WALS)."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.models.factorization.blocks.sweeps import BlockSweeps, in_blocks
from candgen.models.factorization.settings import WALSSettings
from candgen.models.factorization.wals_solver import Observed, Sweeps
from candgen.models.factorization.weighted_factorization import WeightedFactorization
from candgen.seeds import derive_seed
from candgen.training.compile_time import Stopwatch
from candgen.training.watching import Looks

if TYPE_CHECKING:
    from candgen.cluster.workers import Cluster


class Epoch(NamedTuple):
    """One sweep over items and users."""

    epoch: int  # 0 is the random start
    objective: float
    seconds: float  # of the sweep alone


class WALS(WeightedFactorization):
    """User and item vectors whose products are near 1 where a pair was observed, else near 0.

    See `candgen.models.factorization.wals_solver` for the objective. Each epoch solves for the
    items with the users fixed, then for the users, so that trained users have the vectors that
    folding in would give them. The same settings give the same vectors on any number of threads, to
    the last bit, with the same BLAS library on the same kind of processor. With a cluster, the rows
    of each side are solved in blocks over its workers, to the same vectors.

    Attributes:
        history_: One `Epoch` a sweep, with the objective, which never rises.
    """

    name = "WALS"
    Settings = WALSSettings
    chosen: WALSSettings
    fits_on_clusters = True

    def fit_matrix(
        self,
        weights: csr_array,
        values: csr_array | None = None,
        *,
        looks: Looks | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """Learn vectors from a matrix alone, in this process or over the workers of a cluster."""
        with ExitStack() as ends:
            sweeps = self._sweeps(weights, values, cluster, ends)
            self.history_ = [Epoch(0, sweeps.objective(), 0.0)]
            for epoch in range(1, self.epochs + 1):
                clock = Stopwatch()
                sweeps.sweep()
                seconds = clock.read().seconds
                reached = sweeps.objective()
                if not np.isfinite(reached):
                    self._refuse(f"the vectors are no longer finite after sweep {epoch}", weights)
                self.history_.append(Epoch(epoch, reached, seconds))
                if looks is not None:
                    looks.after(epoch, *sweeps.vectors())
            self._users, self._items = sweeps.vectors()
        self._make_ready()

    def _sweeps(
        self,
        weights: csr_array,
        values: csr_array | None,
        cluster: Cluster | None,
        ends: ExitStack,
    ) -> Sweeps | BlockSweeps:
        """Draw the initial vectors and give the sweeps from there; `ends` removes their files."""
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
        given = (by_user, by_item, users, items, self._penalty)
        steps = {"solver": self.solver, "cg_steps": self.cg_steps}
        if cluster is None:
            return Sweeps(*given, **steps)
        return in_blocks(cluster, ends.enter_context(cluster.job("wals")), *given, **steps)

    def _fit_on(self, cluster: Cluster, dataset: Dataset) -> None:
        self._fit_by(partial(self.fit_matrix, cluster=cluster), dataset)
