"""LightGCN: vectors of users and items, smoothed over their graph before they are compared.

With the matrix of training events R, degrees d_u and d_i, R~_ui = R_ui / sqrt(d_u d_i), and tables
U0 and I0 that are learned, the layers and the vectors are

    U_l = R~ I_(l-1),    I_l = R~' U_(l-1),    U = mean of U_0 .. U_L,    I likewise.

X. He, K. Deng, X. Wang, Y. Li, Y. Zhang, M. Wang, "LightGCN: Simplifying and powering graph
convolution network for recommendation", SIGIR 2020. Theirs learns by BPR, from one negative for
each of 2,048 events a step. Ours learns by the softmax of a positive among the negatives that a
batch of users shares, over cosines divided by `temperature`, as J. Wu, X. Wang, X. Gao, J. Chen, H.
Fu, T. Qiu, X. He, "On the effectiveness of sampled softmax loss for item recommendation", TOIS
2024, do with the same network; it needs far fewer steps.

The smoothing is linear and symmetric, so that the gradient of the tables is the smoothed gradient
of the vectors: a step costs 4 L products with R~, whatever the number of users in it. Therefore
steps are large.

A user who was not trained on has no row of U0 and is the sum of the layers of its items.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array

from candgen.checks import Count, Positive
from candgen.datasets import Dataset
from candgen.models.base import unit_rows
from candgen.models.graph_learning.learning import (
    Batch,
    GraphGenerator,
    GraphLearner,
    GraphSettings,
    degrees_of_items,
)
from candgen.spaces import Real, Whole

_LEAST_TEMPERATURE = 0.03  # exp(-2 / temperature) is still a number in single precision


class LightGCNSettings(GraphSettings):
    """Settings of LightGCN."""

    layers: Annotated[Count, Whole(1, 4)] = 3
    """Times that vectors are smoothed over the graph."""
    temperature: Annotated[float, Field(ge=_LEAST_TEMPERATURE), Real(0.05, 0.3, log=True)] = 0.1
    """Cosines are divided by it."""
    epochs: Annotated[Count, Whole(10, 200, log=True)] = 30
    learning_rate: Annotated[Positive, Real(0.003, 0.1, log=True)] = 0.03


class LightLearner(GraphLearner):
    """Layers without weights of their own, and the softmax."""

    def __init__(self, dataset: Dataset, settings: LightGCNSettings) -> None:
        super().__init__(dataset, settings)
        self.settings = settings
        of_users = _inverse_roots(np.diff(self.train.indptr))
        self._of_items = _inverse_roots(degrees_of_items(self.train))
        normalized = diags_array(of_users) @ self.train @ diags_array(self._of_items)
        self._graph = normalized.astype(np.float32).tocsr()
        self._turned = self._graph.T.tocsr()

    def learn_batch(
        self, batch: Batch, shared: NDArray[np.int32], rng: np.random.Generator
    ) -> float:
        users, items = self._smoothed(*(table.rows for table in self.tables.values()))
        queries, lengths = _unit(users[batch.users])
        found, places = np.unique(np.concatenate([batch.items, shared]), return_inverse=True)
        vectors, lengths_of_items = _unit(items[found])
        wanted, against = places[: len(batch.items)], vectors[places[len(batch.items) :]]
        # Cosines are 1 at most, so exponentials of (cosine - 1) / temperature never overflow.
        cold = np.float32(1 / self.settings.temperature)
        scores = np.einsum("nd,nd->n", queries[batch.rows], vectors[wanted])
        positive = np.exp(cold * (scores - 1))
        negative = np.exp(cold * (queries @ against.T - 1))  # (users, n_negatives)
        others = negative.sum(axis=1)
        whole = positive + others[batch.rows]
        each = cold * batch.weights
        inverse = np.bincount(batch.rows, 1 / whole, minlength=len(queries))
        pulls = (each[batch.rows] * (positive / whole - 1)).astype(np.float32)
        pushes = negative * (each * inverse).astype(np.float32)[:, None]
        pull = csr_array((pulls, (batch.rows, wanted)), shape=(len(queries), len(found)))
        of_queries = pull @ vectors + pushes @ against
        of_vectors = pull.T @ queries
        np.add.at(of_vectors, places[len(batch.items) :], pushes.T @ queries)
        slopes = np.zeros_like(users), np.zeros_like(items)
        np.add.at(slopes[0], batch.users, _slopes_of_rows(of_queries, queries, lengths))
        slopes[1][found] = _slopes_of_rows(of_vectors, vectors, lengths_of_items)
        for table, slope in zip(self.tables.values(), self._smoothed(*slopes), strict=True):
            table.add(np.arange(len(table)), slope)
        return float(batch.weights[batch.rows] @ (np.log(whole) - cold * (scores - 1)))

    def _smoothed(
        self, users: NDArray[np.float32], items: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the mean of the layers of two tables."""
        of_users, of_items = users.copy(), items.copy()
        for _ in range(self.settings.layers):
            users, items = product(self._graph, items), product(self._turned, users)
            of_users += users
            of_items += items
        share = np.float32(1 / (1 + self.settings.layers))
        return of_users * share, of_items * share

    def learned_vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        users, items = self._smoothed(*(table.rows for table in self.tables.values()))
        return unit_rows(users), unit_rows(items)

    def folded(self, histories: csr_array) -> NDArray[np.float32]:
        users, items = (table.rows for table in self.tables.values())
        total = np.zeros_like(items)
        for _ in range(self.settings.layers):
            total += items
            users, items = product(self._graph, items), product(self._turned, users)
        return unit_rows(histories @ (total * self._of_items[:, None]))


class LightGCN(GraphGenerator):
    """Vectors of users and items that are smoothed over their graph.

    Attributes:
        history_: One `Epoch` a pass over the users.
    """

    name = "LightGCN"
    similarity = "cosine"
    Settings = LightGCNSettings
    chosen: LightGCNSettings

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        layers = 20 * self.dim * (n_users + n_items)
        return super()._bytes_of_model(n_users, n_items, n_events) + layers

    def _bytes_of_step(self, n_items: int) -> float:
        return 12 * self.batch_size * self.n_negatives

    def _learner(self, dataset: Dataset) -> LightLearner:
        return LightLearner(dataset, self.chosen)


def _unit(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return rows of length 1 and their lengths before, shape `(n, 1)`."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.float32(1e-12)), lengths


def _slopes_of_rows(
    slopes: NDArray[np.float32], unit: NDArray[np.float32], lengths: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the slopes of rows from those of the same rows at length 1."""
    along = np.einsum("nd,nd->n", slopes, unit)[:, None]
    return (slopes - along * unit) / np.maximum(lengths, np.float32(1e-12))


def product(matrix: csr_array, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply a sparse matrix by vectors of any length, as many columns at once as compiled."""
    from candgen.models.graph_filters import kernels

    out = np.empty((matrix.shape[0], vectors.shape[1]), dtype=np.float32)
    for start in range(0, vectors.shape[1], kernels.WIDTH):
        part = vectors[:, start : start + kernels.WIDTH]
        width = part.shape[1]
        columns = np.ascontiguousarray(np.pad(part, ((0, 0), (0, kernels.WIDTH - width))))
        out[:, start : start + width] = kernels.product(matrix, columns)[:, :width]
    return out


def _inverse_roots(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    roots = np.sqrt(counts, dtype=np.float64)
    return np.divide(1, roots, out=np.zeros_like(roots), where=counts > 0).astype(np.float32)
