"""One epoch of weighted matrix factorization on Gowalla or its like, against `implicit`.

Both minimize the same function from the same start: confidence c at the value 1 for observed
pairs, 1 at the value 0 for all others, and a flat penalty. Our objective counts w0 = 1 over all
pairs, so there an observed pair has weight c - 1 and value c / (c - 1). Both take three steps of
conjugate gradients a row.
"""

import time
import warnings

import numpy as np
from data import gowalla
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from candgen.models.factorization.wals_solver import Observed, Penalty, objective, solve_rows

EPOCHS, CONFIDENCE, REGULARIZATION = 6, 10.0, 5.0


def ours(by_user, by_item, users, items, penalty) -> list[float]:
    """Improve the vectors in place; return the seconds of each epoch."""
    spent = []
    for _ in range(EPOCHS):
        began = time.perf_counter()
        solve_rows(by_user, items, penalty, users, solver="cg")
        solve_rows(by_item, users, penalty, items, solver="cg")
        spent.append(time.perf_counter() - began)
    return spent


def theirs(seen, users, items) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Return the seconds of each epoch, and the vectors."""
    from implicit.als import AlternatingLeastSquares

    ticks = []
    model = AlternatingLeastSquares(
        factors=users.shape[1], iterations=EPOCHS, regularization=REGULARIZATION, alpha=CONFIDENCE
    )
    model.user_factors, model.item_factors = users.copy(), items.copy()
    with threadpool_limits(1, user_api="blas"):  # as its authors advise
        model.fit(
            csr_matrix(seen), show_progress=False, callback=lambda _, spent, __: ticks.append(spent)
        )
    return ticks, model.user_factors, model.item_factors


def compare(seen, data: str, dim: int) -> dict:
    rng = np.random.default_rng(0)
    users, items = (
        0.1 / np.sqrt(dim) * rng.standard_normal((n, dim), dtype=np.float32) for n in seen.shape
    )
    users, items = users.astype(np.float32), items.astype(np.float32)
    weights, values = seen * (CONFIDENCE - 1), seen * (CONFIDENCE / (CONFIDENCE - 1))
    by_user = Observed.of(weights, values)
    by_item = Observed.of(weights.T.tocsr(), values.T.tocsr())
    penalty, counts = Penalty(1.0, REGULARIZATION, 0.0), by_item.counts()
    their_seconds, their_users, their_items = theirs(seen, users, items)
    our_seconds = ours(by_user, by_item, users, items, penalty)
    reached = objective(by_user, users, items, penalty, counts)
    their_reached = objective(by_user, their_users, their_items, penalty, counts)
    mine, other = np.median(our_seconds[1:]), np.median(their_seconds[1:])
    return {
        "benchmark": f"wals: one epoch, {dim} dimensions",
        "ours": mine,
        "other": other,
        "ratio": other / mine,
        "unit": "s",
        "note": f"{data}, objective after {EPOCHS} epochs from one start: ours {reached:,.0f}, "
        f"implicit {their_reached:,.0f}",
    }


def run() -> list[dict]:
    """Measure both in one process, at 64 and at 128 dimensions."""
    warnings.simplefilter("ignore")  # implicit asks for the limit that it gets
    seen, data = gowalla()
    return [compare(seen, data, dim) for dim in (64, 128)]
