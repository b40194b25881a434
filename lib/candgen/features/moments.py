"""Time-dependent features of a user or an item, as rows of an embedding table with weights.

Time is turned into a few overlapping bins: every value is shared out between the two nearest of
some knots, which `Bins` places where training has its values. What was searched for before a moment
is a stretch of one long array of words, which `SearchLog` finds by user and time.

Nothing here looks at the moment itself or beyond: searches of the same second do not count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from candgen.columns import TIMESTAMP, USER
from candgen.errors import DataError
from candgen.features.tables import hash_of

QUERY = "query"  # the column of searches that holds what was typed
HOUR, DAY, WEEK = 3_600, 86_400, 7 * 86_400  # seconds
_WORD = re.compile(r"\w\w+")


class Shared(NamedTuple):
    """Values shared out between two bins each, both of shape `(n, 2)`."""

    rows: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Bins:
    """Overlapping bins around rising knots; beyond the ends a value belongs to the last bin."""

    knots: NDArray[np.float64]
    period: float = 0.0
    """Where the bins close to a circle, such as 24 for hours of the day; 0: they do not."""

    @classmethod
    def of(cls, values: ArrayLike, n: int) -> Self:
        """Place at most `n` knots at quantiles of the values seen; one at 0 if there are none."""
        values = np.asarray(values, dtype=np.float64)
        if not len(values):
            return cls(np.zeros(1))
        return cls(np.unique(np.quantile(values, np.linspace(0, 1, n))))

    @classmethod
    def circle(cls, n: int, period: float) -> Self:
        """Place `n` knots evenly over a period."""
        return cls(np.arange(n) * period / n, period)

    def __len__(self) -> int:
        return len(self.knots)

    def share(self, values: ArrayLike) -> Shared:
        """Share values out; the two weights of a value are 0 or greater and sum to 1."""
        values = np.asarray(values, dtype=np.float64)
        if len(self) == 1:
            rows = np.zeros((len(values), 2), dtype=np.int32)
            return Shared(rows, np.tile(np.float32([1, 0]), (len(values), 1)))
        if self.period:
            knots = np.append(self.knots, self.period)
            values = values % self.period
        else:
            knots = self.knots
        left = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
        right_share = np.clip((values - knots[left]) / (knots[left + 1] - knots[left]), 0, 1)
        rows = np.stack([left, (left + 1) % len(self)], axis=1).astype(np.int32)
        return Shared(rows, np.stack([1 - right_share, right_share], axis=1).astype(np.float32))


def hour_of_day(times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return hours since midnight UTC, 0 .. 24, of seconds since 1970."""
    return (times % DAY) / HOUR


def day_of_week(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the day of the week (UTC) of seconds since 1970; 0 is Monday."""
    return (times // DAY + 3) % 7


class Vocabulary:
    """Words as rows: the most frequent ones have their own, all others share a few by hash.

    Attributes:
        names_: One name a row.
    """

    def __init__(self, texts: Iterable[str], *, most: int = 1000, hashed: int = 4) -> None:
        """Learn from texts.

        Args:
            texts: What to count words in: two letters or digits at least, small letters.
            most: Words with a row of their own, the most frequent first.
            hashed: Rows that all other words share, at least 1.
        """
        counts = Counter(word for text in texts for word in self.split(text))
        kept = sorted(counts, key=lambda word: (-counts[word], word))[:most]
        self.hashed = hashed
        self.places = {word: row for row, word in enumerate(sorted(kept))}
        self.names_ = [*self.places, *(f"(other {n + 1})" for n in range(hashed))]

    def __len__(self) -> int:
        return len(self.names_)

    @staticmethod
    def split(text: str) -> list[str]:
        return _WORD.findall(text.lower())

    def rows(self, text: str) -> list[int]:
        """Return the row of each word of a text."""
        first = len(self.places)
        return [
            self.places[word] if word in self.places else first + hash_of(word, self.hashed)
            for word in self.split(text)
        ]


@dataclass(frozen=True, eq=False)
class SearchLog:
    """Words that users searched for, by user and time, in one long array."""

    words: NDArray[np.int32]
    """Rows of the vocabulary, shape `(n_words,)`."""
    ends: NDArray[np.int64]
    """Where each search begins in `words`, and their number, shape `(n_searches + 1,)`."""
    offsets: NDArray[np.int64]
    """Where each user's searches begin, and their number, shape `(n_users + 1,)`."""
    times: NDArray[np.int64]
    """Seconds of each search, rising within a user, shape `(n_searches,)`."""

    @classmethod
    def of(cls, searches: pd.DataFrame, vocabulary: Vocabulary, n_users: int) -> Self:
        """Sort searches by user and time.

        Raises:
            DataError: If the table lacks a column.
        """
        missing = [c for c in (USER, TIMESTAMP, QUERY) if c not in searches]
        if missing:
            raise DataError(
                f"Table 'searches' lacks the columns {missing}; it has {list(searches)}."
            )
        users = searches[USER].to_numpy()
        times = searches[TIMESTAMP].to_numpy(np.int64)
        order = np.lexsort((times, users))
        found = [vocabulary.rows(text) for text in searches[QUERY].to_numpy(object)[order]]
        ends = np.concatenate([[0], np.cumsum([len(rows) for rows in found])]).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_users))])
        words = np.array([row for rows in found for row in rows], dtype=np.int32)
        return cls(words, ends, offsets.astype(np.int64), times[order])

    def before(
        self, users: NDArray[np.integer], times: NDArray[np.int64], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the words of the last `n` searches of users, each strictly before a moment.

        Returns:
            Starts and stops in `words`, each of shape `(len(users),)`; equal where there are none.
        """
        first, last = self.offsets[users], self.offsets[users + 1]
        if not len(self.times):
            return self.ends[first], self.ends[last]
        owners = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        found = np.searchsorted(self._keys(owners, self.times), self._keys(users, times))
        found = np.clip(found, first, last)
        return self.ends[np.maximum(first, found - n)], self.ends[found]

    def _keys(self, users: NDArray[np.integer], times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers that rise by user, then by time; moments after all searches are alike."""
        low, high = int(self.times.min()), int(self.times.max())
        span = high - low + 2
        return users.astype(np.int64) * span + np.clip(times - low, 0, span - 1)
