"""Metrics per user over the workers of a cluster, in blocks of users."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.cluster import block_files
from candgen.evaluation import metrics

if TYPE_CHECKING:
    from candgen.cluster.workers import Cluster


def per_user_on(
    cluster: Cluster,
    items: NDArray[np.integer],
    held_out: csr_array,
    cutoffs: Sequence[int],
    *,
    graded: bool = False,
) -> pd.DataFrame:
    """Judge ranked lists against what was held out, over a cluster.

    Arguments, result and errors are those of `candgen.evaluation.metrics.per_user`.
    """
    edges = block_files.edges(len(items), cluster.n_workers)
    found: list[pd.DataFrame | None] = [None] * (len(edges) - 1)
    with cluster.job("judging") as folder:
        calls = []
        for first, end in pairwise(edges):
            path = folder / f"lists-{first}.npz"
            block_files.write(path, items=items[first:end], held_out=held_out[first:end])
            calls.append((str(path), tuple(cutoffs), graded))
        for place, block in cluster.each(_judge, calls):
            found[place] = block
    return pd.concat(found, ignore_index=True)


def _judge(path: str, cutoffs: tuple[int, ...], graded: bool) -> pd.DataFrame:
    """Judge the lists of one block, on a worker."""
    held = block_files.read(path)
    return metrics.per_user(held["items"], held["held_out"], cutoffs, graded=graded)
