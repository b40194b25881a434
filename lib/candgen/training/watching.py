"""A ranking metric on validation, computed outside the graph while a generator is trained.

Only the ranks of the held-out items are needed, so nothing is sorted: a held-out item's rank is
one more than the number of items that score higher, less those that the user already has.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.training import steps

MOST_USERS = 5000  # judged at a look; more would sharpen a value that only has to be compared
_CELLS = 4_000_000  # scores held at once


class Watch:
    """Measures recall or NDCG at a cut-off on the validation part of a dataset."""

    def __init__(
        self,
        dataset: Dataset,
        metric: str,
        k: int,
        *,
        offered: NDArray[np.bool_] | None = None,
        among: NDArray[np.bool_] | None = None,
        seed: int = 0,
    ) -> None:
        """Choose the users to watch.

        Args:
            dataset: Its history is learned from; its held-out items are looked for.
            metric: recall or ndcg.
            k: The cut-off.
            offered: Items that are ranked, shape `(n_items,)`; None ranks all. A held-out item
                that is not ranked counts as missed.
            among: Users who may be chosen, shape `(n_users,)`; None lets all be.
            seed: Of the choice of users where there are more than `MOST_USERS`.
        """
        seen, held_out = dataset.withheld_matrix, dataset.held_out_matrix
        wanted = (np.diff(dataset.history_matrix.indptr) > 0) & (np.diff(held_out.indptr) > 0)
        users = np.flatnonzero(wanted if among is None else wanted & among)
        if len(users) > MOST_USERS:
            rng = np.random.default_rng(seed)
            users = np.sort(rng.choice(users, MOST_USERS, replace=False))
        self.users, self.metric, self.k = users, metric, k
        self._seen, self._held_out = seen, held_out
        self._withheld = np.zeros(0, np.int64) if offered is None else np.flatnonzero(~offered)

    def measure(self, scores: Callable[[NDArray[np.int64]], NDArray[np.float32]]) -> float:
        """Return the mean over users; NaN if nobody can be looked at.

        Args:
            scores: Gives the scores of all items, shape `(n, n_items)`, for users `(n,)`.
        """
        values = np.empty(len(self.users))
        rows = max(1, _CELLS // self._seen.shape[1])
        for start in range(0, len(self.users), rows):
            users = self.users[start : start + rows]
            found = np.array(scores(users), dtype=np.float32)
            found[:, self._withheld] = -np.inf
            values[start : start + rows] = metric_of_ranks(
                found, self._seen[users], self._held_out[users], self.metric, self.k
            )
        return float(values.mean()) if len(values) else float("nan")


class Looks:
    """Looks at validation after epochs, for trainings that have a loop of their own.

    What is seen goes into the file of steps, by which a search stops poor trials.
    """

    def __init__(self, watch: Watch, name: str, epochs: int, every: int = 1) -> None:
        """Begin a training.

        Args:
            watch: What is measured.
            name: What is trained.
            epochs: Of the whole training; the last is always looked at.
            every: Epochs from one look to the next.
        """
        self.seen: list[tuple[int, float]] = []
        self._watch, self._epochs, self._every = watch, epochs, every
        self._known_as = steps.begin(name)

    def after(self, epoch: int, users: NDArray[np.float32], items: NDArray[np.float32]) -> None:
        """Look at the vectors of both sides after an epoch, from 1."""
        if epoch == self._epochs or epoch % self._every == 0:
            value = self._watch.measure(lambda some: users[some] @ items.T)
            self.seen.append((epoch, value))
            steps.write(self._known_as, self.seen)


def metric_of_ranks(
    scores: NDArray[np.float32], seen: csr_array, held_out: csr_array, metric: str, k: int
) -> NDArray[np.float64]:
    """Return recall or NDCG at k for each row of scores; ties count against the held-out item.

    Args:
        scores: Shape `(n, n_items)`.
        seen: Items that are not offered, of the same shape.
        held_out: Items to find, of the same shape, at least one a row; those also seen cannot be.
        metric: recall or ndcg.
        k: The cut-off.
    """
    from candgen.training.watching_kernels import sum_of_gains

    discounts = 1 / np.log2(np.arange(2, k + 2))
    gains = discounts if metric == "ndcg" else np.ones(k)
    lengths = np.diff(held_out.indptr)
    best = np.cumsum(discounts)[np.minimum(lengths, k) - 1] if metric == "ndcg" else lengths
    found = np.zeros(len(scores))
    scores = np.array(scores, dtype=np.float32)  # a copy, in which what was seen is put last
    sum_of_gains(scores, seen.indptr, seen.indices, held_out.indptr, held_out.indices, gains, found)
    return found / best
