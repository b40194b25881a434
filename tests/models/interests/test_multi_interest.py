import numpy as np
import pandas as pd
import pytest
from contract import VectorContract, room

from candgen.datasets.dataset import write_dataset
from candgen.errors import SettingError
from candgen.features import EventLog
from candgen.models import MultiInterest
from candgen.models.interests.generator import InterestSettings
from candgen.models.interests.learner import InterestLearner
from candgen.models.interests.network import InterestNetwork
from candgen.training import quiet
from tolerance import rounding

SMALL = {
    "dim": 16, "window": 10, "inner": 2, "batch_size": 8, "learning_rate": 0.02, "epochs": 8,
    "dropout": 0.2, "spread": 0.2, "schedule": "constant",
}  # fmt: skip


class TestMultiInterest(VectorContract):
    n_vectors = 3

    def make(self, **settings):
        return MultiInterest(**{**SMALL, "interests": self.n_vectors, **settings})

    def test_vectors_are_finite_and_of_the_promised_shape(self, fitted, taste_world, trained_users):
        users, items = fitted.user_vectors(trained_users), fitted.item_vectors()
        assert users.shape == (len(trained_users), self.n_vectors, items.shape[1])
        assert items.shape == (taste_world.n_items, 16)
        assert users.dtype == items.dtype == np.float32
        assert np.isfinite(users).all() and np.isfinite(items).all()

    def test_scores_are_the_products_of_the_vectors(self, fitted, trained_users):
        """The largest of them, one for each interest."""
        scores = fitted.score(trained_users)[:, fitted.known_items_]
        items = fitted.item_vectors().astype(float)[fitted.known_items_]
        products = fitted.user_vectors(trained_users).astype(float) @ items.T
        np.testing.assert_allclose(scores, products.max(axis=1), rtol=0, atol=room(scores))


class TestOneInterest(TestMultiInterest):
    n_vectors = 1


# --- against NumPy


def network(**settings):
    made = {"dim": 4, "interests": 3, "length": 6, "inner": 2, "dropout": 0.5, "seed": 1}
    return InterestNetwork(**{**made, **settings})


def test_an_interest_is_a_normalized_mean_by_its_own_attention():
    made, rng = network(), np.random.default_rng(0)
    for weight in made.wide.weights + made.say.weights + made.later.weights:
        weight.assign(rng.normal(size=weight.shape))
    vectors = rng.normal(size=(2, 6, 4)).astype(np.float32)
    owners = np.array([[0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, -1]], np.int32)  # two windows in a row
    tf = quiet.tensorflow()
    found = made.states(tf.constant(vectors), tf.constant(owners), None, training=False).numpy()
    assert found.shape == (2, 6, 3, 4)
    kernel, bias = (w.numpy() for w in made.wide.weights)
    of_say, say_bias = (w.numpy() for w in made.say.weights)
    by_age = made.later.weights[0].numpy()  # (later events, interests)
    for row, place, first in ((0, 3, 0), (0, 0, 0), (1, 1, 0), (1, 4, 2)):
        x = 2 * vectors[row, first : place + 1].astype(float)  # 2: the root of dim
        age = np.arange(len(x))[::-1]
        for interest in range(3):
            said = np.tanh(x @ kernel + bias) @ of_say[:, interest] + say_bias[interest]
            share = np.exp(said + by_age[age, interest])
            mean = (share / share.sum()) @ x
            expected = (mean - mean.mean()) / np.sqrt(mean.var() + 1e-6)
            np.testing.assert_allclose(found[row, place, interest], expected, rtol=2e-4, atol=2e-4)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two users with seven events; item 6 has none."""
    rows = [(0, i, n) for n, i in enumerate([0, 1, 2, 3])]
    rows += [(1, i, n) for n, i in enumerate([4, 5, 0])]
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    tables = {
        "interactions": events, "train": events, "test": events[:1],
        "users": pd.DataFrame({"user": range(2), "user_id": range(2)}),
        "items": pd.DataFrame({"item": range(7), "item_id": range(7)}),
    }  # fmt: skip
    return write_dataset(tmp_path_factory.mktemp("small"), tables, {"name": "small"})


def learner(data, **settings):
    asked = {"dim": 4, "interests": 3, "window": 8, "dropout": 0.0, "spread": 0.8, "inner": 1}
    chosen = InterestSettings(**{**asked, "batch_size": 1, "optimizer": "sgd", **settings})
    made = InterestNetwork(
        dim=chosen.dim, interests=chosen.interests, length=chosen.window, inner=chosen.inner,
        dropout=chosen.dropout, seed=3,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    made.say.weights[0].assign(3 * rng.normal(size=made.say.weights[0].shape))
    return InterestLearner(made, data, chosen)


def states_of(made, batch):
    tf = quiet.tensorflow()
    vectors = tf.constant(made.table.gather(batch.items))
    owners, steps = tf.constant(batch.owners), tf.constant(batch.steps)
    return made.network.states(vectors, owners, steps, training=False).numpy().astype(float)


def loss_by_numpy(made, against, candidates, log_expected):
    """Softmax of each target at its nearest interest, mean over the places that are not empty."""
    batch = made.windows.batch(np.array([0]))
    states, rows = states_of(made, batch)[0], made.table.rows.astype(float)
    losses = []
    for place in np.flatnonzero(batch.items[0] >= 0):
        target = batch.targets[0, place]
        products = states[place] @ rows.T  # (interests, items)
        nearest = products[:, target].argmax()
        scores = products[nearest] if against == "chosen" else products.max(axis=0)
        wrong = np.exp(scores[candidates] - log_expected)[candidates != target].sum()
        right = np.exp(products[nearest, target])
        losses.append(-np.log(right / (right + wrong)))
    assert len(losses) == 5
    return np.mean(losses)


each_way = pytest.mark.parametrize("against", ["best", "chosen"])


@each_way
def test_a_target_is_taught_to_its_nearest_interest_among_the_catalogue(small, against):
    made = learner(small, negatives="all", against=against)
    expected = loss_by_numpy(made, against, np.arange(6), np.zeros(6))  # item 6 is in no event
    loss = made.learn(np.array([0]), np.ones(1, np.float32), 0.0, np.random.default_rng(0))
    assert loss == pytest.approx(expected, rel=1e-4)


@each_way
def test_sampled_negatives_are_corrected_by_how_often_they_are_expected(small, against):
    made = learner(small, negatives="popularity", alpha=1.0, n_negatives=50, against=against)
    targets = made.windows.batch(np.array([0])).targets.ravel()
    drawn = made._sampler.draw(targets, np.zeros_like(targets), np.random.default_rng(0))
    share = np.array([2, 1, 1, 1, 1, 1]) / 7  # of the seven events
    corrections = np.log(50 * share[drawn.shared])
    expected = loss_by_numpy(made, against, drawn.shared, corrections)
    loss = made.learn(np.array([0]), np.ones(1, np.float32), 0.0, np.random.default_rng(0))
    assert loss == pytest.approx(expected, rel=1e-4)


def test_the_gradient_of_the_items_is_the_slope_of_the_loss(small):
    def loss(row=0, column=0, by=0.0):
        made = learner(small, negatives="all")
        made.table.rows[row, column] += by
        weights = np.ones(1, np.float32)
        return made.learn(np.array([0]), weights, 0.0, np.random.default_rng(1)), made

    _, made = loss()
    before = made.table.rows.copy()
    made.table.update(1.0)  # one plain step of rate 1: minus the gradient
    slopes = before - made.table.rows
    for row in range(6):
        up, down = (loss(row, 2, by)[0] for by in (0.01, -0.01))
        assert slopes[row, 2] == pytest.approx((up - down) / 0.02, abs=3e-3)


# --- on known worlds


@pytest.fixture(scope="module")
def two_tastes(tmp_path_factory):
    """Six tastes of ten items; each user has two of them, by turns, and one more item of each.

    Which two goes round, so no pair of tastes is a taste of its own.
    """
    rng, rows, test = np.random.default_rng(0), [], []
    pairs = [(a, b) for a in range(6) for b in range(a)]
    for user in range(180):
        first, second = pairs[user % len(pairs)]
        ways = [rng.permutation(10) * 6 + taste for taste in (first, second)]
        walk = [int(ways[n % 2][n // 2]) for n in range(14)]
        rows += [(user, item, n) for n, item in enumerate(walk[:-2])]
        test += [(user, item, 20) for item in walk[-2:]]
    columns = ["user", "item", "timestamp"]
    train, test = pd.DataFrame(rows, columns=columns), pd.DataFrame(test, columns=columns)
    tables = {
        "interactions": pd.concat([train, test], ignore_index=True), "train": train, "test": test,
        "users": pd.DataFrame({"user": range(180), "user_id": range(180)}),
        "items": pd.DataFrame({"item": range(60), "item_id": range(60)}),
    }  # fmt: skip
    return write_dataset(tmp_path_factory.mktemp("two"), tables, {"name": "two tastes"})


def fitted_to(data, interests):
    settings = {"window": 12, "interests": interests, "epochs": 12, "against": "chosen"}
    return MultiInterest(**{**SMALL, **settings}).fit(data)


@pytest.fixture(scope="module")
def mixed(two_tastes):
    return fitted_to(two_tastes, 3)


def share_liked(model, data) -> float:
    """Among eight candidates a user, the share of the user's two tastes: all eight are there."""
    own = data.history_matrix.toarray() > 0
    best = np.argsort(-np.where(own, -np.inf, model.score(np.arange(len(own)))), axis=1)[:, :8]
    of_users = [np.flatnonzero(row) % 6 for row in own]
    return np.mean([np.isin(ids % 6, of) for ids, of in zip(best, of_users, strict=True)])


def test_several_vectors_hold_two_tastes_where_one_does_not(mixed, two_tastes):
    several, one = share_liked(mixed, two_tastes), share_liked(fitted_to(two_tastes, 1), two_tastes)
    assert several > 0.75  # a third by chance
    assert several > one + 0.1


def test_another_history_is_answered_otherwise(mixed, two_tastes):
    events = two_tastes.train.assign(user=(two_tastes.train["user"] + 1) % 180)
    other = mixed.reading(EventLog.of(events, 180))
    found, usual = (m.user_vectors([1, 2]) for m in (other, mixed))
    expected = mixed.user_vectors([0, 1])
    np.testing.assert_allclose(found, expected, atol=rounding(np.float32, 200, expected))
    assert np.abs(found - usual).max() > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"interests": 0},
        {"dropout": 1.0},
        {"window": 0},
        {"negatives": "none"},
        {"inner": 0},
        {"against": "all"},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        MultiInterest(**wrong)
