import numpy as np
import pytest
from scipy import stats

from candgen.alias import Alias


@pytest.mark.parametrize("weights", [[1.0], [3.0, 1.0], [1, 1, 1], [0, 5, 1e-9, 2], range(50)])
def test_the_slots_hold_every_share_whole(weights):
    alias = Alias(np.array(weights, dtype=float))
    held = alias._keep.copy()
    np.add.at(held, alias._other, 1 - alias._keep)
    np.testing.assert_allclose(held / len(held), np.array(weights) / np.sum(weights), atol=1e-12)


def test_draws_follow_the_shares():
    weights = np.arange(20.0)
    drawn = Alias(weights).draw(100_000, np.random.default_rng(0))
    observed = np.bincount(drawn, minlength=20)
    assert observed[0] == 0
    assert stats.chisquare(observed[1:], 100_000 * weights[1:] / weights.sum()).pvalue > 0.001
