"""Folding in one new user, against training all users once more with the items still.

Both end at the same vector. Ours is the time of one call for one user: the median of many, and what
99 of a hundred stay within, beside the 5 ms that somebody who waits for candidates can spare.
"""

import time

import numpy as np
from data import gowalla
from scipy.sparse import csr_array

from candgen.models import WALS
from candgen.models.factorization.wals_solver import Observed, solve_rows

N_NEW, SPARE = 1_000, 5.0  # users; milliseconds


def measure(seen, data: str, dim: int) -> list[dict]:
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
    median, slow = 1000 * np.median(spent), 1000 * np.quantile(spent, 0.99)
    name = f"fold-in: one user, {dim} dimensions"
    return [
        {
            "benchmark": name,
            "ours": median,
            "other": 1000 * again,
            "ratio": 1000 * again / median,
            "unit": "ms",
            "note": f"{data}, the first {1000 * first:.2f} ms; vectors differ by {apart:.1e} at "
            "most; other: everybody, once",
        },
        {
            "benchmark": f"{name}, 99 of 100",
            "ours": slow,
            "other": SPARE,
            "ratio": SPARE / slow,
            "unit": "ms",
            "note": f"{data}, {N_NEW:,} users; the slowest {1000 * max(spent):.2f} ms; other: the "
            "aim",
        },
    ]


def run() -> list[dict]:
    """Measure at 64 and at 128 dimensions."""
    seen, data = gowalla()
    return [row for dim in (64, 128) for row in measure(seen, data, dim)]
