"""From vectors to the logits of positives and negatives, and which negatives count.

A negative that does not count has the logit `NOTHING`: its probability and its gradient are exactly
0, in every loss of `candgen.training.losses`. That befalls accidental hits (the item is the
example's own positive), items that the user is known to have, padding, and, where only hard
negatives are asked for, all but the best scored.

Everything here is TensorFlow, made to run inside one compiled call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

NOTHING = -1e9  # finite, so that no difference of two of them is NaN; its exponential is 0
_SPARE = 16  # items of nobody
_PASSES = 14  # of the bisection: the threshold is within 1/16,384 of the spread of a row's scores


class Logits(NamedTuple):
    """Inputs of the losses."""

    positive: Any  # (batch,)
    negatives: Any  # (batch, n)
    log_expected: Any  # (n,): what correction takes off each negative


def logits(
    queries: Any,
    positive_vectors: Any,
    shared_vectors: Any,
    own_vectors: Any,
    positives: Any,
    drawn: Any,
    *,
    temperature: Any = 1.0,
    hardness: float = 1.0,
) -> Logits:
    """Score the positive and the negatives of each example by inner product.

    Args:
        queries: Shape `(batch, dim)`; of length 1, like the items, where cosine is meant.
        positive_vectors: Vectors of `positives`, shape `(batch, dim)`.
        shared_vectors: Vectors of `drawn.shared`, shape `(n_shared, dim)`.
        own_vectors: Vectors of `drawn.own`, shape `(batch, n_own, dim)`.
        positives: The item of each example, int32, shape `(batch,)`.
        drawn: A `candgen.negatives.Drawn` whose fields are tensors.
        temperature: Scores are divided by it.
        hardness: The share of each example's negatives that counts, the best scored ones.

    Returns:
        Positive and negative logits, shared negatives before own ones. Between them may stand a
        few that count for nobody, where their number would else be unkind to the processor.
    """
    import tensorflow as tf

    queries = queries / temperature
    positive = tf.reduce_sum(queries * positive_vectors, axis=-1)
    parts, expected = [tf.zeros((queries.shape[0], 0))], [tf.zeros(0)]
    if drawn.shared.shape[0]:
        shared_vectors, drawn = _off_the_power_of_two(shared_vectors, drawn)
        scores = tf.matmul(queries, shared_vectors, transpose_b=True)  # (batch, n_shared)
        known = drawn.known if drawn.known.shape[1] else None
        parts.append(masked(scores, positives, drawn.shared[None, :], known))
        expected.append(drawn.log_expected)
    if drawn.own.shape[1]:
        scores = tf.einsum("bd,bnd->bn", queries, own_vectors)
        parts.append(masked(scores, positives, drawn.own))
        expected.append(tf.zeros(drawn.own.shape[1]))
    negatives = parts[1] if len(parts) == 2 else tf.concat(parts, axis=1)
    if hardness < 1:
        negatives = keep_hardest(negatives, hardness)
    return Logits(positive, negatives, tf.concat(expected, axis=0))


def _off_the_power_of_two(vectors: Any, drawn: Any) -> tuple[Any, Any]:
    """Add a few items of nobody where the number of shared items is a multiple of 256.

    The columns of such a table of scores lie at addresses that share a few sets of the cache. Its
    transposed product, which the gradient needs, then takes twice as long (2,048 x 2,048: 19 ms
    on one core, where 2,048 x 2,064 takes 9.5).
    """
    import tensorflow as tf

    if drawn.shared.shape[0] % 256:
        return vectors, drawn
    known = drawn.known
    if known.shape[1]:
        known = tf.pad(known, [[0, 0], [0, _SPARE]])
    drawn = drawn._replace(
        shared=tf.pad(drawn.shared, [[0, _SPARE]], constant_values=-1),
        log_expected=tf.pad(drawn.log_expected, [[0, _SPARE]]),
        known=known,
    )
    return tf.pad(vectors, [[0, _SPARE], [0, 0]]), drawn


def masked(scores: Any, positives: Any, negatives: Any, known: Any = None) -> Any:
    """Give no probability to accidental hits, to padding, and to what the user is known to have.

    Args:
        scores: Of the negatives, shape `(batch, n)`.
        positives: The item of each example, shape `(batch,)`.
        negatives: Items, -1 for padding, shape `(1, n)` or `(batch, n)`.
        known: True where the example's user has the item, shape `(batch, n)`.
    """
    import tensorflow as tf

    void = (negatives == positives[:, None]) | (negatives < 0)
    if known is not None:
        void |= known
    return tf.where(void, NOTHING, scores)


def keep_hardest(negatives: Any, share: float) -> Any:
    """Give no probability to negatives outside the best scored `share` of those that count.

    At least one is kept. Ties with the last one stay, and so does what comes within 1/16,384 of
    the spread of the row's scores: the threshold is found by halving, which costs a few passes
    over the scores where sorting them would cost fifteen times that.

    Args:
        negatives: Logits, shape `(batch, n)`.
        share: Above 0, at most 1.
    """
    import tensorflow as tf

    fixed = tf.stop_gradient(negatives)
    counts = counted(fixed)
    wanted = tf.math.ceil(share * tf.reduce_sum(counts, axis=1) - 1e-3)
    high = tf.reduce_max(fixed, axis=1)
    low = tf.reduce_min(tf.where(counts > 0, fixed, high[:, None]), axis=1)

    def halve(turn: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
        middle = (low + high) / 2
        above = tf.reduce_sum(tf.cast(fixed >= middle[:, None], tf.float32), axis=1)
        enough = above >= wanted
        return turn + 1, tf.where(enough, middle, low), tf.where(enough, high, middle)

    turns = tf.while_loop(
        lambda turn, *_: turn < _PASSES, halve, (0, low, high), maximum_iterations=_PASSES
    )
    return tf.where(fixed >= turns[1][:, None], negatives, NOTHING)


def counted(negatives: Any) -> Any:
    """Return 1 where a negative counts and 0 where it does not, float32, same shape."""
    import tensorflow as tf

    return tf.cast(negatives > NOTHING / 2, tf.float32)
