import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.models import WALS
from candgen.models.cold_start_questions import (
    STRATEGIES,
    entropy,
    far_apart,
    least_variance,
    questions,
)


@pytest.fixture(scope="module")
def model(taste_world):
    return WALS(dim=6, epochs=8).fit(taste_world)


def left(vectors, precision, weights, chosen):
    """The variance of all scores once questions are answered, by inverting from scratch."""
    answered = precision + (vectors[chosen].T * weights[chosen]) @ vectors[chosen]
    return np.trace(vectors @ np.linalg.inv(answered) @ vectors.T)


def test_each_question_lessens_the_variance_of_all_scores_the_most():
    rng = np.random.default_rng(0)
    vectors, weights = rng.normal(size=(25, 4)), rng.uniform(0.1, 1, 25)
    half = rng.normal(size=(4, 4))
    precision = half @ half.T + np.eye(4)
    found, chosen = least_variance(vectors, precision, weights, 6), []
    for item in found:
        free = [i for i in range(25) if i not in chosen]
        by_hand = [left(vectors, precision, weights, [*chosen, i]) for i in free]
        assert item == free[int(np.argmin(by_hand))]
        chosen.append(item)


def test_an_answer_that_weighs_nothing_is_asked_for_last():
    vectors = np.eye(3)[[0, 1, 2]]
    assert least_variance(vectors, np.eye(3), np.array([0.0, 0.5, 1.0]), 3).tolist() == [2, 1, 0]


def test_what_was_just_learned_is_not_asked_again():
    vectors = np.array([[1.0, 0], [0.99, 0.01], [0, 0.6]])
    found = least_variance(vectors, 0.1 * np.eye(2), np.ones(3), 2)
    assert found.tolist() == [0, 2]


def test_entropy_is_one_bit_at_a_half_and_none_at_the_ends():
    np.testing.assert_allclose(entropy([0, 0.25, 0.5, 0.75, 1]), [0, 0.8112781, 1, 0.8112781, 0])


def test_below_a_half_the_most_uncertain_are_the_most_popular(model):
    shares = model.item_counts_ / 167
    assert shares.max() < 0.5
    asked = {s: questions(model, s, 12) for s in ("popular", "most uncertain")}
    np.testing.assert_array_equal(*asked.values())


def test_popular_questions_begin_with_what_most_took(model):
    asked = questions(model, "popular", 5)
    assert model.item_counts_[asked].tolist() == sorted(model.item_counts_)[:-6:-1]


def test_far_apart_takes_the_farthest_from_all_chosen_before():
    line = np.array([[0.0], [1], [4], [10], [6]])
    assert far_apart(line, 4).tolist() == [0, 3, 2, 4]
    assert far_apart(line[:2], 9).tolist() == [0, 1]


@pytest.mark.parametrize("strategy", ["informative", "diverse"])
def test_six_good_questions_ask_about_six_tastes(model, strategy):
    assert len(set(questions(model, strategy, 6, pool=60) % 6)) == 6


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_questions_are_known_items_each_once(model, strategy):
    n = int(model.known_items_.sum())
    asked = questions(model, strategy, n, seed=3)
    assert len(np.unique(asked)) == n and model.known_items_[asked].all()


def test_random_questions_follow_the_seed(model):
    first, again, other = (questions(model, "random", 20, seed=s).tolist() for s in (1, 1, 2))
    assert first == again != other


def test_a_misspelt_strategy_and_too_many_questions_are_named(model):
    with pytest.raises(SettingError, match="Did you mean 'diverse'"):
        questions(model, "divers", 3)
    with pytest.raises(SettingError, match="fewer than 999"):
        questions(model, "popular", 999)


@pytest.mark.parametrize("no_weight", [0.0, 0.4, 1.0])
def test_an_answer_weighs_what_is_expected_of_it(model, no_weight):
    known = np.flatnonzero(model.known_items_)
    v, shares = model.item_vectors()[known].astype(float), model.item_counts_[known] / 167
    weights = shares + (1 - shares) * no_weight
    precision = model.prior_precision().astype(float)
    by_hand = [left(v, precision, weights, [row]) for row in range(len(known))]
    asked = questions(model, "informative", 1, no_weight=no_weight)
    assert asked[0] == known[int(np.argmin(by_hand))]
