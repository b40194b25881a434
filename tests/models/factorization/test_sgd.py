import numpy as np
import pytest
from contract import VectorContract
from scipy.sparse import csr_array

from candgen.errors import DataError, SettingError
from candgen.models import WALS, SGDFactorization
from candgen.models.factorization.sgd_solver import Descent, Side, descend
from candgen.models.factorization.wals_solver import Observed, Penalty

BOTH = pytest.mark.parametrize("unobserved", ["gravity", "sampled"])


class TestSGDWithGravity(VectorContract):
    def make(self, **settings):
        small = {"dim": 6, "epochs": 30, "regularization": 0.01, "batch_size": 128}
        return SGDFactorization(**{**small, **settings})


class TestSGDWithSampledPairs(VectorContract):
    def make(self, **settings):
        small = {"dim": 6, "epochs": 30, "regularization": 0.01, "batch_size": 128}
        return SGDFactorization(**{**small, "unobserved": "sampled", **settings})


def weighted_pairs(n_users=120, n_items=80, seed=0):
    """Observed weights and values of the same pairs; user 3 and item 4 have none."""
    rng = np.random.default_rng(seed)
    present = rng.random((n_users, n_items)) < 0.15
    present[3], present[:, 4] = False, False
    weights = csr_array(np.where(present, rng.uniform(0.5, 2, present.shape), 0))
    values = weights.copy()
    values.data = rng.normal(1, 0.3, weights.nnz)
    return weights, values


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_it_ends_within_half_a_percent_of_wals(optimizer, power):
    weights, values = weighted_pairs()
    same = {
        "dim": 5,
        "unobserved_weight": 0.2,
        "regularization": 0.03 if power else 1.0,
        "frequency_power": power,
    }
    wals = WALS(epochs=100, solver="cholesky", **same)
    wals.fit_matrix(weights, values)
    rate = {"adam": 0.03, "adagrad": 0.5}[optimizer]
    sgd = SGDFactorization(
        epochs=150, optimizer=optimizer, learning_rate=rate, batch_size=256, **same
    )
    sgd.fit_matrix(weights, values)
    assert sgd.history_[-1].objective == pytest.approx(wals.history_[-1].objective, rel=0.005)


def dense_objective(users, items, weights, values, penalty):
    """The objective written out over every pair, and its gradients."""
    w, y, x = weights.toarray(), values.toarray(), users @ items.T
    w0, reg, power = penalty
    total = (w * (y - x) ** 2).sum() + w0 * (x**2).sum()
    slopes = 2 * w * (x - y) + 2 * w0 * x
    gradients = [slopes @ items, slopes.T @ users]
    for side, (vectors, axis) in enumerate(((users, 1), (items, 0))):
        r = reg * ((w > 0).sum(axis=axis) + w0 * x.shape[axis]) ** power
        total += (r * (vectors**2).sum(axis=1)).sum()
        gradients[side] += 2 * r[:, None] * vectors
    return total, gradients


def first_squares(settings, weights, values, penalty, start, seed=0):
    """One batch of everything: Adagrad's sums are then the squared gradients."""
    by_user, by_item = Observed.of(weights, values), Observed.of(weights.T.tocsr())
    sides = [
        Side.of(vectors.copy(), penalty.of_rows(own, others), own.counts())
        for vectors, own, others in zip(
            start, (by_user, by_item), reversed(weights.shape), strict=True
        )
    ]
    rng = np.random.default_rng(seed)
    descend(by_user, *sides, penalty, settings, lambda: 0.0, rng)
    return [side.squares for side in sides], [side.vectors for side in sides]


@pytest.fixture
def start():
    weights, _ = weighted_pairs()
    rng = np.random.default_rng(5)
    found = [rng.normal(size=(n, 4)).astype(np.float32) for n in weights.shape]
    found[0][3], found[1][4] = 0, 0
    return found


def test_gradients_of_a_whole_batch_are_those_of_the_objective(start):
    weights, values = weighted_pairs()
    penalty = Penalty(0.3, 0.05, 1.0)
    everything = Descent(1, 1e-6, weights.nnz, "adagrad", "gravity")
    squares, _ = first_squares(everything, weights, values, penalty, start)
    _, gradients = dense_objective(*(v.astype(float) for v in start), weights, values, penalty)
    for got, expected in zip(squares, gradients, strict=True):
        seen = got.any(axis=1)
        np.testing.assert_allclose(np.sqrt(got[seen]), np.abs(expected[seen]), rtol=1e-2, atol=1e-2)


def test_pairs_drawn_pull_as_much_as_all_pairs_do(start):
    weights, values = weighted_pairs()
    lengths = {}
    for unobserved in ("gravity", "sampled"):
        settings = Descent(1, 1e-6, weights.nnz, "adagrad", unobserved, n_negatives=200)
        squares, _ = first_squares(settings, weights, values, Penalty(0.5, 0.0, 1.0), start)
        lengths[unobserved] = [np.sqrt(side) for side in squares]
    for exact, drawn in zip(lengths["gravity"], lengths["sampled"], strict=True):
        assert np.abs(drawn - exact).mean() < 0.1 * exact.mean()


@BOTH
def test_rows_that_are_in_no_batch_stay_as_they_are(unobserved, start):
    weights, values = weighted_pairs()
    start[0][3] = 7  # a user without pairs
    settings = Descent(3, 0.1, 64, "adam", unobserved)
    _, (users, _) = first_squares(settings, weights, values, Penalty(0.3, 0.05, 1.0), start)
    assert (users[3] == 7).all()
    moved = np.abs(users - start[0]).max(axis=1)
    assert (np.delete(moved, 3) > 0).all()


def test_columns_that_are_frozen_never_move(start):
    weights, values = weighted_pairs()
    by_user, by_item = Observed.of(weights, values), Observed.of(weights.T.tocsr())
    penalty = Penalty(0.1, 0.01, 1.0)
    users = Side.of(start[0].copy(), penalty.of_rows(by_user, 80), by_user.counts(), frozen=(2,))
    items = Side.of(start[1].copy(), penalty.of_rows(by_item, 120), by_item.counts())
    descend(
        by_user, users, items, penalty, Descent(2, 0.1, 64), lambda: 0.0, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(users.vectors[:, 2], start[0][:, 2])
    assert not np.array_equal(items.vectors[:, 2], start[1][:, 2])


@BOTH
def test_the_recorded_objective_is_the_one_over_all_pairs(unobserved):
    weights, values = weighted_pairs()
    model = SGDFactorization(dim=4, epochs=3, unobserved=unobserved, regularization=0.02)
    model.fit_matrix(weights, values)
    vectors = model._users.astype(float), model._items.astype(float)
    expected, _ = dense_objective(*vectors, weights, values, model._penalty)
    assert model.history_[-1].objective == pytest.approx(expected, rel=1e-5)
    assert [epoch.epoch for epoch in model.history_] == [0, 1, 2, 3]


def test_without_a_pull_on_unobserved_pairs_every_score_becomes_one():
    """The collapse: nothing speaks against a matrix of ones."""
    rng = np.random.default_rng(0)
    ones = csr_array((rng.random((60, 50)) < 0.2).astype(np.float32))
    scores = {}
    for w0 in (0.0, 1.0):
        model = SGDFactorization(
            dim=1, epochs=200, unobserved_weight=w0, regularization=1e-5, batch_size=128
        )
        model.fit_matrix(ones)
        scores[w0] = (model._users @ model._items.T)[ones.toarray() == 0]
    np.testing.assert_allclose(scores[0.0], 1, atol=0.02)
    assert scores[1.0].mean() < 0.4


def test_a_heavier_weight_brings_a_pair_nearer_to_its_value():
    weights, values = weighted_pairs()
    errors = []
    for weight in (1.0, 50.0):
        weights.data[0] = weight
        model = SGDFactorization(dim=3, epochs=60, batch_size=128)
        model.fit_matrix(weights, values)
        errors.append(abs(model._users[0] @ model._items[weights.indices[0]] - values.data[0]))
    assert errors[1] < 0.5 * errors[0]


def test_users_fold_in_where_wals_would_put_them(taste_world, folded_users):
    model = SGDFactorization(dim=6, epochs=30, batch_size=128).fit(taste_world)
    wals = WALS(dim=6)
    wals._items = model.item_vectors()
    expected = wals.fold_in(taste_world.history_matrix[folded_users])
    np.testing.assert_allclose(model.user_vectors(folded_users), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_divergence_is_named_with_what_to_try():
    weights, values = weighted_pairs()
    model = SGDFactorization(dim=3, epochs=5, learning_rate=1e20)
    with pytest.raises(DataError, match="Lower learning_rate"):
        model.fit_matrix(weights, values)


@pytest.mark.parametrize(
    "settings",
    [
        {"dim": 0},
        {"epochs": 0},
        {"unobserved_weight": -0.1},
        {"regularization": float("inf")},
        {"frequency_power": -1},
        {"weight_by": None},
        {"weight_power": -0.5},
        {"unobserved": "all"},
        {"negatives": 0},
        {"optimizer": "sgd"},
        {"learning_rate": 0},
        {"batch_size": 0},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        SGDFactorization(**settings)
