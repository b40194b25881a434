import numpy as np
import pytest
from contract import GeneratorContract

from candgen.errors import SettingError
from candgen.models import EASE
from candgen.models.items.ease import sweep


class TestEASE(GeneratorContract):
    def make(self, **settings):
        return EASE(**{"regularization": 100.0, **settings})


def test_weights_are_those_of_the_closed_form(taste_world):
    train = taste_world.train_matrix.toarray().astype(np.float64)
    inverse = np.linalg.inv(train.T @ train + 7 * np.eye(taste_world.n_items))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    weights = EASE(regularization=7.0).fit(taste_world).weights_
    np.testing.assert_allclose(weights, expected, atol=2e-6)


def test_each_column_is_the_ridge_regression_on_all_other_items(taste_world):
    train = taste_world.train_matrix.toarray().astype(np.float64)
    weights = EASE(regularization=5.0).fit(taste_world).weights_
    item = 13
    others = np.arange(taste_world.n_items) != item
    x = train[:, others]
    ridge = np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ train[:, item])
    np.testing.assert_allclose(weights[others, item], ridge, atol=2e-6)


def test_an_item_never_speaks_for_itself(taste_world):
    weights = EASE(regularization=1.0).fit(taste_world).weights_
    assert np.diag(weights).tolist() == [0] * taste_world.n_items


def test_a_heavier_penalty_shrinks_the_weights(taste_world):
    light, heavy = (
        np.abs(EASE(regularization=x).fit(taste_world).weights_).sum() for x in (10.0, 100.0)
    )
    assert heavy < light


@pytest.mark.parametrize("regularization", [0, -1, float("nan"), "100"])
def test_the_penalty_must_be_a_positive_number(regularization):
    with pytest.raises(SettingError, match="regularization"):
        EASE(regularization=regularization)


@pytest.mark.parametrize("block", [1, 7, 40, 100])
def test_sweeping_all_pivots_gives_minus_the_inverse(block):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 40))
    matrix = (x.T @ x + 10 * np.eye(40)).astype(np.float32)
    expected = -np.linalg.inv(matrix.astype(np.float64))
    sweep(matrix, block)
    np.testing.assert_allclose(np.tril(matrix), np.tril(expected), atol=1e-6)


def test_sweeping_refuses_a_matrix_that_is_not_positive_definite():
    with pytest.raises(np.linalg.LinAlgError):
        sweep(np.array([[1.0, 2.0], [2.0, 1.0]], dtype=np.float32))
