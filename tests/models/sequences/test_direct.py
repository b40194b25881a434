import numpy as np
import pandas as pd
import pytest

from candgen.features import EventLog
from candgen.models.sequences.direct import DirectPath


def log_of(histories):
    rows = [(user, item) for user, items in enumerate(histories) for item in items]
    return EventLog.of(pd.DataFrame(rows, columns=["user", "item"]), len(histories))


@pytest.fixture(scope="module")
def walks():
    """Forty histories of twelve events each on fifteen items; nobody has items 15 and 16."""
    rng = np.random.default_rng(0)
    return log_of([rng.permutation(15)[:12] for _ in range(40)])


def counted_by_hand(log, n_items):
    counts = np.zeros((n_items, n_items))
    for user in range(log.n_users):
        items = log.items[log.offsets[user] : log.offsets[user + 1]]
        for place, item in enumerate(items):
            for later in range(place + 1, min(place + 11, len(items))):
                counts[item, items[later]] += 1 / (later - place)
    return counts


def test_with_room_enough_products_are_the_log_of_how_much_more_than_by_chance(walks):
    path = DirectPath.counted(walks, 17, 17, seed=0)
    counts = counted_by_hand(walks, 17)
    chance = np.outer(counts.sum(axis=1) + 10, counts.sum(axis=0) + 10) / counts.sum()
    products = path.sources @ path.targets.T
    np.testing.assert_allclose(products, np.log(1 + counts / chance), atol=1e-4)


def test_fewer_dimensions_are_the_best_of_that_rank(walks):
    whole = DirectPath.counted(walks, 17, 17, seed=0)
    left, values, right = np.linalg.svd(whole.sources @ whole.targets.T)
    path = DirectPath.counted(walks, 17, 3, seed=0)
    best = left[:, :3] * values[:3] @ right[:3]
    np.testing.assert_allclose(path.sources @ path.targets.T, best, atol=1e-3)


def test_what_followed_is_answered_and_what_came_before_is_not():
    path = DirectPath.counted(log_of([[0, 1]] * 20 + [[2, 3]] * 20), 4, 4, seed=0)
    products = path.sources @ path.targets.T
    assert products[0, 1] > 0.5
    assert products[1, 0] == pytest.approx(0, abs=1e-5)


def test_the_newest_items_speak_the_loudest(walks):
    path = DirectPath.counted(walks, 17, 5, seed=0)
    log = log_of([[3, 7, 11], [4], []])
    p = path.sources
    states = path.states(np.array([2, 0, 1]), log, length=2, fading=0.25)
    np.testing.assert_allclose(states[0], 0)
    np.testing.assert_allclose(states[1], 0.2 * p[7] + 0.8 * p[11], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[2], p[4], rtol=1e-5)


def test_dimensions_beyond_the_items_are_zeros(walks):
    path = DirectPath.counted(walks, 17, 40, seed=0)
    assert path.sources.shape == path.targets.shape == (17, 40)
    assert not path.sources[:, 17:].any()
    assert not path.targets[:, 17:].any()


def test_nothing_that_follows_anything_leaves_zeros():
    path = DirectPath.counted(log_of([[0], [1], [2]]), 3, 2, seed=0)
    np.testing.assert_allclose(path.sources @ path.targets.T, 0)


def test_the_seed_decides_the_vectors(walks):
    once, again = (DirectPath.counted(walks, 17, 4, seed=5) for _ in range(2))
    np.testing.assert_array_equal(once.sources, again.sources)
    np.testing.assert_array_equal(once.targets, again.targets)
