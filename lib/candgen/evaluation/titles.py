"""Titles of one user's candidates and history, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from candgen.columns import ITEM, RANK, TIMESTAMP, USER, USER_ID
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


def known_of(dataset: Dataset, user: int, *, most: int = 3) -> dict[str, str]:
    """Put in words what is known of a user when candidates are asked for.

    Returns:
        `columns` of the users table, the last `searches` and the titles of the last events of the
        `history`; "nothing" where there is none.
    """
    names = [name for name in dataset.users if name not in (USER, USER_ID)]
    columns = [f"{name} {dataset.users[name].iloc[user]}" for name in names]
    searches, history = pd.DataFrame({USER: []}), dataset.train
    if dataset.has("searches"):
        searches = _last(dataset.known("searches"), user, most)
    taken = dataset.titles[_last(history, user, most)[ITEM].to_numpy()]
    said = {"columns": columns, "searches": searches.get("query", []), "history": taken}
    return {what: ", ".join(values) or "nothing" for what, values in said.items()}


def _last(events: pd.DataFrame, user: int, most: int) -> pd.DataFrame:
    own = events[events[USER] == user]
    return (own.sort_values(TIMESTAMP, kind="stable") if TIMESTAMP in own else own).tail(most)
