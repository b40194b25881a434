"""In the default world taste can be learned, and popularity is worth beating."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from candgen.datasets.world import WorldSettings, make_world
from candgen.datasets.world.catalogue import FIRST_ITEM_ID


@pytest.fixture(scope="module")
def halves():
    """Train and test of the default world, cut at the moment before which 90 % happened."""
    settings = WorldSettings()
    events = make_world(settings, 0).interactions
    before = events["timestamp"] < events["timestamp"].quantile(0.9)
    shape = (settings.n_users, settings.n_items)
    return [
        csr_array(
            (np.ones(len(part)), (part["user"] - 1, part["item"] - FIRST_ITEM_ID)), shape=shape
        ).toarray()
        for part in (events[before], events[~before])
    ]


def recall_at_20(scores, train, test) -> float:
    top = np.argsort(np.where(train > 0, np.inf, -scores), axis=1)[:, :20]
    held_out = test.sum(axis=1)
    found = np.take_along_axis(test, top, axis=1).sum(axis=1)
    return float((found[held_out > 0] / held_out[held_out > 0]).mean())


def test_personal_models_clearly_beat_popularity_which_clearly_beats_chance(halves):
    train, test = halves
    left, values, right = svds(train, 16, random_state=0)
    personal = recall_at_20(left * values @ right, train, test)
    popular = recall_at_20(np.tile(train.sum(axis=0), (len(train), 1)), train, test)
    chance = recall_at_20(np.random.default_rng(0).random(train.shape), train, test)
    assert popular > 5 * chance
    assert personal > 1.2 * popular


def test_most_users_of_the_last_weeks_were_there_before(halves):
    train, test = halves
    active = test.sum(axis=1) > 0
    assert active.sum() > 800
    assert (train[active].sum(axis=1) > 0).mean() > 0.95
    reachable = train.sum(axis=0) > 0
    assert test[:, reachable].sum() / test.sum() > 0.9
