"""Tests of the files of one side; those over workers stand in tests/cluster/test_large_jobs.py."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.models.factorization.blocks import side
from candgen.models.factorization.wals_kernels import ROWS
from candgen.models.factorization.wals_solver import Observed


def observed(counts):
    starts = np.r_[0, np.cumsum(counts)].astype(np.int64)
    ones = np.ones(starts[-1], np.float32)
    return Observed(starts, np.zeros(starts[-1], np.int32), ones, ones)


def test_blocks_begin_where_the_solver_begins_its_own():
    edges = side.block_edges(observed(np.full(5_000, 3)), 16, n_workers=2)
    assert len(edges) == 17 and edges[0] == 0 and edges[-1] == 5_000
    assert all(edge % ROWS == 0 for edge in edges[:-1]) and list(edges) == sorted(set(edges))


def test_blocks_hold_about_equal_work_and_not_equal_rows():
    counts = np.r_[np.full(1_600, 1_000), np.full(100_000, 1)]
    edges = np.array(side.block_edges(observed(counts), 16, n_workers=1))
    starts = observed(counts).starts
    work = np.diff(starts[edges] + edges * 16 / 2)
    assert work.max() < 1.2 * work.mean()
    assert np.diff(edges)[0] < np.diff(edges)[-1] / 5


def test_many_pairs_are_cut_into_more_blocks_than_workers_need(monkeypatch):
    monkeypatch.setattr(side, "_MOST_PAIRS", 1_000)
    edges = side.block_edges(observed(np.full(6_400, 10)), 8, n_workers=1)
    assert len(edges) - 1 == 64


@pytest.mark.parametrize("n_rows", [0, 1, ROWS, ROWS + 1])
def test_few_rows_are_one_block_or_two(n_rows):
    edges = side.block_edges(observed(np.ones(n_rows, int)), 4, n_workers=2)
    assert edges == {0: (0, 0), 1: (0, 1), ROWS: (0, ROWS), ROWS + 1: (0, ROWS, ROWS + 1)}[n_rows]


@pytest.mark.parametrize("plain", [True, False])
def test_what_is_written_is_read_again(tmp_path, plain):
    rng = np.random.default_rng(0)
    weights = csr_array((rng.random((150, 20)) < 0.3) * (1.0 if plain else rng.random((150, 20))))
    given, vectors = Observed.of(weights), rng.standard_normal((150, 3), dtype=np.float32)
    written = side.Side.write(tmp_path, "users", given, vectors, n_workers=1)
    assert written.n_blocks > 2
    read = [side.read_pairs(written.pairs(block)) for block in range(written.n_blocks)]
    for field in ("columns", "weights", "values"):
        joined = np.concatenate([getattr(one, field) for one in read])
        np.testing.assert_array_equal(joined, getattr(given, field))
        assert joined.dtype == getattr(given, field).dtype
    assert {int(one.starts[0]) for one in read} == {0}
    np.testing.assert_array_equal(np.concatenate([one.counts() for one in read]), given.counts())
    np.testing.assert_array_equal(side.read_table(written, 0, 3), vectors)
    written.remove_vectors(0)
    assert all(path.name.endswith("-pairs.npz") for path in tmp_path.iterdir())
