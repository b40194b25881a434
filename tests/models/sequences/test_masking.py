"""Hidden events, what a step makes of them, and the answer from a mask behind the history."""

import numpy as np
import pandas as pd
import pytest

from candgen.datasets.dataset import write_dataset
from candgen.features import EventLog
from candgen.models import BERT4Rec
from candgen.models.sequences.masking import MaskedLearner, hidden_in_windows, hide
from candgen.models.sequences.windows import Batch
from tolerance import rounding

N_ITEMS, WINDOW = 30, 8
SMALL = {"dim": 8, "window": WINDOW, "blocks": 1, "batch_size": 4, "dropout": 0.0, "spread": 0.3}
N_TERMS = 6 * SMALL["dim"] * N_ITEMS


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sixty histories of 1 to 13 of the first 28 items; the other two are never learned."""
    rng = np.random.default_rng(0)
    rows = [
        (user, item, n)
        for user in range(60)
        for n, item in enumerate(rng.permutation(28)[: 1 + user % 13])
    ]
    train = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    tables = {
        "interactions": train,
        "train": train,
        "test": pd.DataFrame({"user": [0], "item": [28], "timestamp": [99]}),
        "users": pd.DataFrame({"user": range(60), "user_id": range(60)}),
        "items": pd.DataFrame({"item": range(N_ITEMS), "item_id": range(N_ITEMS)}),
    }
    return write_dataset(tmp_path_factory.mktemp("masks"), tables, {"name": "masks"})


def learner_of(data, **settings):
    model = BERT4Rec(**SMALL, **settings)
    return MaskedLearner(model._network(), data, model.chosen)


def many_windows(n=2000):
    """Rows with a window of five events, one of two and an empty place."""
    owners = np.tile(np.array([0, 0, 0, 0, 0, 1, 1, -1], np.int32), (n, 1))
    steps = np.tile(np.array([0, 1, 2, 3, 4, 0, 1, 0], np.int32), (n, 1))
    items = np.where(owners >= 0, np.int32(7), np.int32(-1))
    return Batch(items, items, owners, steps, owners, np.zeros_like(items))


def test_every_window_hides_something_and_empty_places_nothing():
    hidden = hide(many_windows(), 0.01, np.random.default_rng(0))
    assert hidden[:, :5].any(axis=1).all() and hidden[:, 5:7].any(axis=1).all()
    assert not hidden[:, 7].any()


def test_events_are_hidden_as_often_as_asked_and_a_tenth_hides_the_newest_alone():
    share, n = 0.6, 2000
    hidden = hide(many_windows(n), share, np.random.default_rng(0))
    deviation = np.sqrt(0.25 / n)
    earlier = hidden[:, :4].mean(axis=0)
    np.testing.assert_allclose(earlier, 0.9 * share, atol=5 * deviation)
    alone = 0.1 + 0.9 * (0.4**4 * 0.6 + 0.4**5)
    found = (hidden[:, :5] == [False] * 4 + [True]).all(axis=1).mean()
    assert found == pytest.approx(alone, abs=5 * deviation)
    expected = hidden_in_windows(np.array([5, 2]), share)
    sums = hidden[:, :5].sum(axis=1).mean(), hidden[:, 5:7].sum(axis=1).mean()
    np.testing.assert_allclose(sums, expected, atol=5 * 1.2 * deviation)


def test_hidden_events_are_asked_for_and_read_as_the_mask(data):
    learner = learner_of(data, masked=0.4)
    rows = np.arange(4)
    whole = learner.windows.batch(rows)
    batch = learner._batch(rows, np.random.default_rng(1))
    asked = batch.targets >= 0
    assert asked.any() and (asked | (whole.items < 0)).sum() < asked.size
    np.testing.assert_array_equal(batch.targets[asked], whole.items[asked])
    np.testing.assert_array_equal(batch.items, np.where(asked, N_ITEMS, whole.items))
    chosen = learner._further(batch)["asked"]
    assert len(set(chosen)) == len(chosen) == learner._room
    assert set(np.flatnonzero(asked)) <= set(chosen)


def test_what_there_is_no_room_for_is_hidden_and_not_asked(data):
    learner = learner_of(data, masked=0.9)
    learner._room = 5
    batch = learner._batch(np.arange(4), np.random.default_rng(1))
    hidden, asked = batch.items == N_ITEMS, batch.targets >= 0
    assert asked.sum() == 5 and hidden.sum() > 15 and (hidden | ~asked).all()
    assert len(learner._further(batch)["asked"]) == 5


@pytest.mark.parametrize("negatives", ["all", "uniform"])
def test_the_loss_is_the_mean_cross_entropy_of_the_hidden_events(data, negatives):
    """With many samples and logQ, the sampled softmax is that over the catalogue, too."""
    learner = learner_of(data, masked=0.4, negatives=negatives, n_negatives=20_000)
    rows, rng = np.arange(4), np.random.default_rng(3)
    loss = learner.learn(rows, np.ones(4, np.float32), 0.0, np.random.default_rng(3))
    batch = learner._batch(rows, rng)
    vectors = learner.table.gather(batch.items)
    states = learner.network.states(vectors, batch.owners, batch.steps, training=False).numpy()
    logits = states.astype(float) @ learner.item_vectors()[:28].T.astype(float)
    log_shares = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    asked = batch.targets >= 0
    expected = -log_shares[asked, batch.targets[asked]].mean()
    assert loss == pytest.approx(expected, rel=1e-4 if negatives == "all" else 0.01)


def test_the_answer_is_the_state_of_a_mask_behind_the_newest_events(data):
    learner = learner_of(data)
    log, mask = EventLog.of_history(data), learner.table.rows[N_ITEMS]
    users = np.array([2, 12, 0])  # with 3, 13 and 1 events; a window has room for 7 and the mask
    found = learner.states(users, log)
    for user, state in zip(users, found, strict=True):
        items = log.items[log.offsets[user] : log.offsets[user + 1]][1 - WINDOW :]
        row = np.vstack([learner.table.rows[items], mask])[None]
        places = np.arange(len(items) + 1, dtype=np.int32)[None]
        alone = learner.network.states(row, np.zeros_like(places), places, training=False)
        expected = alone.numpy()[0, -1]
        atol = rounding(np.float32, N_TERMS, expected)
        np.testing.assert_allclose(state, expected, rtol=0, atol=atol)


def test_the_mask_is_no_item(data):
    model = BERT4Rec(**SMALL, epochs=1).fit(data)
    assert model.item_vectors().shape == (N_ITEMS, 8)
    assert not model.known_items_[28:].any() and model.known_items_[:28].all()
