import numpy as np
import pandas as pd
import pytest
from contract import GeneratorContract, VectorContract, room
from scipy.special import expit

from candgen.datasets.dataset import write_dataset
from candgen.errors import ColdStartError, SettingError, TrainingError
from candgen.models.pairs import GMF, MLP, DeepFactorization, NeuMF
from candgen.models.pairs.learning import PairLearner
from candgen.models.pairs.network import PairNetwork, Parts
from candgen.models.pairs.scoring import Scorer
from candgen.negatives import Drawn
from candgen.training.losses import make_loss

SMALL = {
    "dim": 8, "epochs": 12, "batch_size": 128, "learning_rate": 0.02, "schedule": "linear",
    "l2": 0.003, "spread": 0.1, "seed": 1,
}  # fmt: skip
LAYERS = {**SMALL, "hidden": [16, 8]}


class TestGMF(VectorContract):
    def make(self, **settings):
        return GMF(**{**SMALL, **settings})

    def test_folding_the_weights_in_gives_the_dot_product_of_its_own_network(self, fitted):
        users, items = np.arange(40), np.arange(40, 80)
        weights = fitted._network.arrays().product
        assert np.ptp(weights) > 0.05  # else folding them in would show nothing
        scores = fitted.score(users, items)
        expected = fitted.log_odds(users, items)
        np.testing.assert_allclose(scores.diagonal(), expected, rtol=0, atol=room(scores))


class TestMLP(GeneratorContract):
    def make(self, **settings):
        return MLP(**{**LAYERS, "hidden": [32, 16], "epochs": 15, **settings})


class TestNeuMF(GeneratorContract):
    def make(self, **settings):
        return NeuMF(**{**LAYERS, **settings})

    def test_scores_are_the_log_odds_of_its_own_network(self, fitted):
        users, items = np.array([3, 3, 170, 9]), np.array([0, 77, 5, 119])
        scores = fitted.score(users, items)
        expected = fitted.log_odds(users, items)
        np.testing.assert_allclose(scores.diagonal(), expected, rtol=0, atol=room(scores))


class TestDeepFactorization(GeneratorContract):
    def make(self, **settings):
        return DeepFactorization(**{**LAYERS, **settings})


# --- scoring everything, against the formulas written out pair by pair


def random_tables(network, n_users=5, n_items=600, seed=0):
    """Tables as a training might leave them, biases too; more items than one block holds."""
    rng = np.random.default_rng(seed)
    tables = network.tables(n_users, n_items, spread=0.5, optimizer="sgd", seed=seed)
    for table in tables.values():
        table.rows[:] = rng.normal(0, 0.7, table.rows.shape)
    return {name: table.rows for name, table in tables.items()}


def dense(arrays, x):
    """The layers after the first, and the weights of the last."""
    for kernel, shift in arrays.hidden:
        x = np.maximum(x @ kernel + shift, 0)
    return x @ arrays.out


def by_hand(parts, arrays, rows, user, item):
    """One pair's log-odds, with the first layer as one matrix over one long vector."""
    total = arrays.level
    if parts.biases:
        total += rows["users/bias"][user, 0] + rows["items/bias"][item, 0]
    if parts.product:
        total += arrays.product @ (rows["users/product"][user] * rows["items/product"][item])
    if parts.layers_over:
        name = "product" if parts.shared else "layers"
        p, q = rows[f"users/{name}"][user], rows[f"items/{name}"][item]
        seen = {"concatenation": [p, q], "product": [p * q], "both": [p, q, p * q]}
        matrices = {
            "concatenation": [arrays.of_user, arrays.of_item],
            "product": [arrays.of_both],
            "both": [arrays.of_user, arrays.of_item, arrays.of_both],
        }
        first = np.concatenate(seen[parts.layers_over]) @ np.vstack(matrices[parts.layers_over])
        total += dense(arrays, np.maximum(first + arrays.shift, 0))
    return total


EVERY_KIND = [
    Parts(product=True),
    Parts(product=True, weighted=False, biases=False),
    Parts(layers_over="concatenation", hidden=[6]),
    Parts(layers_over="concatenation", hidden=[6, 9, 3], biases=False),
    Parts(product=True, layers_over="concatenation", hidden=[8, 4]),
    Parts(product=True, weighted=False, layers_over="product", hidden=[8, 4], shared=True),
    Parts(product=True, weighted=False, layers_over="both", hidden=[4, 8], shared=True),
]


@pytest.mark.parametrize("parts", EVERY_KIND, ids=str)
def test_scores_of_everything_are_the_formula_written_out_pair_by_pair(parts):
    network = PairNetwork(parts, 4, seed=2)
    for layer in network.layers:  # shifts start from 0, where a missing one would not be missed
        layer.set_weights(
            [w + 0.1 * np.arange(w.size).reshape(w.shape) for w in layer.get_weights()]
        )
    arrays, rows = network.arrays(), random_tables(network)
    scores = Scorer(arrays, rows).scores(np.array([4, 0]))
    assert scores.shape == (2, 600)
    for user, item in ((4, 0), (4, 255), (0, 256), (0, 599)):
        expected = by_hand(parts, arrays, rows, user, item)
        assert scores[int(user == 0), item] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    in_graph = network(
        {n: v[[4, 0]] if n.startswith("users") else v[[[255], [599]]] for n, v in rows.items()}
    )
    np.testing.assert_allclose(
        np.array(in_graph)[:, 0], scores[[0, 1], [255, 599]], rtol=1e-4, atol=1e-4
    )


def test_what_a_pair_costs_follows_from_the_layers():
    def cost(parts):
        network = PairNetwork(parts, 10, seed=0)
        return Scorer(network.arrays(), random_tables(network)).multiplications

    assert cost(Parts(product=True)) == 10
    # The first layer over a concatenation is prepared: an addition a pair.
    assert cost(Parts(layers_over="concatenation", hidden=[8, 4])) == 8 * 4 + 4
    both = Parts(product=True, layers_over="both", hidden=[8, 4], shared=True)
    assert cost(both) == 10 + 10 * 8 + 8 * 4 + 4


# --- one batch


class Fixed:
    """A sampler that draws what it was told to."""

    def __init__(self, drawn):
        self.drawn = np.array(drawn, dtype=np.int32)

    def draw(self, positives, users, rng):
        nothing = np.zeros((len(users), 0), np.int32)
        zeros = np.zeros(self.drawn.size, np.float32)
        return Drawn(self.drawn.ravel(), zeros, nothing, nothing.astype(bool))


@pytest.mark.parametrize("skip_known", [True, False])
def test_the_loss_is_cross_entropy_and_known_items_are_no_negatives(taste_world, skip_known):
    network = PairNetwork(Parts(product=True), 3, seed=0)
    tables = network.tables(
        taste_world.n_users, taste_world.n_items, spread=0.5, optimizer="sgd", seed=0
    )
    matrix = taste_world.train_matrix
    own = matrix.indices[matrix.indptr[0] : matrix.indptr[1]]
    unseen = int(np.setdiff1d(np.arange(100), own)[0])
    drawn = [[own[1], unseen], [unseen, own[0]]]  # own[0] is the positive of the first pair
    learner = PairLearner(
        taste_world, network, tables, Fixed(drawn), make_loss("logistic", weight=2.0),
        n_negatives=2, batch_size=2, skip_known=skip_known, optimizer="sgd",
    )  # fmt: skip
    before = tables["items/product"].rows.copy()
    loss = learner.learn(np.array([0, 1]), np.ones(2, np.float32), 0.0, np.random.default_rng(0))

    users, items = tables["users/product"].rows[0], before
    p = expit(items @ users)
    known = np.log(1 - p[own[1]]), np.log(1 - p[own[0]])
    other = np.log(1 - p[unseen])
    means = [other, other] if skip_known else [(known[0] + other) / 2, (known[1] + other) / 2]
    expected = -np.mean([np.log(p[own[0]]) + 2 * means[0], np.log(p[own[1]]) + 2 * means[1]])
    assert loss == pytest.approx(expected, rel=1e-5)

    tables["items/product"].update(1.0)
    moved = tables["items/product"].rows - before
    weight = 2.0 if skip_known else 1.0  # of one negative among those that count
    np.testing.assert_allclose(moved[unseen], -weight * p[unseen] * users, rtol=1e-4)
    assert not moved[(np.bincount([*own[:2], unseen], minlength=len(moved)) == 0)].any()


# --- users who were not trained on


@pytest.fixture(scope="module")
def neumf(taste_world):
    return NeuMF(**LAYERS).fit(taste_world)


def test_folding_in_moves_nobody_but_the_users_who_fold_in(neumf):
    learner = neumf._learned
    rows = {name: table.rows.copy() for name, table in learner.tables.items()}
    weights = learner.step.weights()
    learner.fold_in(np.array([170, 175]), neumf.history_matrix_, steps=20, l2=0.0, seed=3)
    for name, table in learner.tables.items():
        moved = np.flatnonzero((table.rows != rows[name]).any(axis=1))
        assert moved.tolist() == ([170, 175] if name.startswith("users/") else [])
    for name, array in learner.step.weights().items():
        np.testing.assert_array_equal(array, weights[name])


def test_a_folded_vector_answers_as_one_that_was_trained_on_the_same_history(neumf):
    learner, some = neumf._learned, np.arange(12)
    trained = neumf.score(some)[:, :-1]
    for name, table in learner.tables.items():
        if name.startswith("users/"):
            table.rows[some] = np.random.default_rng(0).normal(0, 0.1, (12, table.dim))
    lost = neumf.score(some)[:, :-1]
    learner.fold_in(some, neumf.history_matrix_, steps=200, l2=neumf.l2, seed=5)
    folded = neumf.score(some)[:, :-1]
    before, after = (
        [np.corrcoef(one, other)[0, 1] for one, other in zip(trained, found, strict=True)]
        for found in (lost, folded)
    )
    assert min(after) > 0.9 > max(before)


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """User 2 and item 3 occur in validation for the first time."""
    parts = {
        "train": [(0, 0), (0, 1), (1, 1), (1, 2)],
        "validation": [(0, 2), (1, 3), (2, 1)],
        "test": [(0, 3), (2, 0)],
    }
    tables = {n: pd.DataFrame(np.array(p), columns=["user", "item"]) for n, p in parts.items()}
    tables |= {
        "interactions": pd.concat(tables.values()),
        "users": pd.DataFrame({"user": range(3), "user_id": range(3)}),
        "items": pd.DataFrame({"item": range(4), "item_id": range(4)}),
    }
    return write_dataset(tmp_path_factory.mktemp("late"), tables, {"name": "late"})


def test_with_patience_late_users_fold_in_and_late_items_are_not_known(late):
    settings = {"dim": 2, "epochs": 2, "batch_size": 4, "fold_in_steps": 50}
    waiting = GMF(**settings, patience=1, watch="recall@1").fit(late)
    assert waiting.known_items_.tolist() == [True, True, True, False]
    assert waiting.known_users_.all()
    start = waiting._network.tables(3, 4, spread=0.1, optimizer="adam", seed=0)["users/product"]
    moved = np.abs(waiting._learned.tables["users/product"].rows - start.rows).max(axis=1)
    assert moved[2] > 0.1  # far more than two epochs could
    with pytest.raises(ColdStartError, match="item ids 3"):
        waiting.score([0], [3])
    assert GMF(**settings).fit(late).known_items_.all()


# --- settings


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (GMF, {"dim": 0}, "dim must be 1 or greater"),
        (GMF, {"loss": "hinge"}, "loss must be one of logistic"),
        (GMF, {"negatives": "in-batch"}, "negatives must be one of uniform"),
        (GMF, {"hidden": [8]}, "GMF has no setting 'hidden'"),
        (MLP, {"hidden": []}, "Without layers, use GMF"),
        (NeuMF, {"hidden": [8, 0]}, r"hidden\[1\] must be 1 or greater"),
        (DeepFactorization, {"layers_over": "products"}, "Did you mean 'product'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(make, settings, message):
    with pytest.raises(SettingError, match=message):
        make(**settings)


def test_an_exploding_loss_reaches_the_user_with_what_to_try(taste_world):
    model = GMF(**{**SMALL, "learning_rate": 1e30, "optimizer": "sgd"})
    with pytest.raises(TrainingError, match=r"GMF: the loss of batch .* Lower learning_rate"):
        model.fit(taste_world)


def test_a_table_that_is_shared_is_there_once():
    shared = Parts(product=True, layers_over="both", hidden=[4], shared=True)
    apart = Parts(product=True, layers_over="concatenation", hidden=[4])
    names = [set(random_tables(PairNetwork(parts, 4, seed=0))) for parts in (shared, apart)]
    assert names[0] == {"users/product", "items/product", "users/bias", "items/bias"}
    assert names[1] - names[0] == {"users/layers", "items/layers"}
