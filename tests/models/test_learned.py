"""Tests of `LearnedGenerator`, on the smallest learned generator."""

import numpy as np
import pandas as pd
import pytest

from candgen.checks import Count
from candgen.columns import ITEM, USER
from candgen.datasets.cold_users import make_users_cold
from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError, SettingError, TrainingError
from candgen.models.learned import LearnedGenerator
from candgen.training import EmbeddingTable, Learner, TrainingSettings, checkpoints, steps


class CountingSettings(TrainingSettings):
    """One setting of its own."""

    reach: Count = 1
    """How far it reaches."""


class CountingLearner(Learner):
    """Learns one number an item: the row moves by the learning rate for each event of the item."""

    def __init__(self, dataset):
        self.dataset = dataset
        self.items = dataset.train[ITEM].to_numpy()
        self.n_examples = len(self.items)
        self.learned_items = np.bincount(self.items, minlength=dataset.n_items) > 0
        self.tables = {"items": EmbeddingTable(dataset.n_items, 1, spread=0, optimizer="sgd")}

    def learn(self, examples, weights, rate, rng):
        with np.errstate(over="ignore", invalid="ignore"):
            self.tables["items"].add(self.items[examples], -weights[:, None])
            return float(1 - self.tables["items"].rows.sum())

    def scores(self, users):
        return np.tile(self.tables["items"].rows[:, 0], (len(users), 1))


class Counting(LearnedGenerator):
    name = "Counting"
    Settings = CountingSettings

    def _learner(self, dataset):
        self.learner_ = CountingLearner(dataset)
        return self.learner_

    def _finish(self, learner, dataset):
        self.served_, self.rows_ = dataset, learner.tables["items"].rows[:, 0].copy()

    def _score(self, users, items):
        scores = np.tile(self.rows_, (len(users), 1))
        return scores if items is None else scores[:, items]


def events(pairs):
    return pd.DataFrame(np.array(pairs), columns=[USER, ITEM])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Three users; item 3 occurs only in validation, item 4 only in test."""
    tables = {
        "train": events([(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]),
        "validation": events([(0, 1), (1, 3)]),
        "test": events([(0, 4), (1, 2), (2, 0)]),
        "users": pd.DataFrame({USER: range(3), "user_id": range(3)}),
        "items": pd.DataFrame({ITEM: range(5), "item_id": range(5)}),
    }
    tables["interactions"] = pd.concat([tables[n] for n in ("train", "validation", "test")])
    return write_dataset(tmp_path_factory.mktemp("counting"), tables, {"name": "counting"})


def make(**settings):
    return Counting(**{"epochs": 3, "batch_size": 2, "learning_rate": 1.0, **settings})


# --- what is learned from, and what is served


def test_without_patience_it_learns_from_train_and_validation(dataset):
    model = make(epochs=1).fit(dataset)
    assert model.rows_.tolist() == [2, 3, 1, 1, 0]
    assert model.served_ is model.learner_.dataset is dataset


def test_while_settings_are_chosen_it_learns_from_train(dataset):
    assert make(epochs=1).fit(dataset.for_validation()).rows_.tolist() == [2, 2, 1, 0, 0]


def test_with_patience_it_learns_from_train_and_serves_with_the_whole_history(dataset):
    model = make(epochs=1, patience=2, watch="recall@1").fit(dataset)
    assert model.rows_.tolist() == [2, 2, 1, 0, 0]
    assert model.served_.evaluate_on == "test"
    assert model.history_matrix_[[1]].indices.tolist() == [0, 1, 3]


def test_what_is_watched_is_validation_among_items_the_user_did_not_have(dataset):
    history = make(patience=5, watch="recall@1").fit(dataset).history_
    # User 0 has item 0, so item 1 leads: found. User 1 has 0 and 1: item 2 leads, and 3 is missed.
    assert [epoch.watched for epoch in history] == [0.5, 0.5, 0.5]


def test_with_patience_items_of_validation_alone_are_not_offered(dataset):
    model = make(epochs=1, patience=2, watch="recall@1").fit(dataset)
    assert model.known_items_.tolist() == [True, True, True, False, False]
    assert make(epochs=1).fit(dataset).known_items_.tolist() == [True, True, True, True, False]


def test_what_is_watched_is_ranked_among_learned_items(dataset, monkeypatch):
    def never_learned_first(self, users):
        return np.tile([0.0, 4.0, 3.0, 5.0, 6.0], (len(users), 1))

    monkeypatch.setattr(CountingLearner, "scores", never_learned_first)
    history = make(epochs=1, patience=2, watch="recall@1").fit(dataset).history_
    assert history[0].watched == 0.5  # user 0 finds item 1 in front, user 1 cannot find item 3


def test_the_best_epoch_is_kept_and_not_the_last(dataset):
    model = make(epochs=9, patience=2, watch="recall@1").fit(dataset)
    assert model.best_epoch_ == 1 and len(model.history_) == 3
    assert model.rows_.tolist() == [2, 2, 1, 0, 0]


def test_nothing_is_watched_without_patience(dataset):
    assert np.isnan([epoch.watched for epoch in make().fit(dataset).history_]).all()


def test_patience_without_a_validation_part_says_what_to_do(taste_world):
    with pytest.raises(DataError, match=r"patience is 3, but .*'tastes' has no validation part"):
        make(patience=3).fit(taste_world)


# --- settings


def test_a_setting_that_does_not_exist_is_refused_with_a_hint():
    with pytest.raises(
        SettingError, match=r"Counting has no setting 'raech'.*Did you mean 'reach'"
    ):
        make(raech=2)


def test_settings_are_those_of_training_and_its_own_and_all_can_be_read():
    assert {"epochs", "patience", "reach"} <= set(Counting.setting_names())
    model = make(reach=4)
    assert (model.reach, model.settings["reach"], model.chosen.reach) == (4, 4, 4)
    assert Counting(**model.settings).settings == model.settings


def test_settings_out_of_range_are_refused_before_training():
    with pytest.raises(SettingError, match="epochs must be 1 or greater"):
        make(epochs=0)


# --- failures


def test_an_exploding_loss_names_the_generator_the_batch_and_what_to_try(dataset):
    with pytest.raises(TrainingError, match=r"Counting: the loss of batch .*try 1e\+37"):
        make(learning_rate=1e38, epochs=30).fit(dataset)


def test_numbers_that_overflow_at_the_last_step_are_refused_by_name(dataset):
    with (
        np.errstate(over="ignore"),
        pytest.raises(
            TrainingError, match=r"Counting: some of its numbers \(items/rows\) are not finite"
        ),
    ):
        make(learning_rate=2e38, epochs=1, batch_size=9).fit(dataset)


def test_nothing_to_learn_from_is_said_so(dataset, tmp_path):
    tables = {name: dataset.table(name) for name in dataset.info["tables"]}
    tables["train"], tables["validation"] = tables["train"][:0], tables["validation"][:0]
    empty = write_dataset(tmp_path, tables, {"name": "empty"})
    with pytest.raises(DataError, match="Counting finds nothing to learn from in dataset 'empty'"):
        make().fit(empty)


# --- checkpoints


@pytest.fixture
def kept(tmp_path):
    checkpoints.keep_in(tmp_path / "checkpoints")
    yield tmp_path / "checkpoints"
    checkpoints.keep_in(None)


def key(model, dataset):
    return model._checkpoint(dataset).path.name


def test_a_checkpoint_belongs_to_settings_data_and_what_is_judged(kept, dataset, taste_world):
    own = key(make(), dataset)
    assert key(make(), dataset) == own
    others = {
        key(make(seed=1), dataset),
        key(make(epochs=4), dataset),
        key(make(), dataset.for_validation()),
        key(make(), taste_world),
        key(make(), make_users_cold(taste_world, 0.3)),
        key(make(), make_users_cold(taste_world, 0.3, seed=1)),
    }
    assert len(others) == 6 and own not in others


def test_no_checkpoint_is_kept_where_none_is_asked_for(dataset):
    assert make()._checkpoint(dataset) is None


class Killed(Exception):
    pass


def test_a_killed_fit_goes_on_to_the_same_result(kept, dataset, monkeypatch):
    monkeypatch.setattr("candgen.training.loop._SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = make(epochs=5).fit(dataset)
    learn = CountingLearner.learn

    def until_the_fourth_epoch(self, *args):
        if self.tables["items"].rows[0, 0] >= 6:  # two events an epoch
            raise Killed
        return learn(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(CountingLearner, "learn", until_the_fourth_epoch)
        with pytest.raises(Killed):
            make(epochs=5).fit(dataset)
    assert len(list(kept.glob("*.npz"))) == 1
    again = make(epochs=5).fit(dataset)
    assert again.resumed_after_ == 3
    assert again.rows_.tolist() == whole.rows_.tolist()
    assert [e.loss for e in again.history_] == [e.loss for e in whole.history_]
    assert not kept.exists()


# --- watching for a search


def watched(model):
    return [epoch.watched for epoch in model.history_]


def test_watched_always_it_looks_at_validation_and_learns_the_same(dataset, tmp_path):
    plain = make().fit(dataset.for_validation())
    steps.keep_in(tmp_path)
    shown = make(watch_always=True).fit(dataset.for_validation())
    steps.keep_in(None)
    assert np.isnan(watched(plain)).all() and np.isfinite(watched(shown)).all()
    np.testing.assert_array_equal(plain.rows_, shown.rows_)
    assert shown.best_epoch_ == 3
    assert steps.read(tmp_path, "Counting") == [(n, v) for n, v in enumerate(watched(shown), 1)]
    assert shown.watched_ == list(enumerate(watched(shown), 1))
    assert plain.watched_ == []


def test_watched_always_it_never_looks_at_test(dataset):
    assert np.isnan(watched(make(watch_always=True).fit(dataset.for_test()))).all()
