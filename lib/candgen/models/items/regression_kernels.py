"""Compiled regressions of each item on its nearest items, by coordinate descent."""

from __future__ import annotations

import numba
import numpy as np

from candgen.models.top_k_heap import replace_root, sort_best_first, worse
from candgen.numba_cache import njit

NOTHING = np.float32(-np.inf)


@njit(parallel=True)
def regress_on_nearest(
    item_starts, item_users, user_starts, user_items,
    l1, l2, signed, sweeps, tolerance, n_threads, found, weights,
):  # fmt: skip
    """Write each item's nearest items into `found` and its regression on them into `weights`.

    For item j with column x_j of the training matrix, and X_N the columns of the nearest items by
    cosine, w minimizes |x_j - X_N w|^2 / 2 + l2 |w|^2 / 2 + l1 |w|_1, without negative weights
    unless `signed`. A coordinate is solved exactly while the others hold still; what x_j has beyond
    X_N w is kept by user, so that no products of items are stored.

    Args:
        item_starts: Where each item's users begin, shape `(n_items + 1,)`.
        item_users: Users of the items.
        user_starts: Where each user's items begin, shape `(n_users + 1,)`.
        user_items: Items of the users.
        l1: Penalty on absolute weights, 0 or greater.
        l2: Penalty on squared weights, 0 or greater.
        signed: Whether weights may be negative.
        sweeps: Sweeps over the coordinates, at most.
        tolerance: Sweeps end when no weight changes by more.
        n_threads: Threads that share the work.
        found: int32, shape `(n_items, k)`, filled with -1.
        weights: float32, shape `(n_items, k)`, filled with -inf.
    """
    n_items, k = found.shape
    for thread in numba.prange(n_threads):
        shared = np.zeros(n_items, np.int32)
        touched = np.empty(n_items, np.int32)
        beyond = np.zeros(len(user_starts) - 1)
        solved = np.zeros(k)
        for item in range(thread, n_items, n_threads):
            own = item_users[item_starts[item] : item_starts[item + 1]]
            near, best = found[item], weights[item]
            _nearest(item, own, item_starts, user_starts, user_items, shared, touched, near, best)
            n_near = 0
            while n_near < k and near[n_near] >= 0:
                n_near += 1
            solved[:] = 0
            for user in own:
                beyond[user] = 1
            for _ in range(sweeps):
                largest = 0.0
                for place in range(n_near):
                    users = item_users[item_starts[near[place]] : item_starts[near[place] + 1]]
                    slope = 0.0
                    for user in users:
                        slope += beyond[user]
                    wanted = slope + len(users) * solved[place]
                    if signed and wanted < 0:
                        new = min(wanted + l1, 0.0) / (len(users) + l2)
                    else:
                        new = max(wanted - l1, 0.0) / (len(users) + l2)
                    change = new - solved[place]
                    if change != 0:
                        solved[place] = new
                        largest = max(largest, abs(change))
                        for user in users:
                            beyond[user] -= change
                if largest <= tolerance:
                    break
            for user in own:
                beyond[user] = 0
            for place in range(n_near):
                best[place] = solved[place]
                for user in item_users[item_starts[near[place]] : item_starts[near[place] + 1]]:
                    beyond[user] = 0


@njit
def _nearest(item, own, item_starts, user_starts, user_items, shared, touched, near, best):
    """Write the items nearest to one by cosine into `near`, best first."""
    n_touched = 0
    for user in own:
        for entry in range(user_starts[user], user_starts[user + 1]):
            other = user_items[entry]
            if shared[other] == 0:
                touched[n_touched] = other
                n_touched += 1
            shared[other] += 1
    for place in range(n_touched):
        other = touched[place]
        size = item_starts[other + 1] - item_starts[other]
        cosine = np.float32(shared[other] / np.sqrt(np.float64(len(own)) * size))
        shared[other] = 0
        if other != item and (best[0] == NOTHING or worse(best[0], near[0], cosine, other)):
            replace_root(best, near, len(near), cosine, other)
    sort_best_first(best, near)


@njit(parallel=True)
def strongest_walks(
    item_starts, item_users, user_starts, user_items, user_weights, item_weights, n_threads,
    found, strengths,
):  # fmt: skip
    """Write the items that walks from each item reach most often, best first.

    The strength from i to j is the sum of the weights of users who took both, times the weight of
    j. No item reaches itself.

    Args:
        item_starts: Where each item's users begin, shape `(n_items + 1,)`.
        item_users: Users of the items.
        user_starts: Where each user's items begin, shape `(n_users + 1,)`.
        user_items: Items of the users.
        user_weights: Shape `(n_users,)`, float64.
        item_weights: Of the items reached, shape `(n_items,)`, float64.
        n_threads: Threads that share the work.
        found: int32, shape `(n_items, k)`, filled with -1.
        strengths: float32, shape `(n_items, k)`, filled with -inf.
    """
    n_items, k = found.shape
    for thread in numba.prange(n_threads):
        reached = np.zeros(n_items)
        touched = np.empty(n_items, np.int32)
        for item in range(thread, n_items, n_threads):
            n_touched = 0
            for entry in range(item_starts[item], item_starts[item + 1]):
                user = item_users[entry]
                for place in range(user_starts[user], user_starts[user + 1]):
                    other = user_items[place]
                    if reached[other] == 0:
                        touched[n_touched] = other
                        n_touched += 1
                    reached[other] += user_weights[user]
            best, items = strengths[item], found[item]
            for place in range(n_touched):
                other = touched[place]
                strength = np.float32(reached[other] * item_weights[other])
                reached[other] = 0
                if other != item and (
                    best[0] == NOTHING or worse(best[0], items[0], strength, other)
                ):
                    replace_root(best, items, k, strength, other)
            sort_best_first(best, items)
