"""Binary labels from impressions: 1 is shown and engaged, 0 is shown and not engaged.

Pairs of user and item without an impression have no label. A model that counts them as 0 makes an
assumption that the data does not contain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import ENGAGED, ITEM, USER
from candgen.errors import DataError

if TYPE_CHECKING:
    from candgen.datasets import Dataset

LABEL = "label"  # 1 or 0
MEANINGS = ("engaged after shown", "not engaged after shown", "not yet shown")
_SIGNS = ("1", "0", "?")
_MOST_CELLS = 100_000_000


def labels(impressions: pd.DataFrame) -> pd.DataFrame:
    """Return the label of each shown pair: 1 if the user ever engaged, else 0.

    Args:
        impressions: Columns `user`, `item` and `engaged`; a pair may be shown many times.

    Returns:
        One row a pair, `user`, `item`, `label` (int8), sorted by user and item. Pairs without a
        row are unknown.

    Raises:
        DataError: If a column is missing, or `engaged` holds anything but true and false.
    """
    missing = [column for column in (USER, ITEM, ENGAGED) if column not in impressions]
    if missing:
        raise DataError(
            f"The impressions lack the columns {missing}; they have {list(impressions)}."
        )
    if impressions[ENGAGED].dtype != bool:
        raise DataError(
            f"{ENGAGED!r} must be true or false in every impression, "
            f"got values of type {impressions[ENGAGED].dtype}."
        )
    ever = impressions.groupby([USER, ITEM], sort=True)[ENGAGED].any()
    return ever.astype(np.int8).rename(LABEL).reset_index()


def label_matrix(impressions: pd.DataFrame, *, n_users: int, n_items: int) -> NDArray[np.float64]:
    """Return all labels as a table: 1, 0, and NaN for pairs that were not shown.

    Returns:
        Shape `(n_users, n_items)`.

    Raises:
        DataError: If the table would be too large to hold, or an id does not fit into it.
    """
    if n_users * n_items > _MOST_CELLS:
        raise DataError(
            f"A table of {n_users:,} users by {n_items:,} items is too large to write out "
            f"(more than {_MOST_CELLS:,} cells). Use `labels`, which keeps shown pairs only."
        )
    known = labels(impressions)
    _check_ids(known, n_users, n_items)
    matrix = np.full((n_users, n_items), np.nan)
    matrix[known[USER], known[ITEM]] = known[LABEL]
    return matrix


def count_meanings(impressions: pd.DataFrame, *, n_users: int, n_items: int) -> pd.DataFrame:
    """Count the pairs of each meaning.

    Returns:
        Three rows, indexed by meaning: `label` ("1", "0", "?"), `pairs`, and `share` of all
        `n_users * n_items` pairs.
    """
    known = labels(impressions)
    _check_ids(known, n_users, n_items)
    ones = int(known[LABEL].sum())
    pairs = [ones, len(known) - ones, n_users * n_items - len(known)]
    table = {LABEL: _SIGNS, "pairs": pairs, "share": np.array(pairs) / (n_users * n_items)}
    return pd.DataFrame(table, index=list(MEANINGS))


def sample_meanings(
    impressions: pd.DataFrame,
    n_pairs: int,
    *,
    n_users: int,
    n_items: int,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Draw pairs of each meaning at random, with replacement.

    Args:
        impressions: As in `labels`.
        n_pairs: Pairs to draw of each meaning; none are drawn if no pair has it.
        n_users: Number of users.
        n_items: Number of items.
        rng: Random generator.

    Returns:
        Columns `user` and `item`, by meaning.
    """
    known = labels(impressions)
    _check_ids(known, n_users, n_items)
    cells = known[USER].to_numpy(np.int64) * n_items + known[ITEM].to_numpy(np.int64)  # ascend
    label = known[LABEL].to_numpy()
    drawn = [_draw(cells[label == value], n_pairs, rng) for value in (1, 0)]
    drawn.append(_draw_others(cells, n_users * n_items, n_pairs, rng))
    return {
        meaning: pd.DataFrame({USER: picked // n_items, ITEM: picked % n_items})
        for meaning, picked in zip(MEANINGS, drawn, strict=True)
    }


def impressions_of(data: Dataset) -> pd.DataFrame:
    """Return the impressions of a dataset that models know.

    Without a table `impressions` these are the training events, all engaged: such a log has no
    label 0, because items that were shown and ignored were not recorded.
    """
    if data.has("impressions"):
        return data.known("impressions")
    return data.train[[USER, ITEM]].assign(**{ENGAGED: True})


def _draw(cells: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return cells[rng.integers(len(cells), size=n)] if len(cells) else cells


def _draw_others(
    cells: NDArray[np.int64], n_cells: int, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw from the numbers below `n_cells` that are not among `cells`, which ascend."""
    places = (
        rng.integers(n_cells - len(cells), size=n) if n_cells > len(cells) else np.zeros(0, int)
    )
    skipped = np.searchsorted(cells - np.arange(len(cells)), places, side="right")
    return places + skipped  # the place-th number that is left after removing the known cells


def _check_ids(known: pd.DataFrame, n_users: int, n_items: int) -> None:
    for column, bound in ((USER, n_users), (ITEM, n_items)):
        if len(known) and not (known[column].min() >= 0 and known[column].max() < bound):
            raise DataError(
                f"The impressions hold {column} ids from {known[column].min()} to "
                f"{known[column].max()}, expected 0 .. {bound - 1}."
            )
