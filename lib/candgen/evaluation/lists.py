"""Candidates of one user, as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from candgen.columns import RANK
from candgen.evaluation.judgement import Judgement

if TYPE_CHECKING:
    from candgen.datasets import Dataset

HIT = "✓ "


def titles_side_by_side(
    judgements: Sequence[Judgement], dataset: Dataset, user: int, *, k: int = 10
) -> pd.DataFrame:
    """Return the titles of a user's first `k` candidates, a column a generator.

    A tick marks what is held out for this user; empty places are empty text. The user is a dense
    id, and must be among those with candidates.
    """
    wanted = set(dataset.held_out_matrix[[user]].indices.tolist())
    columns = {}
    for judgement in judgements:
        items = judgement.candidates.for_users(np.array([user]))[0][:k]
        columns[judgement.generator] = pd.Series(
            [_line(dataset, int(item), int(item) in wanted) for item in items], dtype=object
        )
    table = pd.DataFrame(columns).fillna("")
    table.index = pd.RangeIndex(1, len(table) + 1, name=RANK)
    return table


def _line(dataset: Dataset, item: int, hit: bool) -> str:
    return "" if item < 0 else f"{HIT if hit else ''}{dataset.titles[item]}"
