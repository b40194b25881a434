"""WALS at its limits: heavy weights, systems that cannot be solved, and numbers of threads."""

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from candgen.errors import DataError, SettingError, TrainingError
from candgen.models import WALS
from candgen.models.factorization.wals_solver import Observed, Penalty, solve_rows
from candgen.retrieval import top_k

SOLVERS = ["cg", "cholesky"]


def plays(heaviest, seed=0):
    """Play counts of 300 pairs, 1 to `heaviest`, as heavy-tailed as those of songs."""
    rng = np.random.default_rng(seed)
    users, items = (
        part[rng.permutation(600)[:300]] for part in np.indices((30, 20)).reshape(2, -1)
    )
    return csr_array((heaviest ** rng.random(len(users)), (users, items)), shape=(30, 20))


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_of_a_hundred_million_give_finite_vectors(solver):
    model = WALS(dim=32, epochs=5, solver=solver)
    model.fit_matrix(plays(1e8))
    assert np.isfinite(model._users).all() and np.isfinite(model._items).all()
    curve = np.array([epoch.objective for epoch in model.history_])
    assert np.isfinite(curve).all() and (np.diff(curve) < 0).all()


def test_heavy_weights_are_solved_as_exactly_as_in_double_precision():
    weights, fixed = (
        plays(1e8),
        np.random.default_rng(1).normal(0, 0.1, (20, 12)).astype(np.float32),
    )
    rows = np.zeros((30, 12), np.float32)
    solve_rows(Observed.of(weights), fixed, Penalty(0.1, 0.003, 1.0), rows)
    v, w = fixed.astype(float), weights.toarray().astype(np.float32).astype(float)
    for user in range(30):
        r = 0.003 * ((w[user] > 0).sum() + 0.1 * 20)
        a = v.T @ (w[user][:, None] * v) + 0.1 * v.T @ v + r * np.eye(12)
        np.testing.assert_allclose(
            rows[user], np.linalg.solve(a, v.T @ w[user]), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_beyond_the_precision_of_the_solver_are_named(solver):
    with pytest.raises(
        TrainingError, match=r"WALS: the vectors .*sweep 1\. Observed pairs weigh .*37"
    ):
        WALS(dim=32, epochs=2, solver=solver).fit_matrix(plays(9e37))


def test_a_singular_system_is_named():
    model = WALS(dim=32, epochs=2, solver="cholesky", unobserved_weight=0, regularization=1e-60)
    with pytest.raises(
        TrainingError, match="regularization of 1e-60 and an unobserved_weight of 0"
    ):
        model.fit_matrix(plays(2))


def test_a_system_of_zeros_has_no_solution():
    rows = np.ones((30, 4), np.float32)
    nothing = np.zeros((20, 4), np.float32)
    solve_rows(Observed.of(plays(2)), nothing, Penalty(0.0, 1e-60, 1.0), rows)
    assert np.isnan(rows).all()


def test_a_user_who_cannot_be_folded_in_is_refused():
    model = WALS(dim=32, epochs=2)
    model.fit_matrix(plays(2))
    with pytest.raises(TrainingError, match="WALS: vectors that were folded in are not finite"):
        model.fold_in(plays(9e37))


def test_what_single_precision_cannot_hold_is_refused():
    with pytest.raises(DataError, match=r"finite in single precision.*range from 2\.976 to .*e\+4"):
        Observed.of(plays(1e48))
    with pytest.raises(SettingError, match=r"penalty of a row overflows.*1e\+38"):
        WALS(dim=4, regularization=1e38).fit_matrix(plays(2))


def test_a_column_of_weights_beyond_single_precision_is_named(taste_world):
    events = taste_world.train.assign(rating=1e39)
    with pytest.raises(DataError, match=r"'rating' ranges from 1e\+39 to 1e\+39"):
        WALS(weight_by="rating")._weights(taste_world, events)


# --- threads


@pytest.mark.parametrize("solver", SOLVERS)
def test_vectors_and_lists_are_the_same_on_any_number_of_threads(solver):
    present = np.random.default_rng(0).random((203, 83)) < 0.2
    weights, made = csr_array(present.astype(float)), []
    before = numba.get_num_threads()
    for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(n)
        try:
            with threadpool_limits(n, user_api="blas"):
                model = WALS(dim=17, epochs=2, solver=solver)
                model.fit_matrix(weights)
                found = [top_k(model._users[:m], model._items, 20) for m in (203, 99, 17)]
        finally:
            numba.set_num_threads(before)
        curve = [epoch.objective for epoch in model.history_]
        made.append([model._users, model._items, curve, *(a for lists in found for a in lists)])
    for one, two in zip(*made, strict=True):
        np.testing.assert_array_equal(one, two)
