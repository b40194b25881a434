from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from contract import VectorContract, share_of_own_taste

from candgen.datasets import preparation
from candgen.datasets.dataset import write_dataset
from candgen.errors import ColdStartError, DataError, SettingError
from candgen.features import Bins, EventLog
from candgen.models import SoftmaxNetwork
from candgen.models.softmax_network.softmax_network_parts import (
    ExampleAge,
    Examples,
)
from candgen.models.towers.inputs import at_events
from candgen.training import EmbeddingTable

DAY = 86_400
SMALL = {"dim": 16, "epochs": 12, "batch_size": 256, "learning_rate": 0.01}


class TestSoftmaxNetwork(VectorContract):
    def make(self, **settings):
        return SoftmaxNetwork(**{**SMALL, **settings})


class TestSoftmaxNetworkAsOnGowalla(VectorContract):
    """One item table, no layers, cosine with temperature, a sample of shared negatives."""

    def make(self, **settings):
        chosen = {"shared_item_table": True, "similarity": "cosine", "biases": False}
        drawn = {"temperature": 0.1, "negatives": "uniform", "n_negatives": 50}
        return SoftmaxNetwork(**{**SMALL, **chosen, **drawn, **settings})


class TestSoftmaxNetworkThatFavoursThePopular(TestSoftmaxNetworkAsOnGowalla):
    def make(self, **settings):
        return super().make(**{"popularity_weight": 0.02, **settings})

    def test_a_score_gains_by_the_log_of_an_items_events(self, taste_world, fitted):
        plain = self.make(popularity_weight=0.0).fit(taste_world)
        events = np.bincount(taste_world.train["item"], minlength=taste_world.n_items)
        users, known = np.arange(168), np.flatnonzero(events)
        gained = fitted.score(users, known) - plain.score(users, known)
        assert np.abs(gained - 0.02 * np.log(1 + events[known])).max() < 1e-5


class TestSoftmaxNetworkWithLayers(VectorContract):
    def make(self, **settings):
        return SoftmaxNetwork(**{**SMALL, "hidden": [32, 16], "epochs": 7, **settings})


class TestSoftmaxNetworkWithFeatures(VectorContract):
    """The last user and the last item have no event, but they have a club and a genre."""

    @pytest.fixture(scope="class")
    @classmethod
    def taste_world(cls, taste_world, tmp_path_factory):
        tables = {name: taste_world.table(name) for name in taste_world.info["tables"]}
        tables["users"] = taste_world.users.assign(club=[f"club {u % 6}" for u in range(181)])
        tables["items"] = taste_world.items.assign(genre=[f"genre {i % 6}" for i in range(121)])
        return write_dataset(tmp_path_factory.mktemp("described"), tables, {"name": "described"})

    @pytest.fixture(scope="class")
    @classmethod
    def trained_users(cls):
        return np.arange(168)

    @pytest.fixture(scope="class")
    @classmethod
    def folded_users(cls):
        return np.arange(168, 180)

    def make(self, **settings):
        return SoftmaxNetwork(**{**SMALL, "epochs": 8, **settings})

    def test_who_has_no_history_is_answered_by_the_own_columns(self, fitted):
        assert share_of_own_taste(fitted, np.array([180])) == 1

    def test_what_nobody_took_stands_above_everything_of_another_genre(self, fitted):
        scores = fitted.score(np.arange(0, 168, 6))  # users of taste 0, as is item 120
        others = np.arange(120) % 6 != 0
        assert (scores[:, [120]] > scores[:, :120][:, others]).mean() > 0.99


# --- the examples


def test_without_a_cap_every_event_is_an_example_once():
    made = Examples(np.arange(5) + 10, np.array([0, 0, 3, 3, 3]))
    drawn = made.draw(np.arange(5), np.random.default_rng(0))
    assert len(made) == 5 and drawn.tolist() == [10, 11, 12, 13, 14]


def test_a_cap_takes_one_event_from_each_stretch_of_a_busy_user():
    users = np.repeat([0, 2, 5], [2, 10, 3])
    made = Examples(np.arange(15), users, most=3)
    rng = np.random.default_rng(0)
    drawn = np.array([made.draw(np.arange(len(made)), rng) for _ in range(200)])
    assert drawn.shape == (200, 2 + 3 + 3)
    seen = [sorted(set(column)) for column in drawn.T]
    assert seen == [[0], [1], [2, 3, 4], [5, 6, 7], [8, 9, 10, 11], [12], [13], [14]]


def test_the_cap_leaves_the_history_whole(timed):
    capped = SoftmaxNetwork(**TINY, examples_per_user=4).fit(timed)
    assert capped.n_examples_ == np.minimum(timed.train.groupby("user").size(), 4).sum()
    assert len(capped._learned.log) == len(timed.train)


TINY = {"dim": 8, "epochs": 1, "batch_size": 512, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """A small invented world, with searches, places and times."""
    folder = tmp_path_factory.mktemp("worlds") / "small"
    size = {"n_users": 60, "n_items": 80, "events_per_user": 12.0}
    return preparation.prepare(folder, source="world", **size)


@pytest.fixture(scope="module")
def learned(timed):
    return SoftmaxNetwork(**TINY, hidden=[8]).fit(timed)


def vectors_at(model, log, events):
    return model._learned.query_vectors(at_events(log, events, model.history_length))


def some_events(log):
    """Three events with a past and a future: a user's fifth one of at least ten."""
    return log.offsets[np.flatnonzero(log.lengths >= 10)[:3]] + 4


def test_all_that_the_dataset_has_is_read_unless_it_is_said(learned):
    assert learned.query_inputs_ == ["history", "features", "searches", "example_age"]
    assert learned.item_inputs_ == ["id", "features"]


def test_nothing_at_or_after_the_target_is_read(learned):
    log = learned._learned.log
    events = some_events(log)
    before = vectors_at(learned, log, events)
    items = log.items.copy()
    for event in events:
        items[event : log.offsets[log.users[event] + 1]] = 0  # the target and all that follows
    altered = replace(log, items=items)
    np.testing.assert_array_equal(vectors_at(learned, altered, events), before)


def test_what_came_before_the_target_is_read(learned):
    log = learned._learned.log
    events = some_events(log)
    items = log.items.copy()
    items[events - 1] = (items[events - 1] + 1) % 80
    altered = vectors_at(learned, replace(log, items=items), events)
    assert (np.abs(altered - vectors_at(learned, log, events)).max(axis=1) > 1e-6).all()


def test_searches_of_the_same_second_or_later_are_not_read(learned):
    log = learned._learned.log
    (searches,) = [one for one in learned._learned.queries if one.name == "searches"]
    held = searches.log
    moment = int(np.median(log.times))
    events = np.flatnonzero(log.times <= moment)
    words = held.words.copy()
    for search in np.flatnonzero(held.times >= moment):
        words[held.ends[search] : held.ends[search + 1]] = 0
    assert (words != held.words).any()
    before = vectors_at(learned, log, events)
    try:
        searches.log = replace(held, words=words)
        np.testing.assert_array_equal(vectors_at(learned, log, events), before)
        searches.log = replace(held, words=np.zeros_like(words))
        assert (vectors_at(learned, log, events) != before).any()
    finally:
        searches.log = held


def test_without_times_the_history_is_all_but_the_target(taste_world):
    model = SoftmaxNetwork(**TINY).fit(taste_world)
    log = model._learned.log
    events = log.offsets[:5] + 3
    before = vectors_at(model, log, events)
    items = log.items.copy()
    items[events] = (items[events] + 1) % 120
    np.testing.assert_array_equal(vectors_at(model, replace(log, items=items), events), before)
    items[events + 1] = (items[events + 1] + 1) % 120
    assert (vectors_at(model, replace(log, items=items), events) != before).any(axis=1).all()


# --- the example's age


def test_ages_are_shared_out_between_knots_and_end_at_zero():
    asked = at_events(EventLog(np.array([0, 4]), np.arange(4), np.array([0, 5, 8, 30]) * DAY), [0])
    asked = asked._replace(times=np.array([0, 5, 8, 10, 99]) * DAY)
    age = ExampleAge(EmbeddingTable(3, 1), 10 * DAY, Bins(np.array([0.0, 4.0, 10.0])))
    found = age.bins(asked)
    weights = np.zeros((5, 3))
    np.put_along_axis(weights, found.rows, found.weights, axis=1)
    # 10 days old, 5 days old, 2 days old, now, and later than the end of training
    expected = [[0, 0, 1], [0, 5 / 6, 1 / 6], [0.5, 0.5, 0], [1, 0, 0], [1, 0, 0]]
    np.testing.assert_allclose(weights, expected, atol=1e-6)


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """Items 0 to 4 are taken for 90 days, 5 to 9 in the last 10; everybody comes once."""
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 100 * DAY, 2000))
    items = rng.integers(0, 5, 2000) + 5 * (times >= 90 * DAY)
    events = pd.DataFrame({"user": np.arange(2000), "item": items, "timestamp": times})
    tables = {
        "interactions": events,
        "train": events,
        "test": events[:1],
        "users": pd.DataFrame({"user": range(2000), "user_id": range(2000)}),
        "items": pd.DataFrame({"item": range(10), "item_id": range(10)}),
    }
    return write_dataset(tmp_path_factory.mktemp("fashion"), tables, {"name": "fashion"})


def logits_of_nobody(model, dataset):
    """Return the answer for a user without any feature."""
    empty = EventLog.of(dataset.train[:0], dataset.n_users)
    asked = model._learned.now(empty, np.array([0]))
    if model.moment_:
        asked = asked._replace(times=np.array([model.moment_]))
    return (model._learned.query_vectors(asked) @ model.item_vectors().T)[0]


def probability_of_the_new(dataset, **settings):
    chosen = {"dim": 4, "epochs": 15, "batch_size": 200, "learning_rate": 0.03}
    model = SoftmaxNetwork(**{**chosen, "history_length": 1, **settings}).fit(dataset)
    assert model.known_users_.all()
    logits = logits_of_nobody(model, dataset)
    shares = np.exp(logits - logits.max())
    return float(shares[5:].sum() / shares.sum())


def test_the_age_of_the_example_answers_for_now_instead_of_the_past(fashion):
    with_age = probability_of_the_new(fashion, query_inputs=["history", "example_age"])
    without = probability_of_the_new(fashion, query_inputs=["history"])
    assert with_age > 0.9
    assert without == pytest.approx(0.1, abs=0.04)  # as often as in training


def test_candidates_are_asked_for_with_an_age_of_nothing(learned):
    users = np.arange(10)
    asked = learned._learned.now(learned._log, users)
    (age,) = [one for one in learned._learned.queries if one.name == "example_age"]
    rows, weights = age.bins(asked)
    assert learned.moment_ == learned._dataset.known_until
    assert (weights.max(axis=1) == 1).all() and (rows[weights == 1] == 0).all()


# --- successes


def test_only_successes_are_examples_and_have_rows(tmp_path):
    rated = [(u, i, 5.0 if i < 3 else 2.0) for u in range(40) for i in ((u % 3), 3 + (u % 2))]
    rated = sorted(rated, key=lambda event: event[2])  # not by user
    train = pd.DataFrame(rated, columns=["user", "item", "rating"])
    tables = {
        "interactions": train,
        "train": train,
        "test": train[:1],
        "users": pd.DataFrame({"user": range(40), "user_id": range(40)}),
        "items": pd.DataFrame({"item": range(5), "item_id": [f"film {i}" for i in range(5)]}),
    }
    data = write_dataset(tmp_path, tables, {"name": "rated"})
    liked = SoftmaxNetwork(**TINY, positive_column="rating", positive_from=4.0).fit(data)
    assert liked.n_examples_ == 40
    assert liked.known_items_.tolist() == [True, True, True, False, False]
    assert np.flatnonzero(liked.history_matrix_[[0]].toarray()[0]).tolist() == [0, 3]
    with pytest.raises(ColdStartError, match="film 3"):
        liked.score([0], [3])
    assert SoftmaxNetwork(**TINY).fit(data).known_items_.all()
    with pytest.raises(DataError, match=r"largest is 5\. Lower positive_from"):
        SoftmaxNetwork(**TINY, positive_column="rating", positive_from=6.0).fit(data)
    with pytest.raises(SettingError, match="Did you mean 'rating'"):
        SoftmaxNetwork(**TINY, positive_column="ratings").fit(data)


# --- the softmax


COUNTS = np.array([400, 240, 120, 40])


@pytest.fixture(scope="module")
def coins(tmp_path_factory):
    """Everybody takes one item, with nothing to tell who takes which."""
    items = np.repeat(np.arange(4), COUNTS)
    events = pd.DataFrame({"user": range(800), "item": items})
    tables = {
        "interactions": events,
        "train": events,
        "test": events[:1],
        "users": pd.DataFrame({"user": range(800), "user_id": range(800)}),
        "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
    }
    return write_dataset(tmp_path_factory.mktemp("coins"), tables, {"name": "coins"})


def learned_shares(dataset, **settings):
    chosen = {"dim": 2, "epochs": 60, "batch_size": 100, "learning_rate": 0.05}
    model = SoftmaxNetwork(**{**chosen, "schedule": "linear", **settings}).fit(dataset)
    logits = logits_of_nobody(model, dataset)  # a history without the target is empty
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("negatives", ["all", "uniform", "popularity"])
def test_biases_learn_how_often_items_are_taken(coins, negatives):
    shares = learned_shares(coins, negatives=negatives, n_negatives=50, alpha=1.0)
    np.testing.assert_allclose(shares, COUNTS / 800, atol=0.03)


def test_without_correction_the_sample_is_taken_for_taste(coins):
    drawn = {"negatives": "popularity", "n_negatives": 50, "alpha": 1.0, "correction": False}
    shares = learned_shares(coins, **drawn)
    assert shares[1] / shares[3] < 2  # taken six times as often, and drawn as a negative as often


def test_probabilities_sum_to_one(learned):
    shares = np.exp(learned.log_probabilities(np.arange(7)))
    assert shares.shape == (7, learned._dataset.n_items)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_surprise_is_the_mean_over_what_is_held_out(learned, timed):
    users = np.arange(25)
    logs = learned.log_probabilities(users)
    held_out = timed.held_out[timed.held_out["user"] < 25]
    pairs = set(zip(held_out["user"], held_out["item"], strict=True))
    expected = -np.mean([logs[user, item] for user, item in pairs])
    found = learned.surprise(timed, users, rows_per_block=7)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_parts_are_named_with_what_is_learned(learned, timed):
    parts = learned.parts_.set_index("part")
    assert list(parts["kind"].unique()) == ["input", "hidden", "user vector", "row"]
    entering = parts.loc[parts["kind"] == "input", "width"].sum()
    assert parts.loc["ReLU 1", "numbers"] == (entering + 1) * 8
    dense = sum(np.size(w) for w in learned._learned.step.weights().values())
    assert dense == parts.loc[["ReLU 1", "user vector"], "numbers"].sum()
    tables = sum(t.rows.size for t in learned._learned.tables.values())
    assert parts["numbers"].sum() == dense + tables


def test_the_bias_is_one_more_coordinate(learned, timed):
    assert learned.item_vectors().shape[1] == TINY["dim"] + 1
    assert (learned.user_vectors([0, 1])[:, -1] == 1).all()
    plain = SoftmaxNetwork(**TINY, biases=False).fit(timed)
    assert plain.item_vectors().shape[1] == TINY["dim"]


# --- what is refused


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"similarity": "cosine"}, "set biases to false"),
        ({"positive_from": 3.0}, "no positive_column"),
        ({"query_inputs": ["id"]}, r"query_inputs\[0\] must be one of history"),
        ({"item_inputs": "id"}, "item_inputs must be a list"),
        ({"negatives": "none"}, "negatives must be one of all"),
        ({"age_bins": 1}, "age_bins must be 2 or greater"),
        ({"examples_per_user": -1}, "examples_per_user must be 0"),
        ({"hidden": [0]}, r"hidden\[0\] must be 1 or greater"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong, message):
    with pytest.raises(SettingError, match=message):
        SoftmaxNetwork(**wrong)


@pytest.mark.parametrize("name", ["example_age", "searches", "features"])
def test_inputs_that_the_dataset_lacks_are_refused_by_name(taste_world, name):
    with pytest.raises(SettingError, match=f"query_inputs has '{name}', but"):
        SoftmaxNetwork(query_inputs=["history", name]).fit(taste_world)
