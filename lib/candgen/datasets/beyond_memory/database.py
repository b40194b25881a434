"""Events in a DuckDB file: read, numbered, filtered, split and sorted within a limit of memory.

The only module that imports DuckDB. An event has a `place`, its rank in the order that a
preparation in memory keeps: that of the rows, or of the times where these are finer than a second.
Users and items get dense ids in the order of their own ids as soon as all are read, so everything
after works on integers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from candgen.columns import ITEM, RATING, TIMESTAMP, USER
from candgen.datasets.cells import NANOS
from candgen.datasets.interactions import Duplicates, repeated_pair
from candgen.errors import DataError, SettingError

try:
    import duckdb
except ImportError:  # an extra
    duckdb = None

_PAIR_BYTES = 100  # of a pair of user and item while repeated ones are looked for
_OF_EVENTS = {RATING: pa.float32(), TIMESTAMP: pa.int64()}


class EventStore:
    """Database of the events of one preparation; a context that closes it.

    Raises:
        SettingError: If DuckDB is not installed.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """Open a database in an empty folder, which also takes what does not fit the memory.

        Args:
            folder: Folder of ours.
            limit: Bytes of memory for DuckDB.
        """
        if duckdb is None:
            raise SettingError(
                "memory is set, and DuckDB is not installed. Install the extra: "
                "pip install 'candgen[memory]', or leave memory empty."
            )
        self._folder, self._limit = folder, limit
        config = {
            "memory_limit": f"{limit >> 20}MiB",
            "temp_directory": str(folder / "spilled"),
            "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2,
        }
        self._connection = duckdb.connect(str(folder / "events.duckdb"), config=config)
        self._rows = 0
        self._columns: list[str] = []
        self._exact = False
        self._settled = False
        self.forgets = False
        """True if the last event of some pair was kept, and the table `forgotten` has the first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __len__(self) -> int:
        return self._rows

    @property
    def timed(self) -> bool:
        """Tells whether events have times."""
        return TIMESTAMP in self._columns

    @property
    def exact(self) -> bool:
        """Tells whether times are finer than a second."""
        return self._exact

    @property
    def rated(self) -> bool:
        """Tells whether events have ratings."""
        return RATING in self._columns

    @property
    def may_repeat(self) -> bool:
        """Tells whether pairs of user and item may repeat."""
        return not self._settled

    @property
    def schema(self) -> dict[str, pa.DataType]:
        """Columns of the event tables of a dataset."""
        optional = {name: kind for name, kind in _OF_EVENTS.items() if name in self._columns}
        return {USER: pa.int32(), ITEM: pa.int32()} | optional

    # --- reading

    def begin(self) -> None:
        """Forget the events that were taken."""
        self.run('DROP TABLE IF EXISTS "read"')
        self._rows, self._columns, self._exact = 0, [], False

    def take(self, table: pa.Table) -> None:
        """Add a block of events with own ids, as `reading.read_blocks` makes it."""
        with self._registered("block", table):
            if not self._columns:
                self._columns = table.column_names
                self.run('CREATE TABLE "read" AS SELECT * FROM block LIMIT 0')
            self.run('INSERT INTO "read" SELECT * FROM block')
        self._rows += len(table)
        if NANOS in table.column_names and not self._exact:
            self._exact = bool(pc.any(pc.not_equal(table[NANOS], 0)).as_py())

    def first_row(self) -> pd.DataFrame:
        """Return the first event, whose columns have the types of all."""
        return self.table('SELECT "user", item FROM "read" LIMIT 1').to_pandas()

    def gather(self, as_text: list[str]) -> None:
        """Number all users and items, and keep the events with these numbers.

        Args:
            as_text: Columns of ids that become text.
        """
        for name in (USER, ITEM):
            own = f'CAST("{name}" AS VARCHAR)' if name in as_text else f'"{name}"'
            self.run(
                f"CREATE TABLE {name}_ids AS SELECT own, "
                "CAST(row_number() OVER (ORDER BY own) - 1 AS INTEGER) AS code "
                f'FROM (SELECT DISTINCT {own} AS own FROM "read")'
            )
        user, item = (
            f'CAST("read"."{name}" AS VARCHAR)' if name in as_text else f'"read"."{name}"'
            for name in (USER, ITEM)
        )
        further = [name for name in (RATING, TIMESTAMP) if name in self._columns]
        if self._exact:
            further.append(NANOS)
            place = f'row_number() OVER (ORDER BY {TIMESTAMP}, {NANOS}, "read".rowid) - 1'
        else:
            place = '"read".rowid'
        listed = "".join(f", {name}" for name in further)
        self.run(
            f'CREATE TABLE events AS SELECT {place} AS place, "read".rowid AS "row", '
            f'user_ids.code AS "user", item_ids.code AS item{listed} FROM "read" '
            f"JOIN user_ids ON user_ids.own = {user} JOIN item_ids ON item_ids.own = {item}"
        )
        self.run('DROP TABLE "read"')

    def ids(self, column: str) -> pd.Index:
        """Return the own ids of all users or items that were read, in the order of their codes."""
        return _index(self.table(f"SELECT own FROM {column}_ids ORDER BY code"))

    def first_row_of_item(self, own: Any) -> int:
        """Return the first row of an item, counted from 0."""
        code = self.one("SELECT code FROM item_ids WHERE own = ?", _plain(own))
        return self.one('SELECT min("row") FROM events WHERE item = ?', code)

    # --- filters

    def counts(self) -> tuple[int, int, int]:
        """Count events, users and items."""
        return tuple(
            self.rows('SELECT count(*), count(DISTINCT "user"), count(DISTINCT item) FROM events')[
                0
            ]
        )

    def settle(self, policy: Duplicates, where: str) -> int:
        """Refuse repeated pairs of user and item, or keep one event of each.

        Args:
            policy: refuse, first or last.
            where: Name of the events in messages.

        Returns:
            Number of events that were dropped.

        Raises:
            DataError: If the policy is refuse and a pair occurs twice.
        """
        self._settled = True
        turns = 1 + self._rows * _PAIR_BYTES // self._limit
        self.run('CREATE TABLE repeated ("user" INTEGER, item INTEGER)')
        for turn in range(turns):
            self.run(
                'INSERT INTO repeated SELECT "user", item FROM events '
                f'WHERE "user" % {turns} = {turn} GROUP BY "user", item HAVING count(*) > 1'
            )
        if not self.one("SELECT count(*) FROM repeated"):
            return 0
        order = "place" if not self.timed else f"{TIMESTAMP}, place"
        if policy == "last":
            order = order.replace(",", " DESC,") + " DESC"
        if policy == "refuse":
            order = "place"
        self.run(
            'CREATE TABLE losers AS SELECT place, "row", "user", item FROM events '
            'SEMI JOIN repeated USING ("user", item) '
            f'QUALIFY row_number() OVER (PARTITION BY "user", item ORDER BY {order}) > 1'
        )
        dropped = self.one("SELECT count(*) FROM losers")
        if policy == "refuse":
            raise self._repeated(where, dropped)
        if policy == "last" and self.timed:
            self.run(
                f'CREATE TABLE forgotten AS SELECT "user", item, min({TIMESTAMP}) AS first '
                'FROM events SEMI JOIN repeated USING ("user", item) GROUP BY "user", item'
            )
            self.forgets = True
        self.run("DELETE FROM events WHERE place IN (SELECT place FROM losers)")
        self._count()
        return dropped

    def _repeated(self, where: str, count: int) -> DataError:
        second, user, item = self.rows(
            'SELECT "row", "user", item FROM losers ORDER BY place LIMIT 1'
        )[0]
        first = self.rows(
            'SELECT "row" FROM events WHERE "user" = ? AND item = ? ORDER BY place LIMIT 1',
            user,
            item,
        )[0][0]
        own = [
            self.one(f"SELECT own FROM {name}_ids WHERE code = ?", code)
            for name, code in ((USER, user), (ITEM, item))
        ]
        return repeated_pair(where, *own, sorted([first + 1, second + 1]), count)

    def keep_rated(self, at_least: float) -> None:
        """Keep the events with a rating, in 32 bits, of so much or more."""
        self.run(f"DELETE FROM events WHERE {RATING} < CAST(? AS FLOAT)", at_least)
        self._count()

    def keep_core(self, per_user: int, per_item: int) -> None:
        """Drop users and items with fewer events, until none is left below."""
        left = -1
        while left != self._rows:
            left = self._rows
            for name, fewest in ((USER, per_user), (ITEM, per_item)):
                if fewest > 1:
                    self.run(
                        f'DELETE FROM events WHERE "{name}" IN (SELECT "{name}" FROM events '
                        f'GROUP BY "{name}" HAVING count(*) < {fewest})'
                    )
            self._count()

    def number(self) -> tuple[pd.Index, pd.Index]:
        """Number the users and items that are left; return their own ids."""
        found = []
        for name in (USER, ITEM):
            self.run(
                f"CREATE TABLE {name}_kept AS SELECT own, code, "
                f"CAST(row_number() OVER (ORDER BY code) - 1 AS INTEGER) AS dense FROM {name}_ids "
                f'WHERE code IN (SELECT DISTINCT "{name}" FROM events)'
            )
            found.append(_index(self.table(f"SELECT own FROM {name}_kept ORDER BY dense")))
        return found[0], found[1]

    # --- splits

    def oldest_of_newest(self, count: int) -> tuple[int, int]:
        """Return time and place of the oldest of the `count` newest events, `count` above 0.

        Among equal times the later place is newer. Found by halving, with a count each time: a
        sort of all events would take their size again.
        """
        time = self._largest(TIMESTAMP, "true", count)
        above = self.one(f"SELECT count(*) FROM events WHERE {TIMESTAMP} > ?", time)
        place = self._largest("place", f"{TIMESTAMP} = {time}", count - above)
        return time, place

    def _largest(self, column: str, condition: str, count: int) -> int:
        """Return the largest value that `count` events that meet a condition reach."""
        ends = f"SELECT min({column}), max({column}) FROM events WHERE {condition}"
        low, high = self.rows(ends)[0]
        reached = f"SELECT count(*) FROM events WHERE {condition} AND {column} >= ?"
        while low < high:
            middle = (low + high + 1) // 2
            if self.one(reached, middle) >= count:
                low = middle
            else:
                high = middle - 1
        return low

    def find_newest_of_users(self, count: int) -> None:
        """Make the table `newest`: the places of the last events of users who have more."""
        self.run(
            f"CREATE TABLE newest AS SELECT \"user\", max({{'t': {TIMESTAMP}, 'p': place}}, "
            f'{count}) AS last FROM events GROUP BY "user" HAVING count(*) > {count}'
        )

    def keep_roles(self, column: str, role: NDArray[np.uint8]) -> None:
        """Make the table `roles`: the part of each user or item that is left."""
        table = pa.table({"dense": np.arange(len(role), dtype=np.int32), "role": role})
        with self._registered("block", table):
            self.run(
                "CREATE TABLE roles AS SELECT code, role FROM block "
                f"JOIN {column}_kept USING (dense)"
            )

    def arrange(self, part: str, joined: str = "") -> dict[int, int]:
        """Write the events in order, with dense ids and the part of each.

        Args:
            part: Expression of the part of an event, in SQL.
            joined: Further table for it, in SQL.

        Returns:
            Number of events of each part that has any.
        """
        further = [name for name in (RATING, TIMESTAMP) if name in self._columns]
        listed = "".join(f", {name}" for name in [*further, *([NANOS] if self._exact else [])])
        self.run(
            'CREATE TABLE kept AS SELECT user_kept.dense AS "user", item_kept.dense AS item'
            f"{listed}, CAST({part} AS UTINYINT) AS part FROM events "
            'JOIN user_kept ON user_kept.code = events."user" '
            f"JOIN item_kept ON item_kept.code = events.item {joined} ORDER BY place"
        )
        self.run("DROP TABLE events")
        return dict(self.rows("SELECT part, count(*) FROM kept GROUP BY part"))

    def events(self, part: int | None, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield arranged events of one part, or all, in their order."""
        where = "" if part is None else f"WHERE part = {part}"
        named = ", ".join(f'"{name}"' for name in self.schema)
        yield from self.blocks(f"SELECT {named} FROM kept {where}", rows)

    def highest_rating(self, part: int) -> float:
        """Return the highest rating among the arranged events of a part."""
        return self.one(f"SELECT max(rating) FROM kept WHERE part = {part}")

    # --- questions in SQL

    def blocks(self, question: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the answer in blocks, at most so many rows each."""
        with self._said():
            cursor = self._connection.cursor()
            try:
                yield from cursor.sql(question).to_arrow_reader(rows)
            finally:
                cursor.close()

    def table(self, question: str) -> pa.Table:
        """Return the answer as a table."""
        with self._said():
            return self._connection.sql(question).to_arrow_table()

    def rows(self, question: str, *values: Any) -> list[tuple]:
        """Return the answer as rows."""
        with self._said():
            return self._connection.execute(question, list(values)).fetchall()

    def one(self, question: str, *values: Any) -> Any:
        """Return an answer of one value."""
        return self.rows(question, *values)[0][0]

    def run(self, command: str, *values: Any) -> None:
        """Run a command."""
        self.rows(command, *values)

    def _count(self) -> None:
        self._rows = self.one("SELECT count(*) FROM events")

    @contextmanager
    def _registered(self, name: str, table: pa.Table) -> Iterator[None]:
        self._connection.register(name, table)
        try:
            yield
        finally:
            self._connection.unregister(name)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Turn what DuckDB cannot do for want of memory or disk into our errors."""
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise SettingError(
                f"memory is too small for these events: DuckDB had {self._limit >> 20:,} MiB of "
                f"it ({_short(error)}). Set a larger one."
            ) from error
        except duckdb.IOException as error:
            raise DataError(
                f"{self._folder.parent}: the events could not be kept there meanwhile "
                f"({_short(error)}). They need two to three times the size of the dataset."
            ) from error


def _index(table: pa.Table) -> pd.Index:
    return pd.Index(table["own"].to_pandas(), name=None)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
