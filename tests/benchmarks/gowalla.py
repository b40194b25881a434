"""The Gowalla benchmark's training matrix, read from CANDGEN_TEST_DATA."""

import os
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

ROOT = Path(__file__).resolve().parents[2]


def train_matrix() -> csr_array:
    """Return ones where a user was at a place, shape (29858, 40981)."""
    data = Path(os.environ.get("CANDGEN_TEST_DATA", ROOT.parent / "shared" / "data"))
    rows = [
        np.fromstring(line, dtype=np.int64, sep=" ")
        for line in (data / "gowalla" / "train.txt").read_text().splitlines()
    ]
    users = np.repeat([row[0] for row in rows], [len(row) - 1 for row in rows])
    items = np.concatenate([row[1:] for row in rows])
    matrix = csr_array((np.ones(len(items), dtype=np.float32), (users, items)), dtype=np.float32)
    matrix.resize((29858, 40981))
    return matrix
