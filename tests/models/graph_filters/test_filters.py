import numpy as np
import pytest
from contract import GeneratorContract
from scipy.integrate import solve_ivp

from candgen.errors import SettingError
from candgen.models import BSPM, GFCF
from candgen.models.graph_filters.kernels import WIDTH
from candgen.retrieval import top_items


class TestGFCF(GeneratorContract):
    def make(self, **settings):
        return GFCF(**{"dim": 12, **settings})


class TestBSPM(GeneratorContract):
    def make(self, **settings):
        return BSPM(**{"dim": 12, "sharpening": 1.0, **settings})


def normalized(data):
    """The normalized matrix and the degrees of items, written out; zero where nothing is."""
    train = data.train_matrix.toarray().astype(np.float64)
    of_user, of_item = train.sum(axis=1), train.sum(axis=0)
    scale = np.sqrt(np.outer(of_user, of_item))
    return np.divide(train, scale, out=np.zeros_like(train), where=scale > 0), of_item


def filters(data, dim):
    """The linear filter and the ideal low-pass as dense matrices of items by items."""
    matrix, degrees = normalized(data)
    rows = np.linalg.svd(matrix, full_matrices=False)[2][:dim]
    root = np.sqrt(degrees)
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    return matrix.T @ matrix, inverse[:, None] * (rows.T @ rows) * root


def scores_of(model, data, users):
    """Scores of users who may have folded in; zero for the item without events."""
    return np.where(model.known_items_, model.score(users), 0)


@pytest.fixture
def users(trained_users, folded_users):
    return np.concatenate([trained_users[: WIDTH + 5], folded_users])  # a block and a part of one


@pytest.mark.parametrize("low_pass", [0.0, 0.3, 2.0])
def test_gf_cf_is_the_linear_filter_plus_the_weighted_low_pass(taste_world, users, low_pass):
    linear, ideal = filters(taste_world, 6)
    expected = taste_world.history_matrix.toarray()[users] @ (linear + low_pass * ideal)
    model = GFCF(dim=6, low_pass=low_pass).fit(taste_world)
    np.testing.assert_allclose(scores_of(model, taste_world, users), expected, atol=2e-5)


def test_sharpening_solves_the_equation_against_the_flow_of_heat(taste_world, users):
    linear, ideal = filters(taste_world, 6)
    start = taste_world.history_matrix.toarray()[users] @ (linear + 0.3 * ideal)
    flow = solve_ivp(
        lambda _, s: (-s.reshape(start.shape) @ linear).ravel(), (0, 1.5), start.ravel(),
        rtol=1e-9, atol=1e-9,
    )  # fmt: skip
    expected = flow.y[:, -1].reshape(start.shape)
    model = BSPM(dim=6, sharpening=1.5, steps=20).fit(taste_world)
    np.testing.assert_allclose(scores_of(model, taste_world, users), expected, atol=5e-5)


def test_one_step_is_one_of_the_runge_kutta_method(taste_world, users):
    linear, ideal = filters(taste_world, 6)
    start = taste_world.history_matrix.toarray()[users] @ (linear + 0.3 * ideal)
    time = 2.5
    slopes = [-start @ linear]
    for share in (time / 2, time / 2, time):
        slopes.append(-(start + share * slopes[-1]) @ linear)
    expected = start + time / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
    model = BSPM(dim=6, sharpening=time).fit(taste_world)
    np.testing.assert_allclose(scores_of(model, taste_world, users), expected, atol=5e-5)


def test_without_sharpening_bspm_is_gf_cf(taste_world, users):
    settings = {"dim": 6, "low_pass": 0.5}
    still = BSPM(sharpening=0.0, **settings).fit(taste_world).score(users)
    np.testing.assert_array_equal(still, GFCF(**settings).fit(taste_world).score(users))


def test_more_singular_vectors_than_there_are_are_all_of_them(taste_world, users):
    linear, ideal = filters(taste_world, 1000)
    model = GFCF(dim=1000).fit(taste_world)
    assert model.low_frequencies_.shape[1] == min(taste_world.train_matrix.shape)
    expected = taste_world.history_matrix.toarray()[users] @ (linear + 0.3 * ideal)
    np.testing.assert_allclose(scores_of(model, taste_world, users), expected, atol=2e-5)


def test_sharpening_moves_the_list_away_from_popular_items(tmp_path):
    from candgen.datasets import preparation

    sizes = {"n_users": 300, "n_items": 150, "events_per_user": 20.0}
    data = preparation.prepare(tmp_path, source="world", **sizes)
    users = np.flatnonzero(np.diff(data.history_matrix.indptr) > 0)

    def popularity(model):
        found = top_items(model.fit(data), users, 10).items
        return model.item_counts_[found].mean()

    assert popularity(BSPM(sharpening=2.0)) < popularity(GFCF())


@pytest.mark.parametrize(
    "settings", [{"dim": 0}, {"low_pass": -0.1}, {"sharpening": -1.0}, {"steps": 0}]
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        BSPM(**settings)
