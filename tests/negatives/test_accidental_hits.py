"""A negative that is the example's own positive counts for nothing, whatever drew it."""

import numpy as np
import pytest

from candgen.negatives import KINDS, Drawn, make_sampler
from candgen.training import quiet
from candgen.training.logits import logits
from candgen.training.losses import make_loss

BATCH, DIM = 12, 3


def drawn_with_hits(shop, kind):
    """Draw for a batch that holds each of items 0 to 3 three times, after batches like it."""
    positives = np.tile(np.arange(4), 3).astype(np.int32)
    users = np.zeros(BATCH, np.int32)  # user 0 saw items 1 and 6 in vain
    sampler = make_sampler(kind, shop, n=30, batch_size=BATCH, memory=2, correction=True)
    rng = np.random.default_rng(0)
    for _ in range(3):
        drawn = sampler.draw(positives, users, rng)
    return positives, drawn, sampler.hardness


def slopes_by_negatives(positives, drawn, hardness, example):
    """Chances of one example's negatives, and the slopes of its loss by their vectors."""
    tf = quiet.tensorflow()
    rng = np.random.default_rng(1)
    table = rng.normal(size=(7, DIM)).astype(np.float32)
    queries = table[positives]  # the own positive outshines the others

    @tf.function(jit_compile=True)
    def run(shared, own):
        with tf.GradientTape() as tape:
            tape.watch([shared, own])
            fields = Drawn(*(tf.constant(field) for field in drawn))
            places = tf.constant(positives)
            made = logits(
                tf.constant(queries), tf.constant(table[positives]), shared, own, places, fields,
                hardness=hardness,
            )  # fmt: skip
            weights = tf.one_hot(example, BATCH)
            value = make_loss("softmax")(made, weights)
        found = tape.gradient(value, [shared, own], unconnected_gradients="zero")
        corrected = made.negatives - made.log_expected
        chances = tf.nn.softmax(tf.concat([made.positive[:, None], corrected], axis=1))
        return chances[example, 1:], found

    chances, (by_shared, by_own) = run(
        tf.constant(table[np.maximum(drawn.shared, 0)]), tf.constant(table[drawn.own])
    )
    n, n_own = len(drawn.shared), drawn.own.shape[1]
    last = -n_own or None
    items = np.concatenate([drawn.shared, drawn.own[example]])
    spare = chances.numpy()[n:last]  # items of nobody, where the number was unkind
    assert not spare.any()
    chances = np.concatenate([chances.numpy()[:n], chances.numpy()[len(chances) - n_own :]])
    steps = np.concatenate([by_shared.numpy(), by_own.numpy()[example]])
    return items, chances, np.abs(steps).max(axis=1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_an_accidental_hit_has_no_probability_and_no_gradient(shop, kind):
    positives, drawn, hardness = drawn_with_hits(shop, kind)
    example = 1  # of item 1
    items, chances, slopes = slopes_by_negatives(positives, drawn, hardness, example)
    hit = items == 1
    assert hit.any()
    assert np.all(chances[hit] == 0)
    assert np.all(slopes[hit] == 0)
    assert chances[~hit].max() > 0
    assert slopes[~hit].max() > 0


def test_what_the_memory_does_not_hold_yet_counts_for_nobody(shop):
    sampler = make_sampler("cross-batch", shop, batch_size=BATCH, memory=2, correction=True)
    positives = np.tile(np.arange(4), 3).astype(np.int32)
    drawn = sampler.draw(positives, np.zeros(BATCH, np.int32), np.random.default_rng(0))
    items, chances, slopes = slopes_by_negatives(positives, drawn, 1.0, 0)
    void = items < 0
    assert void.sum() == 2 * BATCH
    assert np.all(chances[void] == 0)
    assert np.all(slopes[void] == 0)
