"""The losses against NumPy in double precision, and against automatic differentiation."""

import numpy as np
import pytest

from candgen.models.sequences import losses
from candgen.training import quiet

N, M, DIM = 23, 11, 4


@pytest.fixture(scope="module")
def given():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return {
        "states": normal(N, DIM),
        "positives": normal(N, DIM),
        "candidates": normal(M, DIM),
        "targets": rng.integers(0, 15, N).astype(np.int32),
        "candidate_ids": rng.permutation(15)[:M].astype(np.int32),
        "log_expected": normal(M),
        "weights": rng.random(N).astype(np.float32),
    }


def by_hand(given):
    """-log of the target's share, place by place, without blocks."""
    total = 0.0
    for n in range(N):
        right = float(given["states"][n].astype(float) @ given["positives"][n])
        others = [
            float(given["states"][n].astype(float) @ given["candidates"][m])
            - float(given["log_expected"][m])
            for m in range(M)
            if given["candidate_ids"][m] != given["targets"][n]
        ]
        share = np.exp(right) / (np.exp(right) + np.exp(others).sum())
        total -= float(given["weights"][n]) * np.log(share)
    return total


def loss_and_slopes(function, given, wanted):
    tf = quiet.tensorflow()
    tensors = {name: tf.constant(value) for name, value in given.items()}
    with tf.GradientTape() as tape:
        tape.watch([tensors[name] for name in wanted])
        loss = function(**tensors)
    return float(loss), [s.numpy() for s in tape.gradient(loss, [tensors[n] for n in wanted])]


@pytest.mark.parametrize("cells", [M, 7 * M, 10**6])
def test_blocks_never_change_the_softmax(given, monkeypatch, cells):
    monkeypatch.setattr(losses, "_CELLS", cells)
    wanted = ("states", "positives", "candidates")
    loss, slopes = loss_and_slopes(losses.softmax_loss, given, wanted)
    assert loss == pytest.approx(by_hand(given), rel=1e-5)

    def whole(states, positives, candidates, targets, candidate_ids, log_expected, weights):
        tf = quiet.tensorflow()
        wrong = states @ tf.transpose(candidates) - log_expected
        wrong = tf.where(targets[:, None] == candidate_ids[None], -np.inf, wrong)
        right = tf.reduce_sum(states * positives, axis=1, keepdims=True)
        both = tf.concat([right, wrong], axis=1)
        return tf.reduce_sum(weights * (tf.reduce_logsumexp(both, axis=1) - right[:, 0]))

    _, expected = loss_and_slopes(whole, given, wanted)
    for found, by_tape in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(found, by_tape, rtol=1e-4, atol=1e-6)


def test_a_target_among_the_candidates_is_not_its_own_negative(given):
    itself = given | {
        "candidates": given["positives"][:1],
        "candidate_ids": given["targets"][:1],
        "log_expected": np.zeros(1, np.float32),
        "weights": np.eye(1, N, dtype=np.float32)[0],  # the first place alone
    }
    loss, (slope,) = loss_and_slopes(losses.softmax_loss, itself, ["candidates"])
    assert loss == pytest.approx(0, abs=1e-7)
    assert not slope.any()


def test_what_is_expected_often_is_worth_less_as_a_negative(given):
    often = given | {"log_expected": given["log_expected"] + np.log(np.float32(10))}
    assert by_hand(often) < by_hand(given)
    found, _ = loss_and_slopes(losses.softmax_loss, often, ["states"])
    assert found == pytest.approx(by_hand(often), rel=1e-5)


def test_very_large_scores_stay_finite(given):
    large = given | {"states": given["states"] * 1e4}
    loss, slopes = loss_and_slopes(losses.softmax_loss, large, ["states", "candidates"])
    assert np.isfinite(loss) and all(np.isfinite(slope).all() for slope in slopes)


def test_places_without_weight_add_nothing(given):
    none = given | {"weights": np.zeros(N, np.float32)}
    loss, slopes = loss_and_slopes(losses.softmax_loss, none, ["states", "candidates"])
    assert loss == 0 and not any(slope.any() for slope in slopes)


def test_the_binary_loss_is_the_cross_entropy_of_two_classes(given):
    rng = np.random.default_rng(1)
    negatives = rng.normal(size=(N, DIM)).astype(np.float32)

    def probability(vectors):
        return 1 / (1 + np.exp(-(given["states"].astype(float) * vectors).sum(axis=1)))

    right, wrong = probability(given["positives"]), probability(negatives)
    expected = -(given["weights"] * (np.log(right) + np.log(1 - wrong))).sum()
    parts = {name: given[name] for name in ("states", "positives", "weights")}
    found, _ = loss_and_slopes(losses.binary_loss, parts | {"negatives": negatives}, ["states"])
    assert found == pytest.approx(expected, rel=1e-5)
