"""Losses of what comes next, summed over the places of a batch.

A softmax over the catalogue has a score for each place and item; for a batch of 12,800 places and
3,700 items these alone are 190 MB, and differentiating would keep several such arrays. So places
are taken in blocks, and loss and gradients of a block are computed together and added up: memory
does not grow with the batch, and the three matrix products are all that there is to do.
"""

from __future__ import annotations

from typing import Any

from candgen.training import quiet

_CELLS = 4_000_000  # scores held at once
_NOT_AT_ALL = -1e30  # the score of what gets no probability


def softmax_loss(
    states: Any,
    positives: Any,
    candidates: Any,
    *,
    targets: Any,
    candidate_ids: Any,
    log_expected: Any,
    weights: Any,
) -> Any:
    """Return the weighted sum of -log P(target), among the target and the candidates.

    Args:
        states: Shape `(n, dim)`.
        positives: Vectors of the targets, shape `(n, dim)`.
        candidates: Vectors that compete with each of them, shape `(m, dim)`.
        targets: Items, shape `(n,)`; where one is among the candidates, it is not counted twice.
        candidate_ids: Items, shape `(m,)`.
        log_expected: Subtracted from the scores of candidates, shape `(m,)`: the log of how often
            each is expected in a sample, zeros for the whole catalogue.
        weights: Of the places, shape `(n,)`.
    """
    tf = quiet.tensorflow()
    n, m = states.shape[0], candidates.shape[0]
    size = max(1, min(n, _CELLS // m))
    n_blocks = -(-n // size)

    def blocks(x: Any) -> Any:
        """Cut into blocks, the last one filled up with zeros, whose weight is 0."""
        padded = tf.pad(x, [[0, n_blocks * size - n]] + [[0, 0]] * (len(x.shape) - 1))
        return tf.reshape(padded, (n_blocks, size, *x.shape[1:]))

    of_targets, of_weights = blocks(targets), blocks(weights)

    def block(state: Any, positive: Any, candidates: Any, target: Any, weight: Any) -> tuple:
        """Return the loss of a block and its gradients."""
        right = tf.reduce_sum(state * positive, axis=1, keepdims=True)  # (size, 1)
        wrong = tf.matmul(state, candidates, transpose_b=True) - log_expected  # (size, m)
        wrong = tf.where(target[:, None] == candidate_ids[None, :], _NOT_AT_ALL, wrong)
        highest = tf.maximum(tf.reduce_max(wrong, axis=1, keepdims=True), right)
        wrong, itself = tf.exp(wrong - highest), tf.exp(right - highest)
        whole = tf.reduce_sum(wrong, axis=1, keepdims=True) + itself
        loss = tf.reduce_sum(weight * (tf.math.log(whole) + highest - right)[:, 0])
        slope = wrong * (weight[:, None] / whole)  # (size, m)
        to_right = weight[:, None] * (itself / whole - 1)
        to_state = tf.matmul(slope, candidates) + to_right * positive
        return loss, to_state, to_right * state, tf.matmul(slope, state, transpose_a=True)

    @tf.custom_gradient
    def summed(states: Any, positives: Any, candidates: Any) -> Any:
        of_states, of_positives = blocks(states), blocks(positives)

        def body(i: Any, loss: Any, to_states: Any, to_positives: Any, to_candidates: Any) -> tuple:
            parts = of_states[i], of_positives[i], candidates, of_targets[i], of_weights[i]
            more, to_state, to_positive, to_candidate = block(*parts)
            to_states = tf.tensor_scatter_nd_update(to_states, [[i]], [to_state])
            to_positives = tf.tensor_scatter_nd_update(to_positives, [[i]], [to_positive])
            return i + 1, loss + more, to_states, to_positives, to_candidates + to_candidate

        zeros = tf.zeros_like
        start = 0, 0.0, zeros(of_states), zeros(of_positives), zeros(candidates)
        _, loss, *slopes = tf.while_loop(lambda i, *_: i < n_blocks, body, start)

        def gradient(upstream: Any) -> list[Any]:
            to_states, to_positives = (tf.reshape(s, (-1, s.shape[-1]))[:n] for s in slopes[:2])
            return [upstream * slope for slope in (to_states, to_positives, slopes[2])]

        return loss, gradient

    return summed(states, positives, candidates)


def binary_loss(states: Any, positives: Any, negatives: Any, *, weights: Any) -> Any:
    """Return the weighted sum of -log s(positive) - log(1 - s(negative)), one negative a place.

    Args:
        states: Shape `(n, dim)`, and so are positives and negatives.
        positives: Vectors of what came next.
        negatives: Vectors of what did not.
        weights: Of the places, shape `(n,)`.
    """
    tf = quiet.tensorflow()
    right = tf.reduce_sum(states * positives, axis=1)
    wrong = tf.reduce_sum(states * negatives, axis=1)
    return tf.reduce_sum(weights * (tf.math.softplus(-right) + tf.math.softplus(wrong)))


def generalized_binary_loss(
    states: Any,
    positives: Any,
    negatives: Any,
    *,
    targets: Any,
    negative_ids: Any,
    beta: float,
    weights: Any,
) -> Any:
    """Return the weighted sum of -beta log s(positive) - sum log(1 - s(negative)), over 1 + m.

    The positive's part is that of s(positive) ** beta, computed as beta softplus(-score), which
    stays exact where the power would be 0 or 1.

    A. V. Petrov and C. Macdonald, "gSASRec: reducing overconfidence in sequential recommendation
    trained with negative sampling", RecSys 2023.

    Args:
        states: Shape `(rows, length, dim)`, and so are positives.
        positives: Vectors of the targets.
        negatives: Vectors that the places of a row share, shape `(rows, m, dim)`.
        targets: Items, shape `(rows, length)`; one that was drawn is no negative of its place.
        negative_ids: Items, shape `(rows, m)`.
        beta: Power of the positive's probability, above 0 and at most 1: see `power_of_positives`.
        weights: Of the places, shape `(rows, length)`.
    """
    tf = quiet.tensorflow()
    right = tf.reduce_sum(states * positives, axis=2)
    wrong = tf.math.softplus(tf.matmul(states, negatives, transpose_b=True))  # (rows, length, m)
    counts = tf.cast(targets[:, :, None] != negative_ids[:, None, :], tf.float32)
    of_place = beta * tf.math.softplus(-right) + tf.reduce_sum(counts * wrong, axis=2)
    return tf.reduce_sum(weights * of_place) / (1 + negatives.shape[1])


def power_of_positives(n_negatives: int, n_items: int, calibration: float) -> float:
    """Return beta of the generalized binary loss: alpha ((1 - 1 / alpha) t + 1 / alpha).

    Args:
        n_negatives: Drawn for a positive.
        n_items: Items that may be drawn; alpha is the share of the others that is.
        calibration: t, from 0, where beta is 1, to 1, where it is alpha.
    """
    alpha = min(1.0, n_negatives / max(n_items - 1, 1))
    return alpha * ((1 - 1 / alpha) * calibration + 1 / alpha)
