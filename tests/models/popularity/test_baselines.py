import numpy as np
from contract import GeneratorContract

from candgen.models import Popularity, Random
from candgen.retrieval import top_items


class TestRandom(GeneratorContract):
    beats_popularity = False

    def make(self, **settings):
        return Random(**settings)


class TestPopularity(GeneratorContract):
    beats_popularity = False

    def make(self, **settings):
        return Popularity(**settings)


def test_popularity_counts_training_users(taste_world):
    counts = taste_world.train.groupby("item")["user"].nunique()
    scores = Popularity().fit(taste_world).score([0])
    np.testing.assert_array_equal(scores[0, counts.index], counts)


def test_everybody_gets_the_same_popular_items_but_for_what_they_have(taste_world):
    found = top_items(Popularity().fit(taste_world), [0, 1, 5], 10, exclude=None).items
    assert (found == found[0]).all()


def test_random_gives_each_user_and_each_seed_another_order(taste_world):
    first = top_items(Random(seed=1).fit(taste_world), [0, 1], 20).items
    second = top_items(Random(seed=2).fit(taste_world), [0, 1], 20).items
    assert (first[0] != first[1]).any() and (first[0] != second[0]).any()


def test_random_favours_no_item(taste_world):
    scores = Random().fit(taste_world).score(np.arange(taste_world.n_users))
    assert abs(scores.mean() - 0.5) < 0.01
    assert np.abs(scores.mean(axis=0) - 0.5).max() < 0.12
