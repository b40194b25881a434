import numpy as np
import pytest
from contract import VectorContract

from candgen.errors import SettingError
from candgen.models import LightGCN
from candgen.models.graph_learning.learning import Batch
from candgen.models.graph_learning.lightgcn import LightGCNSettings, LightLearner

SMALL = {"dim": 12, "epochs": 20, "batch_size": 64, "n_negatives": 60, "learning_rate": 0.03}


class TestLightGCN(VectorContract):
    def make(self, **settings):
        return LightGCN(**{**SMALL, **settings})


def normalized(train):
    train = train.toarray().astype(float)
    scale = np.sqrt(np.outer(train.sum(axis=1), train.sum(axis=0)))
    return np.divide(train, scale, out=np.zeros_like(train), where=scale > 0)


def smoothed(made):
    """Vectors of users and items: the mean of the powers of the whole graph, times the table."""
    of_pairs = normalized(made.train)
    n_users, n_items = of_pairs.shape
    graph = np.block(
        [[np.zeros((n_users, n_users)), of_pairs], [of_pairs.T, np.zeros((n_items, n_items))]]
    )
    table = np.vstack([made.tables[name].rows for name in ("users", "items")]).astype(float)
    layers = [table]
    for _ in range(made.settings.layers):
        layers.append(graph @ layers[-1])
    mean = sum(layers) / len(layers)
    return mean[:n_users], mean[n_users:]


def cosines(made):
    users, items = smoothed(made)
    users /= np.linalg.norm(users, axis=1, keepdims=True)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    return users @ items.T


def learner(data, **settings):
    return LightLearner(
        data, LightGCNSettings(**{"dim": 4, "spread": 0.5, "optimizer": "sgd", **settings})
    )


SHARED = np.array([5, 0, 17, 17, 60], np.int32)  # one of them twice


def learned(made):
    """A step for some users; the last one has no weight."""
    users = np.array([0, 4, 9, 30, 4])
    taken = made.train[users]
    each = np.array([0.1, 0.1, 0.1, 0.1, 0], np.float32)
    rows = np.repeat(np.arange(len(users)), np.diff(taken.indptr))
    batch = Batch(users, each, taken.indptr, taken.indices, rows)
    made._now = None
    return made.learn_batch(batch, SHARED, np.random.default_rng(0))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("dim", [4, 70])  # 70: more than are multiplied at once
def test_layers_are_powers_of_the_graph(taste_world, layers, dim):
    made = learner(taste_world, layers=layers, dim=dim)
    users, items = smoothed(made)
    found = made._smoothed(made.tables["users"].rows, made.tables["items"].rows)
    np.testing.assert_allclose(found[0], users, atol=1e-5)
    np.testing.assert_allclose(found[1], items, atol=1e-5)


def test_the_loss_is_the_softmax_of_an_event_among_the_negatives(taste_world):
    made = learner(taste_world, temperature=0.2, layers=2)
    logits, total = cosines(made) / 0.2, 0.0
    for user in (0, 4, 9, 30):
        for item in made.train[[user]].indices:
            exponentials = np.exp(logits[user])
            whole = exponentials[item] + exponentials[SHARED].sum()
            total -= 0.1 * np.log(exponentials[item] / whole)
    assert learned(made) == pytest.approx(total, rel=1e-4)


def test_the_gradient_is_the_slope_of_the_loss(taste_world):
    made = learner(taste_world, temperature=0.5, layers=2)
    learned(made)
    before = {name: table.rows.copy() for name, table in made.tables.items()}
    for table in made.tables.values():
        table.update(1.0)  # one plain step of rate 1: minus the gradient
    slopes = {name: before[name] - made.tables[name].rows for name in before}
    for name in before:
        for row in (4, 17, 60):
            values = []
            for by in (0.05, -0.05):
                again = learner(taste_world, temperature=0.5, layers=2)
                again.tables[name].rows[row, 1] += by
                values.append(learned(again))
            slope = (values[0] - values[1]) / 0.1
            assert slopes[name][row, 1] == pytest.approx(slope, abs=3e-4, rel=2e-2)


def test_scores_are_cosines_of_the_smoothed_vectors(taste_world, trained_users):
    model = LightGCN(dim=4, epochs=1)
    made = {}
    keep, model._learner = model._learner, lambda data: made.setdefault("it", keep(data))
    model.fit(taste_world)
    known = model.known_items_
    np.testing.assert_allclose(
        model.score(trained_users)[:, known],
        cosines_of_known(made["it"], known)[trained_users],
        atol=1e-4,
    )


def cosines_of_known(made, known):
    users, items = smoothed(made)
    lengths = np.linalg.norm(users, axis=1, keepdims=True)
    users = np.divide(users, lengths, out=np.zeros_like(users), where=lengths > 0)
    items = items[known] / np.linalg.norm(items[known], axis=1, keepdims=True)
    return users @ items.T


def test_a_new_user_is_the_sum_of_the_layers_of_the_items(taste_world):
    model = LightGCN(dim=4, epochs=1, layers=2)
    made = {}
    keep, model._learner = model._learner, lambda data: made.setdefault("it", keep(data))
    model.fit(taste_world)
    user = taste_world.n_users - 2
    own = taste_world.history_matrix[[user]].indices
    tables = (made["it"].tables[name].rows.astype(float) for name in ("users", "items"))
    users, items = tables
    layers = items + normalized(made["it"].train).T @ users  # I0 and I1
    expected = (layers[own] / np.sqrt(model.item_counts_[own])[:, None]).sum(axis=0)
    found = model.user_vectors([user])[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_after_validation_stopped_it_users_of_validation_are_answered_too(late_world):
    model = LightGCN(**{**SMALL, "epochs": 4}, patience=1).fit(late_world)
    assert len(model.watched_) == len(model.history_)
    new = np.diff(late_world.for_validation().train_matrix.indptr) == 0
    new &= np.diff(late_world.history_matrix.indptr) > 0
    assert np.isfinite(model.score(np.flatnonzero(model.known_users_))[:, model.known_items_]).all()
    assert not new.any() or model.user_vectors(np.flatnonzero(new)).any(axis=1).all()


@pytest.mark.parametrize("settings", [{"layers": 0}, {"temperature": 0.01}, {"dim": 0}])
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        LightGCN(**settings)
