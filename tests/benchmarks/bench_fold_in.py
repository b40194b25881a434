"""Folding in one new user of Gowalla, against training all users once more with the items still.

Both end at the same vector. Ours is the time of one call for one user, the median of many; the
product of the items with themselves, which all users share, is made by the first call and kept.
"""

import time

import numpy as np
from gowalla import train_matrix
from scipy.sparse import csr_array

from candgen.models import WALS
from candgen.models.wals_solver import Observed, solve_rows

N_NEW = 200


def measure(seen, dim: int) -> dict:
    old = csr_array(seen[N_NEW:])
    model = WALS(dim=dim, epochs=3)
    model.fit_matrix(old)
    began = time.perf_counter()
    model.fold_in(seen[[0]])
    first = time.perf_counter() - began
    spent, folded = [], []
    for user in range(N_NEW):
        row = seen[[user]]
        began = time.perf_counter()
        folded.append(model.fold_in(row)[0])
        spent.append(time.perf_counter() - began)
    everybody = np.zeros((seen.shape[0], dim), dtype=np.float32)
    began = time.perf_counter()
    solve_rows(Observed.of(seen), model._items, model._penalty, everybody)
    again = time.perf_counter() - began
    apart = np.abs(np.array(folded) - everybody[:N_NEW]).max()
    median, slow = np.median(spent), np.quantile(spent, 0.99)
    return {
        "benchmark": f"fold-in: one user, {dim} dimensions",
        "ours": 1000 * median,
        "other": 1000 * again,
        "ratio": again / median,
        "unit": "ms",
        "note": f"99 % within {1000 * slow:.2f} ms, the first {1000 * first:.1f} ms; "
        f"vectors differ by {apart:.1e} at most",
    }


def run() -> list[dict]:
    """Measure at 64 and at 128 dimensions."""
    seen = csr_array(train_matrix())
    return [measure(seen, dim) for dim in (64, 128)]
