import json

import numpy as np
import pandas as pd
import pytest
from contract import VectorContract

from candgen.datasets.dataset import write_dataset
from candgen.errors import SettingError
from candgen.models import TwoBranch
from candgen.models.content_based.two_branch_inputs import Inputs
from candgen.models.content_based.two_branch_network import (
    Network,
    Pairs,
    _parts,
    new_network,
    train_network,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SMALL = {"hidden": [16], "dim": 8, "batch_size": 64}


class TestTwoBranch(VectorContract):
    def make(self, **settings):
        wanted = {"targets": "labels", "epochs": 20, "learning_rate": 0.01, "user_features": {}}
        return TwoBranch(**{**SMALL, **wanted, **settings})


@pytest.fixture(scope="module")
def tables():
    """Twenty users and ten items; the target is 1 where both are of the same sign."""
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(20, 3)), rng.normal(size=(10, 2))
    of_user, of_item = np.divmod(np.arange(200), 10)
    targets = np.sign(users[of_user, 0] * items[of_item, 0]).astype(np.float32)
    return users, items, Pairs(of_user, of_item, targets)


def test_the_printed_sizes_have_the_printed_number_of_parameters():
    network = new_network(14, 16, (256, 128), 32, seed=0)
    user = 14 * 256 + 256 + 256 * 128 + 128 + 128 * 32 + 32
    assert network.user.n_parameters == user == 40_864
    assert network.item.n_parameters == 41_376
    assert network.n_parameters == 82_240


def test_weights_start_within_the_glorot_limits():
    weights = new_network(14, 16, (256, 128), 32, seed=0).user.weights[0]
    limit = np.sqrt(6 / (14 + 256))
    assert 0.95 * limit < np.abs(weights).max() <= limit
    assert abs(weights.mean()) < 0.05 * limit


def test_vectors_have_length_one_and_zeros_stay_zeros():
    branch = new_network(3, 2, (4,), 5, seed=0).user
    lengths = np.linalg.norm(branch.vectors(np.array([[1.0, 2, 3], [0, 0, 0]])), axis=1)
    np.testing.assert_allclose(lengths, [1, 0], atol=1e-6)


def keras_twin(network: Network, users, items, pairs, batch_size, rate):
    """One epoch by Keras from the same start, rows in the order given."""
    import tensorflow as tf

    def branch(held):
        layers = [tf.keras.layers.Dense(len(b)) for b in held.biases]
        inputs = tf.keras.Input(shape=(len(held.weights[0]),))
        x = inputs
        for place, layer in enumerate(layers):
            x = layer(x)
            if place < len(layers) - 1:
                x = tf.keras.layers.ReLU()(x)
        for layer, w, b in zip(layers, held.weights, held.biases, strict=True):
            layer.set_weights([w, b])
        return inputs, tf.keras.layers.UnitNormalization(axis=1)(x)

    (left, u), (right, v) = branch(network.user), branch(network.item)
    model = tf.keras.Model([left, right], tf.keras.layers.Dot(axes=1)([u, v]))
    model.compile(tf.keras.optimizers.Adam(rate), "mse")
    inputs = [users[pairs.users], items[pairs.items]]
    kept = {"batch_size": batch_size, "verbose": 0}
    losses = model.fit(inputs, pairs.targets, epochs=2, shuffle=False, **kept).history["loss"]
    return losses, model.predict(inputs, verbose=0).ravel()


def test_two_epochs_end_where_keras_ends_from_the_same_start(tables, monkeypatch):
    users, items, pairs = tables
    keep_order = np.random.default_rng
    monkeypatch.setattr(
        "candgen.models.content_based.two_branch_network.np.random.default_rng",
        lambda seed: _InOrder(keep_order(seed)),
    )
    settings = {
        "hidden": (8, 6),
        "dim": 4,
        "batch_size": 32,
        "learning_rate": 0.01,
    }  # 6 steps, 8 left
    start = new_network(3, 2, (8, 6), 4, seed=3)
    ours = train_network(users, items, pairs, epochs=2, seed=3, **settings)
    losses, predicted = keras_twin(start, users, items, pairs, 32, 0.01)
    np.testing.assert_allclose(ours.losses, losses, rtol=1e-4)
    u, v = ours.network.user.vectors(users), ours.network.item.vectors(items)
    products = (u[pairs.users] * v[pairs.items]).sum(axis=1)
    np.testing.assert_allclose(products, predicted, atol=2e-3)


class _InOrder:
    """A random generator that shuffles nothing."""

    def __init__(self, rng):
        self.uniform = rng.uniform

    def permutation(self, n):
        return np.arange(n)


def test_what_can_be_learned_is_learned(tables):
    trained = train_network(*tables, hidden=(32,), dim=8, epochs=60, seed=0)
    assert trained.losses[0] > 0.5
    assert trained.network.loss(*tables) < 0.05


def test_the_rows_left_over_by_the_batches_are_taught(tables):
    users, items, pairs = tables
    few = Pairs(*(column[:5] for column in pairs))  # fewer than a batch
    trained = train_network(users, items, few, hidden=(16,), dim=4, epochs=40, seed=0)
    assert trained.losses[-1] < 0.1 * trained.losses[0]


def test_labels_are_drawn_anew_each_epoch(taste_world):
    model = TwoBranch(targets="labels", n_negatives=3).fit(taste_world)
    rng = np.random.default_rng(0)
    draw = model._labels(taste_world)
    first, second = draw(rng), draw(rng)
    n = len(taste_world.train)
    assert len(first.targets) == 4 * n and (first.targets > 0).sum() == n
    np.testing.assert_array_equal(first.items[:n], second.items[:n])
    assert (first.items[n:] != second.items[n:]).mean() > 0.9
    assert set(np.unique(first.items)) <= set(np.unique(taste_world.train["item"]))


def test_ratings_are_predicted_where_they_can_be(taste_world, tmp_path):
    """Everybody likes the films of 2001 and dislikes those of 2000."""
    described = taste_world
    names = {name: described.table(name).copy() for name in described.info["tables"]}
    names["train"]["rating"] = 1.0 + 4 * (names["train"]["item"] // 6 % 2)
    data = write_dataset(tmp_path / "rated", names, {"name": "rated"})
    model = TwoBranch(features={"year": "numeric"}, targets="auto", epochs=15, **SMALL).fit(data)
    assert model.learned_from_ == "ratings"
    scores = model.score([0, 1])[:, :-1]
    late = np.arange(scores.shape[1]) // 6 % 2 == 1
    assert scores[:, late].min() > scores[:, ~late].max()


def test_ratings_that_are_not_there_are_refused(taste_world, tmp_path):
    tables = {name: taste_world.table(name) for name in taste_world.info["tables"]}
    tables["train"] = tables["train"][["user", "item"]]
    clicks = write_dataset(tmp_path / "clicks", tables, {"name": "clicks"})
    with pytest.raises(SettingError, match=r"targets is 'ratings'.*Set it to 'labels'"):
        TwoBranch(targets="ratings").fit(clicks)
    assert TwoBranch(targets="auto", epochs=1, **SMALL).fit(clicks).learned_from_ == "labels"


def test_settings_are_json_whatever_the_hidden_layers_came_as():
    assert json.loads(json.dumps(TwoBranch(hidden=(8, 4)).settings))["hidden"] == [8, 4]


@pytest.mark.parametrize(
    "settings", [{"targets": "clicks"}, {"hidden": [0]}, {"learning_rate": 0}, {"negatives": 0}]
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(SettingError, match=name):
        TwoBranch(**settings)


def test_importing_the_generator_does_not_load_tensorflow(root):
    import subprocess
    import sys

    asked = (
        "import sys; import candgen.models.content_based.two_branch; "
        "print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- the event that is taught is not among the inputs


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Eight users and six items of two genres; ratings and, for a user who folds in, one event."""
    rng = np.random.default_rng(0)
    pairs = [(u, i) for u in range(7) for i in rng.permutation(5)[: 1 + u % 4]]
    pairs.append((0, 5))  # the only one of item 5
    train = pd.DataFrame(pairs, columns=["user", "item"])
    train["rating"] = rng.integers(1, 6, len(train)).astype(float)
    fold_in = pd.DataFrame({"user": [7], "item": [2], "rating": [4.0]})
    tables = {
        "interactions": pd.concat([train, fold_in]),
        "train": train,
        "fold_in": fold_in,
        "test": train[:1],
        "users": pd.DataFrame({"user": range(8), "user_id": range(8)}),
        "items": pd.DataFrame(
            {"item": range(6), "item_id": range(6), "genre": ["a", "a", "b", "b", "a", "b"]}
        ),
    }
    return write_dataset(tmp_path_factory.mktemp("watched"), tables, {"name": "watched"})


def statistics_of(train, user, item, by_rating):
    """Inputs that branches should see, before scaling, worked out event by event."""
    own, of_item = train[train["user"] == user], train[train["item"] == item]
    of_genres = [own[own["item"].isin(some)] for some in ([0, 1, 4], [2, 3, 5])]
    if not by_rating:
        profile = [len(some) / max(len(own), 1) for some in of_genres]
        return profile, [np.log1p(len(of_item))]
    mean = own["rating"].mean() if len(own) else 0.0
    profile = [(some["rating"].sum() + mean) / (len(some) + 1) for some in of_genres]
    return profile, [np.log1p(len(of_item)), of_item["rating"].sum(), len(of_item)]


@pytest.mark.parametrize("by_rating", [True, False])
def test_each_pair_is_taught_with_what_is_known_without_its_event(watched, by_rating):
    model = TwoBranch()
    model.item_counts_ = np.bincount(watched.train["item"], minlength=6)
    inputs = model._inputs(watched, by_rating)
    train, everybody = watched.train, watched.train["rating"].mean()
    if not by_rating:  # in the order of the matrix of pairs
        train = train.sort_values(["user", "item"], ignore_index=True)
    n, rng = len(train), np.random.default_rng(1)
    drawn = rng.integers(0, 6, n)
    items = np.concatenate([train["item"], drawn])
    pairs = Pairs(np.tile(train["user"], 2), items, np.ones(2 * n))
    places = rng.permutation(2 * n)
    users, statistics = inputs.of_pairs(Pairs(*(c[places] for c in pairs)), places)
    for row, place in enumerate(places):
        without = train.drop(index=place % n)
        user, item = pairs.users[place], pairs.items[place]
        profile, seen = statistics_of(without, user, item, by_rating)
        only = not by_rating and (train["item"] == item).sum() == 1  # it stays
        seen = [np.log(2)] if only else seen
        if by_rating:
            seen = [seen[0], (seen[1] + everybody) / (seen[2] + 1)]
        wanted = (profile - inputs._of_profiles.mean) / inputs._of_profiles.spread
        if not (without["user"] == user).any():
            wanted[:] = 0  # who has nothing else stands at the mean
        np.testing.assert_allclose(users[row], np.clip(wanted, -5, 5), atol=1e-4)
        wanted = (seen - inputs._of_statistics.mean) / inputs._of_statistics.spread
        if not only and not (without["item"] == item).any():
            wanted[:] = 0
        own = statistics[row, -len(wanted) :]
        np.testing.assert_allclose(own, np.clip(wanted, -5, 5), atol=1e-4)


def test_users_and_items_are_served_with_all_that_is_known(watched):
    model = TwoBranch()
    model.item_counts_ = np.bincount(watched.train["item"], minlength=6)
    inputs = model._inputs(watched, True)
    known = pd.concat([watched.train, watched.table("fold_in")])
    for user in range(8):
        profile, _ = statistics_of(known, user, 0, True)
        wanted = (profile - inputs._of_profiles.mean) / inputs._of_profiles.spread
        np.testing.assert_allclose(inputs.of_users()[user], np.clip(wanted, -5, 5), atol=1e-4)
    trained = inputs._of_profiles.apply(inputs._profiles(np.arange(7)))
    np.testing.assert_allclose(trained.mean(axis=0), 0, atol=1e-6)


def test_parts_of_an_epoch_cover_it_in_whole_batches():
    order = np.random.default_rng(0).permutation(300_001)
    parts = _parts(order, 512)
    np.testing.assert_array_equal(np.concatenate(parts), order)
    assert len(parts) == 3 and all(len(part) % 512 == 0 for part in parts[:-1])
    assert len({len(part) for part in parts[:-1]}) == 1


def test_an_epoch_in_parts_teaches_every_pair_once(watched, monkeypatch):
    monkeypatch.setattr("candgen.models.content_based.two_branch_network._PAIRS_AT_ONCE", 8)
    seen, of_pairs = [], Inputs.of_pairs

    def spy(self, pairs, places):
        seen.append(places)
        return of_pairs(self, pairs, places)

    monkeypatch.setattr(Inputs, "of_pairs", spy)
    model = TwoBranch(epochs=1, hidden=[4], dim=2, batch_size=4, n_negatives=2).fit(watched)
    n = 3 * len(watched.train)
    assert sorted(np.concatenate(seen)) == list(range(n)) and len(seen) > 1
    assert 0 < model.losses_[0] < 4
