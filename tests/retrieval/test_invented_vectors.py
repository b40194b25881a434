import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.retrieval import invented_vectors


def test_the_same_seed_invents_the_same_and_another_does_not():
    one, same, other = (invented_vectors.clustered(300, 5, 8, seed=seed) for seed in (3, 3, 4))
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
    assert [part.shape for part in one] == [(300, 8), (5, 8), (300, 2)]


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.6])
def test_lengths_are_spread_as_told(sigma):
    items = invented_vectors.clustered(20_000, 1, 64, sigma=sigma, clusters=5_000).items
    lengths = np.log(np.linalg.norm(items, axis=1))
    # Of 64 coordinates with standard deviation s, the logarithm of the length itself spreads by
    # about 1 / sqrt(2 * 64).
    assert lengths.std() == pytest.approx(np.hypot(sigma, 1 / np.sqrt(128)), rel=0.06)


def test_items_lie_in_clusters_and_queries_near_them():
    items, queries, _ = invented_vectors.clustered(
        2_000, 50, 32, clusters=20, sigma=0.0, spread=0.3
    )
    apart = np.linalg.norm(queries[:, None] - items, axis=2)  # (50, 2000)
    # About a twentieth of the items share the query's centre: sqrt(2 * .09 * 32) = 2.4 away,
    # others sqrt(2 * 32) = 8 or so.
    assert ((apart < 5).mean(axis=1) > 0.02).all()
    assert ((apart < 5).mean(axis=1) < 0.15).all()


def test_half_of_the_items_lie_near_others_of_their_cluster():
    items, _, where = invented_vectors.clustered(4_000, 1, 32, clusters=40, sigma=0.0, spread=0.1)
    assert (where[:, 0].min(), where[:, 1].min()) > (30, -10)
    same = np.linalg.norm(items - items[0], axis=1) < 3
    apart = np.linalg.norm(where[same][:, None] - where[same], axis=2)  # degrees
    home = where[same][(apart < 1).sum(axis=1).argmax()]
    near = np.linalg.norm(where - home, axis=1) < 3
    assert near[same].mean() == pytest.approx(0.5, abs=0.15) and near[~same].mean() < 0.2


@pytest.mark.parametrize("told", [{"n_items": 0}, {"dim": 0}, {"sigma": -1.0}, {"clusters": -2}])
def test_what_cannot_be_invented_is_refused(told):
    with pytest.raises(SettingError, match=next(iter(told))):
        invented_vectors.clustered(**{"n_items": 9, "n_queries": 2, "dim": 3, **told})
