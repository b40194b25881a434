"""A position sees its own item and the earlier ones of its window, nothing else."""

import numpy as np
import pytest
from scipy.special import erf, expit

from candgen.models.sequences.networks import AttentionNetwork, RecurrentNetwork
from tolerance import rounding

ROWS, LENGTH, DIM = 2, 9, 8
# Two blocks of at most six products in a row, of sums over DIM, at up to LENGTH places in a row.
N_TERMS = 2 * 6 * DIM * LENGTH
OWNERS = np.array([[0] * 4 + [1] * 3 + [-1] * 2, [0] * 9], dtype=np.int32)
STEPS = np.array([[0, 1, 2, 3, 0, 1, 2, 0, 0], range(9)], dtype=np.int32)
TIMES = np.array(
    [[0, 1, 3, 50, 0, 7, 9_000, 0, 0], [0, 0, 2, 6, 14, 900, 90_000, 20_000_000, 2 * 10**9]],
    dtype=np.int32,
)


def attention(**settings):
    """Weights are drawn small for vectors of length 64; here they are made to matter."""
    shape = {"dim": DIM, "length": LENGTH, "blocks": 2, "heads": 2, "inner": 2}
    network = AttentionNetwork(**{**shape, "dropout": 0.5, "seed": 3, **settings})
    for weight in (w for layer in network.layers for w in layer.trainable_variables):
        if "kernel" in weight.path or "embeddings" in weight.path:
            weight.assign(weight * 20)
    return network


def recurrence(**settings):
    return RecurrentNetwork(**{"dim": DIM, "blocks": 2, "dropout": 0.5, "seed": 3, **settings})


@pytest.fixture(scope="module", params=[attention, recurrence], ids=["attention", "recurrence"])
def network(request):
    return request.param()


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(ROWS, LENGTH, DIM)).astype(np.float32)


def states(network, vectors, owners=OWNERS, steps=STEPS, training=False, times=TIMES):
    return network.states(vectors, owners, steps, times=times, training=training).numpy()


def test_there_is_a_state_a_place(network, vectors):
    found = states(network, vectors)
    assert found.shape == (ROWS, LENGTH, DIM)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("place", [0, 4, 8])
def test_the_future_is_never_seen(network, vectors, place):
    changed = vectors.copy()
    changed[1, place] = -changed[1, place]
    before = states(network, vectors)
    moved = np.abs(states(network, changed) - before)[1].max(axis=1)
    same = rounding(np.float32, N_TERMS, before)
    np.testing.assert_allclose(moved[:place], 0, atol=same)
    assert (moved[place:] > 3 * same).all()  # and everything later hears of it


def test_windows_in_one_row_do_not_see_each_other(network, vectors):
    changed = vectors.copy()
    changed[0, :4] = -changed[0, :4]
    before = states(network, vectors)
    moved = np.abs(states(network, changed) - before)[0].max(axis=1)
    same = rounding(np.float32, N_TERMS, before)
    np.testing.assert_allclose(moved[4:], 0, atol=same)
    assert (moved[:4] > 3 * same).all()


def test_a_window_is_read_alike_alone_and_in_company(network, vectors):
    alone = np.zeros_like(vectors)
    alone[0, :3] = vectors[0, 4:7]
    steps, owners = np.zeros_like(STEPS), np.full_like(OWNERS, -1)
    steps[0, :3], owners[0, :3] = [0, 1, 2], 0
    expected = states(network, vectors)[0, 4:7]
    found = states(network, alone, owners, steps)[0, :3]
    np.testing.assert_allclose(found, expected, atol=rounding(np.float32, N_TERMS, expected))


def test_the_order_matters(network, vectors):
    turned = vectors.copy()
    turned[1, :8] = vectors[1, 7::-1]
    moved = np.abs(states(network, turned) - states(network, vectors))[1, -1]
    assert moved.max() > 1e-3


@pytest.mark.parametrize("place", [0, 8])
def test_without_causality_every_place_of_the_window_is_seen_and_no_other(vectors, place):
    network = attention(causal=False)
    before = states(network, vectors)
    changed = vectors.copy()
    changed[1, place] = -changed[1, place]
    moved = np.abs(states(network, changed) - before)[1].max(axis=1)
    same = rounding(np.float32, N_TERMS, before)
    assert (moved > 3 * same).all()
    changed = vectors.copy()
    changed[0, 4:7] = -changed[0, 4:7]  # the row's second window
    moved = np.abs(states(network, changed) - before)[0].max(axis=1)
    np.testing.assert_allclose(moved[[0, 1, 2, 3, 7, 8]], 0, atol=same)
    assert (moved[4:7] > 3 * same).all()


def test_dropout_is_at_work_only_while_training(network, vectors):
    again, once = (states(network, vectors) for _ in range(2))
    np.testing.assert_array_equal(again, once)
    again, once = (states(network, vectors, training=True) for _ in range(2))
    assert np.abs(again - once).max() > 1e-3


@pytest.mark.parametrize("make", [attention, recurrence])
def test_the_seed_decides_the_start_and_what_is_dropped(make, vectors):
    once, again, other = (states(make(seed=seed), vectors, training=True) for seed in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert np.abs(other - once).max() > 1e-3


def test_no_two_layers_start_alike():
    kernels = [w for layer in attention().layers for w in layer.trainable_variables]
    drawn = [k.numpy().ravel()[:8].tolist() for k in kernels if "kernel" in k.path]
    assert len({tuple(first) for first in drawn}) == len(drawn) == 8


def test_shares_of_attention_sum_to_one_and_never_look_ahead(vectors):
    shares = attention().shares(vectors, OWNERS, STEPS).numpy()
    assert shares.shape == (2, ROWS, 2, LENGTH, LENGTH)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)
    assert not np.triu(shares, k=1).any()
    assert not shares[:, 0, :, 4:7, :4].any()  # the row's first window, from its second


def by_hand(network, vectors, owners=OWNERS, steps=STEPS, times=TIMES):
    """The states in NumPy, of double precision, from the weights of the network."""

    def dense(layer, x):
        return x @ layer.kernel.numpy().astype(float) + layer.bias.numpy()

    def norm(layer, x):
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
        return x * layer.gamma.numpy() + layer.beta.numpy()

    visible = owners[:, :, None] == owners[:, None, :]
    if network.causal:
        visible &= np.tri(LENGTH, dtype=bool)
    heads, each = network.heads, DIM // network.heads
    if not network.causal:  # positions count from the last place of the window
        steps = np.array([[3, 2, 1, 0, 2, 1, 0, 0, 0], range(8, -1, -1)])
    x = vectors * DIM**0.5 + network.positions.embeddings.numpy()[steps].astype(float)
    for block in network.blocks:
        made = dense(block["query, key, value"], norm(block["attention norm"], x))
        heard = np.zeros_like(x)
        for head in range(heads):
            q, k, v = (made[..., DIM * n + each * head :][..., :each] for n in range(3))
            scores = q @ k.transpose(0, 2, 1) / each**0.5
            if network.reads_times:
                seconds = np.abs(times[:, :, None] - times[:, None, :])
                longer = [2**n - 1 for n in range(1, 32)]  # seconds at which the next length begins
                place = np.searchsorted(longer, seconds, side="right")
                scores += block["time between"].embeddings.numpy()[place, head]
            shares = np.where(visible, np.exp(scores), 0)
            shares /= shares.sum(axis=-1, keepdims=True)
            heard[..., each * head : each * (head + 1)] = shares @ v
        new = dense(block["out"], heard)
        x = x + (expit(dense(block["attention gate"], x)) * new if network.gated else new)
        inside = norm(block["dense norm"], x)
        if network.gated:
            wide = (block["wide"].kernel.numpy(), block["wide"].bias.numpy())
            wide = inside @ wide[0] + wide[1]
            new = dense(block["narrow"], wide * expit(wide) * dense(block["wide gate"], inside))
            x = x + expit(dense(block["dense gate"], x)) * new
        else:
            wide = dense(block["wide"], inside)
            x = x + dense(block["narrow"], wide * (1 + erf(wide / 2**0.5)) / 2)
    return norm(network.last_norm, x)


@pytest.mark.parametrize(
    "settings",
    [{}, {"causal": False}, {"gated": True}, {"gated": True, "heads": 1}, {"reads_times": True}],
)
def test_attention_is_what_its_formulas_say(vectors, settings):
    network, rng = attention(**settings), np.random.default_rng(5)
    for weight in (w for layer in network.layers for w in layer.trainable_variables):
        if "kernel" not in weight.path and "embeddings" not in weight.path:
            weight.assign(rng.normal(size=weight.shape))  # biases and scales other than 0 and 1
    expected = by_hand(network, vectors)
    atol = rounding(np.float32, N_TERMS, expected)
    np.testing.assert_allclose(states(network, vectors), expected, rtol=0, atol=atol)


def test_only_the_time_between_events_matters(vectors):
    network = attention(reads_times=True)
    before = states(network, vectors)
    later = states(network, vectors, times=TIMES // 2 + 10_000)
    shifted = states(network, vectors, times=TIMES // 2)
    np.testing.assert_array_equal(later, shifted)
    assert np.abs(shifted - before).max() > 1e-3


def test_one_recurrence_is_the_gated_recurrent_unit_of_keras(vectors):
    from tensorflow import keras

    network = recurrence(blocks=1)
    block = network.blocks[0]
    for layer in (block["into"], block["again"]):
        layer.bias.assign(np.random.default_rng(1).normal(size=3 * DIM))
    theirs = keras.layers.GRU(DIM, return_sequences=True, reset_after=True)
    theirs.build((None, None, DIM))
    biases = np.stack([block["into"].bias.numpy(), block["again"].bias.numpy()])
    theirs.set_weights([block["into"].kernel.numpy(), block["again"].kernel.numpy(), biases])
    expected = network.last_norm(theirs(vectors[1:] * DIM**0.5)).numpy()
    atol = rounding(np.float32, N_TERMS, expected)
    np.testing.assert_allclose(states(network, vectors)[1:], expected, atol=atol)
