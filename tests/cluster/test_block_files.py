"""Tests of the files that blocks of a job are sent in."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from candgen.cluster import block_files


def test_arrays_and_sparse_matrices_come_back_under_their_names(tmp_path):
    matrix = csr_array(np.array([[0, 2.0], [0, 0], [3, 0]]))
    block_files.write(tmp_path / "one.npz", some=np.arange(3), absent=None, matrix=matrix)
    held = block_files.read(tmp_path / "one.npz")
    assert set(held) == {"some", "matrix"} and held["some"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(held["matrix"].toarray(), matrix.toarray())


def test_objects_are_neither_written_nor_read(tmp_path):
    np.savez(tmp_path / "one.npz", evil=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        block_files.read(tmp_path / "one.npz")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        block_files.write(tmp_path / "two.npz", evil=np.array([object()], dtype=object))


@pytest.mark.parametrize(
    "n_rows, n_workers, multiple, expected",
    [
        (0, 2, 1, [0]),
        (5, 1, 1, [0, 1, 2, 3, 4, 5]),
        (100, 1, 32, [0, 32, 64, 96, 100]),
        (32, 4, 64, [0, 32]),
    ],
)
def test_blocks_cover_all_rows_once(n_rows, n_workers, multiple, expected):
    assert block_files.edges(n_rows, n_workers, multiple) == expected


@pytest.mark.parametrize("turned", [True, False])
def test_a_received_array_is_made_usable(turned):
    sent = np.arange(6, dtype=np.float32).reshape(2, 3)
    sent.flags.writeable = False
    given = sent.T if turned else sent
    made = block_files.usable(given)
    assert made.flags.writeable and made.flags.c_contiguous and made.tolist() == given.tolist()


def test_a_usable_array_is_not_copied():
    own = np.ones(3)
    assert block_files.usable(own) is own
