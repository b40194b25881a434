import json

import numpy as np
import pandas as pd
import pytest
from contract import VectorContract

from candgen import models
from candgen.datasets.dataset import write_dataset
from candgen.errors import SettingError
from candgen.features import EventLog
from candgen.models import BERT4Rec, GRU4Rec, MarkovChain, Popularity, SASRec
from candgen.models.sequences.direct import DirectPath
from candgen.models.sequences.learner import SequenceLearner
from candgen.seeds import derive_seed
from tolerance import rounding

SMALL = {
    "dim": 16, "window": 10, "blocks": 1, "batch_size": 8, "learning_rate": 0.02,
    "dropout": 0.2, "schedule": "constant",
}  # fmt: skip
N_ITEMS = 24
ENOUGH = {BERT4Rec: 0.75}  # on the ring, where counting pairs finds half; others find 0.85
N_TERMS = 6 * SMALL["dim"] * SMALL["window"]  # six products in a row at each place of a window


class TestSASRec(VectorContract):
    def make(self, **settings):
        return SASRec(**{**SMALL, "epochs": 6, "spread": 0.2, **settings})


class TestSASRecWithADirectPath(VectorContract):
    def make(self, **settings):
        return SASRec(**{**SMALL, "epochs": 6, "spread": 0.2, "direct": 8, **settings})


class TestGSASRec(VectorContract):
    def make(self, **settings):
        gbce = {"loss": "gbce", "n_negatives": 4}
        return SASRec(**{**SMALL, "epochs": 50, "spread": 0.2, **gbce, **settings})


class TestESASRec(VectorContract):
    def make(self, **settings):
        gated = {"gated": True, "inner": 4, "negatives": "uniform", "n_negatives": 40}
        return SASRec(**{**SMALL, "epochs": 6, "spread": 0.2, **gated, **settings})


class TestBERT4Rec(VectorContract):
    def make(self, **settings):
        return BERT4Rec(**{**SMALL, "epochs": 20, "spread": 0.2, **settings})


class TestGRU4Rec(VectorContract):
    def make(self, **settings):
        return GRU4Rec(**{**SMALL, "epochs": 6, "spread": 0.2, **settings})


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """Everybody walks round a ring of items, one step at a time, from a place of their own.

    The next item is the last one plus the user's stride, 1 or 2; so it follows from the last two
    items and not from the last one, and never from the set alone.
    """
    rng = np.random.default_rng(0)
    train, test = [], []
    for user in range(300):
        stride, place = 1 + user % 2, int(rng.integers(N_ITEMS))
        walk = [(place + stride * n) % N_ITEMS for n in range(7)]
        train += [(user, item, n) for n, item in enumerate(walk[:-1])]
        test.append((user, walk[-1], 6))
    columns = ["user", "item", "timestamp"]
    train, test = pd.DataFrame(train, columns=columns), pd.DataFrame(test, columns=columns)
    validation = train[train["timestamp"] == 5]
    tables = {
        "interactions": pd.concat([train, test], ignore_index=True),
        "train": train[train["timestamp"] < 5].sample(frac=1, random_state=1),
        "validation": validation,
        "test": test,
        "users": pd.DataFrame({"user": range(300), "user_id": range(300)}),
        "items": pd.DataFrame({"item": range(N_ITEMS), "item_id": range(N_ITEMS)}),
    }
    return write_dataset(tmp_path_factory.mktemp("rounds"), tables, {"name": "rounds"})


def share_found(model, data):
    """Count the users whose next item is their first candidate."""
    scores = model.score(np.arange(data.n_users))
    scores[data.history_matrix.nonzero()] = -np.inf
    return float((scores.argmax(axis=1) == data.held_out["item"]).mean())


def reader(kind, **settings):
    start = {"learning_rate": 0.01, "dropout": 0.0, "spread": 0.1}
    return kind(**{**SMALL, "epochs": 30, **start, **settings})


@pytest.fixture(scope="module", params=[SASRec, BERT4Rec, GRU4Rec])
def fitted(request, rounds):
    further = {"epochs": 100, "masked": 0.3} if request.param is BERT4Rec else {}
    return reader(request.param, **further).fit(rounds)


class TestOnARing:
    def test_the_next_step_is_found_from_the_last_two(self, fitted, rounds):
        assert share_found(fitted, rounds) > ENOUGH.get(type(fitted), 0.85)
        assert share_found(MarkovChain(last=1, reach=1).fit(rounds), rounds) < 0.6
        assert share_found(Popularity().fit(rounds), rounds) < 0.2

    def test_the_loss_falls(self, fitted):
        losses = [epoch.loss for epoch in fitted.history_]
        assert losses[-1] < 0.5 * losses[0]
        assert losses[0] < 1.1 * np.log(N_ITEMS)

    def test_another_order_of_the_same_events_is_answered_otherwise(self, fitted, rounds):
        events = rounds.train.assign(timestamp=-rounds.train["timestamp"])
        back = fitted.reading(EventLog.of(events, rounds.n_users))
        assert share_found(back, rounds) < 0.3
        # The generator itself goes on to read what it read before.
        assert share_found(fitted, rounds) > ENOUGH.get(type(fitted), 0.85)

    def test_reading_its_own_history_again_changes_nothing(self, fitted, rounds):
        same, users = fitted.reading(EventLog.of_history(rounds)), np.arange(20)
        np.testing.assert_array_equal(same.user_vectors(users), fitted.user_vectors(users))

    def test_only_the_newest_events_of_a_long_history_are_read(self, fitted):
        walk = np.arange(40) % N_ITEMS
        long = pd.DataFrame({"user": 0, "item": walk, "timestamp": range(40)})
        recent = long[-fitted.window :]
        states = [fitted.reading(EventLog.of(e, 1)).user_vectors([0]) for e in (long, recent)]
        np.testing.assert_allclose(*states, atol=rounding(np.float32, N_TERMS, states[0]))

    def test_what_an_event_looks_at_sums_to_one_and_lies_behind_it(self, fitted):
        if not isinstance(fitted, SASRec):
            pytest.skip("what is looked at is shown of SASRec alone")
        shares = fitted.attention([5, 7], 9)
        assert shares.shape == (1, 2, 1, 6, 6)  # five events of train and one of validation
        np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)
        assert not np.triu(shares, k=1).any()
        newest = fitted.attention([5], 2)[..., 1, :]
        np.testing.assert_allclose(newest, shares[:, :1, :, 5, 4:], rtol=1e-4)


@pytest.fixture(scope="module")
def both(rounds):
    """The same network without a path and with one that weighs 2."""
    settings = {"epochs": 2, "seed": 3}
    path = {"direct": 8, "direct_weight": 2.0, "direct_fading": 0.5}
    alone, joined = reader(SASRec, **settings), reader(SASRec, **settings, **path)
    return alone.fit(rounds), joined.fit(rounds)


class TestWithADirectPath:
    def test_the_score_is_the_networks_and_twice_the_paths(self, both, rounds):
        alone, joined = both
        log, users = EventLog.of_history(rounds), np.arange(30)
        path = DirectPath.counted(
            EventLog.of_training(rounds), N_ITEMS, 8, seed=derive_seed(3, "direct")
        )
        say = 0.5 ** np.arange(6)[::-1] / (0.5 ** np.arange(6)).sum()  # of six events
        newest = log.items[log.offsets[users][:, None] + np.arange(6)]
        of_path = (say[:, None] * path.sources[newest]).sum(axis=1) @ path.targets.T
        np.testing.assert_allclose(
            joined.score(users), alone.score(users) + 2 * of_path, rtol=1e-3, atol=1e-3
        )

    def test_the_network_is_trained_as_it_would_be_without(self, both):
        alone, joined = both
        assert [e.loss for e in alone.history_] == [e.loss for e in joined.history_]
        np.testing.assert_array_equal(joined.item_vectors()[:, :16], alone.item_vectors())

    def test_it_reads_the_events_that_it_is_given(self, both, rounds):
        joined, users = both[1], np.arange(20)
        log = EventLog.of_history(rounds).shuffled(seed=1)
        paths = joined.reading(log).user_vectors(users)[:, 16:], joined.user_vectors(users)[:, 16:]
        assert np.abs(paths[0] - paths[1]).max() > 0.01

    def test_while_training_is_watched_the_path_counts(self, rounds):
        model = reader(SASRec, direct=8)
        learner = SequenceLearner(model._network(), rounds, model.chosen)
        users, items = np.arange(10), learner.item_vectors()
        assert items.shape == (N_ITEMS, 24)
        states = learner.states(users, learner.history)
        atol = rounding(np.float32, 24, np.abs(states) @ np.abs(items.T))
        np.testing.assert_allclose(learner.scores(users), states @ items.T, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("settings", "enough"),
    [
        ({"negatives": "uniform", "n_negatives": 400}, 0.8),
        ({"loss": "logistic"}, 0.8),
        ({"loss": "gbce", "n_negatives": 12}, 0.6),  # learns slower; counting pairs finds half
        ({"gated": True, "inner": 4, "negatives": "uniform", "n_negatives": 400}, 0.8),
    ],
)
def test_the_other_losses_find_it_too(rounds, settings, enough):
    model = reader(SASRec, **settings).fit(rounds)
    assert share_found(model, rounds) > enough


def test_sampled_softmax_estimates_the_full_one_whatever_is_drawn(rounds):
    """With logQ the loss at the start is that over the catalogue."""
    full = reader(SASRec, epochs=1, learning_rate=1e-9).fit(rounds).history_[0].loss
    sampled = reader(
        SASRec, epochs=1, learning_rate=1e-9, negatives="popularity", n_negatives=400, alpha=1.0
    )
    assert sampled.fit(rounds).history_[0].loss == pytest.approx(full, rel=0.01)


def test_the_one_negative_is_never_an_item_of_the_user(rounds):
    model = reader(SASRec, loss="logistic")
    learner = SequenceLearner(model._network(), rounds, model.chosen)
    batch = learner.windows.batch(np.arange(len(learner.windows)))
    ids, _ = learner._for_binary(batch, np.random.default_rng(0))
    users, negatives = batch.users.ravel(), ids["negatives"].ravel()
    assert (negatives[users < 0] == -1).all() and (negatives[users >= 0] >= 0).all()
    taken = rounds.train_matrix.toarray()
    assert not taken[users[users >= 0], negatives[users >= 0]].any()


def test_gbce_draws_among_learned_items_for_each_row_and_takes_back_by_their_number(rounds):
    model = reader(SASRec, loss="gbce", n_negatives=5, calibration=0.5)
    learner = SequenceLearner(model._network(), rounds, model.chosen)
    learner.learned_items[3:] = False
    batch = learner.windows.batch(np.arange(8))
    ids, given = learner._for_gbce(batch, np.random.default_rng(0))
    assert ids["negatives"].shape == (8, 5) and set(ids["negatives"].ravel()) == {0, 1, 2}
    np.testing.assert_array_equal(given["negative_ids"], ids["negatives"])
    assert learner._beta == pytest.approx(1 - 0.5 * (1 - 5 / (N_ITEMS - 1)))


def test_the_last_epoch_of_a_killed_training_leads_to_the_same_result(rounds):
    """Weights, moments and the state of dropout go through the state of the learner."""
    model = reader(SASRec, dropout=0.5)

    def steps(learner, which):
        for n in which:
            rng = np.random.default_rng(n)
            rows = np.resize(rng.permutation(learner.n_examples), 8)
            learner.learn(rows, np.ones(8, np.float32), 0.01, rng)
            learner.table.update(0.01)
        return learner

    def new():
        return SequenceLearner(model._network(), rounds, model.chosen)

    through = steps(new(), range(2))
    held = {name: array.copy() for name, array in through.state().items()}
    steps(through, range(2, 4))
    again = new()
    again.load_state(held)
    steps(again, range(2, 4))
    users = np.arange(20)
    np.testing.assert_array_equal(again.scores(users), through.scores(users))


def test_repeats_that_fill_up_a_batch_teach_nothing(rounds):
    model = reader(SASRec, dropout=0.0)
    learner = SequenceLearner(model._network(), rounds, model.chosen)
    weights, rng = np.array([1, 1, 1, 1, 0, 0, 0, 0], np.float32), np.random.default_rng(0)
    losses = [
        learner.learn(np.array([3, 4, 5, 6, *filling]), weights, 0.0, rng)  # moves nothing
        for filling in ([0, 1, 2, 7], [3, 4, 5, 6])
    ]
    assert losses[0] == pytest.approx(losses[1], abs=rounding(np.float32, N_TERMS, losses[0]))


def test_stopping_early_goes_back_to_the_best_and_reads_the_whole_history(rounds):
    model = reader(GRU4Rec, patience=2, watch="recall@1", epochs=40).fit(rounds)
    watched = [epoch.watched for epoch in model.history_]
    assert len(watched) < 40 and model.best_epoch_ == 1 + int(np.argmax(watched))
    assert share_found(model, rounds) > 0.85  # though it learned without the newest event


def test_settings_are_json_and_named_once():
    model = SASRec(dim=32, heads=2, loss="logistic")
    assert models.from_settings("SASRec", json.loads(json.dumps(model.settings))).settings == (
        model.settings
    )
    assert "heads" not in GRU4Rec.setting_names()


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0}, {"window": 0}, {"loss": "ful"}, {"windows": "first"}, {"spread": 0},
        {"alpha": 2.0}, {"dim": 10, "heads": 3}, {"n_negatives": 0}, {"blocks": 0},
        {"calibration": 1.5},
        {"direct": -1}, {"direct_weight": 0}, {"direct_fading": 1.5},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        SASRec(**wrong)


def test_settings_of_masks_belong_to_bert4rec_and_looking_ahead_to_the_others():
    assert "masked" not in SASRec.setting_names()
    assert "ahead" not in BERT4Rec.setting_names()
    with pytest.raises(SettingError, match="masked"):
        BERT4Rec(masked=1.0)
