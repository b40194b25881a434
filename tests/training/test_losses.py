"""Losses against NumPy by another route, their gradients against finite differences."""

import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.negatives import Drawn
from candgen.training import quiet
from candgen.training.logits import NOTHING, keep_hardest, logits
from candgen.training.losses import LOSSES, NEED_NEGATIVES, make_loss

BATCH, N = 5, 7
OPTIONS = {
    "logistic": {"weight": 2.0},
    "hinge": {"margin": 0.7},
    "contrastive": {"margin": 0.2, "weight": 3.0},
}
NAMES = list(LOSSES)


def one_by_one(name, positive, negatives, weights, log_expected):
    """The definitions, an example and a negative at a time; a negative of None does not count."""
    total = 0.0
    for p, row, w in zip(positive, negatives, weights, strict=True):
        met = [(n, q) for n, q in zip(row, log_expected, strict=True) if n is not None]
        k = max(len(met), 1)
        if name == "softmax":
            cost = -np.log(np.exp(p) / (np.exp(p) + sum(np.exp(n) / np.exp(q) for n, q in met)))
        elif name == "logistic":
            wrong = sum(-np.log(1 - 1 / (1 + np.exp(-n))) for n, _ in met)
            cost = -np.log(1 / (1 + np.exp(-p))) + 2.0 * wrong / k
        elif name == "bpr":
            cost = sum(-np.log(1 / (1 + np.exp(-(p - n)))) for n, _ in met) / k
        elif name == "hinge":
            cost = sum(max(0.0, 0.7 - (p - n)) for n, _ in met) / k
        else:
            cost = 1 - p + 3.0 * sum(max(0.0, n - 0.2) for n, _ in met) / k
        total += w * cost
    return total / sum(weights)


@pytest.fixture(scope="module")
def tf():
    return quiet.tensorflow()


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    positive, negatives = rng.normal(size=BATCH), rng.normal(size=(BATCH, N))
    weights = np.array([1.0, 0.5, 2.0, 0.0, 1.0])
    log_expected = rng.normal(size=N)
    void = rng.random((BATCH, N)) < 0.3
    void[4] = True  # of the last example no negative counts
    return positive, negatives, weights, log_expected, void


@pytest.fixture(scope="module")
def compiled(tf):
    """Each loss as XLA runs it: (positive, negatives, weights, log_expected) -> value, slopes."""

    def prepared(name):
        @tf.function(jit_compile=True)
        def run(positive, negatives, weights, log_expected):
            extra = {"log_expected": log_expected} if name == "softmax" else OPTIONS.get(name, {})
            with tf.GradientTape() as tape:
                tape.watch([positive, negatives])
                value = LOSSES[name](positive, negatives, weights, **extra)
            return value, tape.gradient(value, [positive, negatives])

        def call(*arrays):
            value, slopes = run(*(tf.constant(a, tf.float32) for a in arrays))
            return float(value), *(slope.numpy() for slope in slopes)

        return call

    return {name: prepared(name) for name in NAMES}


def with_gaps(negatives, void):
    both = zip(negatives, void, strict=True)
    return [[None if v else n for n, v in zip(*rows, strict=True)] for rows in both]


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_is_its_definition(compiled, scores, name):
    positive, negatives, weights, log_expected, void = scores
    found, *_ = compiled[name](positive, np.where(void, NOTHING, negatives), weights, log_expected)
    plain = one_by_one(name, positive, with_gaps(negatives, void), weights, log_expected)
    assert found == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_its_gradient_is_that_of_finite_differences(compiled, scores, name):
    positive, negatives, weights, log_expected, void = scores
    _, of_positive, of_negatives = compiled[name](
        positive, np.where(void, NOTHING, negatives), weights, log_expected
    )
    step = 1e-5

    def value(p, n):
        return one_by_one(name, p, with_gaps(n, void), weights, log_expected)

    for row in range(BATCH):
        moved = step * (np.arange(BATCH) == row)
        slope = value(positive + moved, negatives) - value(positive - moved, negatives)
        assert of_positive[row] == pytest.approx(slope / (2 * step), abs=2e-5)
        for column in range(N):
            moved = np.zeros((BATCH, N))
            moved[row, column] = step
            slope = value(positive, negatives + moved) - value(positive, negatives - moved)
            assert of_negatives[row, column] == pytest.approx(slope / (2 * step), abs=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_count_has_no_gradient_at_all(compiled, scores, name):
    positive, negatives, weights, log_expected, void = scores
    _, _, slopes = compiled[name](
        positive, np.where(void, NOTHING, negatives), weights, log_expected
    )
    assert np.all(slopes[void] == 0)
    assert np.all(slopes[weights == 0] == 0)


@pytest.mark.parametrize("name", NAMES)
def test_large_logits_overflow_nothing(compiled, name):
    large = np.array([[1e4, -1e4, NOTHING], [-1e4, 1e4, 0.0]])
    for found in compiled[name](np.array([1e4, -1e4]), large, np.ones(2), np.zeros(3)):
        assert np.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_weight_is_no_loss(compiled, name):
    value, *_ = compiled[name](np.ones(2), np.ones((2, 3)), np.zeros(2), np.zeros(3))
    assert value == 0


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(NEED_NEGATIVES)))
def test_positives_alone_are_pulled_closer(compiled, name):
    value, of_positive, _ = compiled[name](np.zeros(2), np.zeros((2, 0)), np.ones(2), np.zeros(0))
    assert value > 0
    assert np.all(of_positive < 0)


@pytest.mark.parametrize("name", NEED_NEGATIVES)
def test_a_loss_that_compares_refuses_to_have_nothing_to_compare(name):
    with pytest.raises(SettingError, match=r"compares the positive with negatives.*contrastive"):
        make_loss(name, negatives="none")


def test_an_unknown_loss_is_named():
    with pytest.raises(SettingError, match="Did you mean 'softmax'"):
        make_loss("sofmax")


# --- sampled softmax estimates the full one


CATALOGUE = 12


def catalogue(rng):
    """Queries, items and how often each item is drawn: popular items score high, as in life."""
    queries, items = rng.normal(size=(4, 3)), rng.normal(size=(CATALOGUE, 3))
    shares = np.exp(items @ queries.sum(axis=0) / 4)
    return queries, items, shares / shares.sum()


def full_softmax(queries, items, positives):
    """Mean loss over the whole catalogue, and its gradient by the items, in closed form."""
    exponentials = np.exp(queries @ items.T)
    chances = exponentials / exponentials.sum(axis=1, keepdims=True)
    loss = -np.log(chances[np.arange(len(positives)), positives]).mean()
    slopes = (chances - np.eye(len(items))[positives]).T @ queries / len(positives)
    return loss, slopes


def sampled_softmax(tf, sign, n=1500, draws=150):
    """Loss and gradient of each of many draws, with the correction times `sign`."""
    rng = np.random.default_rng(0)
    queries, items, shares = catalogue(rng)
    positives = np.array([0, 3, 5, 5])
    loss = make_loss("softmax")

    @tf.function(jit_compile=True)
    def run(table, shared, log_expected):
        void = tf.zeros((4, 0), tf.int32), tf.zeros((4, 0), tf.bool)
        with tf.GradientTape() as tape:
            tape.watch(table)
            made = logits(
                tf.constant(queries, tf.float32),
                tf.gather(table, positives),
                tf.gather(table, shared),
                tf.zeros((4, 0, 3)),
                tf.constant(positives, tf.int32),
                Drawn(shared, log_expected, *void),
            )
            value = loss(made, tf.ones(4))
        return value, tf.convert_to_tensor(tape.gradient(value, table))

    values, slopes = [], []
    for _ in range(draws):
        shared = rng.choice(CATALOGUE, size=n, p=shares).astype(np.int32)
        log_expected = (sign * np.log(n * shares[shared])).astype(np.float32)
        value, slope = run(tf.constant(items, tf.float32), shared, log_expected)
        values.append(float(value))
        slopes.append(slope.numpy())
    true_loss, true_slopes = full_softmax(queries, items, positives)
    return _errors(values, true_loss), _errors(slopes, true_slopes)


def _errors(found, truth):
    """Return the distance between mean and truth in standard errors."""
    found = np.array(found)
    return np.abs(found.mean(axis=0) - truth) / (found.std(axis=0) / np.sqrt(len(found)))


def test_the_corrected_sample_estimates_the_full_softmax(tf):
    loss, slopes = sampled_softmax(tf, sign=1)
    assert loss < 4
    assert np.all(slopes < 4.5)  # of 36


@pytest.mark.parametrize("sign", [0, -1])
def test_without_correction_or_with_its_sign_reversed_it_does_not(tf, sign):
    loss, slopes = sampled_softmax(tf, sign)
    assert loss > 50
    assert slopes.max() > 50


# --- which negatives count


@pytest.fixture(scope="module")
def scored(tf):
    """`logits` compiled, from plain arrays: (queries, items, positives, drawn, hardness)."""

    def call(queries, items, positives, drawn, **settings):
        @tf.function(jit_compile=True)
        def run(table):
            with tf.GradientTape() as tape:
                tape.watch(table)
                made = logits(
                    tf.constant(queries, tf.float32),
                    tf.gather(table, positives),
                    tf.gather(table, np.maximum(drawn.shared, 0)),
                    tf.gather(table, np.maximum(drawn.own, 0)),
                    tf.constant(positives, tf.int32),
                    Drawn(*(tf.constant(field) for field in drawn)),
                    **settings,
                )
                value = make_loss("softmax")(made, tf.ones(len(queries)))
            return made, tf.convert_to_tensor(tape.gradient(value, table))

        made, slopes = run(tf.constant(items, tf.float32))
        return made.positive.numpy(), made.negatives.numpy(), slopes.numpy()

    return call


def drawn_of(shared, own=None, known=None, batch=2):
    own = np.zeros((batch, 0), np.int32) if own is None else np.array(own, np.int32)
    known = np.zeros((batch, 0), bool) if known is None else np.array(known)
    return Drawn(np.array(shared, np.int32), np.zeros(len(shared), np.float32), own, known)


LINE = np.arange(6.0)[:, None]  # item i at the place i
QUERIES = np.array([[1.0], [-1.0]])


def test_logits_are_products_over_the_temperature(scored):
    positive, negatives, _ = scored(QUERIES, LINE, [2, 1], drawn_of([0, 3, 4]), temperature=0.5)
    assert positive.tolist() == [4, -2]
    assert negatives.tolist() == [[0, 6, 8], [0, -6, -8]]


def test_own_negatives_stand_behind_shared_ones_and_padding_does_not_count(scored):
    drawn = drawn_of([0, 3], own=[[4, -1], [-1, 1]])
    _, negatives, _ = scored(QUERIES, LINE, [2, 1], drawn)
    assert negatives.tolist() == [[0, 3, 4, NOTHING], [0, -3, NOTHING, NOTHING]]


def test_accidental_hits_get_no_probability_and_no_gradient(scored):
    # The positive 5 outshines all. As a negative of its own it would share the probability.
    positive, negatives, slopes = scored(QUERIES[:1], LINE, [5], drawn_of([5, 5, 1], batch=1))
    chances = np.exp(np.concatenate([positive, negatives[0]]) - positive[0])
    chances /= chances.sum()
    assert chances[1] == chances[2] == 0
    p = 1 / (1 + np.exp(1 - 5))
    np.testing.assert_allclose(slopes[:, 0], [0, 1 - p, 0, 0, 0, p - 1], atol=1e-6)


def test_what_the_user_is_known_to_have_gets_no_probability(scored):
    drawn = drawn_of([0, 3, 4], known=[[False, True, False], [False, False, False]])
    _, negatives, _ = scored(QUERIES, LINE, [2, 1], drawn)
    assert negatives.tolist() == [[0, NOTHING, 4], [0, -3, -4]]


def test_items_of_nobody_that_fill_up_a_table_change_nothing(scored):
    # 256 shared items are filled up; the same ones and one that is masked anyway are not.
    rng = np.random.default_rng(0)
    shared = rng.integers(6, size=256)
    known = rng.random((2, 257)) < 0.3
    _, some, slopes = scored(QUERIES, LINE, [2, 1], drawn_of(shared, known=known[:, :256]))
    _, same, others = scored(QUERIES, LINE, [2, 1], drawn_of([*shared, -1], known=known))
    np.testing.assert_array_equal(some[:, :256], same[:, :256])
    assert np.all(some[:, 256:] == np.float32(NOTHING))
    np.testing.assert_allclose(slopes, others, rtol=1e-5)


def test_no_negatives_is_a_shape_too(scored):
    positive, negatives, _ = scored(QUERIES, LINE, [2, 1], drawn_of([]))
    assert positive.tolist() == [2, -1]
    assert negatives.shape == (2, 0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 1.0])
def test_the_best_scored_share_is_kept(tf, share):
    rng = np.random.default_rng(0)
    scores = np.stack([rng.permutation(200), -5 * rng.permutation(200)]).astype(np.float32)
    kept = tf.function(keep_hardest, jit_compile=True)(tf.constant(scores), share).numpy()
    for row, found in zip(scores, kept, strict=True):
        best = np.sort(row)[::-1][: max(1, round(share * 200))]
        assert sorted(found[found != NOTHING], reverse=True) == best.tolist()


def test_hardness_is_a_share_of_those_that_count(tf):
    scores = np.arange(100.0, dtype=np.float32)[None]
    scores[:, 50:] = NOTHING
    kept = keep_hardest(tf.constant(scores), 0.1).numpy()[0]
    assert np.flatnonzero(kept != NOTHING).tolist() == [45, 46, 47, 48, 49]


def test_a_row_without_negatives_stays_without(tf):
    kept = keep_hardest(tf.fill((1, 8), NOTHING), 0.5).numpy()
    assert np.all(kept == np.float32(NOTHING))


def test_the_choice_of_the_hardest_is_no_road_for_gradients(tf):
    scores = tf.constant(np.random.default_rng(0).normal(size=(3, 40)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        total = tf.reduce_sum(tf.math.sigmoid(keep_hardest(scores, 0.25)))
    slopes = tape.gradient(total, scores).numpy()
    kept = keep_hardest(scores, 0.25).numpy() != NOTHING
    chances = 1 / (1 + np.exp(-scores.numpy()))
    np.testing.assert_allclose(slopes, kept * chances * (1 - chances), rtol=1e-5)


def test_only_the_hardest_get_a_gradient(scored):
    *_, slopes = scored(QUERIES[:1], LINE, [0], drawn_of([1, 2, 3, 4, 5], batch=1), hardness=0.4)
    assert np.flatnonzero(slopes[:, 0]).tolist() == [0, 4, 5]
