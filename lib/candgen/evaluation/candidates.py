"""Ranked candidates: the id matrix that everything after a model works on.

A saved file has one row a candidate: user, item, rank, score, in the ids that the data came with,
like the files of any other system. Its metadata holds the digest of the dataset it was made for.
`candidate_files` reads both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from candgen import files
from candgen.columns import ITEM, ITEM_ID, RANK, SCORE, USER, USER_ID
from candgen.datasets.dataset import Dataset
from candgen.errors import DataError
from candgen.evaluation import candidate_files
from candgen.retrieval import NO_ITEM


@dataclass(frozen=True)
class Candidates:
    """The items found for each user, best first, in dense ids.

    Raises:
        DataError: If shapes disagree, a user has two rows, a list names an item twice, padding
            stands in the middle of a list, or a score is NaN or infinite.
    """

    users: NDArray[np.int32]
    """One entry a row, shape `(n,)`."""
    items: NDArray[np.int32]
    """Shape `(n, k)`; lists shorter than k are padded at their end with `NO_ITEM`."""
    scores: NDArray[np.float32]
    """Shape `(n, k)`; -inf where there is no item."""

    def __post_init__(self) -> None:
        for name, dtype in (("users", np.int32), ("items", np.int32), ("scores", np.float32)):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=dtype))
        _check_lists(self.users, self.items, self.scores)

    @classmethod
    def in_order(cls, users: NDArray[np.integer], items: NDArray[np.integer]) -> Self:
        """Return lists that have an order and no scores: the score is the negative rank.

        Args:
            users: Dense ids, shape `(n,)`.
            items: Dense ids, best first, shape `(n, k)`, padded with -1.
        """
        places = -np.arange(items.shape[1], dtype=np.float32)
        return cls(users, items, np.where(items == NO_ITEM, -np.inf, places).astype(np.float32))

    @property
    def k(self) -> int:
        """Length of the longest list that fits."""
        return self.items.shape[1]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Count the items of each row, shape `(n,)`."""
        return (self.items != NO_ITEM).sum(axis=1)

    def for_users(self, users: NDArray[np.integer]) -> NDArray[np.int32]:
        """Return the id matrix of these users; a user without a row gets an empty list."""
        order = np.argsort(self.users, kind="stable")
        place = np.searchsorted(self.users[order], users)
        row = order[np.minimum(place, len(order) - 1)] if len(order) else np.zeros(len(users), int)
        found = np.full((len(users), self.k), NO_ITEM, dtype=np.int32)
        if len(order):
            known = self.users[row] == users
            found[known] = self.items[row[known]]
        return found

    def save(self, path: Path | str, dataset: Dataset) -> None:
        """Write a Parquet of user, item (own ids), rank (from 1) and score, which appears whole."""
        row, place = np.nonzero(self.items != NO_ITEM)
        users, items = pa.array(dataset.users[USER_ID]), pa.array(dataset.items[ITEM_ID])
        table = pa.table(
            {
                USER: users.take(pa.array(self.users[row])),
                ITEM: items.take(pa.array(self.items[row, place])),
                RANK: (place + 1).astype(np.int32),
                SCORE: self.scores[row, place],
            }
        ).replace_schema_metadata({candidate_files.DIGEST: dataset.digest})
        with files.appearing(path) as passing:
            pq.write_table(table, passing, compression="zstd")

    @classmethod
    def load(
        cls,
        path: Path | str,
        dataset: Dataset,
        *,
        k: int | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Candidates:
        """Read lists of our own or of any other system.

        Args:
            path: Parquet, or text separated by commas, semicolons or tabs (it may be gzipped),
                with columns user and item and either of rank and score. Rank decides when both
                are there; of equal scores the earlier row wins; with neither, the order of rows is
                the ranking. Only the order of ranks counts, so they may start at 0 or leave gaps.
            dataset: What the ids refer to: the ids that the data came with.
            k: Keep only the first k of each list. All, when omitted.
            columns: Our names (user, item, rank, score) -> names in the file, where they differ.

        Raises:
            DataError: Naming the file and the row, if a column is missing, a user or an item is
                unknown, an item is listed twice for a user, two items share a rank, a rank or
                score is not finite in 32 bits, a worse rank has a higher score, or the file
                belongs to another dataset.
        """
        lists = candidate_files.read(path, dataset, columns=columns)
        starts = np.flatnonzero(np.r_[True, lists.users[1:] != lists.users[:-1]])
        lengths = np.diff(np.r_[starts, len(lists.users)])
        place = np.arange(len(lists.users)) - np.repeat(starts, lengths)
        width = min(int(lengths.max()), k or int(lengths.max()))
        kept = place < width
        row = np.repeat(np.arange(len(starts)), lengths)[kept]
        items = np.full((len(starts), width), NO_ITEM, dtype=np.int32)
        scores = np.full((len(starts), width), -np.inf, dtype=np.float32)
        items[row, place[kept]] = lists.items[kept]
        scores[row, place[kept]] = lists.scores[kept]
        return cls(lists.users[starts], items, scores)


def _check_lists(users: NDArray, items: NDArray, scores: NDArray) -> None:
    if items.ndim != 2 or items.shape != scores.shape or users.shape != items.shape[:1]:
        raise DataError(
            "Candidates need users (n,), items (n, k) and scores (n, k); "
            f"got {users.shape}, {items.shape} and {scores.shape}."
        )
    seen, times = np.unique(users, return_counts=True)
    if len(seen) < len(users):
        raise DataError(f"User {seen[times > 1][0]} has more than one list of candidates.")
    present = items != NO_ITEM
    _refuse(users, items < NO_ITEM, "holds a negative item id", items)
    _refuse(users, present[:, 1:] & ~present[:, :-1], f"holds items after padding ({NO_ITEM})")
    in_order = np.sort(items, axis=1)
    twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] != NO_ITEM)
    _refuse(users, twice, "names an item twice: item", in_order[:, 1:])
    _refuse(users, np.isnan(scores) & present, "has a score that is NaN, for item", items)
    _refuse(users, np.isinf(scores) & present, "has a score that is infinite, for item", items)


def _refuse(users: NDArray, wrong: NDArray, what: str, shown: NDArray | None = None) -> None:
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        which = "" if shown is None else f" {shown[row, place]}"
        raise DataError(f"The list of user {users[row]} {what}{which}.")
