import numpy as np
import pytest
from contract import GeneratorContract
from scipy.optimize import lsq_linear
from scipy.sparse import csr_array
from sklearn.linear_model import ElasticNet

from candgen.errors import SettingError
from candgen.models import EASE, SLIM, RP3beta, SparseEASE
from candgen.models.items.neighbours import nearest

ALL = 1000  # more neighbours than items


class TestSLIM(GeneratorContract):
    def make(self, **settings):
        return SLIM(**{"neighbours": 15, "l1": 0.5, "l2": 5.0, **settings})


class TestSparseEASE(GeneratorContract):
    def make(self, **settings):
        return SparseEASE(**{"neighbours": 15, **settings})


class TestRP3beta(GeneratorContract):
    def make(self, **settings):
        return RP3beta(**{"neighbours": 15, **settings})


@pytest.fixture(scope="module")
def train(taste_world):
    return taste_world.train_matrix.toarray().astype(np.float64)


def near(train, item, k):
    """The nearest items of one, which are the only ones whose weights may differ from 0."""
    found = nearest(csr_array(train.T), csr_array(train.T), k)
    return found.indices[found.indptr[item] : found.indptr[item + 1]]


def test_slim_without_an_absolute_penalty_is_least_squares_without_negative_weights(
    taste_world, train
):
    weights = SLIM(neighbours=ALL, l1=0.0, l2=20.0).fit(taste_world).weights_.toarray()
    for item in (0, 7, 33):
        others = np.arange(train.shape[1]) != item
        rows = np.vstack([train[:, others], np.sqrt(20.0) * np.eye(others.sum())])
        wanted = np.concatenate([train[:, item], np.zeros(others.sum())])
        peer = lsq_linear(rows, wanted, bounds=(0, np.inf), method="bvls", tol=1e-12)
        np.testing.assert_allclose(weights[others, item], peer.x, atol=1e-3)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(1.5, 5.0), (4.0, 5.0)])
def test_regressions_solve_the_elastic_net(taste_world, train, l1, l2, signed):
    model = SLIM(neighbours=ALL, l1=l1, l2=l2).fit(taste_world)
    if signed:  # which no generator combines with an absolute penalty
        model._regress(taste_world.train_matrix, l1, l2, signed=True)
    weights, n = model.weights_.toarray(), len(train)
    peer = ElasticNet(
        alpha=(l1 + l2) / n, l1_ratio=l1 / (l1 + l2), positive=not signed, fit_intercept=False,
        tol=1e-10, max_iter=100_000,
    )  # fmt: skip
    for item in (0, 7, 33):
        others = np.arange(train.shape[1]) != item
        expected = peer.fit(train[:, others], train[:, item]).coef_
        np.testing.assert_allclose(weights[others, item], expected, atol=2e-3)
    assert np.diag(weights).max() == 0


def test_a_heavier_absolute_penalty_keeps_fewer_weights(taste_world):
    kept = [SLIM(l1=l1, l2=5.0).fit(taste_world).weights_.nnz for l1 in (0.0, 2.0, 5.0)]
    assert kept[0] > kept[1] > kept[2] > 0


@pytest.mark.parametrize("regularization", [5.0, 100.0])
def test_sparse_ease_with_room_for_all_items_of_a_taste_is_ease(taste_world, regularization):
    whole = EASE(regularization=regularization).fit(taste_world).weights_
    found = SparseEASE(neighbours=ALL, regularization=regularization).fit(taste_world)
    np.testing.assert_allclose(found.weights_.toarray(), whole, atol=2e-3)


def test_sparse_ease_is_the_ridge_regression_on_the_nearest_items(taste_world, train):
    found = SparseEASE(neighbours=4, regularization=5.0).fit(taste_world).weights_.toarray()
    for item in (2, 50):
        pattern = near(train, item, 4)
        x = train[:, pattern]
        ridge = np.linalg.solve(x.T @ x + 5 * np.eye(4), x.T @ train[:, item])
        expected = np.zeros(train.shape[1])
        expected[pattern] = ridge
        np.testing.assert_allclose(found[:, item], expected, atol=1e-3)


def test_slim_gives_weights_to_its_nearest_items_alone(taste_world, train):
    weights = SLIM(neighbours=3, l1=0.0, l2=1.0).fit(taste_world).weights_.toarray()
    for item in (5, 60):
        assert set(np.flatnonzero(weights[:, item])) <= set(near(train, item, 3))
        assert (weights[:, item] > 0).sum() > 0


def walks(train, alpha, beta):
    """The sum over users written out."""
    of_user, of_item = train.sum(axis=1), train.sum(axis=0)
    n_items = train.shape[1]
    strengths = np.zeros((n_items, n_items))
    for user in np.flatnonzero(of_user):
        for i in np.flatnonzero(train[user]):
            for j in np.flatnonzero(train[user]):
                if i != j:
                    step = of_item[i] ** -alpha * of_user[user] ** -alpha
                    strengths[i, j] += step / of_item[j] ** beta
    return strengths


def test_walks_are_counted_as_the_formula_says(uneven):
    model = RP3beta(neighbours=ALL, alpha=0.7, beta=0.3).fit(uneven)
    expected = walks(uneven.train_matrix.toarray().astype(float), 0.7, 0.3)
    np.testing.assert_allclose(model.weights_.toarray(), expected, rtol=1e-5, atol=1e-8)


def test_the_strongest_walks_of_each_item_are_kept(uneven):
    whole = walks(uneven.train_matrix.toarray().astype(float), 0.5, 0.4)
    found = RP3beta(neighbours=5).fit(uneven).weights_.toarray()
    assert ((found > 0).sum(axis=1) <= 5).all()
    np.testing.assert_allclose(
        np.sort(found, axis=1)[:, -5:], np.sort(whole, axis=1)[:, -5:], rtol=1e-5, atol=1e-8
    )


def test_a_larger_beta_favours_rare_items(uneven):
    def popularity(beta):
        model = RP3beta(neighbours=ALL, beta=beta).fit(uneven)
        return model.weights_.multiply(model.item_counts_).sum() / model.weights_.sum()

    assert popularity(0.8) < popularity(0.4) < popularity(0.0)


@pytest.mark.parametrize("kind", [SLIM, SparseEASE, RP3beta])
def test_scores_add_the_weights_from_items_of_the_history(uneven, kind):
    model = kind(neighbours=7).fit(uneven)
    users = np.arange(20)
    expected = uneven.history_matrix.toarray()[users] @ model.weights_.toarray()
    known = model.known_items_
    np.testing.assert_allclose(model.score(users)[:, known], expected[:, known], atol=1e-5)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Users and items of very different degrees."""
    from candgen.datasets import preparation

    sizes = {"n_users": 80, "n_items": 60, "events_per_user": 12.0}
    return preparation.prepare(tmp_path_factory.mktemp("uneven"), source="world", **sizes)


@pytest.mark.parametrize(
    ("kind", "setting"),
    [(SLIM, {"l1": -1.0}), (SLIM, {"l2": -1.0}), (SLIM, {"neighbours": 0}),
     (SparseEASE, {"regularization": -1.0}), (RP3beta, {"alpha": -0.1}), (RP3beta, {"beta": -1})],
)  # fmt: skip
def test_settings_out_of_range_are_named(kind, setting):
    (name,) = setting
    with pytest.raises(SettingError, match=name):
        kind(**setting)
