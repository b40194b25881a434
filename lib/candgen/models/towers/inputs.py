"""Inputs of towers: each input is a few rows of an embedding table for every query or item.

An input knows how to look up what is known of queries (users at a moment) or of items (at a
moment), and how to put the gradients of what it looked up back into its table. All of them
are sparse, numbers too: a number is a weight of the row that stands for its column, which is the
product of a dense layer without the layer.

| query input | at a moment of a user it reads |
|---|---|
| id | the user's own row |
| history | the items before the moment, pooled by mean, by fading weights or by attention |
| features | the columns of the users table (places, age, gender, ...), a vector each |
| searches | the words of the last searches before the moment, their mean |
| time | time since the last event, hour of the day, day of the week |
| watch_time | how much was watched of the last item, and of the history on average |

| item input | at a moment of an item it reads |
|---|---|
| id | the item's own row; the history may read the same table |
| features | the columns of the items table, a vector each |
| age | time since the item was uploaded or, where nobody says, since it was first taken |

What was not in training has an answer that is trained: an id that was not, or was seldom, shares a
row with others of its kind; a value that was not has a row of its feature. Both are trained by
dropping what is known at random (`dropout`), so that such a row comes to mean "whoever it may be".

Nothing at or after the moment is read: the history ends before the target, and only earlier
searches count. Where events have no times, "before" means nothing; then the history is all of the
user's other events.

    users = query_inputs(dataset, ["id", "history"], dim=64, item_table=table, ...)
    asked = at_events(log, events)           # in training: each event is a target
    embedded = {f"query/{i.name}": i.look(asked, rng) for i in users}
    loss, slopes = step(embedded, given, rate)
    for i in users:
        i.learn(slopes[f"query/{i.name}"])   # of the last look
    asked = right_now(log, users, moment)    # when candidates are asked for
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.features import EventLog
from candgen.training import Bags, EmbeddingTable

_FEW = 5  # a history that is cut in training is shorter


class Queries(NamedTuple):
    """Users at a moment each, with the part of a log that is their history; n of them."""

    log: EventLog
    users: NDArray[np.int64]  # (n,)
    starts: NDArray[np.int64]  # (n,) the history is log.items[starts:stops] ...
    stops: NDArray[np.int64]  # (n,)
    skips: NDArray[np.int64]  # (n,) ... without this place, the target itself; -1: all of it
    times: NDArray[np.int64] | None  # (n,) seconds; None where events have no times

    def last_times(self) -> NDArray[np.int64]:
        """Return when each user's last event before the moment was; -1 for none."""
        none = np.full(len(self.users), -1)
        if not len(self.log):
            return none
        some = self.stops > self.log.offsets[self.users]
        return np.where(some, self.log.times[np.maximum(self.stops - 1, 0)], none)


class Items(NamedTuple):
    """Items at a moment each; n of them."""

    items: NDArray[np.integer]  # (n,) -1 fills up
    times: NDArray[np.int64] | None  # (n,) seconds; None where events have no times


def at_events(log: EventLog, events: NDArray[np.int64], n: int = 0) -> Queries:
    """Return the queries whose answers are events of a log; n last items of history, 0 for all."""
    users = log.users[events].astype(np.int64)
    first = log.offsets[users]
    if not log.has_times:
        return Queries(log, users, first, log.offsets[users + 1], events, None)
    starts = np.maximum(first, events - n) if n else first
    return Queries(log, users, starts, events, np.full(len(events), -1), log.times[events])


def right_now(log: EventLog, users: NDArray[np.int64], moment: int, n: int = 0) -> Queries:
    """Return users with all they have in a log (its last n items), at a moment.

    For a user whose last event is later than that, the moment is the second after it.
    """
    first, stops = log.offsets[users], log.offsets[users + 1]
    starts = np.maximum(first, stops - n) if n and log.has_times else first
    asked = Queries(log, users, starts, stops, np.full(len(users), -1), None)
    if not log.has_times:
        return asked
    return asked._replace(times=np.maximum(moment, asked.last_times() + 1))


class Input(ABC):
    """One input of a tower.

    Attributes:
        name: Of the input within its tower.
        table: Where its vectors are.
        tables: All tables that it learns.
        attends: Whether `look` gives several vectors, shape `(n, most, dim)`, which the tower pools
            by attention; `mask` then says which are there.
    """

    attends = False

    def __init__(self, name: str, table: EmbeddingTable) -> None:
        self.name, self.table, self.tables = name, table, [table]

    @property
    def width(self) -> int:
        """Length of its vectors."""
        return self.table.dim

    @abstractmethod
    def look(self, asked, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Return one vector for each of `asked`, shape `(n, width)`, and remember the rows.

        Args:
            asked: `Queries` or `Items`.
            rng: In training, where ids and values are dropped at random; None drops nothing.
        """

    @abstractmethod
    def learn(self, gradients: NDArray[np.float32]) -> None:
        """Give the gradients of the last look to the table; its `update` is the loop's."""


class Ids(Input):
    """The own row of each user or item; those without one share the last row."""

    def __init__(
        self,
        name: str,
        table: EmbeddingTable,
        row_of: NDArray[np.int32],
        *,
        of: str,
        dropout: float = 0.0,
    ) -> None:
        """Keep what is needed.

        Args:
            name: Of the input.
            table: One row more than there are ids with a row.
            row_of: Row of each id, as `own_rows` gives them.
            of: "users" or "items": what the ids are of.
            dropout: Share of the looks of training that see the shared row instead.
        """
        super().__init__(name, table)
        self.row_of, self.of, self.dropout = row_of, of, dropout

    def look(self, asked, rng=None):
        ids = getattr(asked, self.of)
        rows = np.where(ids >= 0, self.row_of[ids], np.int32(-1))
        if rng is not None and self.dropout:
            rows = np.where(rng.random(len(rows)) < self.dropout, len(self.table) - 1, rows)
        self._rows = rows
        return self.table.gather(rows)

    def learn(self, gradients):
        self.table.add(self._rows, gradients)


def own_rows(counts: NDArray[np.integer], at_least: int = 1) -> NDArray[np.int32]:
    """Give ids a row each, and those that occur less often than `at_least` the one after these.

    So a table needs `n_own_rows(counts, at_least) + 1` rows.
    """
    often = counts >= max(at_least, 1)
    return np.where(often, np.cumsum(often) - 1, often.sum()).astype(np.int32)


def n_own_rows(counts: NDArray[np.integer], at_least: int = 1) -> int:
    """Return how many ids have a row of their own."""
    return int((counts >= max(at_least, 1)).sum())


class History(Input):
    """The items before the moment, pooled; where there are none, a vector that is learned.

    In training the history is cut at random, to a few items or to none, so that short histories are
    met often enough, and this vector stands for users without a history. Attention
    gets zeros and an empty mask instead.
    """

    def __init__(
        self,
        table: EmbeddingTable,
        row_of: NDArray[np.int32],
        *,
        nothing: EmbeddingTable | None = None,
        pooling: str = "mean",
        fading: float = 0.9,
        most: int = 50,
        dropout: float = 0.0,
        weighted: bool = False,
    ) -> None:
        """Keep what is needed.

        Args:
            table: Vectors of items, one for each row in `row_of`.
            row_of: Row of each item.
            nothing: One row, the vector of an empty history; zeros when None.
            pooling: mean, fading or attention.
            fading: What an item weighs by each later one, if pooling is fading.
            most: Items that attention looks at, the last ones.
            dropout: Share of the looks of training that see 0 to 4 items of the history.
            weighted: Whether items weigh as the amounts of the log say, in mean and fading.
        """
        super().__init__("history", table)
        self.row_of, self.pooling, self.most, self.dropout = row_of, pooling, most, dropout
        self.fading = fading if pooling == "fading" else 1.0
        self.attends, self.weighted = pooling == "attention", weighted
        self.nothing = None if self.attends else nothing
        self.tables = [table] if self.nothing is None else [table, self.nothing]
        self._of_log: tuple[EventLog, NDArray[np.int32]] | None = None

    def look(self, asked, rng=None):
        rows = self._rows_of(asked.log)
        if rng is not None and self.dropout:
            cut = rng.random(len(asked.users)) < self.dropout
            few = np.maximum(asked.starts, asked.stops - rng.integers(_FEW, size=len(cut)))
            asked = asked._replace(starts=np.where(cut, few, asked.starts))
        if self.attends:
            self._ids = _padded(rows, asked, self.most)
            return self.table.gather(self._ids)
        places = (rows, asked.starts, asked.stops, asked.skips)
        weights = asked.log.amounts if self.weighted else None
        self._bags = Bags(*places, weights=weights, fading=self.fading)
        pooled = self.table.pool(self._bags)
        if self.nothing is not None:
            self._empty = self._bags.lengths == 0
            pooled[self._empty] = self.nothing.rows[0]
        return pooled

    def learn(self, gradients):
        if self.attends:
            self.table.add(self._ids, gradients)
            return
        self.table.add_pooled(self._bags, gradients)
        if self.nothing is not None and self._empty.any():
            of_empty = gradients[self._empty]
            self.nothing.add(np.zeros(len(of_empty), np.int32), of_empty)

    def mask(self) -> NDArray[np.float32]:
        """Return 1 for vectors of the last look that are there, shape `(n, most)`."""
        return (self._ids >= 0).astype(np.float32)

    def _rows_of(self, log: EventLog) -> NDArray[np.int32]:
        if self._of_log is None or self._of_log[0] is not log:
            self._of_log = (log, self.row_of[log.items])
        return self._of_log[1]


def _padded(rows: NDArray[np.int32], asked: Queries, most: int) -> NDArray[np.int32]:
    """Return the last `most` rows of each history at the right, -1 before them."""
    after = asked.stops[:, None] - np.arange(most, 0, -1)  # (n, most) places in the log
    skipped = (asked.skips >= asked.starts) & (asked.skips < asked.stops)
    jumps = skipped[:, None] & (after <= asked.skips[:, None])  # make room for the one left out
    after = after - jumps
    there = after >= asked.starts[:, None]
    return np.where(there, rows[np.maximum(after, 0)], np.int32(-1))


class Columns(Input):
    """One declared feature: the columns that a row of the table sets, summed by their weights."""

    def __init__(
        self,
        name: str,
        table: EmbeddingTable,
        values: csr_array,
        spare: NDArray[np.int64],
        *,
        of: str,
        dropout: float = 0.0,
        learned: dict[str, Any] | None = None,
    ) -> None:
        """Keep what is needed.

        Args:
            name: Of the feature.
            table: One row a column of `values`.
            values: One row a user or an item.
            spare: Columns for what is missing or was not kept; one of them takes the place of a
                row that is dropped.
            of: "users" or "items".
            dropout: Share of the looks of training that see a spare column instead.
            learned: How a value becomes columns, as `Encoder.learned` says it.
        """
        super().__init__(name, table)
        self.learned = learned
        n = values.shape[0]
        # Behind the rows of the table come the spare columns, each a bag of its own.
        self._rows = np.concatenate([values.indices, spare]).astype(np.int32)
        self._weights = np.concatenate([values.data, np.ones(len(spare))]).astype(np.float32)
        ends = np.concatenate([values.indptr, values.nnz + 1 + np.arange(len(spare))])
        self._ends, self._first_spare, self._n_spare = ends.astype(np.int64), n, len(spare)
        self.of, self.dropout = of, dropout

    def look(self, asked, rng=None):
        ids = np.asarray(getattr(asked, self.of), dtype=np.int64)
        if rng is not None and self.dropout and self._n_spare:
            dropped = rng.random(len(ids)) < self.dropout
            ids = np.where(
                dropped, self._first_spare + rng.integers(self._n_spare, size=len(ids)), ids
            )
        starts, stops = self._ends[ids], self._ends[ids + 1]
        none = np.full(len(ids), -1)
        self._bags = Bags(self._rows, starts, stops, none, self._weights, mean=False)
        return self.table.pool(self._bags)

    def learn(self, gradients):
        self.table.add_pooled(self._bags, gradients)
