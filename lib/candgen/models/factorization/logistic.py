"""Logistic matrix factorization: the probability of a binary label, by gradient descent.

With the score x_ui = level + b_u + b_i + <u, i> and a label y_ui of 0 or 1, the objective is

    sum over labelled (u, i) of w_ui (log(1 + e^x_ui) - y_ui x_ui)
    + w0 * sum over all (u, i) of log(1 + e^x_ui)
    + sum over users of r_u (|u|^2 + b_u^2) + sum over items of r_i (|i|^2 + b_i^2)

with r as in `candgen.models.factorization.wals_solver`. The labels have three meanings: engaged
after shown (1),
not engaged after shown (0), and not yet shown (no label; only the second sum speaks of it). Where a
dataset has no impressions, nobody knows what was shown, and events are the ones.

C. C. Johnson, "Logistic matrix factorization for implicit feedback data", NIPS 2014 workshop on
distributed machine learning, counts every pair without an event as a 0. We let w0 say how much.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, logit

from candgen.datasets import Dataset, feedback
from candgen.errors import DataError
from candgen.models.base import VectorGenerator
from candgen.models.factorization.logistic_rows import solve_logistic
from candgen.models.factorization.looking import looks_of
from candgen.models.factorization.settings import LogisticSettings
from candgen.models.factorization.sgd_solver import Descent, Side, descend, initial_vectors
from candgen.models.factorization.wals_solver import Observed, Penalty
from candgen.seeds import derive_seed
from candgen.training.watching import Looks

_EXTRA = 3  # columns after the vector: users (1, b_u, level), items (b_i, 1, 1)
_PAIRS_AT_ONCE = 1_000_000  # whose part of the objective is summed
_MOST_PAIRS = 2_000_000  # pairs up to which the second sum is exact; above, over every n-th user


class LogisticFactorization(VectorGenerator):
    """User and item vectors and biases whose sum is the log-odds of a 1.

    Attributes:
        history_: One `Epoch` a pass over the labelled pairs, with the objective.
    """

    name = "MF-logistic"
    Settings = LogisticSettings
    chosen: LogisticSettings
    folds_in = True
    gives_probabilities = True

    def probability(
        self, users: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Return the probability of a 1 for pairs of a user and an item, shape `(n_pairs,)`."""
        vectors = self.user_vectors(users), self.item_vectors()[self.checked_items(items)]
        return expit(np.einsum("nd,nd->n", *vectors))

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim + 3)`: vector, bias, 1, 1.

        Zeros for items never trained on.
        """
        self._known("known_items_")
        return self._items

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._users[users]

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        looked_at = 10 * (self.dim + _EXTRA) * min(n_events, _PAIRS_AT_ONCE)
        return 20 * self.dim * (n_users + n_items) + 48 * n_events + looked_at

    def _learned_numbers(self) -> dict[str, NDArray]:
        return super()._learned_numbers() | {"vectors of users": self._users}

    def _fit(self, dataset: Dataset) -> None:
        labels = labelled_pairs(dataset, dataset.train, self.labels)
        self.fit_matrix(labels, looks=looks_of(self, dataset))
        not_trained = np.flatnonzero(
            np.diff(self.history_matrix_.indptr) > np.diff(dataset.train_matrix.indptr)
        )
        if len(not_trained):
            known = pd.concat([dataset.train, dataset.table("fold_in")], ignore_index=True)
            labels = labelled_pairs(dataset, known, self.labels)
            self._users[not_trained] = self.fold_in(labels[not_trained])

    def fit_matrix(self, labels: csr_array, *, looks: Looks | None = None) -> None:
        """Learn from a matrix of labels; `fit` calls this with those of the training part.

        Args:
            labels: 1 or a stored 0 where a label is known, shape `(n_users, n_items)`.
            looks: What looks at the vectors after each epoch.
        """
        by_user, by_item = _observed(labels), _observed(labels.T.tocsr())
        n_users, n_items = labels.shape
        rng = np.random.default_rng(derive_seed(self.seed, "initial vectors"))
        known = (by_user.counts() > 0).sum(), (by_item.counts() > 0).sum()
        ones = float(labels.data.sum())
        total = labels.nnz + self.unobserved_weight * float(known[0]) * float(known[1])
        self.level_ = float(logit(np.clip(ones / max(total, 1), 1e-6, 1 - 1e-6)))
        dim, sides = self.dim, []
        for observed, n_others, extra, frozen in (
            (by_user, n_items, (1, 0, self.level_), (dim, dim + 2)),
            (by_item, n_users, (0, 1, 1), (dim + 1, dim + 2)),
        ):
            counts = observed.counts()
            vectors = np.zeros((len(counts), dim + _EXTRA), dtype=np.float32)
            vectors[:, :dim] = initial_vectors(len(counts), dim, counts, rng)
            vectors[counts > 0, dim:] = extra
            penalties = self._penalty.of_rows(observed, n_others)
            sides.append(Side.of(vectors, penalties, counts, frozen))
        users, items = sides
        self.history_ = descend(
            by_user,
            users,
            items,
            self._penalty,
            Descent(
                self.epochs,
                self.learning_rate,
                self.batch_size,
                self.optimizer,
                "sampled",
                self.n_negatives,
                logistic=True,
            ),
            lambda: logistic_objective(by_user, users, items, self.unobserved_weight),
            np.random.default_rng(derive_seed(self.seed, "order of pairs")),
            self.name,
            looks,
        )
        self._users, self._items = users.vectors, items.vectors

    def fold_in(self, labels: csr_array) -> NDArray[np.float32]:
        """Minimize over users from their labels, with the items still, by Newton's method.

        Args:
            labels: 1 or a stored 0 where a label is known, shape `(n, n_items)`.

        Returns:
            Vectors, shape `(n, dim + 3)`; zeros for a user without labels.
        """
        observed = _observed(labels)
        penalties = self._penalty.of_rows(observed, labels.shape[1])
        w0, dim = self.unobserved_weight, self.dim
        free = np.r_[np.arange(dim), dim + 1]
        items = self._items.astype(np.float64)
        every = items[self._items[:, dim + 1] == 1] if w0 else items[:0]
        solved = np.zeros((labels.shape[0], dim + _EXTRA))
        for row in np.flatnonzero(observed.counts()):
            own = slice(observed.starts[row], observed.starts[row + 1])
            taken, values = items[observed.columns[own]], observed.values[own]
            seen = np.vstack([taken, every])  # (n_labels + n_items, dim + 3)
            weights = np.r_[np.ones(len(taken)), np.full(len(every), w0)]
            wanted = np.r_[values, np.zeros(len(every))]
            solved[row, [dim, dim + 2]] = 1, self.level_
            ridge = 2 * max(penalties[row], 1e-6)
            solve_logistic(seen, weights, wanted, ridge, solved[row], free)
        return solved.astype(np.float32)

    @property
    def _penalty(self) -> Penalty:
        return Penalty(self.unobserved_weight, self.regularization, self.frequency_power)


def labelled_pairs(
    dataset: Dataset, events: pd.DataFrame, labels: Literal["events", "impressions"] = "events"
) -> csr_array:
    """Return known labels, shape `(n_users, n_items)`: ones, and stored zeros.

    Args:
        dataset: Where impressions come from: those that models know.
        events: What was engaged with: the ones, whatever impressions say.
        labels: "impressions" adds a 0 for pairs that were shown and never engaged with.

    Raises:
        DataError: If the dataset has no impressions.
    """
    ones = dataset.matrix(events)
    if labels == "events":
        return ones
    if not dataset.has("impressions"):
        raise DataError(
            f"labels = 'impressions' needs a dataset that says what was shown; {dataset.name!r} "
            "has no table 'impressions'. Use labels = 'events', prepare the dataset with "
            "impressions_path, or take the invented world."
        )
    shown = feedback.labels(dataset.known("impressions"))
    in_vain = dataset.matrix(shown[shown[feedback.LABEL] == 0])
    known = (in_vain + 2 * ones).tocsr()  # 1 where only shown in vain, 2 or 3 where engaged
    known.data = (known.data > 1.5).astype(np.float32)
    known.sort_indices()
    return known


def logistic_objective(by_user: Observed, users: Side, items: Side, w0: float) -> float:
    """Return the objective over all pairs of known users and known items.

    Beyond two million pairs the second sum is estimated from every n-th user.
    """
    rows = np.repeat(np.arange(len(users.vectors)), by_user.counts())
    total = 0.0
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        pairs = users.vectors[rows[part]], items.vectors[by_user.columns[part]]
        x = np.einsum("nd,nd->n", *pairs).astype(np.float64)
        total += by_user.weights[part] @ (np.logaddexp(0, x) - by_user.values[part] * x)
    if w0:
        total += w0 * _softplus_of_all(
            users.vectors[users.counts > 0], items.vectors[items.counts > 0]
        )
    for side in (users, items):
        lengths = np.einsum("nd,d->n", side.vectors.astype(np.float64) ** 2, side.free)
        total += side.penalties @ lengths
    return float(total)


def _softplus_of_all(users: NDArray[np.float32], items: NDArray[np.float32]) -> float:
    nth = max(1, -(-len(users) * len(items) // _MOST_PAIRS))
    some, total = users[::nth], 0.0
    for start in range(0, len(some), 256):
        x = some[start : start + 256] @ items.T
        total += float((np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)).sum(dtype=np.float64))
    return total * len(users) / max(len(some), 1)


def _observed(labels: csr_array) -> Observed:
    ones = csr_array((np.ones_like(labels.data), labels.indices, labels.indptr), labels.shape)
    return Observed.of(ones, labels)
