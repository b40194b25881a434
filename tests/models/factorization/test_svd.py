import numpy as np
import pytest
from contract import VectorContract

from candgen.errors import SettingError
from candgen.models import TruncatedSVD


class TestTruncatedSVD(VectorContract):
    def make(self, **settings):
        return TruncatedSVD(**{"dim": 6, **settings})


def test_scores_are_the_best_approximation_of_the_training_matrix(taste_world, trained_users):
    train = taste_world.train_matrix.toarray()
    u, s, vt = np.linalg.svd(train, full_matrices=False)
    expected = (u[:, :6] * s[:6]) @ vt[:6]
    model = TruncatedSVD(dim=6).fit(taste_world)
    np.testing.assert_allclose(model.singular_values_, s[:6], rtol=1e-4)
    scores = model.score(trained_users)[:, :-1]
    np.testing.assert_allclose(scores, expected[trained_users][:, :-1], atol=1e-4)


def test_another_seed_gives_the_same_scores(taste_world, trained_users):
    first, second = (TruncatedSVD(dim=6, seed=s).fit(taste_world) for s in (1, 2))
    np.testing.assert_allclose(
        first.score(trained_users)[:, :-1], second.score(trained_users)[:, :-1], atol=1e-4
    )


def test_more_dimensions_than_the_matrix_has_are_refused(taste_world):
    with pytest.raises(SettingError, match="dim must be below"):
        TruncatedSVD(dim=500).fit(taste_world)
