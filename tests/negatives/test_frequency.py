import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.negatives import FrequencyEstimator

SHARES = np.array([0.5, 0.3, 0.15, 0.05])


def stream(rng, n, shares=SHARES):
    return rng.choice(len(shares), size=n, p=shares).astype(np.int32)


def test_shares_are_found_within_the_error_that_is_stated():
    estimator, found = FrequencyEstimator(n_slots=64, rate=0.005), []
    rng = np.random.default_rng(0)
    for _ in range(300):
        estimator.observe(stream(rng, 1000))
        found.append(estimator.shares(np.arange(4)))
    found = np.array(found[50:]) / SHARES
    np.testing.assert_allclose(found.mean(axis=0), 1, atol=0.03)
    # The gap of an item with share p spreads by sqrt(1 - p) of its mean.
    np.testing.assert_allclose(found.std(axis=0), np.sqrt(0.0025 * (1 - SHARES)), rtol=0.3)


def test_cutting_the_stream_into_batches_changes_nothing():
    items = stream(np.random.default_rng(0), 600)
    whole, parts = FrequencyEstimator(n_slots=64), FrequencyEstimator(n_slots=64)
    whole.observe(items)
    for part in np.array_split(items, 7):
        parts.observe(part)
    np.testing.assert_array_equal(whole.shares(np.arange(4)), parts.shares(np.arange(4)))


def test_a_first_sight_is_taken_at_its_word():
    estimator = FrequencyEstimator(n_slots=64)
    estimator.observe(np.array([1, 1, 1, 2], np.int32))
    np.testing.assert_allclose(estimator.shares(np.array([1, 2, 3])), [1, 1 / 4, 1 / 5])


def test_estimates_follow_a_drift():
    estimator, rng = FrequencyEstimator(n_slots=64, rate=0.02), np.random.default_rng(0)
    estimator.observe(stream(rng, 50_000))
    estimator.observe(stream(rng, 50_000, SHARES[::-1]))
    np.testing.assert_allclose(estimator.shares(np.arange(4)), SHARES[::-1], rtol=0.5)


def test_more_hash_functions_forgive_more_collisions():
    rng = np.random.default_rng(0)
    items = rng.integers(200, size=40_000).astype(np.int32)
    excess = []
    for n_hashes in (1, 4):
        estimator = FrequencyEstimator(n_slots=512, n_hashes=n_hashes, rate=0.01)
        estimator.observe(items)
        excess.append((estimator.shares(np.arange(200)) * 200).mean() - 1)
    assert excess[1] < 0.3 * excess[0]


def test_padding_is_not_counted():
    one, other = FrequencyEstimator(n_slots=64), FrequencyEstimator(n_slots=64)
    one.observe(np.array([1, -1, 2, -1, 1], np.int32))
    other.observe(np.array([1, 2, 1], np.int32))
    np.testing.assert_array_equal(one.shares(np.arange(3)), other.shares(np.arange(3)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"n_slots": 100}, "power of two"), ({"rate": 1.5}, "at most 1"), ({"rate": 0}, "greater")],
)
def test_settings_out_of_range_are_named(settings, message):
    with pytest.raises(SettingError, match=message):
        FrequencyEstimator(**settings)
