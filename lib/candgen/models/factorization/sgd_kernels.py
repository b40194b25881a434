"""One epoch of stochastic gradient descent on a factorization, compiled.

A batch computes all its gradients from the vectors as they were when it began, then updates the
rows that occur in it and no others; the moments of Adam and the sums of Adagrad live beside the
rows and rest with them. So the cost of a batch depends on its size and never on the catalogue.

Where the pull of the unobserved pairs is counted exactly ("gravity"), it is G u for a user u, with
G = sum over items of v v'. G is kept up to date from the rows that changed.
"""

from __future__ import annotations

import numpy as np

from candgen.numba_cache import njit
from candgen.training import adam

_FAST = {"reassoc", "contract", "nsz"}  # sums in any order, which lets them run in registers
_TINY = np.float32(1e-8)  # keeps Adagrad's first steps finite


@njit(fastmath=_FAST, inline="always")
def _visit(row, slots, touched, shares, gradients, n):
    """Give a row its place in the batch at its first occurrence; return the rows so far."""
    if slots[row] >= 0:
        return n
    slots[row], touched[n], shares[n] = n, row, 0
    gradients[n] = 0
    return n + 1


@njit(fastmath=_FAST, inline="always")
def _slope(x, value, weight, logistic):
    """Return the derivative of one pair's loss by its score x."""
    if logistic:
        return weight * (np.float32(1) / (np.float32(1) + np.exp(-x)) - value)
    return np.float32(2) * weight * (x - value)


@njit(fastmath=_FAST)
def _step(vectors, moments, squares, steps, free, penalties, rate, by_adam, batch, pull, w0):
    """Update the rows of a batch; return their vectors before and after, shape `(n, dim)`."""
    touched, shares, gradients, slots, n = batch
    dim = vectors.shape[1]
    before, after = np.empty((n, dim), np.float32), np.empty((n, dim), np.float32)
    for slot in range(n):
        row = touched[slot]
        slots[row] = -1
        steps[row] += 1
        share = np.float32(2) * shares[slot]
        scaled = adam.step_rate(rate, np.float32(steps[row]), adam.FLOAT32)
        for place in range(dim):
            x = vectors[row, place]
            g = gradients[slot, place] + share * (penalties[row] * x + w0 * pull[slot, place])
            g *= free[place]
            before[slot, place] = x
            if by_adam:
                x, moments[row, place], squares[row, place] = adam.moved(
                    x, g, moments[row, place], squares[row, place], scaled, adam.FLOAT32
                )
            else:
                squares[row, place] += g * g
                x -= rate * g / (np.sqrt(squares[row, place]) + _TINY)
            vectors[row, place] = x
            after[slot, place] = x
    return before, after


@njit(fastmath=_FAST)
def run_epoch(
    order, pair_users, pair_items, weights, values,
    drawn_users, drawn_items, draws, drawn_weight,
    users, user_moments, user_squares, user_steps, user_free, user_penalties, user_counts,
    items, item_moments, item_squares, item_steps, item_free, item_penalties, item_counts,
    w0, logistic, by_adam, batch_size, rate, rate_step,
):  # fmt: skip
    """Pass once over the observed pairs.

    Args:
        order: Order in which to take the observed pairs, int64, shape `(n_pairs,)`.
        pair_users: User of each observed pair, int32; likewise items, weights and values.
        drawn_users: Users of pairs drawn from all pairs, `draws` for each observed one; their
            value is 0 and their weight `drawn_weight`. Likewise items.
        users: Vectors to improve, float32, shape `(n_users, dim)`; likewise items.
        user_moments: Adam's means of gradients, shaped like `users`.
        user_squares: Adam's means, or Adagrad's sums, of squared gradients.
        user_steps: Updates of each row so far, int32.
        user_free: 1 for a column that learns, 0 for one that stays, float32, shape `(dim,)`.
        user_penalties: r of each row, float32.
        user_counts: Observed pairs of each row, int64: each brings its share of the penalty.
        w0: Weight of all pairs, counted exactly; 0 where they are drawn, and for logistic losses.
        logistic: Whether the loss is logistic instead of squared.
        by_adam: Adam instead of Adagrad.
        batch_size: Observed pairs a batch.
        rate: Learning rate of the first batch.
        rate_step: What each further batch takes off the rate.
    """
    n_pairs, dim = len(order), users.shape[1]
    most = batch_size * (1 + draws)
    user_slots, item_slots = np.full(len(users), -1, np.int32), np.full(len(items), -1, np.int32)
    user_rows, item_rows = np.empty(most, np.int32), np.empty(most, np.int32)
    user_shares, item_shares = np.empty(most, np.float32), np.empty(most, np.float32)
    user_gradients, item_gradients = (
        np.empty((most, dim), np.float32),
        np.empty((most, dim), np.float32),
    )
    user_pull, item_pull = np.zeros((most, dim), np.float32), np.zeros((most, dim), np.float32)
    user_gram, item_gram = np.dot(users.T, users), np.dot(items.T, items)
    for first in range(0, n_pairs, batch_size):
        last = min(first + batch_size, n_pairs)
        n_u = n_i = 0
        for at in range(first * (1 + draws), last * (1 + draws)):
            entry = at - first * (1 + draws)
            observed = entry < last - first
            if observed:
                pair = order[first + entry]
                u, i = pair_users[pair], pair_items[pair]
                weight, value = weights[pair], values[pair]
            else:
                drawn = first * draws + entry - (last - first)
                u, i = drawn_users[drawn], drawn_items[drawn]
                weight, value = drawn_weight, np.float32(0)
            n_u = _visit(u, user_slots, user_rows, user_shares, user_gradients, n_u)
            n_i = _visit(i, item_slots, item_rows, item_shares, item_gradients, n_i)
            x = np.float32(0)
            for place in range(dim):
                x += users[u, place] * items[i, place]
            slope = _slope(x, value, weight, logistic)
            slot_u, slot_i = user_slots[u], item_slots[i]
            for place in range(dim):
                user_gradients[slot_u, place] += slope * items[i, place]
                item_gradients[slot_i, place] += slope * users[u, place]
            if observed:
                user_shares[slot_u] += np.float32(1) / user_counts[u]
                item_shares[slot_i] += np.float32(1) / item_counts[i]
        if w0 > 0:
            np.dot(users[user_rows[:n_u]], item_gram, user_pull[:n_u])
            np.dot(items[item_rows[:n_i]], user_gram, item_pull[:n_i])
        user_batch = (user_rows, user_shares, user_gradients, user_slots, n_u)
        item_batch = (item_rows, item_shares, item_gradients, item_slots, n_i)
        old, new = _step(
            users, user_moments, user_squares, user_steps, user_free, user_penalties,
            rate, by_adam, user_batch, user_pull, w0,
        )  # fmt: skip
        if w0 > 0:
            user_gram += np.dot(new.T, new) - np.dot(old.T, old)
        old, new = _step(
            items, item_moments, item_squares, item_steps, item_free, item_penalties,
            rate, by_adam, item_batch, item_pull, w0,
        )  # fmt: skip
        if w0 > 0:
            item_gram += np.dot(new.T, new) - np.dot(old.T, old)
        rate = max(rate - rate_step, np.float32(0))
