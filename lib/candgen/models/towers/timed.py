"""Inputs of towers that depend on the moment: searches before it, time, and the age of items."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from candgen.features import Bins, EventLog, SearchLog, Vocabulary, day_of_week, hour_of_day
from candgen.models.towers.inputs import Input, Queries
from candgen.training import Bags, EmbeddingTable


class Searches(Input):
    """The mean of the words of the last searches before the moment; none give zeros."""

    def __init__(
        self,
        table: EmbeddingTable,
        log: SearchLog,
        *,
        most: int = 5,
        dropout: float = 0.0,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """Keep what is needed.

        Args:
            table: One row a word of the vocabulary.
            log: All searches that may be known.
            most: Searches that are read, the last ones.
            dropout: Share of the looks of training that see none.
            vocabulary: Which word each row is.
        """
        super().__init__("searches", table)
        self.log, self.most, self.dropout = log, most, dropout
        self.vocabulary = vocabulary

    def look(self, asked, rng=None):
        starts, stops = self.log.before(asked.users, asked.times, self.most)
        if rng is not None and self.dropout:
            starts = np.where(rng.random(len(starts)) < self.dropout, stops, starts)
        self._bags = Bags(self.log.words, starts, stops, np.full(len(starts), -1))
        return self.table.pool(self._bags)

    def learn(self, gradients):
        self.table.add_pooled(self._bags, gradients)


class SharedOut(Input):
    """Numbers that depend on the moment, shared out between two bins of each kind."""

    def look(self, asked, rng=None):
        rows, weights = self.bins(asked)  # (n, entries)
        ends = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
        none = np.full(len(rows), -1)
        flat = rows.ravel(), ends[:-1], ends[1:], none, weights.ravel()
        self._bags = Bags(*flat, mean=False)
        return self.table.pool(self._bags)

    def learn(self, gradients):
        self.table.add_pooled(self._bags, gradients)

    @abstractmethod
    def bins(self, asked) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return rows of the table and weights, both of shape `(n, entries)`."""


class Time(SharedOut):
    """Time since the last event, hour of the day and day of the week of queries."""

    HOURS = Bins.circle(8, 24.0)
    DAYS = 7

    def __init__(self, table: EmbeddingTable, gaps: Bins) -> None:
        """Keep what is needed.

        Args:
            table: `n_rows(gaps)` rows.
            gaps: Bins of log(1 + seconds since the last event).
        """
        super().__init__("time", table)
        self.gaps = gaps

    @classmethod
    def n_rows(cls, gaps: Bins) -> int:
        """Rows of the table: the gaps, one for a user's first event, the hours, the days."""
        return len(gaps) + 1 + len(cls.HOURS) + cls.DAYS

    @staticmethod
    def gaps_of(asked: Queries) -> NDArray[np.float64]:
        """Return log(1 + seconds since the last event); NaN where there was none."""
        last = asked.last_times()
        return np.where(last >= 0, np.log1p(np.maximum(asked.times - last, 0)), np.nan)

    def bins(self, asked):
        found = self.gaps_of(asked)
        first = np.isnan(found)
        gaps = self.gaps.share(np.where(first, 0.0, found))
        gap_rows = np.where(first[:, None], len(self.gaps), gaps.rows)
        gap_weights = np.where(first[:, None], np.float32([1, 0]), gaps.weights)
        hours = self.HOURS.share(hour_of_day(asked.times))
        after_gaps = len(self.gaps) + 1
        days = after_gaps + len(self.HOURS) + day_of_week(asked.times)
        rows = np.column_stack([gap_rows, after_gaps + hours.rows, days])
        ones = np.ones(len(days), dtype=np.float32)
        return rows.astype(np.int32), np.column_stack([gap_weights, hours.weights, ones])


class WatchTime(SharedOut):
    """Amount watched of the last item, and the average over the history that is read."""

    def __init__(self, table: EmbeddingTable, amounts: Bins) -> None:
        """Keep what is needed.

        Args:
            table: `n_rows(amounts)` rows.
            amounts: Bins of the amounts of events.
        """
        super().__init__("watch_time", table)
        self.amounts = amounts
        self._of_log: tuple[EventLog, NDArray[np.float64]] | None = None

    @staticmethod
    def n_rows(amounts: Bins) -> int:
        """Rows of the table: for the last item and for the mean, the bins and one for nothing."""
        return 2 * (len(amounts) + 1)

    def bins(self, asked):
        sums, n = self._sums(asked.log), asked.stops - asked.starts
        nothing, rows, weights = (n == 0)[:, None], [], []
        last = asked.log.amounts[np.maximum(asked.stops - 1, 0)]
        mean = (sums[asked.stops] - sums[asked.starts]) / np.maximum(n, 1)
        for kind, values in enumerate((last, mean)):
            first, shared = kind * (len(self.amounts) + 1), self.amounts.share(values)
            rows.append(first + np.where(nothing, len(self.amounts), shared.rows))
            weights.append(np.where(nothing, np.float32([1, 0]), shared.weights))
        return np.hstack(rows).astype(np.int32), np.hstack(weights)

    def _sums(self, log: EventLog) -> NDArray[np.float64]:
        """Return the sum of all amounts before each event."""
        if self._of_log is None or self._of_log[0] is not log:
            self._of_log = (log, np.concatenate([[0], np.cumsum(log.amounts, dtype=np.float64)]))
        return self._of_log[1]


class Age(SharedOut):
    """Time since an item appeared; what is not there yet is as new as can be."""

    def __init__(self, table: EmbeddingTable, appeared: NDArray[np.int64], ages: Bins) -> None:
        """Keep what is needed.

        Args:
            table: One row a bin.
            appeared: Seconds at which each item appeared.
            ages: Bins of log(1 + days since then).
        """
        super().__init__("age", table)
        self.appeared, self.ages = appeared, ages

    @staticmethod
    def ages_of(appeared: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log(1 + days) since items appeared, at moments, all of shape `(n,)`."""
        return np.log1p(np.maximum(times - appeared, 0) / 86_400)

    def bins(self, asked):
        return self.ages.share(self.ages_of(self.appeared[asked.items], asked.times))
