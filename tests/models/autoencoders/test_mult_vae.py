import numpy as np
import pandas as pd
import pytest
from contract import VectorContract
from scipy.sparse import csr_array
from scipy.special import log_softmax

from candgen.datasets.dataset import write_dataset
from candgen.errors import SettingError
from candgen.models import MultVAE
from candgen.models.autoencoders.learner import AutoencoderLearner
from candgen.models.autoencoders.mult_vae import MultVAESettings

SMALL = {"dim": 12, "width": 24, "epochs": 30, "batch_size": 32, "learning_rate": 0.01}


class TestMultVAE(VectorContract):
    def make(self, **settings):
        return MultVAE(**{**SMALL, **settings})


class TestMultDAE(VectorContract):
    def make(self, **settings):
        return MultVAE(**{**SMALL, "variational": False, **settings})


# --- the formula, on five users and seven items; user 4 has only item 6, which nobody trains on

HISTORIES = {0: [0, 1, 2], 1: [1, 4], 2: [3], 3: [0, 2, 3, 5]}
N_ITEMS, WIDTH, DIM = 7, 4, 3
USERS = np.array([0, 1, 3, 3])
COUNTS = np.array([1, 1, 1, 0], np.float32)  # the last one fills up the batch


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    rows = [(user, item) for user, items in HISTORIES.items() for item in items]
    train = pd.DataFrame(rows, columns=["user", "item"])
    fold_in = pd.DataFrame({"user": [4], "item": [6]})
    tables = {
        "interactions": train, "train": train, "fold_in": fold_in, "test": train[:1],
        "users": pd.DataFrame({"user": range(5), "user_id": range(5)}),
        "items": pd.DataFrame({"item": range(N_ITEMS), "item_id": range(N_ITEMS)}),
    }  # fmt: skip
    return write_dataset(tmp_path_factory.mktemp("small"), tables, {"name": "small"})


def learner(data, **settings):
    """Return a learner whose biases are not zero either; 10 epochs of one step."""
    plain = {"dim": DIM, "dropout": 0.0, "batch_size": 4, "epochs": 10, "optimizer": "sgd"}
    made = AutoencoderLearner(data, MultVAESettings(**{**plain, **settings}), WIDTH)
    rng = np.random.default_rng(5)
    for table in made.tables.values():
        table.rows[:] = rng.normal(0, 0.5, table.rows.shape)
    weights = made.step.weights()
    made.step.set_weights({n: rng.normal(0, 0.5, w.shape) for n, w in weights.items()})
    return made


def dense(made):
    """Return all weights in double precision: inputs, shift, outputs, two layers with biases."""
    tables = [table.rows.astype(float) for table in made.tables.values()]
    return (*tables, *(held.astype(float) for held in made.step.weights().values()))


def by_hand(made, x, *, noise=0.0, variational=True):
    """Return logits, and the KL divergence of each user, from histories x of ones and zeros."""
    inputs, shift, outputs, kernel, bias, kernel_back, bias_back = dense(made)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    z = np.tanh(x / np.maximum(lengths, 1e-12) @ inputs + shift) @ kernel + bias
    divergence = 0.0
    if variational:
        mean, variance = z[:, :DIM], np.exp(z[:, DIM:])
        divergence = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(axis=1)
        z = mean + np.sqrt(variance) * noise
    else:
        z = np.tanh(z)
    state = np.tanh(z @ kernel_back + bias_back)
    return state @ outputs[:, :-1].T + outputs[:, -1], divergence


def expected_loss(made, x, weight, **asked):
    logits, divergence = by_hand(made, x, **asked)
    likely = log_softmax(logits[:, :6], axis=1)  # item 6 is in nobody's training
    losses = -(x[:, :6] * likely).sum(axis=1) + weight * divergence
    return float((losses * COUNTS).sum() / COUNTS.sum())


def test_the_loss_is_that_of_the_paper(small):
    made = learner(small, kl_weight=0.7, kl_rise=0.0)
    rng, x = np.random.default_rng(3), small.train_matrix.toarray()[USERS]
    noise = np.random.default_rng(3).standard_normal((4, DIM), dtype=np.float32)
    expected = expected_loss(made, x, 0.7, noise=noise)
    assert made.learn(USERS, COUNTS, 0.0, rng) == pytest.approx(expected, rel=1e-5)
    assert expected_loss(made, x, 0.7) != pytest.approx(expected, rel=1e-2)


def test_without_a_distribution_it_is_the_loss_of_a_denoising_autoencoder(small):
    made = learner(small, variational=False)
    x = small.train_matrix.toarray()[USERS]
    expected = expected_loss(made, x, 0.0, variational=False)
    assert made.learn(USERS, COUNTS, 0.0, np.random.default_rng(0)) == pytest.approx(
        expected, rel=1e-5
    )
    logits, _ = by_hand(made, x, variational=False)
    np.testing.assert_allclose(made.scores(USERS)[:, :6], logits[:, :6], rtol=1e-4, atol=1e-5)


def test_the_weight_of_the_divergence_rises_to_its_cap(small):
    made = learner(small, kl_weight=0.4, kl_rise=0.5)  # over 5 of 10 steps
    found = []
    for step in range(7):
        found.append(made._kl_weight())
        made.learn(USERS, COUNTS, 0.0, np.random.default_rng(step))
        for table in made.tables.values():
            table.update(0.0)
    np.testing.assert_allclose(found, [0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.4], rtol=1e-6)
    again = learner(small, kl_weight=0.4, kl_rise=0.5)
    again.load_state(made.state())
    assert again._kl_weight() == pytest.approx(0.4)


@pytest.mark.parametrize("name", ["inputs", "shift", "outputs"])
def test_the_gradient_is_the_slope_of_the_loss(small, name):
    def loss(row=0, column=0, by=0.0):
        made = learner(small, kl_rise=0.0)
        made.tables[name].rows[row, column] += by
        return made.learn(USERS, COUNTS, 0.0, np.random.default_rng(1)), made

    made = loss()[1]
    before = made.tables[name].rows.copy()
    made.tables[name].update(1.0)  # one plain step of rate 1: minus the gradient
    slopes = before - made.tables[name].rows
    for row in {0, len(before) // 2}:
        up, down = (loss(row, 1, by)[0] for by in (0.01, -0.01))
        assert slopes[row, 1] == pytest.approx((up - down) / 0.02, abs=1e-3)
    assert np.abs(slopes).max() > 0.05


def test_dropped_events_are_not_read_and_the_others_weigh_more(small):
    made = learner(small, dropout=0.4)
    whole = csr_array(np.ones((4000, N_ITEMS), np.float32))
    weights = made._bags(whole, np.random.default_rng(0)).weights.reshape(4000, N_ITEMS)
    assert (weights[:, 6] == 0).all()  # never trained on
    kept = weights[:, :6]
    assert (kept == 0).mean() == pytest.approx(0.4, abs=0.01)
    np.testing.assert_allclose(kept[kept > 0], 1 / (0.6 * np.sqrt(6)), rtol=1e-5)
    np.testing.assert_allclose(made._bags(whole).weights.reshape(4000, 7)[:, :6], 1 / np.sqrt(6))


def test_candidates_come_from_the_mean_of_the_distribution(small):
    made = learner(small)
    logits, _ = by_hand(made, small.train_matrix.toarray()[:4])
    scores = made.scores(np.arange(4))
    np.testing.assert_allclose(scores[:, :6], logits[:, :6], rtol=1e-4, atol=1e-5)
    assert (scores[:, 6] == 0).all()


def test_a_history_of_unknown_items_alone_is_answered_like_an_empty_one(small):
    model = MultVAE(dim=DIM, width=WIDTH, epochs=1).fit(small)
    nothing = by_hand(model._learned, np.zeros((1, N_ITEMS)))[0]
    np.testing.assert_allclose(model.score([4])[:, :6], nothing[:, :6], rtol=1e-4, atol=1e-5)


class TestFoldIn:
    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, taste_world):
        return MultVAE(**{**SMALL, "epochs": 2}).fit(taste_world)

    def test_the_same_events_give_the_same_vector_whoever_has_them(self, fitted, taste_world):
        users = np.array([3, 170])
        folded = fitted.fold_in(taste_world.history_matrix[users])
        np.testing.assert_allclose(folded, fitted.user_vectors(users), rtol=1e-5, atol=1e-6)

    def test_a_user_without_events_has_zeros(self, fitted, taste_world):
        nothing = csr_array((2, taste_world.n_items), dtype=np.float32)
        assert not fitted.fold_in(nothing).any()

    def test_only_the_shares_of_weights_matter(self, fitted, taste_world):
        history = taste_world.history_matrix[[5]]
        double = fitted.fold_in(history * np.float32(2))
        np.testing.assert_allclose(double, fitted.fold_in(history), rtol=1e-5, atol=1e-6)


def test_a_killed_training_goes_on_to_the_same_result(small):
    def steps(made, which):
        for n in which:
            made.learn(USERS, COUNTS, 0.05, np.random.default_rng(n))
            for table in made.tables.values():
                table.update(0.05)
        return made

    through = steps(learner(small, optimizer="adam"), range(2))
    held = {name: array.copy() for name, array in through.state().items()}
    steps(through, range(2, 4))
    again = learner(small, optimizer="adam")
    again.load_state(held)
    steps(again, range(2, 4))
    np.testing.assert_array_equal(again.scores(USERS), through.scores(USERS))


def test_the_encoder_starts_as_wide_as_it_is_told(taste_world):
    asked = MultVAESettings(spread=0.7)
    rows = AutoencoderLearner(taste_world, asked, 50).tables["inputs"].rows
    assert rows.std() == pytest.approx(0.7, rel=0.05)


@pytest.mark.parametrize(("n_items", "width"), [(40, 64), (1600, 200), (20_000, 600)])
def test_the_width_follows_the_catalogue_unless_it_is_set(n_items, width):
    assert MultVAE().chosen.width_for(n_items) == width
    assert MultVAE(width=33).chosen.width_for(n_items) == 33


def test_memory_follows_items_and_the_batch_and_not_the_users():
    size = (150_000, 20_000, 10_000_000)
    model, larger = MultVAE(), MultVAE(batch_size=1000)
    assert model.memory_needed(*size) == model.memory_needed(1, *size[1:])
    more = larger.memory_needed(*size) - model.memory_needed(*size)
    assert 900 * 20_000 * 4 * 3 < more < 900 * 20_000 * 4 * 8  # so many matrices of a batch


@pytest.mark.parametrize(
    "wrong", [{"dropout": 1.0}, {"kl_rise": 1.5}, {"kl_weight": -1}, {"width": -1}, {"dim": 0}]
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        MultVAE(**wrong)
