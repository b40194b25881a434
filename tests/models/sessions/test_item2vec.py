import numpy as np
import pandas as pd
import pytest
from contract import VectorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import DataError
from candgen.models import Item2Vec
from candgen.models.sessions.item2vec import Item2VecSettings, SkipGramLearner

SMALL = {"dim": 16, "epochs": 30, "batch_size": 256, "n_negatives": 60, "learning_rate": 0.02}


class TestItem2Vec(VectorContract):
    def make(self, **settings):
        return Item2Vec(**{**SMALL, **settings})


def dataset_of(folder, histories, times=True, n_items=6):
    rows = [(user, item, 60 * at) for user, h in enumerate(histories) for at, item in enumerate(h)]
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    if not times:
        events = events.drop(columns="timestamp")
    ids = range(len(histories))
    tables = {
        "interactions": events, "train": events, "test": events[:1],
        "users": pd.DataFrame({"user": ids, "user_id": ids}),
        "items": pd.DataFrame({"item": range(n_items), "item_id": range(n_items)}),
    }  # fmt: skip
    return write_dataset(folder, tables, {"name": "visits"})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    histories = [[0, 1, 2, 3, 4], [4, 2], [5], [3, 5]]
    return dataset_of(tmp_path_factory.mktemp("small"), histories, n_items=7)


def learner(data, **settings):
    return SkipGramLearner(data, Item2VecSettings(**{"dim": 4, "n_negatives": 8, **settings}))


def test_contexts_are_drawn_within_the_window_and_the_near_ones_more_often(small):
    made = learner(small, reach=2)
    places = np.full(30_000, 1)  # item 1: one event before it, and two after it within reach
    steps = made._steps(places, np.random.default_rng(0))
    found, counts = np.unique(steps, return_counts=True)
    assert found.tolist() == [-1, 1, 2]
    np.testing.assert_allclose(counts / len(places), [0.4, 0.4, 0.2], atol=0.02)


def test_events_alone_in_their_window_teach_nothing(small):
    made = learner(small)
    assert made.n_examples == 5 + 2 + 2
    assert made.learned_items.tolist() == [True] * 6 + [False]
    assert learner(small, within_seconds=30.0).n_examples == 0


def test_the_gradient_is_the_slope_of_the_loss(small):
    weights = np.array([1, 1, 1, 0], np.float32)

    def loss(table=None, row=0, column=0, by=0.0):
        made = learner(small, optimizer="sgd", spread=0.5, seed=3)
        if table:
            made.tables[table].rows[row, column] += by
        value = made.learn(np.array([0, 3, 3, 8]), weights, 0.0, np.random.default_rng(1))
        return value, made

    _, made = loss()
    before = {name: table.rows.copy() for name, table in made.tables.items()}
    for table in made.tables.values():
        table.update(1.0)  # one plain step of rate 1: minus the gradient
    for name in ("items", "contexts"):
        slopes = before[name] - made.tables[name].rows
        for row in range(6):
            up, down = (loss(name, row, 2, by)[0] for by in (0.01, -0.01))
            assert slopes[row, 2] == pytest.approx((up - down) / 0.02, abs=2e-4)


def test_a_negative_that_is_the_positive_does_not_count(tmp_path):
    made = learner(dataset_of(tmp_path, [[0, 1]]), spread=1.0, negative_weight=3.0)
    items, contexts = (made.tables[name].rows.astype(float) for name in ("items", "contexts"))
    right, wrong = items[0] @ contexts[1], items[0] @ contexts[0]  # of both, 0 alone is against
    expected = np.log1p(np.exp(-right)) + 3 * np.log1p(np.exp(wrong))
    loss = made.learn(np.array([0]), np.ones(1, np.float32), 0.0, np.random.default_rng(0))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_user_is_the_mean_of_the_newest_items(small):
    model = Item2Vec(dim=4, epochs=2, last=2, fading=0.5).fit(small)
    items = model.item_vectors()
    np.testing.assert_allclose(np.linalg.norm(items[:6], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        model.user_vectors([0])[0], (2 * items[4] + items[3]) / 3, rtol=1e-5, atol=1e-6
    )


def test_users_whose_items_were_not_learned_are_refused(tmp_path):
    data = dataset_of(tmp_path, [[0, 1], [2]])
    model = Item2Vec(dim=4, epochs=1).fit(data)
    assert model.known_users_.tolist() == [True, False]
    assert model.known_items_.tolist() == [True, True, False, False, False, False]


def test_seconds_without_times_and_windows_without_pairs_are_refused(tmp_path, small):
    untimed = dataset_of(tmp_path, [[0, 1]], times=False)
    with pytest.raises(DataError, match="need the times of events"):
        Item2Vec(pause_seconds=60.0).fit(untimed)
    with pytest.raises(DataError, match="finds nothing to learn from"):
        Item2Vec(within_seconds=30.0).fit(small)
