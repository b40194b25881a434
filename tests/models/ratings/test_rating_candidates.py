"""Predicted ratings as scores: the contract, and what the predictions are worth as predictions."""

import numpy as np
import pandas as pd
import pytest
from contract import VectorContract

from candgen import evaluation
from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, UnsupportedError
from candgen.evaluation.rating_errors import rating_errors
from candgen.models import Popularity, PredictedRating


class TestPredictedRating(VectorContract):
    beats_popularity = False  # the ratings of the taste world are noise

    def make(self, **settings):
        return PredictedRating(**{"dim": 4, "epochs": 3, **settings})


@pytest.fixture(scope="module")
def two_camps(tmp_path_factory):
    """Users love the films of their own camp and loathe the others; all films have equal means."""
    rng = np.random.default_rng(5)
    pairs = np.array([(u, i) for u in range(40) for i in range(30) if rng.random() < 0.6])
    events = pd.DataFrame(pairs, columns=["user", "item"])
    events["rating"] = np.where(events.user % 2 == events.item % 2, 5.0, 1.0)
    held_out = rng.random(len(events)) < 0.3
    tables = {
        "interactions": events,
        "train": events[~held_out],
        "test": events[held_out],
        "users": pd.DataFrame({"user": range(40), "user_id": range(40)}),
        "items": pd.DataFrame({"item": range(30), "item_id": range(30)}),
    }
    return write_dataset(tmp_path_factory.mktemp("camps"), tables, {"name": "camps"})


def test_what_was_held_out_is_predicted_better_than_by_the_mean(two_camps):
    model = PredictedRating(dim=4, epochs=10, regularization=0.5).fit(two_camps)
    found = evaluation.judge(model, two_camps, k=5)
    held_out = two_camps.held_out
    off = held_out["rating"] - model.predicted(held_out["user"], held_out["item"])
    assert found.counts["held_out_ratings_predicted"] == len(held_out)
    assert found.mean("rmse") == pytest.approx((off**2).mean() ** 0.5)
    assert found.mean("mae") == pytest.approx(off.abs().mean())
    means = two_camps.train.groupby("item")["rating"].mean()
    off = held_out["rating"] - held_out["item"].map(means)
    assert found.mean("rmse_of_item_means") == pytest.approx((off**2).mean() ** 0.5)
    assert found.mean("mae_of_item_means") == pytest.approx(off.abs().mean())
    assert 0 < found.mean("mae") < found.mean("rmse") < 0.6
    assert found.row()["rmse"] == found.mean("rmse")
    assert model.predicted(np.array([0, 0]), np.array([2, 3])) == pytest.approx([5, 1], abs=0.8)


def test_only_known_users_and_items_with_a_rating_count(two_camps):
    model = PredictedRating(dim=4, epochs=10, regularization=0.5).fit(two_camps)
    whole, n = rating_errors(model, two_camps)
    model.known_items_ = model.known_items_ & (np.arange(30) != 7)
    fewer, left = rating_errors(model, two_camps)
    assert left == n - (two_camps.held_out["item"] == 7).sum() and fewer != whole
    model.known_users_ = model.known_users_ & False
    assert rating_errors(model, two_camps) == ({}, 0)


def test_a_generator_that_predicts_no_ratings_says_so(two_camps):
    popular = Popularity().fit(two_camps)
    assert "rmse" not in evaluation.judge(popular, two_camps, k=5).row()
    with pytest.raises(UnsupportedError, match="has no predicted ratings"):
        popular.predicted([0], [0])


def test_films_of_the_own_camp_come_first(two_camps):
    model = PredictedRating(dim=4, epochs=10, regularization=0.5).fit(two_camps)
    best = np.argsort(-model.score(np.arange(40)), axis=1)[:, :10]
    assert (best % 2 == np.arange(40)[:, None] % 2).mean() > 0.95


def test_a_dataset_without_ratings_is_refused_by_name(tmp_path):
    events = pd.DataFrame({"user": [0, 0], "item": [0, 1]})
    tables = {
        "interactions": events,
        "train": events[:1],
        "test": events[1:],
        "users": pd.DataFrame({"user": [0], "user_id": [0]}),
        "items": pd.DataFrame({"item": [0, 1], "item_id": [0, 1]}),
    }
    with pytest.raises(DataError, match="'clicks' has no ratings to learn from"):
        PredictedRating().fit(write_dataset(tmp_path, tables, {"name": "clicks"}))
