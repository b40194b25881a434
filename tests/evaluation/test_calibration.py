"""Scores beside outcomes: bins, slopes and ranks worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from candgen.evaluation import calibration
from candgen.models.base import Generator, VectorGenerator

EVENTS = pd.DataFrame({"user": [0, 1], "item": [0, 1], "timestamp": [10, 20]})


class Told(Generator):
    """Scores what it was told to."""

    name = "told"

    def __init__(self, *, table):
        self.table = np.asarray(table, np.float32)

    def _fit(self, dataset):
        pass

    def _score(self, users, items):
        scores = self.table[users].copy()
        return scores if items is None else scores[:, items]


class ToldVectors(VectorGenerator):
    name = "told vectors"

    def __init__(self, *, table):
        self.table = np.asarray(table, np.float32)

    def _fit(self, dataset):
        pass

    def item_vectors(self):
        return self.table

    def _user_vectors(self, users):
        return np.ones((len(users), self.table.shape[1]), np.float32)


class Truth:
    """An oracle with given relevance."""

    end = 0

    def __init__(self, table):
        self.table = np.asarray(table, np.float32)

    def relevance(self, users, items=None):
        return self.table[users] if items is None else self.table[np.asarray(users)][:, items]


@pytest.fixture
def data(make):
    """Two users, five items, all known; user 0 has item 0, user 1 item 1; 2 and 3 are held out."""
    known = pd.DataFrame({"user": [2] * 5, "item": range(5), "timestamp": [1] * 5})
    train = pd.concat([EVENTS, known], ignore_index=True)
    test = pd.DataFrame({"user": [0, 1, 1], "item": [2, 2, 3], "timestamp": [30, 31, 32]})
    later = pd.DataFrame(
        {
            "user": [0, 0, 0, 1],
            "item": [2, 2, 3, 2],
            "timestamp": [30, 31, 32, 31],
            "engaged": [False, True, False, True],
        }
    )
    return make(train, test, n_users=3, n_items=5, impressions_test=later)


def reliability(predicted, observed, edges):
    bins = calibration._Bins(edges)
    bins.add(predicted, observed)
    return bins.read()


def test_each_bin_holds_the_means_of_what_was_predicted_and_of_what_happened():
    found = reliability(
        np.array([0.1, 0.2, 0.3, 0.9]), np.array([0, 1, 1, 1]), np.array([0, 0.5, 1.0])
    )
    np.testing.assert_allclose(found.predicted, [0.2, 0.9])
    np.testing.assert_allclose(found.observed, [2 / 3, 1.0])
    assert found.count.tolist() == [3, 1]
    assert found.error == pytest.approx((3 * (2 / 3 - 0.2) + 0.1) / 4)


def test_a_value_on_an_edge_belongs_above_and_the_highest_to_the_last_bin():
    found = reliability(np.array([0.5, 1.0, 0.0]), np.ones(3), np.array([0, 0.5, 1.0]))
    assert found.count.tolist() == [1, 2]


def test_an_empty_bin_has_no_mean_and_no_weight():
    found = reliability(np.array([0.1]), np.array([0.1]), np.array([0, 0.5, 1.0]))
    assert np.isnan(found.predicted[1]) and found.error == pytest.approx(0)
    assert np.isnan(reliability(np.zeros(0), np.zeros(0), np.array([0, 1.0])).error)


def truth_and_logits(temperature=1.0):
    truth = np.array([[0.9, 0.1, 0.4, 0.2, 0.7], [0.3, 0.8, 0.6, 0.25, 0.05], [0.5] * 5])
    return Truth(truth), temperature * np.log(truth / (1 - truth))


def test_the_logits_of_the_truth_are_calibrated_probabilities(data):
    oracle, logits = truth_and_logits(temperature=0.5)
    model = Told(table=logits).fit(data)
    found = calibration.calibrate(
        model, data, np.array([0, 1]), loss="logistic", temperature=0.5, oracle=oracle
    )
    assert found.meaning == "probability"
    assert found.truth.error == pytest.approx(0, abs=1e-6)
    assert found.slope == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(found.rank_correlation, 1)
    assert found.truth.count.sum() == 8  # two users, five items less the one that each has


def test_logits_twice_as_large_are_too_sure_and_have_half_the_slope(data):
    oracle, logits = truth_and_logits()
    model = Told(table=2 * logits).fit(data)
    found = calibration.calibrate(model, data, np.array([0, 1]), loss="logistic", oracle=oracle)
    assert found.slope == pytest.approx(0.5, abs=1e-5)
    assert found.truth.error > 0.05
    np.testing.assert_allclose(found.rank_correlation, 1)


def test_softmax_scores_may_be_off_by_a_constant_a_user(data):
    oracle, _ = truth_and_logits()
    model = Told(table=np.log(oracle.table) + np.array([[3.0], [-1.0], [0.0]])).fit(data)
    found = calibration.calibrate(model, data, np.array([0, 1]), loss="softmax", oracle=oracle)
    assert found.meaning == "lift"
    assert found.slope == pytest.approx(1, abs=1e-5)
    assert found.truth.error == pytest.approx(0, abs=1e-5)


def test_lifts_are_shares_times_the_number_of_items_and_average_one(data):
    model = Told(table=np.zeros((3, 5))).fit(data)
    found = calibration.calibrate(model, data, np.array([0, 1]), loss="softmax")
    (full,) = np.flatnonzero(found.logged.count)
    assert found.logged.predicted[full] == found.logged.observed[full] == 1
    assert found.truth is None and np.isnan(found.slope)
    assert np.isnan(found.rank_correlation).all()


def test_probabilities_are_held_against_what_was_shown_in_the_judged_period_and_taken(data):
    table = np.zeros((3, 5))
    table[0, 3] = 40  # sure of what was left
    found = calibration.calibrate(Told(table=table).fit(data), data, np.arange(2), loss="logistic")
    # user 0: item 2 taken in the end, item 3 left; user 1: item 2 taken
    assert found.logged.count.sum() == 3
    assert found.logged.observed[5] == 1 and found.logged.predicted[5] == 0.5
    assert found.logged.observed[9] == 0 and found.logged.predicted[9] == pytest.approx(1)
    assert found.logged.error == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_without_impressions_probabilities_are_held_against_what_is_held_out(make):
    train = pd.DataFrame({"user": [0, 1, 1], "item": [0, 1, 2]})
    test = pd.DataFrame({"user": [0], "item": [1]})
    data = make(train, test, n_users=2, n_items=3)
    found = calibration.calibrate(
        Told(table=np.zeros((2, 3))).fit(data), data, np.array([0]), loss="logistic"
    )
    assert found.logged.count.sum() == 2 and found.logged.observed[5] == 0.5


def test_scores_of_other_losses_mean_an_order_and_no_more(data):
    oracle, logits = truth_and_logits()
    found = calibration.calibrate(
        Told(table=-logits).fit(data), data, np.array([0, 1]), loss="hinge", oracle=oracle
    )
    assert found.meaning == "order" and found.logged is None and found.truth is None
    np.testing.assert_allclose(found.rank_correlation, -1)
    assert found.slope < 0


def test_rank_correlation_is_spearmans_among_what_may_be_offered(data):
    rng = np.random.default_rng(0)
    oracle, table = Truth(rng.random((3, 5)).round(1)), rng.random((3, 5)).round(1)
    found = calibration.calibrate(
        Told(table=table).fit(data), data, np.array([0]), loss="bpr", oracle=oracle
    )
    expected = spearmanr(table[0, 1:], oracle.table[0, 1:]).statistic  # item 0 is known
    assert found.rank_correlation[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_block_size_never_changes_the_answer(data, rows):
    rng = np.random.default_rng(1)
    oracle, model = Truth(rng.random((3, 5))), Told(table=rng.normal(size=(3, 5))).fit(data)
    users = np.array([1, 0])
    told = {"loss": "softmax", "oracle": oracle}
    one, other = (
        calibration.calibrate(model, data, users, rows_per_block=r, **told) for r in (rows, 7)
    )
    np.testing.assert_allclose(one.truth.predicted, other.truth.predicted)
    np.testing.assert_array_equal(one.logged.count, other.logged.count)
    assert one.slope == pytest.approx(other.slope)
    np.testing.assert_allclose(one.rank_correlation, other.rank_correlation)
    means = [
        calibration.score_against_popularity(model, users, rows_per_block=r) for r in (rows, 7)
    ]
    assert means[0] == pytest.approx(means[1])


def test_the_length_of_vectors_is_ranked_against_popularity(make):
    train = pd.DataFrame({"user": [0, 1, 2, 0, 1, 0], "item": [0, 0, 0, 1, 1, 2]})
    data = make(train, train.iloc[:1], n_users=3, n_items=4)
    vectors = np.array([[3.0, 0], [0, -2], [0.6, 0.8], [9, 9]])  # nobody has the last item
    assert calibration.norm_against_popularity(ToldVectors(table=vectors).fit(data)) == 1
    assert (
        calibration.norm_against_popularity(ToldVectors(table=vectors[[2, 1, 0, 3]]).fit(data))
        == -1
    )
    alike = ToldVectors(table=np.eye(4)).fit(data)
    assert np.isnan(calibration.norm_against_popularity(alike))


def test_popularity_of_lists_stands_beside_what_users_own_and_would_like_best(data):
    # training users of items 0 .. 4: 2, 2, 1, 1, 1
    oracle = Truth([[0, 0.1, 0.9, 0.8, 0], [0.9, 0, 0.1, 0, 0.8], [0] * 5])
    items = np.array([[1, 2], [0, -1]])
    found = calibration.popularity_of_lists(items, np.array([0, 1]), data, 2, oracle=oracle)
    np.testing.assert_allclose(found.lists, [1.5, 2])
    np.testing.assert_allclose(found.own, [2, 2])
    np.testing.assert_allclose(found.true_taste, [1, 1.5])
    without = calibration.popularity_of_lists(items, np.array([0, 1]), data, 1)
    np.testing.assert_allclose(without.lists, [2, 2])
    assert np.isnan(without.true_taste).all()
