"""Contract of every generator; a generator's own tests inherit it in three lines:

class TestItemKNN(GeneratorContract):
    def make(self, **settings):
        return ItemKNN(**{"neighbours": 15, **settings})
"""

import copy
import json

import numba
import numpy as np
import pytest

from candgen import models
from candgen.errors import ColdStartError, SettingError, TrainingError
from candgen.models import Popularity, VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.retrieval import NO_ITEM, top_items
from candgen.training.loop import Trained
from tolerance import rounding

LONGEST_SUM = 300  # users and items of the taste world; layers of networks here are shorter


def room(scores) -> float:
    """Return the tolerance between scores computed in different orders."""
    return rounding(np.float32, LONGEST_SUM, scores)


class GeneratorContract:
    """Tests on the taste world of `conftest`."""

    beats_popularity = True

    def make(self, **settings):
        """Return a new generator with settings that suit the taste world."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, taste_world):
        return cls().make().fit(taste_world)

    @pytest.fixture(scope="class")
    @classmethod
    def again(cls, fitted, taste_world):
        """The same settings, written as JSON and read, trained once more by a single thread."""
        same = models.from_settings(fitted.name, json.loads(json.dumps(fitted.settings)))
        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            return same.fit(taste_world)
        finally:
            numba.set_num_threads(threads)

    def test_scores_are_finite_and_of_the_promised_shape(self, fitted, taste_world, trained_users):
        scores = fitted.score(trained_users)
        assert scores.shape == (len(trained_users), taste_world.n_items)
        assert scores.dtype == np.float32
        assert np.isfinite(scores[:, fitted.known_items_]).all()
        assert np.isneginf(scores[:, ~fitted.known_items_]).all()

    def test_scores_of_some_items_are_the_columns_of_the_scores_of_all(self, fitted, trained_users):
        items = np.array([7, 0, 40, 7])
        some, whole = fitted.score(trained_users, items), fitted.score(trained_users)
        np.testing.assert_allclose(some, whole[:, items], rtol=0, atol=room(whole))

    def test_each_user_is_answered_alone_as_in_company(self, fitted, trained_users):
        alone = np.vstack([fitted.score([user]) for user in trained_users[:5]])
        together = fitted.score(trained_users[:5])
        np.testing.assert_allclose(alone, together, rtol=0, atol=room(together))

    def test_the_same_seed_gives_the_same_result_on_any_number_of_threads(
        self, fitted, again, trained_users
    ):
        np.testing.assert_array_equal(again.score(trained_users), fitted.score(trained_users))

    @pytest.mark.parametrize("rows_per_block", [1, 7])
    def test_block_size_never_changes_the_answer(self, fitted, trained_users, rows_per_block):
        whole = top_items(fitted, trained_users, 10)
        blocks = top_items(fitted, trained_users, 10, rows_per_block=rows_per_block)
        scores = fitted.score(trained_users)
        atol = room(scores)
        np.testing.assert_allclose(blocks.scores, whole.scores, rtol=0, atol=atol)
        # Items that tie up to rounding may change places, so an item is known by its score.
        own = np.take_along_axis(scores, blocks.items, axis=1)
        np.testing.assert_allclose(own, whole.scores, rtol=0, atol=atol)
        assert all(len(set(items)) == len(items) for items in blocks.items.tolist())

    def test_seen_items_are_withheld(self, fitted, taste_world, trained_users):
        found = top_items(fitted, trained_users, taste_world.n_items).items
        seen = taste_world.history_matrix
        for user, items in zip(trained_users, found, strict=True):
            history = seen.indices[seen.indptr[user] : seen.indptr[user + 1]]
            assert not np.isin(items, history).any()
            assert (items != NO_ITEM).sum() == fitted.known_items_.sum() - len(history)

    def test_settings_survive_a_round_trip(self, fitted, again):
        assert type(again) is type(fitted)
        assert again.settings == fitted.settings

    def test_a_misspelt_setting_is_refused(self, fitted):
        with pytest.raises(SettingError, match="has no setting 'misspelt'"):
            models.from_settings(fitted.name, {"misspelt": 1})

    def test_cold_users_are_answered_or_refused_by_name(self, fitted, taste_world):
        cold = taste_world.n_users - 1
        if fitted.answers_cold_users:
            assert np.isfinite(fitted.score([cold])[0, fitted.known_items_]).all()
        else:
            with pytest.raises(ColdStartError, match="user without events"):
                fitted.score([0, cold])
            with pytest.raises(ColdStartError, match="user without events"):
                top_items(fitted, [cold], 5)

    def test_cold_items_are_answered_or_refused_by_name(self, fitted, taste_world):
        cold = taste_world.n_items - 1
        assert fitted.known_items_[cold] == fitted.answers_cold_items
        if fitted.answers_cold_items:
            assert np.isfinite(fitted.score([0], [cold])).all()
        else:
            with pytest.raises(ColdStartError, match="item without events"):
                fitted.score([0], [cold])

    def test_items_that_were_never_learned_are_neither_offered_nor_watched(
        self, late_world, monkeypatch
    ):
        if not isinstance(self.make(), LearnedGenerator):
            pytest.skip("not trained step by step")
        learning, watched = late_world.for_validation(), []
        learned = np.bincount(learning.train["item"], minlength=late_world.n_items) > 0

        def never_learned_first(users):
            return (
                learning.held_out_matrix[users].toarray() * np.where(learned, 1, -1) - 3 * learned
            )

        def untrained(learner, settings, *, watch, **_):
            watched.append(watch.measure(never_learned_first))
            return Trained([], 0, 0)

        monkeypatch.setattr("candgen.models.learned.train", untrained)
        model = self.make(patience=1, watch="recall@1").fit(late_world)
        # Those in front are not held out; behind them is one of the one or two items that are.
        assert (watched[0] == 0) if model.answers_cold_items else (watched[0] > 0.5)
        np.testing.assert_array_equal(model.known_items_, learned | model.answers_cold_items)
        found = top_items(model, np.unique(learning.train["user"]), late_world.n_items).items
        offered = np.unique(found[found != NO_ITEM])
        np.testing.assert_array_equal(offered, np.flatnonzero(model.known_items_))

    def test_ids_outside_the_dataset_are_refused(self, fitted, taste_world):
        for ids in ([-1], [taste_world.n_users], [0.5], [[0]]):
            with pytest.raises(ValueError, match="dense ids"):
                fitted.score(ids)

    def test_no_users_give_no_rows(self, fitted, taste_world):
        assert fitted.score([]).shape == (0, taste_world.n_items)

    def test_it_beats_popularity_where_taste_is_all(self, fitted, taste_world, trained_users):
        if not self.beats_popularity:
            pytest.skip("a baseline without personal scores")
        popular = Popularity().fit(taste_world)
        assert share_of_own_taste(popular, trained_users) < 0.4
        assert share_of_own_taste(fitted, trained_users) > 0.99

    def test_users_who_fold_in_are_answered_as_well(self, fitted, folded_users):
        assert np.isfinite(fitted.score(folded_users)[:, fitted.known_items_]).all()
        if self.beats_popularity:
            assert share_of_own_taste(fitted, folded_users) > 0.95  # of 120 candidates

    def test_scoring_before_fitting_says_what_to_call(self):
        with pytest.raises(RuntimeError, match=r"call fit\(dataset\)"):
            self.make().score([0])

    def test_seconds_are_recorded(self, fitted):
        assert fitted.fit_seconds_ >= 0 and fitted.fit_cpu_seconds_ >= 0


class VectorContract(GeneratorContract):
    """Contract of generators whose scores are products of vectors."""

    def test_vectors_are_finite_and_of_the_promised_shape(self, fitted, taste_world, trained_users):
        users, items = fitted.user_vectors(trained_users), fitted.item_vectors()
        assert users.shape == (len(trained_users), items.shape[1])
        assert len(items) == taste_world.n_items
        assert users.dtype == items.dtype == np.float32
        assert np.isfinite(users).all() and np.isfinite(items).all()

    def test_vectors_that_are_not_finite_are_refused_by_name(self, fitted, taste_world):
        broken, vectors = copy.copy(fitted), fitted.item_vectors().copy()
        vectors[3, 0] = np.nan
        broken._fit, broken.item_vectors = lambda dataset: None, lambda: vectors
        refused = rf"{broken.name}: 1 of {len(vectors)} vectors of items are not finite"
        with pytest.raises(TrainingError, match=refused):
            broken.fit(taste_world)

    def test_scores_are_the_products_of_the_vectors(self, fitted, trained_users):
        assert isinstance(fitted, VectorGenerator)
        users = fitted.user_vectors(trained_users).astype(float)
        items = fitted.item_vectors().astype(float)[fitted.known_items_]
        if fitted.searched_by == "cosine":
            users /= np.linalg.norm(users, axis=1, keepdims=True)
            items /= np.linalg.norm(items, axis=1, keepdims=True)
        scores = fitted.score(trained_users)[:, fitted.known_items_]
        atol = rounding(np.float32, items.shape[1] + 3, np.abs(users) @ np.abs(items.T))
        np.testing.assert_allclose(scores, users @ items.T, rtol=0, atol=atol)

    def test_cold_users_have_no_vector(self, fitted, taste_world):
        if not fitted.answers_cold_users:
            with pytest.raises(ColdStartError, match="user without events"):
                fitted.user_vectors([taste_world.n_users - 1])


def share_of_own_taste(generator, users) -> float:
    """Among ten candidates a user, the share that the user's taste likes: all ten are there."""
    found = top_items(generator, users, 10).items
    return float((found % 6 == users[:, None] % 6).mean())
