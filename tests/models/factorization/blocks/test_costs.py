"""Tests of the cost model: what it counts, and that docs/scale.md shows what it computes."""

import re
import tracemalloc
from contextlib import ExitStack

import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.models import WALS
from candgen.models.factorization.blocks.costs import (
    MEASURED_ON,
    Rates,
    cost_table,
    estimate,
    ranking_seconds,
)

# Every part of the work takes a second a unit, or nothing: what is left is the count.
NOTHING = Rates(((1.0, 0.0), (2.0, 0.0)), 0, 0, 0, 0, 0, 0)
SIZES = [(10**8, 10**6, 10**5), (10**9, 10**7, 10**6), (10**10, 10**8, 10**7)]
WORKERS = [(2, 8), (16, 8), (64, 8)]


def counted(n_workers=1, threads=1, **one):
    rates = NOTHING._replace(**one)
    return estimate(10, 4, 100, 2, n_workers, threads=threads, rates=rates)


def test_passes_over_the_pairs_are_counted():
    # 100 pairs of 2 dimensions: 4 passes for the items, 4 for the users and 1 for the errors.
    assert counted(pairs=((1.0, 1.0), (2.0, 1.0))).seconds == 100 * 2 * 9


def test_products_of_rows_and_of_tables_are_counted():
    assert counted(rows=1.0).seconds == (10 + 4) * 2**2 * 4
    both = counted(grams=1.0)
    assert both.seconds == both.serial_seconds == (10 + 4) * 2**2


def test_files_are_counted_as_pairs_vectors_and_tables():
    side = (10 + 4) * 2 * 4
    assert counted(files=1.0).seconds == counted().file_bytes == 2 * 100 * 4 + 3 * side


def test_each_further_worker_gets_both_tables_once():
    side = (10 + 4) * 2 * 4
    assert [counted(n).sent_bytes for n in (1, 2, 5)] == [0, side, 4 * side]
    assert [counted(n, sending=1.0).serial_seconds for n in (1, 2, 5)] == [0, side, 3 * side]


def test_workers_and_threads_share_what_is_not_serial():
    one, shared = counted(rows=1.0), counted(2, 3, rows=1.0)
    assert shared.seconds == pytest.approx(one.seconds / 6 * (1 + 1 / 16))
    assert counted(2, 3, grams=1.0).seconds == counted(grams=1.0).seconds


def test_a_worker_holds_the_larger_side_and_a_block():
    alone, more = (estimate(10**6, 10**5, 10**8, 128, n) for n in (1, 4))
    side = 10**6 * 128 * 4
    assert alone.worker_bytes - more.worker_bytes == pytest.approx(
        (side + 10**8 * 12) / 8 * (1 - 1 / 4)
    )
    assert more.worker_bytes > side
    assert alone.driver_bytes == more.driver_bytes > 10**8 * 40 + 1.1 * side


def test_the_rate_of_pairs_depends_on_the_size_of_the_table():
    rates = NOTHING._replace(pairs=((100.0, 1.0), (10_000.0, 3.0)))
    found = [rates.pair(size) for size in (1, 100, 1_000, 10_000, 10**9)]
    assert found == pytest.approx([1, 1, 2, 3, 3])


def test_ranking_is_shared_out_after_the_items_have_been_sent():
    rates = NOTHING._replace(scores=1.0, sending=1.0)
    assert ranking_seconds(6, 5, 2, 2, threads=3, rates=rates) == 6 * 5 * 2 / 6 + 5 * 2 * 4


def test_the_page_on_scale_shows_what_the_model_computes(root):
    page = (root / "docs" / "scale.md").read_text()
    shown = re.search(r"<!-- costs -->\n(.*?)<!-- end of costs -->", page, re.S)
    assert shown, "docs/scale.md has no table between <!-- costs --> and <!-- end of costs -->"
    assert shown[1] == cost_table(SIZES, 128, WORKERS)
    assert MEASURED_ON in " ".join(page.split())


def test_the_calling_process_holds_what_the_model_says():
    rng = np.random.default_rng(0)
    users, items = (rng.integers(0, 900, 300_000, dtype=np.int32) for _ in range(2))
    matrix = csr_array((np.ones(len(users), np.float32), (users, items)), shape=(900, 900))
    matrix.sum_duplicates()
    with ExitStack() as ends:
        tracemalloc.start()
        ends.callback(tracemalloc.stop)
        WALS(dim=2)._sweeps(matrix, None, None, ends)
        held = tracemalloc.get_traced_memory()[1] + matrix.data.nbytes + matrix.indices.nbytes
    said = (
        estimate(900, 900, matrix.nnz, 2, 1).driver_bytes - estimate(900, 900, 0, 2, 1).driver_bytes
    )
    assert held == pytest.approx(said, rel=0.1)
