import numpy as np
import pytest

from candgen.models import WALS, LogisticFactorization
from candgen.models.factorization.reconstruction import Reconstruction, reconstruct


def test_observed_pairs_and_others_are_told_apart(taste_world):
    model = WALS(dim=6, regularization=0.01).fit(taste_world)
    found = reconstruct(model, taste_world, 2000, rng=np.random.default_rng(0))
    scores, train = model.score(np.arange(167)), taste_world.train_matrix[:167].toarray()
    assert found.observed.mean() == pytest.approx(scores[train > 0].mean(), abs=0.01)
    unseen = scores[:, model.known_items_][train[:, model.known_items_] == 0]
    assert found.others.mean() == pytest.approx(unseen.mean(), abs=0.02)


def test_observed_only_collapses_to_ones_and_its_loss_to_zero(taste_world):
    """Nothing speaks against a matrix of ones; here w0 is what keeps tastes apart."""
    found = {}
    for w0 in (0.0, 0.1):
        model = WALS(dim=6, unobserved_weight=w0, epochs=30).fit(taste_world)
        found[w0] = reconstruct(model, taste_world, rng=np.random.default_rng(0))
    assert found[0.0].loss < 1e-4
    assert found[0.0].loss < 0.1 * found[0.1].loss


def test_a_logistic_model_predicts_probabilities(taste_world):
    model = LogisticFactorization(dim=6, epochs=20, batch_size=128).fit(taste_world)
    found = reconstruct(model, taste_world, 500, rng=np.random.default_rng(0))
    for part in found:
        assert part.min() >= 0 and part.max() <= 1
    assert found.observed.mean() > found.others.mean()


def test_the_loss_is_the_mean_squared_distance_from_one():
    assert Reconstruction(np.array([1.0, 0.0, 0.5]), np.zeros(0)).loss == pytest.approx(1.25 / 3)
