import numpy as np
from scipy.special import expit

from candgen.models.slopes import softplus


def test_softplus_and_its_slope_are_right_for_any_score():
    scores = np.array([[-1e4, -90, -3], [0, 2, 1e4]], np.float32)
    found = softplus(scores)
    exact = scores.astype(float)
    np.testing.assert_allclose(found.losses, np.logaddexp(0, exact), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.slopes, expit(exact), rtol=1e-6, atol=1e-7)
    assert found.losses.dtype == found.slopes.dtype == np.float32
