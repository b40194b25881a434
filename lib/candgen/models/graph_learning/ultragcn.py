"""UltraGCN: the limit of infinitely many layers of a graph network, as weights in a loss.

With d the degrees of users and items in the training events and the score s_uj = <e_u, e_j>, each
event (u, i) adds to the loss

    (w1 + w2 b_ui) log(1 + e^-s_ui)
    + negative_weight * mean over all items j of (w3 + w4 b_uj) log(1 + e^s_uj)
    + item_weight * sum over j near i of o_ij log(1 + e^-s_uj)

    b_uj = sqrt(d_u + 1) / (d_u sqrt(d_j + 1)),    o_ij = G_ij / (g_i - G_ii) * sqrt(g_i / g_j)

where G_ij counts the users of both i and j, g_i is the sum of its row, and near i are the
`near` items with the largest o_ij. K. Mao, J. Zhu, X. Xiao, B. Lu, Z. Wang, X. He, "UltraGCN:
Ultra simplification of graph convolutional networks for recommendation", CIKM 2021.

The mean over all items is estimated from negatives that a batch of users shares (see
`candgen.models.graph_learning.learning`), and the sum over near items from one of them, drawn for
each event anew, as likely as its o_ij. Both are right in expectation. The authors' penalty on all
vectors is `l2` here, which a row pays when a step reads it. Theirs start near 0 and need many steps
to push all scores down to the level at which positives and negatives are in balance; ours start at
that level, in the first coordinate, since few steps are enough for the rest but not for both.

A user who was not trained on minimizes the same loss, exactly, with the items still.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.checks import Count, NotNegative, Positive
from candgen.datasets import Dataset
from candgen.models.factorization.logistic_rows import solve_logistic
from candgen.models.graph_learning.learning import (
    Batch,
    GraphGenerator,
    GraphLearner,
    GraphSettings,
    degrees_of_items,
)
from candgen.models.slopes import softplus
from candgen.spaces import Real, Whole


class UltraGCNSettings(GraphSettings):
    """Settings of UltraGCN."""

    spread: Positive = 0.01
    epochs: Annotated[Count, Whole(10, 200, log=True)] = 40
    learning_rate: Annotated[Positive, Real(0.003, 0.1, log=True)] = 0.015
    positive_base: NotNegative = 0.0
    """w1: weight of an event, whatever the degrees."""
    positive_beta: NotNegative = 1.0
    """w2: weight of b_ui in an event's weight, which is smaller for popular items."""
    negative_base: NotNegative = 0.0
    """w3: weight of a negative, whatever the degrees."""
    negative_beta: NotNegative = 1.0
    """w4: weight of b_uj in a negative's weight."""
    negative_weight: Annotated[NotNegative, Real(3.0, 1000.0, log=True)] = 300.0
    """Weight of all negatives of an event together."""
    near: Annotated[Count, Whole(2, 50, log=True)] = 10
    """Near items of an item that a user of it is drawn to, too."""
    item_weight: Annotated[NotNegative, Real(0.0, 4.0)] = 1.0
    """Weight of near items; 0: none are computed."""


class UltraLearner(GraphLearner):
    """The loss of UltraGCN."""

    def __init__(self, dataset: Dataset, settings: UltraGCNSettings) -> None:
        super().__init__(dataset, settings)
        self.settings = settings
        degrees = np.diff(self.train.indptr).astype(np.float64)
        self._of_users = (np.sqrt(degrees + 1) / np.maximum(degrees, 1)).astype(np.float32)
        self._of_items = (1 / np.sqrt(degrees_of_items(self.train) + 1)).astype(np.float32)
        if settings.item_weight:
            self._near, self._omega = near_items(self.train, settings.near)
            self._up_to = np.cumsum(self._omega, axis=1)
        if self.n_examples:
            self._begin_in_balance()

    def learn_batch(
        self, batch: Batch, shared: NDArray[np.int32], rng: np.random.Generator
    ) -> float:
        users, items = self.tables["users"], self.tables["items"]
        wanted, rows, starts, pulls = self._pulls(batch, rng)
        queries, against = users.gather(batch.users), items.gather(shared)
        found, places = np.unique(wanted, return_inverse=True)
        targets = items.gather(found)
        positive = softplus(-np.einsum("nd,nd->n", queries[rows], targets[places]))
        negative = softplus(queries @ against.T)  # (users, n_negatives)
        pushes = self._pushes(batch, shared)
        slopes = pushes * negative.slopes
        shape = (len(queries), len(found))
        pull = csr_array((-pulls * positive.slopes, places, starts), shape=shape)
        users.add(batch.users, pull @ targets + slopes @ against)
        items.add(found, pull.T @ queries)
        items.add(shared, slopes.T @ queries)
        return float(pulls @ positive.losses + np.vdot(pushes, negative.losses))

    def _pulls(self, batch: Batch, rng: np.random.Generator) -> tuple[NDArray, ...]:
        """Return items that users are drawn to, their rows, where a row begins, and weights."""
        chosen, wanted, rows, starts = self.settings, batch.items, batch.rows, batch.starts
        betas = self._of_users[batch.users][rows] * self._of_items[wanted]
        pulls = chosen.positive_base + chosen.positive_beta * betas
        if chosen.item_weight:
            near, strength = self._drawn(wanted, rng)
            wanted, rows = np.column_stack([wanted, near]).ravel(), np.repeat(rows, 2)
            starts = 2 * starts
            pulls = np.column_stack([pulls, chosen.item_weight * strength]).ravel()
        return wanted, rows, starts, (pulls * batch.weights[rows]).astype(np.float32)

    def _pushes(self, batch: Batch, shared: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the weight of each negative for each user, shape `(users, n_negatives)`."""
        chosen = self.settings
        each = chosen.negative_weight / len(shared) * batch.weights * batch.counts
        of_users = chosen.negative_beta * each * self._of_users[batch.users]
        found = np.multiply.outer(of_users, self._of_items[shared])
        return (found + chosen.negative_base * each[:, None]).astype(np.float32)

    def _drawn(
        self, items: NDArray[np.int32], rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Draw a near item for each of some items, and return the sum of their o_ij beside it."""
        strength = self._up_to[items, -1]
        drawn = rng.random(len(items), dtype=np.float32) * strength
        places = (self._up_to[items] <= drawn[:, None]).sum(axis=1)
        last = np.minimum(places, self._near.shape[1] - 1)
        return self._near[items, last], strength

    def learned_vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.tables["users"].rows, self.tables["items"].rows

    def folded(self, histories: csr_array) -> NDArray[np.float32]:
        chosen = self.settings
        items = self.learned_vectors()[1].astype(np.float64)
        start = self.tables["users"].rows[self.learned_users].mean(axis=0)
        ridge = max(chosen.l2 * chosen.batch_size / self._scale, 1e-6)
        found = np.zeros((histories.shape[0], chosen.dim))
        for row in np.flatnonzero(np.diff(histories.indptr)):
            own = histories.indices[histories.indptr[row] : histories.indptr[row + 1]]
            betas = np.sqrt(len(own) + 1) / len(own) * self._of_items.astype(np.float64)
            pulls = np.zeros(len(items))
            pulls[own] = chosen.positive_base + chosen.positive_beta * betas[own]
            if chosen.item_weight:
                np.add.at(pulls, self._near[own], chosen.item_weight * self._omega[own])
            pushes = chosen.negative_base + chosen.negative_beta * betas
            pushes *= len(own) * chosen.negative_weight / self.learned_items.sum()
            pushes[~self.learned_items] = 0
            weights = pulls + pushes
            wanted = np.divide(pulls, weights, out=np.zeros_like(weights), where=weights > 0)
            found[row] = start
            solve_logistic(items, weights, wanted, ridge, found[row], np.arange(chosen.dim))
        return found.astype(np.float32)

    def _begin_in_balance(self) -> None:
        """Let all scores start where positives and negatives pull alike."""
        chosen, counts = self.settings, np.diff(self.train.indptr)
        events = self.train.indices
        near = chosen.item_weight * self._up_to[events, -1].mean() if chosen.item_weight else 0
        of_users = np.repeat(self._of_users, counts)
        pull = chosen.positive_base + near
        pull += chosen.positive_beta * (of_users * self._of_items[events]).mean()
        of_items = self._of_items[self.learned_items].mean()
        push = chosen.negative_base + chosen.negative_beta * of_users.mean() * of_items
        push *= chosen.negative_weight
        level = np.log(pull / push) if min(pull, push) > 0 else 0.0
        root = np.sqrt(abs(level))
        self.tables["users"].rows[:, 0] += root
        self.tables["items"].rows[:, 0] += np.sign(level) * root


def near_items(train: csr_array, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `k` near items of each item and their o_ij, each of shape `(n_items, k)`.

    Where an item shares users with fewer others, it stands for them itself, with an o_ij of 0.
    """
    import numba

    from candgen.models.items.regression_kernels import strongest_walks
    from candgen.models.items.sparse import entries

    n_users, n_items = train.shape
    degrees = degrees_of_items(train)
    totals = train.T @ np.diff(train.indptr).astype(np.float64)  # g
    weights = np.maximum(totals, 1) ** -0.5
    shape = (n_items, min(k, n_items))
    found, counts = np.full(shape, -1, np.int32), np.full(shape, -np.inf, np.float32)
    threads = numba.get_num_threads()
    strongest_walks(*entries(train), np.ones(n_users), weights, threads, found, counts)
    scale = np.sqrt(totals) / np.maximum(totals - degrees, 1)
    omega = np.where(found >= 0, counts, 0) * scale[:, None]
    near = np.where(found >= 0, found, np.arange(n_items, dtype=np.int32)[:, None])
    return near, omega.astype(np.float32)


class UltraGCN(GraphGenerator):
    """Vectors of users and items that satisfy the fixed point of a graph network.

    Attributes:
        history_: One `Epoch` a pass over the users.
    """

    name = "UltraGCN"
    Settings = UltraGCNSettings
    chosen: UltraGCNSettings

    def _learner(self, dataset: Dataset) -> UltraLearner:
        return UltraLearner(dataset, self.chosen)
