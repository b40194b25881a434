import numpy as np
import pytest

from candgen.models.factorization.pair_weights import pair_weights


def test_without_settings_every_pair_weighs_one(taste_world):
    weights = pair_weights(taste_world, taste_world.train)
    np.testing.assert_array_equal(weights.toarray(), taste_world.train_matrix.toarray())


def test_rare_pairs_weigh_more_and_the_mean_is_one(taste_world):
    weights = pair_weights(taste_world, taste_world.train, weight_power=0.5)
    assert weights.data.mean() == pytest.approx(1, rel=1e-5)
    train = taste_world.train_matrix.toarray()
    frequency = train.sum(axis=1)[:, None] * train.sum(axis=0)  # (n_users, n_items)
    expected = np.where(train > 0, 1 / np.sqrt(np.maximum(frequency, 1)), 0)
    expected /= expected[train > 0].mean()
    np.testing.assert_allclose(weights.toarray(), expected, rtol=1e-5)


def test_a_column_and_the_frequency_multiply(taste_world):
    by_rating = pair_weights(taste_world, taste_world.train, "rating")
    rare = pair_weights(taste_world, taste_world.train, weight_power=1.0)
    both = pair_weights(taste_world, taste_world.train, "rating", 1.0)
    np.testing.assert_allclose(both.toarray(), (by_rating * rare).toarray(), rtol=1e-5)
