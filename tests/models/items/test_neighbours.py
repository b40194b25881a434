import numpy as np
import pytest
from contract import GeneratorContract
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import cosine_similarity

from candgen.errors import SettingError
from candgen.models import ItemKNN, UserKNN
from candgen.models.items.neighbours import nearest
from tolerance import rounding

OF_COSINES = rounding(np.float32, 4)  # a count by a root of a product, no sum


class TestItemKNN(GeneratorContract):
    def make(self, **settings):
        return ItemKNN(**{"neighbours": 15, **settings})


class TestUserKNN(GeneratorContract):
    def make(self, **settings):
        return UserKNN(**{"neighbours": 15, **settings})


def some_sets(n_rows=40, n_columns=30, seed=0) -> csr_array:
    return csr_array((np.random.default_rng(seed).random((n_rows, n_columns)) < 0.2) * 1.0)


def test_cosines_of_a_hand_worked_example():
    # {0, 1}, {1, 2}, {3}: the first two share one of two columns each, the third shares none.
    sets = csr_array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]])
    expected = [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(nearest(sets, sets, 2).toarray(), expected, atol=OF_COSINES)


def test_shrinkage_is_added_below_the_fraction():
    sets = csr_array([[1, 1, 0], [0, 1, 1]])
    found = nearest(sets, sets, 1, 3.0).toarray()
    np.testing.assert_allclose(found, [[0, 0.2], [0.2, 0]], atol=OF_COSINES)


def test_with_room_for_all_neighbours_the_cosines_are_those_of_scikit_learn():
    sets = some_sets()
    expected = cosine_similarity(sets.toarray())
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(nearest(sets, sets, 99).toarray(), expected, atol=OF_COSINES)


@pytest.mark.parametrize("k", [1, 5])
def test_the_k_largest_cosines_are_kept_and_ties_go_to_the_smaller_index(k):
    sets = some_sets(seed=1)
    cosines = np.round(cosine_similarity(sets.toarray()), 6)  # equal fractions become equal floats
    np.fill_diagonal(cosines, 0)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    expected = np.zeros_like(cosines)
    np.put_along_axis(expected, order, np.take_along_axis(cosines, order, axis=1), axis=1)
    atol = 0.5e-6 + OF_COSINES  # of the sixth digit above, and of rounding
    np.testing.assert_allclose(nearest(sets, sets, k).toarray(), expected, atol=atol)


def reference_scores(train, k, aggregate, shrinkage):
    """Item neighbours in dense matrices, written the long way."""
    n_users, n_items = train.shape
    cosines = nearest(csr_array(train.T), csr_array(train.T), k, shrinkage).toarray()
    scores = np.zeros(train.shape)
    mean = train.mean(axis=0)
    for user in range(n_users):
        for item in range(n_items):
            listened = np.flatnonzero(cosines[item])
            weights, says = cosines[item, listened], train[user, listened]
            if aggregate == "sum":
                scores[user, item] = weights @ says
                continue
            if aggregate == "centred mean":
                says = says - mean[listened]
            value = weights @ says / weights.sum() if len(listened) else 0
            scores[user, item] = value + (mean[item] if aggregate == "centred mean" else 0)
    return scores


@pytest.mark.parametrize("aggregate", ["sum", "mean", "centred mean"])
def test_item_scores_agree_with_the_formula_written_out(taste_world, aggregate, trained_users):
    model = ItemKNN(neighbours=4, aggregate=aggregate).fit(taste_world)
    train = taste_world.train_matrix.toarray()[trained_users]
    expected = reference_scores(train, 4, aggregate, model.shrinkage)[:5, :-1]
    np.testing.assert_allclose(model.score(trained_users[:5])[:, :-1], expected, atol=1e-5)


def test_user_scores_add_the_cosines_of_neighbours_who_took_the_item(taste_world, trained_users):
    model = UserKNN(neighbours=4).fit(taste_world)
    train = taste_world.train_matrix.toarray()
    matrices = taste_world.history_matrix, taste_world.train_matrix
    cosines = nearest(*matrices, 4, model.shrinkage).toarray()
    expected = (cosines @ train)[trained_users][:, :-1]
    np.testing.assert_allclose(model.score(trained_users)[:, :-1], expected, atol=1e-5)


def test_shrinkage_moves_trust_to_neighbours_that_share_more(taste_world):
    plain = ItemKNN(neighbours=5, shrinkage=0).fit(taste_world).neighbours_
    shrunk = ItemKNN(neighbours=5, shrinkage=50).fit(taste_world).neighbours_
    shared = taste_world.train_matrix.T @ taste_world.train_matrix
    assert shared[shrunk.nonzero()].mean() > shared[plain.nonzero()].mean()


@pytest.mark.parametrize(
    "settings", [{"neighbours": 0}, {"neighbours": 2.5}, {"shrinkage": -1}, {"aggregate": "means"}]
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        ItemKNN(**settings)
