"""A position sees its own item and the earlier ones of its window, nothing else."""

import numpy as np
import pytest

from candgen.models.sequences.networks import AttentionNetwork, RecurrentNetwork
from tolerance import rounding

ROWS, LENGTH, DIM = 2, 9, 8
# Two blocks of at most six products in a row, of sums over DIM, at up to LENGTH places in a row.
N_TERMS = 2 * 6 * DIM * LENGTH
OWNERS = np.array([[0] * 4 + [1] * 3 + [-1] * 2, [0] * 9], dtype=np.int32)
STEPS = np.array([[0, 1, 2, 3, 0, 1, 2, 0, 0], range(9)], dtype=np.int32)


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


def states(network, vectors, owners=OWNERS, steps=STEPS, training=False):
    return network.states(vectors, owners, steps, training=training).numpy()


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
