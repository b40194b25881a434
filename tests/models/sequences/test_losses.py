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


ROWS, LENGTH, M_OF_ROW = 3, 5, 4


@pytest.fixture(scope="module")
def rows():
    """Three rows of five places; one negative is a target of its row, and one place is empty."""
    rng = np.random.default_rng(2)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    targets = rng.integers(0, 9, (ROWS, LENGTH)).astype(np.int32)
    negative_ids = rng.integers(0, 9, (ROWS, M_OF_ROW)).astype(np.int32)
    negative_ids[1, 2] = targets[1, 3]
    weights = rng.random((ROWS, LENGTH)).astype(np.float32)
    weights[2, 4] = 0
    return {
        "states": normal(ROWS, LENGTH, DIM),
        "positives": normal(ROWS, LENGTH, DIM),
        "negatives": normal(ROWS, M_OF_ROW, DIM),
        "targets": targets,
        "negative_ids": negative_ids,
        "weights": weights,
    }


def generalized_by_hand(rows, beta):
    """The paper's formula with powers of probabilities, place by place."""
    total = 0.0
    for row, place in np.ndindex(ROWS, LENGTH):
        state = rows["states"][row, place].astype(float)
        right = 1 / (1 + np.exp(-state @ rows["positives"][row, place]))
        found = np.log(right**beta)
        for m in range(M_OF_ROW):
            if rows["negative_ids"][row, m] != rows["targets"][row, place]:
                found += np.log(1 - 1 / (1 + np.exp(-state @ rows["negatives"][row, m])))
        total -= rows["weights"][row, place] * found / (M_OF_ROW + 1)
    return total


@pytest.mark.parametrize("beta", [1.0, 0.37])
def test_the_generalized_loss_raises_the_probability_of_positives_to_a_power(rows, beta):
    wanted = ["states", "negatives"]
    loss, slopes = loss_and_slopes(losses.generalized_binary_loss, rows | {"beta": beta}, wanted)
    assert loss == pytest.approx(generalized_by_hand(rows, beta), rel=1e-5)
    for name, slope in zip(wanted, slopes, strict=True):
        for place in ((0, 1, 2), (1, 3, 0)):
            moved = rows[name].astype(float)
            moved[place] += 1e-5
            steep = generalized_by_hand(rows | {name: moved}, beta)
            steep = (steep - generalized_by_hand(rows, beta)) / 1e-5
            assert slope[place] == pytest.approx(steep, rel=1e-3, abs=1e-5)


def test_the_generalized_loss_stays_finite_and_steep_where_probabilities_are_0_or_1(rows):
    large = rows | {"states": rows["states"] * 1e4, "beta": 0.2}
    wanted = ["states", "positives", "negatives"]
    loss, slopes = loss_and_slopes(losses.generalized_binary_loss, large, wanted)
    assert np.isfinite(loss) and all(np.isfinite(slope).all() for slope in slopes)
    assert loss > 100  # and no probability was cut off


@pytest.mark.parametrize(
    ("n_negatives", "calibration", "power"),
    [
        (256, 0.0, 1.0),  # plain binary cross-entropy
        (256, 1.0, 256 / 3415),  # alpha
        (256, 0.75, 1 - 0.75 * (1 - 256 / 3415)),
        (5000, 0.75, 1.0),  # as many negatives as items: nothing to take back
    ],
)
def test_few_negatives_lower_the_power_of_positives(n_negatives, calibration, power):
    found = losses.power_of_positives(n_negatives, 3416, calibration)
    assert found == pytest.approx(power)
