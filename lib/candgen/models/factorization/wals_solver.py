"""Weighted matrix factorization by alternating least squares.

The objective, in the symbols of the code, for users u, items i and vectors of length dim:

    sum over observed (u, i) of w_ui (y_ui - <u, i>)^2
    + w0 * sum over all (u, i) of <u, i>^2
    + sum over users of r_u |u|^2 + sum over items of r_i |i|^2

    r_u = regularization * (n_u + w0 * n_items)^frequency_power, and likewise r_i.

Y. Hu, Y. Koren, C. Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008,
set w_ui and y_ui by confidence; S. Rendle, W. Krichene, L. Zhang, Y. Koren, "Revisiting the
performance of iALS on item recommendation benchmarks", RecSys 2022, count w0 over all pairs and
scale the regularization by frequency. Both are cases of the above. Instead of exact solves we
take a few steps of conjugate gradients from the vectors of the sweep before (G. Takács,
I. Pilászy, D. Tikk, RecSys 2011), for blocks of rows at once.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.models.threads import one_blas_thread

Solver = Literal["cg", "cholesky"]
_WORTH_THREADS = (
    10_000_000  # multiplications; below, waiting for a thread costs more than it brings
)


class Observed(NamedTuple):
    """Observed pairs by row, in the form that the compiled solves take."""

    starts: NDArray[np.int64]  # (n_rows + 1,)
    columns: NDArray[np.int32]
    weights: NDArray[np.float32]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, weights: csr_array, values: csr_array | None = None) -> Observed:
        """Take weights, and values to fit at the same stored places; all ones when omitted."""
        if values is None:
            fit = np.ones(weights.nnz, dtype=np.float32)
        else:
            same = weights.shape == values.shape and np.array_equal(weights.indptr, values.indptr)
            if not (same and np.array_equal(weights.indices, values.indices)):
                raise ValueError(
                    "weights and values must store the same pairs, in the same order: weights has "
                    f"shape {weights.shape} and {weights.nnz} pairs, values has shape "
                    f"{values.shape} and {values.nnz}."
                )
            fit = values.data.astype(np.float32)
        starts, columns = weights.indptr.astype(np.int64), weights.indices.astype(np.int32)
        with np.errstate(over="ignore"):
            held = weights.data.astype(np.float32)
        if not (np.isfinite(held).all() and held.min(initial=0) >= 0 and np.isfinite(fit).all()):
            raise DataError(
                "Weights of observed pairs must be finite in single precision and 0 or greater, "
                f"and their values finite; the weights range from {weights.data.min():g} to "
                f"{weights.data.max():g}, the values from {fit.min():g} to {fit.max():g}."
            )
        return cls(starts, columns, held, fit)

    def counts(self) -> NDArray[np.int64]:
        """Return the number of observed pairs of each row."""
        return np.diff(self.starts)


class Penalty(NamedTuple):
    """Terms of the objective beside the observed pairs."""

    unobserved_weight: float  # w0
    regularization: float
    frequency_power: float  # 1 scales the regularization by frequency, 0 does not

    def of_rows(self, observed: Observed, n_columns: int) -> NDArray[np.float32]:
        """Return r of each row, shape `(n_rows,)`."""
        frequency = observed.counts() + self.unobserved_weight * n_columns
        found = self.regularization * frequency**self.frequency_power
        if not found.max(initial=0) <= np.finfo(np.float32).max:
            raise SettingError(
                f"The penalty of a row overflows single precision: regularization "
                f"{self.regularization:g} times {frequency.max():g} observed pairs to the power "
                f"{self.frequency_power:g}. Lower regularization or frequency_power."
            )
        return found.astype(np.float32)

    def of_vectors(
        self, vectors: NDArray[np.float32], counts: NDArray[np.int64], n_others: int
    ) -> float:
        """Return the sum of r |v|^2 over rows with so many observed pairs each."""
        frequency = counts + self.unobserved_weight * n_others
        penalties = self.regularization * frequency**self.frequency_power
        return _sum_of_products(penalties, np.einsum("nd,nd->n", vectors, vectors))

    def of_all_pairs(self, gram: NDArray[np.float32], other_gram: NDArray[np.float32]) -> float:
        """Return w0 times the sum of <u, i>^2 over all pairs, from the products of both sides."""
        return self.unobserved_weight * _sum_of_products(gram, other_gram)


def solve_rows(
    observed: Observed,
    fixed: NDArray[np.float32],
    penalty: Penalty,
    rows: NDArray[np.float32],
    *,
    solver: Solver = "cholesky",
    cg_steps: int = 3,
    gram: NDArray[np.float32] | None = None,
) -> None:
    """Minimize the objective over `rows`, in place, with the other side's vectors `fixed` still.

    Args:
        observed: Pairs of each row with the rows of `fixed`.
        fixed: Vectors of the other side, shape `(n_columns, dim)`.
        penalty: w0 and the regularization.
        rows: Vectors to replace, shape `(n_rows, dim)`, C-contiguous.
        solver: "cholesky" solves exactly; "cg" improves what `rows` holds.
        cg_steps: Steps of conjugate gradients.
        gram: `fixed.T @ fixed`, if it is known already.
    """
    import numba

    from candgen.models.factorization.wals_kernels import cg_rows, cholesky_few_rows, cholesky_rows

    penalties = penalty.of_rows(observed, len(fixed))
    gram = np.float32(penalty.unobserved_weight) * (gram_of(fixed) if gram is None else gram)
    n_threads = numba.get_num_threads()
    if solver == "cholesky" and _work_of(observed, rows.shape[1]) < _WORTH_THREADS:
        cholesky_few_rows(*observed, fixed, gram, penalties, rows)
        return
    if solver == "cholesky":
        cholesky_rows(*observed, fixed, gram, penalties, n_threads, rows)
        return
    with one_blas_thread():
        cg_rows(*observed, fixed, gram, penalties, cg_steps, n_threads, rows)


def gram_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `vectors.T @ vectors`, rounded alike on any number of threads."""
    with one_blas_thread():
        return vectors.T @ vectors


def objective(
    by_user: Observed,
    user_vectors: NDArray[np.float32],
    item_vectors: NDArray[np.float32],
    penalty: Penalty,
    item_counts: NDArray[np.int64],
) -> float:
    """Return the objective over all pairs, observed or not, in O(pairs * dim + rows * dim^2).

    Args:
        by_user: Observed pairs of each user.
        user_vectors: Shape `(n_users, dim)`.
        item_vectors: Shape `(n_items, dim)`.
        penalty: w0 and the regularization.
        item_counts: Observed pairs of each item, shape `(n_items,)`.
    """
    total = sum_of_errors(by_user, user_vectors, item_vectors)
    total += penalty.of_all_pairs(gram_of(user_vectors), gram_of(item_vectors))
    total += penalty.of_vectors(user_vectors, by_user.counts(), len(item_vectors))
    return total + penalty.of_vectors(item_vectors, item_counts, len(user_vectors))


class Sweeps:
    """The two sides of a factorization in this process, and the sweeps over them."""

    def __init__(
        self,
        by_user: Observed,
        by_item: Observed,
        users: NDArray[np.float32],
        items: NDArray[np.float32],
        penalty: Penalty,
        **solver: Any,
    ) -> None:
        self._by_user, self._by_item, self._penalty, self._solver = (
            by_user, by_item, penalty, solver
        )  # fmt: skip
        self._users, self._items = users, items

    def sweep(self) -> None:
        """Solve for the items with the users still, then for the users."""
        solve_rows(self._by_item, self._users, self._penalty, self._items, **self._solver)
        solve_rows(self._by_user, self._items, self._penalty, self._users, **self._solver)

    def objective(self) -> float:
        """Return the objective that the last sweep has reached."""
        counts = self._by_item.counts()
        return objective(self._by_user, self._users, self._items, self._penalty, counts)

    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the vectors of users and of items."""
        return self._users, self._items


def sum_of_errors(
    observed: Observed, rows: NDArray[np.float32], fixed: NDArray[np.float32]
) -> float:
    """Return the weighted sum of squared errors over the observed pairs of `rows`."""
    from candgen.models.factorization.wals_kernels import squared_errors

    return float(squared_errors(*observed, rows, fixed).sum())


def _work_of(observed: Observed, dim: int) -> int:
    """Count the multiplications of exact solves."""
    return dim * dim * (len(observed.columns) + len(observed.starts) * dim // 3) // 2


def _sum_of_products(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))
