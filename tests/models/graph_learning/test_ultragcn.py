import numpy as np
import pytest
from contract import VectorContract
from scipy.optimize import minimize
from scipy.sparse import csr_array

from candgen.errors import SettingError
from candgen.models import UltraGCN
from candgen.models.graph_learning.learning import Batch
from candgen.models.graph_learning.ultragcn import UltraGCNSettings, UltraLearner, near_items

SMALL = {"dim": 12, "epochs": 30, "batch_size": 64, "n_negatives": 60, "learning_rate": 0.03}
WEIGHTS = {"positive_base": 0.3, "negative_base": 0.2, "negative_beta": 0.7, "negative_weight": 5.0}


class TestUltraGCN(VectorContract):
    def make(self, **settings):
        return UltraGCN(**{**SMALL, "negative_weight": 20.0, **settings})


def omegas(train):
    """Weights between items as the paper writes them; 0 on the diagonal."""
    counts = train.T @ train
    totals, own = counts.sum(axis=1), np.diag(counts).copy()
    found = np.zeros_like(counts)
    for i, j in np.argwhere(counts > 0):
        if i != j:
            found[i, j] = counts[i, j] / (totals[i] - own[i]) * np.sqrt(totals[i] / totals[j])
    return found


def softplus(x):
    return np.log1p(np.exp(x))


def loss_of(made, near_of):
    """The mean loss of an event over all events, with every item once as a negative."""
    chosen = made.settings
    train = made.train.toarray().astype(float)
    of_user, of_item = train.sum(axis=1), train.sum(axis=0)
    users, items = (made.tables[name].rows.astype(float) for name in ("users", "items"))
    total = 0.0
    for u, i in np.argwhere(train):
        beta = np.sqrt(of_user[u] + 1) / of_user[u] / np.sqrt(of_item + 1)
        scores = items @ users[u]
        total += (chosen.positive_base + chosen.positive_beta * beta[i]) * softplus(-scores[i])
        pushes = (chosen.negative_base + chosen.negative_beta * beta) * softplus(scores)
        total += chosen.negative_weight * pushes.mean()
        for j, strength in near_of(i):
            total += chosen.item_weight * strength * softplus(-scores[j])
    return total / train.sum()


def learner(data, **settings):
    chosen = {"dim": 4, "spread": 0.5, "optimizer": "sgd", **WEIGHTS, **settings}
    return UltraLearner(data, UltraGCNSettings(**chosen))


def whole_batch(made):
    """All users with an event, one of them repeated without a weight; every item a negative."""
    users = np.append(np.flatnonzero(made.learned_users), 3)
    taken = made.train[users]
    each = np.full(len(users), 1 / made.train.nnz, np.float32)
    each[-1] = 0
    rows = np.repeat(np.arange(len(users)), np.diff(taken.indptr))
    return Batch(users, each, taken.indptr, taken.indices, rows)


def learned(made):
    shared = np.arange(made.train.shape[1], dtype=np.int32)
    return made.learn_batch(whole_batch(made), shared, np.random.default_rng(0))


@pytest.mark.parametrize("item_weight", [0.0, 2.0])
def test_the_loss_is_that_of_the_paper(taste_world, item_weight):
    made = learner(taste_world, item_weight=item_weight, near=1)  # one: nothing is drawn
    between = omegas(made.train.toarray().astype(float))

    def nearest(item):
        best = between[item].argmax()
        return [(best, between[item, best])]

    assert learned(made) == pytest.approx(loss_of(made, nearest), rel=1e-4)


def test_the_gradient_is_the_slope_of_the_loss(taste_world):
    made = learner(taste_world, item_weight=2.0, near=3)
    learned(made)
    before = {name: table.rows.copy() for name, table in made.tables.items()}
    for table in made.tables.values():
        table.update(1.0)  # one plain step of rate 1: minus the gradient
    slopes = {name: before[name] - made.tables[name].rows for name in before}
    for name in before:
        for row in (0, 3, 50):
            values = []
            for by in (0.05, -0.05):
                again = learner(taste_world, item_weight=2.0, near=3)
                again.tables[name].rows[row, 1] += by
                values.append(learned(again))
            slope = (values[0] - values[1]) / 0.1
            assert slopes[name][row, 1] == pytest.approx(slope, abs=2e-5, rel=2e-2)


def test_near_items_are_those_of_the_largest_weights(taste_world):
    between = omegas(taste_world.train_matrix.toarray().astype(float))
    near, omega = near_items(taste_world.train_matrix, 4)
    expected = -np.sort(-between, axis=1)[:, :4]
    np.testing.assert_allclose(omega, expected, rtol=1e-5)
    rows = np.arange(len(near))[:, None]
    np.testing.assert_allclose(between[rows, near], expected, rtol=1e-5)


def test_an_item_that_shares_users_with_few_is_near_to_these_alone():
    train = csr_array(np.array([[1, 1, 0], [0, 0, 1]], np.float32))
    near, omega = near_items(train, 2)
    assert [set(row[weights > 0]) for row, weights in zip(near, omega, strict=True)] == [
        {1}, {0}, set(),
    ]  # fmt: skip
    assert omega[2].tolist() == [0, 0]


def test_near_items_are_drawn_as_often_as_their_weights_say(taste_world):
    made = learner(taste_world, near=3)
    items = np.full(30_000, 7, np.int32)
    drawn, strength = made._drawn(items, np.random.default_rng(0))
    near, omega = near_items(taste_world.train_matrix, 3)
    shares = np.array([(drawn == item).mean() for item in near[7]])
    np.testing.assert_allclose(shares, omega[7] / omega[7].sum(), atol=0.015)
    np.testing.assert_allclose(strength, omega[7].sum(), rtol=1e-5)


def test_all_scores_start_where_positives_and_negatives_pull_alike(taste_world):
    made = learner(taste_world, spread=1e-4, item_weight=0.0)
    users, items = (made.tables[name].rows for name in ("users", "items"))
    scores = users[made.learned_users] @ items[made.learned_items].T
    level = float(scores.mean())
    np.testing.assert_allclose(scores, level, atol=0.01)
    train = made.train.toarray()
    beta = np.sqrt(train.sum(axis=1, keepdims=True) + 1) / np.sqrt(train.sum(axis=0) + 1)
    beta = (beta / np.maximum(train.sum(axis=1, keepdims=True), 1))[:-1, :-1]
    train = train[:-1, :-1]  # the last user and the last item have no event
    pulls = ((0.3 + beta) * train).sum()
    pushes = 5.0 * ((0.2 + 0.7 * beta).mean(axis=1) * train.sum(axis=1)).sum()
    assert level == pytest.approx(np.log(pulls / pushes), abs=0.01)


def test_a_new_user_minimizes_the_loss_with_the_items_still(taste_world):
    model = UltraGCN(dim=3, epochs=2, spread=0.5, near=2, item_weight=0.5, **WEIGHTS)
    model.fit(taste_world)
    known = model.known_items_
    items = model.item_vectors().astype(float)
    between = omegas(taste_world.train_matrix.toarray().astype(float))
    user = taste_world.n_users - 2
    own = taste_world.history_matrix[[user]].indices
    beta = np.sqrt(len(own) + 1) / len(own) / np.sqrt(model.item_counts_ + 1)

    def loss(vector):
        scores, total = items @ vector, 0.0
        for i in own:
            total += (0.3 + beta[i]) * softplus(-scores[i])
            total += 5.0 * ((0.2 + 0.7 * beta) * softplus(scores))[known].mean()
            for j in np.argsort(-between[i], kind="stable")[:2]:
                total += 0.5 * between[i, j] * softplus(-scores[j])
        return total

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(model.user_vectors([user])[0], best.x, atol=2e-3)


@pytest.mark.parametrize(
    "settings", [{"negative_weight": -1.0}, {"near": 0}, {"item_weight": -0.1}, {"dim": 0}]
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        UltraGCN(**settings)
