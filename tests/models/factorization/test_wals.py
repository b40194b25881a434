import numpy as np
import pytest
from contract import VectorContract
from scipy.sparse import csr_array, csr_matrix

from candgen.errors import DataError, SettingError
from candgen.models import WALS
from candgen.models.factorization.wals_solver import Observed, Penalty, objective, solve_rows
from tolerance import rounding

SOLVERS = ["cg", "cholesky"]


class TestWALS(VectorContract):
    def make(self, **settings):
        return WALS(**{"dim": 6, "epochs": 8, "regularization": 0.01, **settings})


class TestWALSWithExactSteps(VectorContract):
    def make(self, **settings):
        exact = {"dim": 6, "epochs": 8, "regularization": 0.01, "solver": "cholesky"}
        return WALS(**{**exact, **settings})


def weighted_pairs(n_users=50, n_items=35, seed=0):
    """Observed weights and values of the same pairs; user 3 and item 4 have none."""
    rng = np.random.default_rng(seed)
    present = rng.random((n_users, n_items)) < 0.2
    present[3], present[:, 4] = False, False
    weights = csr_array(np.where(present, rng.uniform(0.5, 4, present.shape), 0))
    values = weights.copy()
    values.data = rng.normal(1, 0.5, weights.nnz)
    return weights, values


def dense_objective(model, weights, values):
    """The objective written out over every pair."""
    users, items = model._users.astype(float), model._items.astype(float)
    w, y, x = weights.toarray(), values.toarray(), users @ items.T
    w0, reg, power = model.unobserved_weight, model.regularization, model.frequency_power
    total = (w * (y - x) ** 2).sum() + w0 * (x**2).sum()
    for vectors, counts, n_others in (
        (users, (w > 0).sum(axis=1), len(items)),
        (items, (w > 0).sum(axis=0), len(users)),
    ):
        total += (reg * (counts + w0 * n_others) ** power * (vectors**2).sum(axis=1)).sum()
    return total


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_recorded_objective_is_the_one_over_all_pairs(solver, power):
    weights, values = weighted_pairs()
    model = WALS(dim=5, epochs=3, regularization=0.02, frequency_power=power, solver=solver)
    model.fit_matrix(weights, values)
    reached = model.history_[-1].objective
    assert reached == pytest.approx(dense_objective(model, weights, values), rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("w0", [0.0, 0.05, 2.0])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_objective_never_rises(solver, w0, power):
    weights, values = weighted_pairs()
    model = WALS(
        dim=8,
        epochs=40,
        unobserved_weight=w0,
        regularization=0.05,
        frequency_power=power,
        solver=solver,
    )
    model.fit_matrix(weights, values)
    curve = np.array([epoch.objective for epoch in model.history_])
    assert (np.diff(curve) <= 1e-6 * curve[:-1]).all()  # the last digits of single precision
    assert curve[-1] < 0.9 * curve[0]


def test_each_half_step_alone_never_raises_the_objective():
    weights, values = weighted_pairs()
    rng = np.random.default_rng(0)
    users, items = (rng.normal(size=(n, 6)).astype(np.float32) for n in weights.shape)
    by_user = Observed.of(weights, values)
    by_item = Observed.of(weights.T.tocsr(), values.T.tocsr())
    penalty, counts = Penalty(0.3, 0.02, 1.0), by_item.counts()
    before = objective(by_user, users, items, penalty, counts)
    for _ in range(10):
        for observed, fixed, rows in ((by_item, users, items), (by_user, items, users)):
            solve_rows(observed, fixed, penalty, rows, solver="cg", cg_steps=1)
            after = objective(by_user, users, items, penalty, counts)
            assert after <= before * (1 + 1e-6)
            before = after


def dense_solve(weights, values, fixed, w0, penalties):
    """Normal equations of each row, solved by NumPy in double precision."""
    fixed = fixed.astype(float)
    rows = []
    for w, y, r in zip(weights.toarray(), values.toarray(), penalties, strict=True):
        a = (fixed.T * (w + w0)) @ fixed + r * np.eye(fixed.shape[1])
        rows.append(np.linalg.solve(a, fixed.T @ (w * y)))
    return np.array(rows)


@pytest.mark.parametrize(("solver", "cg_steps"), [("cholesky", 1), ("cg", 30)])
def test_a_row_solve_agrees_with_dense_normal_equations(solver, cg_steps):
    weights, values = weighted_pairs(n_users=150)
    fixed = np.random.default_rng(1).normal(size=(35, 6)).astype(np.float32)
    rows = np.zeros((150, 6), dtype=np.float32)
    penalty = Penalty(0.2, 0.5, 1.0)
    solve_rows(Observed.of(weights, values), fixed, penalty, rows, solver=solver, cg_steps=cg_steps)
    r = 0.5 * ((weights.toarray() > 0).sum(axis=1) + 0.2 * 35)
    np.testing.assert_allclose(rows, dense_solve(weights, values, fixed, 0.2, r), atol=1e-4)


def test_a_few_conjugate_gradient_steps_reach_what_exact_steps_reach():
    weights, values = weighted_pairs()
    reached = []
    for solver in SOLVERS:
        model = WALS(dim=5, epochs=30, regularization=0.02, solver=solver)
        model.fit_matrix(weights, values)
        reached.append(model.history_[-1].objective)
    assert reached[0] == pytest.approx(reached[1], rel=0.01)  # 30 epochs leave a little to go


def test_no_observation_means_the_vector_zero():
    weights, values = weighted_pairs()
    for solver in SOLVERS:
        model = WALS(dim=4, epochs=2, solver=solver)
        model.fit_matrix(weights, values)
        assert not model._users[3].any() and not model._items[4].any()


@pytest.mark.filterwarnings("ignore:OpenBLAS is configured:RuntimeWarning")
def test_it_ends_where_the_implicit_package_ends():
    implicit = pytest.importorskip("implicit.als")
    rng = np.random.default_rng(0)
    present = csr_array((rng.random((300, 200)) < 0.06).astype(np.float32))
    confidence, w0, reg = 5.0, 1.0, 0.1
    # Theirs: confidence c at the value 1 for observed pairs, 1 at 0 for the others. Ours counts
    # w0 = 1 over all pairs, so an observed one has weight c - 1 and value c / (c - 1).
    weights, values = present * (confidence - 1), present * (confidence / (confidence - 1))
    settings = {"regularization": reg, "frequency_power": 0.0, "unobserved_weight": w0}
    ours = WALS(dim=16, epochs=60, **settings)
    ours.fit_matrix(weights, values)
    theirs = implicit.AlternatingLeastSquares(
        factors=16, iterations=60, regularization=reg, alpha=confidence, random_state=0
    )
    theirs.fit(csr_matrix(present), show_progress=False)
    reached = objective(
        Observed.of(weights, values),
        theirs.user_factors,
        theirs.item_factors,
        Penalty(w0, reg, 0.0),
        np.diff(present.tocsc().indptr),
    )
    assert ours.history_[-1].objective == pytest.approx(reached, rel=2e-3)


def test_a_heavier_penalty_shrinks_the_vectors():
    weights, values = weighted_pairs()
    lengths = []
    for regularization in (0.001, 0.1):
        model = WALS(dim=5, regularization=regularization)
        model.fit_matrix(weights, values)
        lengths.append(np.linalg.norm(model._items))
    assert lengths[1] < 0.9 * lengths[0]


def test_a_larger_unobserved_weight_pulls_scores_towards_zero():
    weights, _ = weighted_pairs()
    means = []
    for w0 in (0.01, 1.0):
        model = WALS(dim=5, unobserved_weight=w0, frequency_power=0.0, regularization=0.01)
        model.fit_matrix(weights)
        means.append((model._users @ model._items.T).mean())
    assert means[1] < 0.5 * means[0]


def test_a_heavier_weight_brings_a_pair_nearer_to_its_value():
    weights, values = weighted_pairs()
    errors = []
    for weight in (1.0, 50.0):
        weights.data[0] = weight
        model = WALS(dim=3)
        model.fit_matrix(weights, values)
        score = model._users[0] @ model._items[weights.indices[0]]
        errors.append(abs(score - values.data[0]))
    assert errors[1] < 0.5 * errors[0]


def test_folding_in_a_trained_user_returns_the_trained_vector(taste_world, trained_users):
    model = WALS(dim=6, solver="cholesky").fit(taste_world)
    folded = model.fold_in(taste_world.train_matrix[trained_users])
    np.testing.assert_allclose(folded, model.user_vectors(trained_users), atol=1e-6)


def a_row(n, items):
    return csr_array((np.ones(len(items), np.float32), (np.zeros(len(items), int), items)), (1, n))


def test_a_new_user_gets_the_vector_that_training_would_with_the_items_still(taste_world):
    model = WALS(dim=6, unobserved_weight=0.2, regularization=0.01).fit(taste_world)
    taken = np.array([1, 7, 13, 25, 30])  # the last is of another taste
    folded = model.fold_in(a_row(taste_world.n_items, taken))[0]
    v = model.item_vectors().astype(float)
    r = 0.01 * (5 + 0.2 * len(v))
    a = v[taken].T @ v[taken] + 0.2 * v.T @ v + r * np.eye(6)
    np.testing.assert_allclose(folded, np.linalg.solve(a, v[taken].sum(axis=0)), atol=1e-4)
    assert np.linalg.norm(folded) > 0.1
    joined = taste_world.train_matrix.toarray()
    joined[-1, taken] = 1  # she joins, and training solves for all users once more
    rows = np.zeros((len(joined), 6), dtype=np.float32)
    solve_rows(Observed.of(csr_array(joined)), model.item_vectors(), model._penalty, rows)
    np.testing.assert_allclose(folded, rows[-1], atol=1e-4)


def test_a_new_item_gets_the_vector_that_training_would_with_the_users_still(taste_world):
    model = WALS(dim=6, unobserved_weight=0.2, regularization=0.01).fit(taste_world)
    takers = np.array([2, 8, 20])
    folded = model.fold_in_items(a_row(taste_world.n_users, takers))[0]
    u = model._users.astype(float)
    r = 0.01 * (3 + 0.2 * len(u))
    a = u[takers].T @ u[takers] + 0.2 * u.T @ u + r * np.eye(6)
    np.testing.assert_allclose(folded, np.linalg.solve(a, u[takers].sum(axis=0)), atol=1e-4)
    likely = np.argsort(-(u @ folded))[:20]
    assert (likely % 6 == 2).all()  # all of them of the takers' taste


def test_folding_in_a_trained_item_returns_the_trained_vector_at_the_minimum(taste_world):
    model = WALS(dim=6, epochs=200, solver="cholesky", regularization=0.05).fit(taste_world)
    trained = csr_array(taste_world.train_matrix.T.tocsr()[:10])
    users = taste_world.n_users - 13  # those who fold in were not there when items were learned
    model._users[users:] = 0
    model._grams.clear()
    folded = model.fold_in_items(trained)
    np.testing.assert_allclose(folded, model.item_vectors()[:10], atol=1e-3)


def test_folding_in_after_another_fit_reads_the_new_vectors(taste_world):
    row = a_row(taste_world.n_items, np.array([1, 7]))
    model = WALS(dim=6, seed=1).fit(taste_world)
    model.fold_in(row)
    again = WALS(dim=6, seed=2).fit(taste_world)
    model.seed = 2
    np.testing.assert_array_equal(model.fit(taste_world).fold_in(row), again.fold_in(row))


def test_what_is_folded_in_must_fit_the_side_that_is_still(taste_world):
    model = WALS(dim=4, epochs=1).fit(taste_world)
    with pytest.raises(ValueError, match=r"each of the 121 items .* shape \(1, 193\)"):
        model.fold_in(a_row(193, np.array([3])))


def test_an_event_adds_its_item_to_the_precision_of_a_user(taste_world):
    model = WALS(dim=3, unobserved_weight=0.3, regularization=0.02, frequency_power=0.5)
    v = model.fit(taste_world).item_vectors().astype(float)
    expected = 0.3 * v.T @ v + 0.02 * (0.3 * len(v)) ** 0.5 * np.eye(3)
    np.testing.assert_allclose(model.prior_precision(), expected, rtol=1e-4, atol=1e-6)


def test_ratings_can_weight_the_observed_pairs(taste_world, trained_users):
    plain = WALS(dim=6).fit(taste_world).score(trained_users)
    weighted = WALS(dim=6, weight_by="rating").fit(taste_world)
    assert np.abs(weighted.score(trained_users)[:, :-1] - plain[:, :-1]).max() > 0.01
    ratings = taste_world.train["rating"].sum()
    assert weighted._weights(taste_world, taste_world.train).sum() == pytest.approx(ratings)


def test_a_column_that_is_not_there_is_named_with_those_that_are(taste_world):
    with pytest.raises(SettingError, match=r"'stars'\. Columns: user, item, rating"):
        WALS(weight_by="stars").fit(taste_world)


def test_weights_that_are_not_positive_are_refused(taste_world):
    events = taste_world.train.assign(rating=-1.0)
    with pytest.raises(DataError, match="'rating' ranges from -1 to -1"):
        WALS(weight_by="rating")._weights(taste_world, events)


@pytest.mark.parametrize("spoilt", [np.nan, -1.0])
def test_the_solver_refuses_weights_it_cannot_minimize(spoilt):
    weights, _ = weighted_pairs()
    weights.data[5] = spoilt
    with pytest.raises(ValueError, match="Weights of observed pairs must be finite"):
        Observed.of(weights)


def test_w0_over_all_pairs_is_w0_over_one_and_w0_over_the_unobserved():
    """The other objective: (y - x)^2 of observed pairs and a weight on unobserved ones alone."""
    w0, r, rng = 0.5, 0.3, np.random.default_rng(0)
    fixed = rng.normal(size=(9, 3)).astype(np.float32)
    taken = (rng.random((4, 9)) < 0.4).astype(float)
    rows = np.zeros((4, 3), np.float32)
    solve_rows(Observed.of(csr_array(taken)), fixed, Penalty(w0, r, 0.0), rows)
    v, other, penalty, value = fixed.astype(float), w0 / (1 + w0), r / (1 + w0), 1 / (1 + w0)
    for user in range(4):
        weights = np.where(taken[user] > 0, 1.0, other)
        a = v.T @ (weights[:, None] * v) + penalty * np.eye(3)
        expected = np.linalg.solve(a, value * v.T @ taken[user])
        np.testing.assert_allclose(rows[user], expected, rtol=1e-4, atol=1e-6)


def test_weights_and_values_must_be_of_the_same_pairs():
    weights, _ = weighted_pairs()
    with pytest.raises(ValueError, match="the same pairs"):
        Observed.of(weights, csr_array(weights.shape))


def test_the_history_has_one_entry_an_epoch_and_the_start():
    weights, _ = weighted_pairs()
    model = WALS(dim=3, epochs=4)
    model.fit_matrix(weights)
    assert [epoch.epoch for epoch in model.history_] == [0, 1, 2, 3, 4]
    assert all(epoch.seconds > 0 for epoch in model.history_[1:])


@pytest.mark.parametrize(
    "settings",
    [
        {"dim": 0},
        {"epochs": 0},
        {"unobserved_weight": -0.1},
        {"regularization": float("inf")},
        {"solver": "lu"},
        {"cg_steps": 0},
        {"weight_by": None},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        WALS(**settings)


def test_an_objective_without_any_penalty_is_refused():
    with pytest.raises(SettingError, match="both 0"):
        WALS(unobserved_weight=0, regularization=0)


def test_rows_solved_together_are_what_each_is_alone():
    """Many rows are shared out among threads, a few are solved at once where they are asked for."""
    weights, values = weighted_pairs(n_users=3000)
    fixed = np.random.default_rng(1).normal(size=(35, 32)).astype(np.float32)
    penalty, together = Penalty(0.2, 0.5, 1.0), np.zeros((3000, 32), dtype=np.float32)
    solve_rows(Observed.of(weights, values), fixed, penalty, together)
    for user in (0, 3, 1499, 2999):
        alone = np.zeros((1, 32), dtype=np.float32)
        solve_rows(Observed.of(weights[[user]], values[[user]]), fixed, penalty, alone)
        np.testing.assert_allclose(alone[0], together[user], rtol=1e-5, atol=1e-6)


def test_the_first_user_waits_for_no_product_of_all_items():
    weights, _ = weighted_pairs()
    model = WALS(dim=4, epochs=2)
    for seed in (0, 1):  # learned anew, the product is made anew
        model.seed = seed
        model.fit_matrix(weights)
        of_items, kept = model._grams["items"]
        assert of_items is model._items
        items = model._items
        atol = rounding(np.float32, len(items), np.abs(items).T @ np.abs(items))
        np.testing.assert_allclose(kept, items.T @ items, rtol=0, atol=atol)
