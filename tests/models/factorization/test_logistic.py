import numpy as np
import pandas as pd
import pytest
from contract import VectorContract
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, SettingError
from candgen.models import LogisticFactorization
from candgen.models.factorization.logistic import labelled_pairs


class TestLogisticFactorization(VectorContract):
    def make(self, **settings):
        small = {"dim": 6, "epochs": 30, "regularization": 0.003, "batch_size": 128}
        return LogisticFactorization(**{**small, **settings})


def labels(n_users=60, n_items=40, seed=0):
    """Ones and stored zeros; user 3 and item 4 have no label."""
    rng = np.random.default_rng(seed)
    known = rng.random((n_users, n_items)) < 0.3
    known[3], known[:, 4] = False, False
    users, items = known.nonzero()
    taste = rng.normal(size=(n_users, 2)) @ rng.normal(size=(2, n_items))
    ones = (rng.random(len(users)) < expit(2 * taste[users, items] - 0.5)).astype(np.float32)
    return csr_array((ones, (users, items)), shape=(n_users, n_items))


def dense_objective(model, found):
    """The objective written out over every pair, by its definition in probabilities."""
    users, items = model._users.astype(float), model._items.astype(float)
    w0, dim = model.unobserved_weight, model.dim
    p = expit(users @ items.T)
    total = 0.0
    for user, item, label in zip(*found.nonzero_with_zeros, found.ones, strict=True):
        total -= np.log(p[user, item]) if label else np.log(1 - p[user, item])
    here = np.ix_(found.user_counts > 0, found.item_counts > 0)
    total -= w0 * np.log(1 - p[here]).sum()
    for vectors, counts, others, bias in (
        (users, found.user_counts, p.shape[1], dim + 1),
        (items, found.item_counts, p.shape[0], dim),
    ):
        r = model.regularization * (counts + w0 * others) ** model.frequency_power
        total += (r * ((vectors[:, :dim] ** 2).sum(axis=1) + vectors[:, bias] ** 2)).sum()
    return total


class Found:
    """A matrix of labels, taken apart."""

    def __init__(self, matrix):
        counts = np.diff(matrix.indptr)
        self.nonzero_with_zeros = np.repeat(np.arange(len(counts)), counts), matrix.indices
        self.ones = matrix.data
        self.user_counts = counts
        self.item_counts = np.bincount(matrix.indices, minlength=matrix.shape[1])


@pytest.mark.parametrize("w0", [0.0, 0.2])
def test_the_recorded_objective_is_the_one_over_all_pairs(w0):
    matrix = labels()
    model = LogisticFactorization(dim=3, epochs=5, unobserved_weight=w0, batch_size=128)
    model.fit_matrix(matrix)
    expected = dense_objective(model, Found(matrix))
    assert model.history_[-1].objective == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("w0", [0.0, 0.2])
def test_it_ends_near_the_minimum_that_another_method_finds(w0):
    matrix = labels()
    model = LogisticFactorization(
        dim=2, epochs=200, unobserved_weight=w0, regularization=0.02, batch_size=64, n_negatives=8
    )
    model.fit_matrix(matrix)
    reached, found = model.history_[-1].objective, Found(matrix)
    best = minimum_by_lbfgs(model, matrix, found)
    assert best <= reached * (1 + 1e-5)
    assert reached == pytest.approx(best, rel=0.005)


def minimum_by_lbfgs(model, matrix, found):
    """Go on from where the model ended, over every pair at once, until nothing improves."""
    dim, w0 = model.dim, model.unobserved_weight
    n_users, n_items = matrix.shape
    known = np.outer(found.user_counts > 0, found.item_counts > 0)
    ones, labelled = np.zeros(matrix.shape), np.zeros(matrix.shape)
    ones[found.nonzero_with_zeros], labelled[found.nonzero_with_zeros] = found.ones, 1
    r_u = model.regularization * (found.user_counts + w0 * n_items)[:, None]
    r_i = model.regularization * (found.item_counts + w0 * n_users)[:, None]
    columns = dim + 1  # a vector and a bias
    start = np.vstack([model._users[:, [*range(dim), dim + 1]], model._items[:, : dim + 1]])

    def value_and_slopes(flat):
        u, v = np.split(flat.reshape(-1, columns), [n_users])
        x = model.level_ + u[:, :dim] @ v[:, :dim].T + u[:, dim:] + v[:, dim]
        loss = (labelled + w0 * known) * np.logaddexp(0, x) - ones * x
        slope = (labelled + w0 * known) * expit(x) - ones
        d_u = np.hstack([slope @ v[:, :dim], slope.sum(axis=1)[:, None]]) + 2 * r_u * u
        d_v = np.hstack([slope.T @ u[:, :dim], slope.sum(axis=0)[:, None]]) + 2 * r_i * v
        total = loss.sum() + (r_u * u**2).sum() + (r_i * v**2).sum()
        return total, np.vstack([d_u, d_v]).ravel()

    return minimize(value_and_slopes, start.astype(float).ravel(), jac=True, method="L-BFGS-B").fun


def test_folding_in_finds_a_vector_that_cannot_be_improved():
    matrix = labels()
    model = LogisticFactorization(dim=3, epochs=20, unobserved_weight=0.2, batch_size=128)
    model.fit_matrix(matrix)
    folded = model.fold_in(matrix[:10])
    trained = model._users.copy()
    assert not folded[3].any()
    before = dense_objective(model, Found(matrix))
    model._users = np.vstack([folded, trained[10:]])
    after = dense_objective(model, Found(matrix))
    assert after < before
    rng = np.random.default_rng(0)
    free = [0, 1, 2, model.dim + 1]
    for size in (0.01, 0.1):
        model._users = np.vstack([folded, trained[10:]])
        model._users[np.ix_(range(3), free)] += size * rng.normal(size=(3, 4))
        assert dense_objective(model, Found(matrix)) > after


def test_the_level_and_the_ones_beside_the_vectors_stay(taste_world):
    model = LogisticFactorization(dim=4, epochs=2).fit(taste_world)
    users, items = model._users[:100], model.item_vectors()[:100]
    assert (users[:, 4] == 1).all() and (items[:, 5:] == 1).all()
    np.testing.assert_allclose(users[:, 6], model.level_, rtol=1e-6)


def test_probabilities_follow_the_scores(taste_world):
    model = LogisticFactorization(dim=6, epochs=30, batch_size=128).fit(taste_world)
    users, items = np.array([0, 0, 5]), np.array([6, 7, 11])
    found = model.probability(users, items)
    assert found[0] > 0.5 > found[1] and found[2] > 0.5
    assert found[0] == pytest.approx(expit(model.score([0], [6])[0, 0]))


@pytest.fixture
def shown(tmp_path):
    """User 0 was shown all of four items and took the first; item 3 was shown after training.

    User 1 ignored item 1 once and then engaged with it, but that is no event (rated too low).
    """
    events = pd.DataFrame({"user": [0, 1], "item": [0, 2], "timestamp": [5, 9]})
    impressions = pd.DataFrame(
        {
            "user": [0, 0, 0, 0, 1, 1, 1],
            "item": [0, 0, 1, 3, 2, 1, 1],
            "timestamp": [4, 5, 6, 99, 9, 7, 8],
            "position": 1,
            "engaged": [False, True, False, False, True, False, True],
        }
    )
    in_test = impressions["timestamp"] == 99
    later = pd.DataFrame({"user": [0], "item": [3], "timestamp": [200]})
    tables = {
        "interactions": pd.concat([events, later], ignore_index=True),
        "train": events,
        "test": later,
        "users": pd.DataFrame({"user": range(2), "user_id": ["a", "b"]}),
        "items": pd.DataFrame({"item": range(4), "item_id": list("wxyz")}),
        "impressions": impressions[~in_test],
        "impressions_test": impressions[in_test],
    }
    return write_dataset(tmp_path / "shown", tables, {"name": "shown"})


def test_what_was_shown_in_vain_is_a_zero_and_what_was_not_shown_is_no_label(shown):
    found = labelled_pairs(shown, shown.train, "impressions")
    known = dict(zip(zip(*Found(found).nonzero_with_zeros, strict=True), found.data, strict=True))
    assert known == {(0, 0): 1, (0, 1): 0, (1, 2): 1}  # (0, 3) was shown after training


def test_labels_from_events_are_ones(shown):
    found = labelled_pairs(shown, shown.train)
    assert found.nnz == 2 and (found.data == 1).all()


def test_a_dataset_without_impressions_is_named(taste_world):
    with pytest.raises(DataError, match="'tastes' has no table 'impressions'"):
        LogisticFactorization(labels="impressions").fit(taste_world)


@pytest.mark.parametrize(
    "settings",
    [{"labels": "stars"}, {"dim": 0}, {"negatives": 0}, {"learning_rate": 0}, {"batch_size": 0}],
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        LogisticFactorization(**settings)
