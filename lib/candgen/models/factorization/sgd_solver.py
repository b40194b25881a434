"""Stochastic gradient descent on the objectives of matrix factorization.

The squared objective is that of `candgen.models.factorization.wals_solver`, term by term, so both
solvers can be measured by the same function. A batch holds observed pairs; each brings its share of
its user's and its item's penalty, so that an epoch adds up to the whole objective. The pull of all
pairs towards 0 is counted in one of two ways:

- "gravity" exactly, by the Gram matrices of users and items, at a cost of dim^2 a row
  (W. Krichene et al., "Efficient training on very large corpora via Gramian estimation", ICLR 2019;
  we keep the Gram matrices current instead of estimating them);
- "sampled", by pairs drawn uniformly from all pairs, seen or not, each weighing so much that the
  expected gradient is the exact one.

Adam (D. Kingma, J. Ba, ICLR 2015) and Adagrad (J. Duchi, E. Hazan, Y. Singer, JMLR 2011) update
only rows that occur in the batch. The learning rate falls in a straight line to 0, which lets the
noise of the batches die out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candgen.errors import DataError
from candgen.models.factorization.wals_solver import Observed, Penalty
from candgen.models.threads import one_blas_thread
from candgen.training.compile_time import Stopwatch
from candgen.training.watching import Looks


class Epoch(NamedTuple):
    """One pass over the observed pairs."""

    epoch: int  # 0 is the start
    objective: float
    seconds: float  # of the pass alone


class Descent(NamedTuple):
    """Settings of the descent."""

    epochs: int
    learning_rate: float  # of the first batch; it falls to 0 over all epochs
    batch_size: int  # observed pairs
    optimizer: Literal["adam", "adagrad"] = "adam"
    unobserved: Literal["gravity", "sampled"] = "gravity"
    n_negatives: int = 4  # pairs drawn for each observed one, where they are sampled
    logistic: bool = False


class Side(NamedTuple):
    """Users, or items, while they learn."""

    vectors: NDArray[np.float32]  # (n, dim)
    moments: NDArray[np.float32]
    squares: NDArray[np.float32]
    steps: NDArray[np.int32]  # (n,)
    free: NDArray[np.float32]  # (dim,), 0 for a column that stays as it is
    penalties: NDArray[np.float32]  # (n,)
    counts: NDArray[np.int64]  # (n,), observed pairs

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.float32],
        penalties: NDArray[np.float32],
        counts: NDArray[np.int64],
        frozen: tuple[int, ...] = (),
    ) -> Side:
        """Begin with vectors that were never updated."""
        free = np.ones(vectors.shape[1], dtype=np.float32)
        free[list(frozen)] = 0
        none = np.zeros_like(vectors)
        return cls(
            vectors, none, none.copy(), np.zeros(len(vectors), np.int32), free, penalties, counts
        )


def descend(
    by_user: Observed,
    users: Side,
    items: Side,
    penalty: Penalty,
    settings: Descent,
    measure: Callable[[], float],
    rng: np.random.Generator,
    name: str = "Gradient descent",
    looks: Looks | None = None,
) -> list[Epoch]:
    """Improve the vectors of both sides in place.

    Args:
        by_user: Observed pairs of each user.
        users: Vectors and penalties of users.
        items: Vectors and penalties of items.
        penalty: Its w0 is used here; `users` and `items` bring the penalties of their rows.
        settings: How to descend.
        measure: Returns the objective of the vectors as they are; its time is not counted.
        rng: For the order of pairs and the pairs drawn.
        name: For messages.
        looks: What looks at the vectors after each epoch; its time is not counted.

    Returns:
        The objective at the start and after each epoch.

    Raises:
        DataError: If the objective is no longer a finite number.
    """
    from candgen.models.factorization.sgd_kernels import run_epoch

    n_pairs = len(by_user.columns)
    pair_users = np.repeat(np.arange(len(by_user.counts()), dtype=np.int32), by_user.counts())
    w0, draws, drawn_weight = penalty.unobserved_weight, 0, 0.0
    known_users, known_items = (
        np.flatnonzero(side.counts).astype(np.int32) for side in (users, items)
    )
    if w0 > 0 and n_pairs and (settings.logistic or settings.unobserved == "sampled"):
        draws = settings.n_negatives
        drawn_weight = w0 * len(known_users) * len(known_items) / (n_pairs * draws)
    batches = -(-n_pairs // settings.batch_size)
    fall = settings.learning_rate / max(1, batches * settings.epochs)
    history = [Epoch(0, measure(), 0.0)]
    with one_blas_thread():
        for epoch in range(1, settings.epochs + 1):
            clock = Stopwatch()
            run_epoch(
                rng.permutation(n_pairs),
                pair_users,
                by_user.columns,
                by_user.weights,
                by_user.values,
                rng.choice(known_users, n_pairs * draws) if draws else known_users[:0],
                rng.choice(known_items, n_pairs * draws) if draws else known_items[:0],
                draws,
                np.float32(drawn_weight),
                *users,
                *items,
                np.float32(0 if draws else w0),
                settings.logistic,
                settings.optimizer == "adam",
                settings.batch_size,
                np.float32(settings.learning_rate - fall * batches * (epoch - 1)),
                np.float32(fall),
            )
            seconds = clock.read().seconds
            history.append(Epoch(epoch, measure(), seconds))
            if not np.isfinite(history[-1].objective):
                heaviest = by_user.weights.max(initial=0)
                raise DataError(
                    f"{name}: the objective is no longer a number after epoch {epoch}: "
                    f"training diverged. Lower learning_rate (it is {settings.learning_rate:g}) or "
                    f"the weights of observed pairs (up to {heaviest:g})."
                )
            if looks is not None:
                looks.after(epoch, users.vectors, items.vectors)
    return history


def initial_vectors(
    n: int, dim: int, counts: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw vectors of standard deviation 0.1 / sqrt(dim); zeros for rows without observations."""
    vectors = np.float32(0.1 / np.sqrt(dim)) * rng.standard_normal((n, dim), dtype=np.float32)
    vectors[counts == 0] = 0
    return vectors
