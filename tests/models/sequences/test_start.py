import numpy as np
import pandas as pd
import pytest

from candgen.features import EventLog
from candgen.models.base import unit_rows
from candgen.models.sequences.start import vectors_of_neighbours


def log_of(histories):
    rows = [(user, item) for user, items in enumerate(histories) for item in items]
    return EventLog.of(pd.DataFrame(rows, columns=["user", "item"]), len(histories))


@pytest.fixture(scope="module")
def circles():
    """Items 0 .. 9 are rated together, and so are 10 .. 19; nobody crosses. Item 20 is nobody's."""
    rng = np.random.default_rng(0)
    return log_of([rng.permutation(10)[:6] + 10 * (user % 2) for user in range(80)])


def test_items_that_occur_together_point_the_same_way(circles):
    made = vectors_of_neighbours(circles, 21, 2, spread=0.1, seed=0)
    cosines = unit_rows(made[:20]) @ unit_rows(made[:20]).T
    same = np.arange(20)[:, None] // 10 == np.arange(20) // 10
    assert cosines[same].min() > 0.9
    assert np.abs(cosines[~same]).max() < 0.3


def test_the_products_are_the_damped_counts(circles):
    """With as many dimensions as items, and of the part that a square can have."""
    made = vectors_of_neighbours(circles, 21, 21, spread=1.0, seed=0)[:20].astype(float)
    counts = np.zeros((20, 20))
    for user in range(circles.n_users):
        items = circles.items[circles.offsets[user] : circles.offsets[user + 1]]
        for place, item in enumerate(items):
            for other in range(len(items)):
                if other != place:
                    counts[item, items[other]] += 1 / abs(other - place)
    damped = 1 / np.sqrt(counts.sum(axis=1) + 10)
    values, vectors = np.linalg.eigh(damped[:, None] * counts * damped)
    expected = vectors * np.maximum(values, 0) @ vectors.T
    products = made @ made.T
    scale = products[expected > 0.01].sum() / expected[expected > 0.01].sum()
    np.testing.assert_allclose(products / scale, expected, atol=1e-3)


def test_what_is_returned_has_the_spread_asked_for(circles):
    for spread in (0.02, 0.5):
        made = vectors_of_neighbours(circles, 21, 4, spread=spread, seed=0)
        assert made[:20].std() == pytest.approx(spread, rel=1e-3)
        assert 0.1 * spread < np.abs(made[20]).max() < 5 * spread  # nobody's begins at random


def test_the_seed_decides_all_of_it(circles):
    once, again = (vectors_of_neighbours(circles, 21, 4, spread=0.1, seed=5) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_no_neighbours_at_all_leave_a_random_start():
    made = vectors_of_neighbours(log_of([[0], [1], [2]]), 400, 64, spread=0.1, seed=0)
    assert made.std() == pytest.approx(0.1, rel=0.05)
