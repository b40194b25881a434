"""Own ids at the door of a generator: what a person asks with and what a person reads."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from candgen.columns import ITEM, ITEM_ID, RANK, SCORE, TITLE, USER, USER_ID
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError

_USERS_PER_BLOCK = 256
_SEARCHED = 50_000  # ids among which a similar spelling is looked for


def dense_users(users: ArrayLike, data: Dataset) -> NDArray[np.int64]:
    """Translate users' own ids, one or many, to the dense ids of a dataset.

    Returns:
        Dense ids in the order asked for, shape `(n,)`.

    Raises:
        DataError: Naming an id that the dataset does not have, and what its ids look like.
    """
    asked = pd.Index([users] if np.ndim(users) == 0 else list(users))
    known = pd.Index(data.users[USER_ID])
    dense = known.get_indexer(asked) if known.is_unique else known.get_indexer_for(asked)
    unknown = asked[dense < 0].tolist()
    if unknown:
        raise DataError(
            f"User {unknown[0]!r} is not in dataset {data.name!r} ({len(unknown):,} of "
            f"{len(asked):,} users asked for are not).{_what_ids_look_like(unknown[0], known)}"
        )
    return dense.astype(np.int64)


def best_unseen(
    users: NDArray[np.int64],
    score: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    withheld: csr_array,
    k: int,
    data: Dataset,
) -> pd.DataFrame:
    """List the best `k` items of each user that are not withheld.

    Args:
        users: Dense ids, shape `(n,)`.
        score: Gives the scores of all items for dense users, shape `(n, n_items)`; -inf for items
            that cannot be offered. Called for a few hundred users at a time.
        withheld: Ones where an item is not offered to a user, shape `(n_users, n_items)`.
        k: Longest list, 1 or more. Of equal scores the item that comes first in `items` wins.
        data: Whose own ids and titles are shown.

    Returns:
        The columns user, item, title (if the items have any), score and rank (from 1); users in
        the order given, each best first.

    Raises:
        SettingError: If `k` is no whole number above 0.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise SettingError(f"k is {k!r}, expected a whole number above 0.")
    rows, items, found = [], [], []
    for start in range(0, len(users), _USERS_PER_BLOCK):
        block = users[start : start + _USERS_PER_BLOCK]
        scores = score(block)
        scores[withheld[block].nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        reached = np.take_along_axis(scores, best, axis=1)
        row, place = np.nonzero(reached > -np.inf)
        rows.append(row + start)
        items.append(best[row, place])
        found.append(reached[row, place])
    rows, items, found = (
        np.concatenate(p) if p else np.zeros(0, int) for p in (rows, items, found)
    )
    frame = pd.DataFrame({USER: data.users[USER_ID].to_numpy()[users[rows]]})
    frame[ITEM] = data.items[ITEM_ID].to_numpy()[items]
    if TITLE in data.items:
        frame[TITLE] = data.titles[items]
    frame[SCORE] = found
    frame[RANK] = frame.groupby(rows).cumcount() + 1
    return frame


def _what_ids_look_like(asked: object, known: pd.Index) -> str:
    if pd.api.types.is_integer_dtype(known.dtype):
        return f" Its user ids are whole numbers from {known.min()} to {known.max()}."
    close = difflib.get_close_matches(str(asked), known[:_SEARCHED].astype(str), n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{meant} Its user ids are text, such as {known[0]!r}."
