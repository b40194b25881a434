"""Prepared datasets: folders of Parquet files with one `dataset.json`.

A dataset is made aside and takes its place when it is whole, so an interrupted preparation leaves
the earlier one, or none.
It records the digest of the content (independent of how Parquet stores it) and the SHA-256 of
every file, which `open_dataset` checks.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen import files, folders
from candgen.columns import ITEM, ITEM_ID, RATING, TIMESTAMP, TITLE, USER, USER_ID
from candgen.datasets import description, periods
from candgen.datasets.description import DESCRIPTION, FORMAT
from candgen.datasets.periods import INTERACTIONS, PERIODS, WHOLE_LOG, stored
from candgen.errors import DataError, did_you_mean
from candgen.text.tables import NO_MATHS

PARTS = ("train", "validation", "test", "fold_in")
SHAPED_BY_TEST = "shaped by test"
"""Label of a validation part that was drawn to resemble test, wherever its numbers are shown."""

_SHAPED = (
    "Validation is shaped by test: it was drawn to resemble test, by validation_clustering and "
    "validation_popularity. Settings chosen on it are not independent of test."
)
_EVENT_TYPES = {USER: "int32", ITEM: "int32", RATING: "float32", TIMESTAMP: "int64"}
_OWN_IDS = {USER: USER_ID, ITEM: ITEM_ID}
_REQUIRED = {
    "interactions": (USER, ITEM),
    "train": (USER, ITEM),
    "validation": (USER, ITEM),
    "test": (USER, ITEM),
    "users": (USER, USER_ID),
    "items": (ITEM, ITEM_ID),
}


@dataclass(frozen=True)
class Dataset:
    """Interactions split into parts, with tables that describe users and items.

    A generator learns from `train` and is judged on `held_out`. With `evaluate_on="validation"`
    these are the parts train and validation; with "test" the generator learns from train and
    validation together and is judged on the part test.

    Where whole users are held out, the table `fold_in` holds their events that are known when
    candidates are asked for. With "test", the users of validation are training users, and their
    fold-in events belong to `train`.
    """

    folder: Path
    info: dict[str, Any]
    evaluate_on: Literal["validation", "test"] = "test"
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)
    keeps: Any = field(default=None, repr=False, compare=False)
    """What must live as long as the dataset: the owner of a temporary folder."""

    def for_validation(self) -> Dataset:
        """Return the same dataset, learned from `train` and judged on `validation`."""
        return replace(self, evaluate_on="validation")

    def for_test(self) -> Dataset:
        """Return the same dataset, learned from train and validation, judged on `test`."""
        return replace(self, evaluate_on="test")

    # --- description

    def __repr__(self) -> str:
        facts = "; ".join(f"{name} {value}" for name, value in self._facts().items())
        return f"<Dataset {self.name!r}: {facts}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:right'>{html.escape(value)}</td></tr>"
            for name, value in self._facts().items()
        )
        return (
            f"<table class='{NO_MATHS}'><caption>{html.escape(self.name)}</caption>{rows}</table>"
        )

    def _facts(self) -> dict[str, str]:
        """Return sizes, period, split, digest and notes as short texts."""
        facts = {"users": f"{self.n_users:,}", "items": f"{self.n_items:,}"}
        facts["events"] = f"{self._rows('interactions'):,}"
        for part in filter(self.has, PARTS):
            facts[f"{self.label_of(part).replace('_', '-')} events"] = f"{self._rows(part):,}"
        facts["period"] = " to ".join(self.period) if self.period else "no timestamps"
        facts["split"] = str(self.info.get("split", {}).get("policy", "unknown"))
        facts |= {"judged on": self.judged_on, "digest": self.digest[:12]}
        return facts | ({"notes": " ".join(self.notes)} if self.notes else {})

    def _rows(self, table: str) -> int:
        if table in self._tables:
            return len(self._tables[table])
        return self.info["tables"][table]["rows"]

    @cached_property
    def period(self) -> tuple[str, str] | None:
        """First and last day of the interactions, as YYYY-MM-DD (UTC); None without timestamps."""
        if "interactions" in self._tables:
            times = self._tables["interactions"].get(TIMESTAMP)
        else:
            file = pq.ParquetFile(self.folder / "interactions.parquet")
            timed = TIMESTAMP in file.schema_arrow.names
            times = file.read([TIMESTAMP])[TIMESTAMP].to_pandas() if timed else None
        if times is None or not len(times):
            return None
        try:
            ends = pd.to_datetime([times.min(), times.max()], unit="s")
        except (ValueError, TypeError, OverflowError) as error:
            raise DataError(
                f"{self.folder}: the timestamps of the interactions are no seconds since 1970 "
                f"({error}). Prepare the dataset again."
            ) from None
        first, last = ends.strftime("%Y-%m-%d")
        return first, last

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.info["name"]

    @property
    def digest(self) -> str:
        """SHA-256 of the content of all tables and the rules of judging, in hexadecimal."""
        return self.info["digest"]

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.info["counts"]["users"]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.info["counts"]["items"]

    @property
    def n_events(self) -> int:
        """Number of interactions, of all parts."""
        return self._rows(INTERACTIONS)

    @property
    def warnings(self) -> list[str]:
        """Sentences that every report about this dataset shows."""
        said = self.info.get("warnings", [])
        return [*said, _SHAPED] if SHAPED_BY_TEST in self.label_of("validation") else said

    @property
    def judged_on(self) -> str:
        """Name of the part that generators are judged on, for tables and reports."""
        return self.label_of(self.evaluate_on)

    def label_of(self, part: str) -> str:
        """Return the name of a part for tables and reports; it says if test shaped validation."""
        made = (self.info.get("split") or {}).get("validation_part")
        return f"{part} ({made})" if part == "validation" and made else part

    @property
    def notes(self) -> list[str]:
        """Sentences on how the source was read, such as how many repeated pairs were dropped."""
        return self.info.get("notes", [])

    # --- tables

    def has(self, table: str) -> bool:
        """Tell whether the dataset has a table of that name."""
        return table in self.info["tables"]

    def table(self, name: str) -> pd.DataFrame:
        """Read one table, which is kept in memory: treat it as read-only.

        Raises:
            DataError: If the dataset has no such table.
        """
        if not self.has(name):
            known = self.info["tables"]
            raise DataError(
                f"Dataset {self.name!r} has no table {name!r}.{did_you_mean(name, known)}"
            )
        if name not in self._tables:
            self._tables[name] = self._read(name)
        return self._tables[name]

    def _read(self, name: str) -> pd.DataFrame:
        path = self.folder / f"{name}.parquet"
        try:
            frame = pq.read_table(path).to_pandas()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        _check_table(name, frame, self.n_users, self.n_items)
        return frame

    def column(self, table: str, name: str) -> NDArray:
        """Read one column of a table without keeping it, where a whole table would be too much."""
        if table in self._tables:
            return self._tables[table][name].to_numpy()
        path = self.folder / f"{table}.parquet"
        try:
            return pq.read_table(path, columns=[name])[name].to_numpy()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise _unreadable(path, error) from None

    def columns(self, table: str) -> list[str]:
        """Return the names of the columns of a table."""
        if table in self._tables:
            return list(self._tables[table])
        return pq.read_schema(self.folder / f"{table}.parquet").names

    @property
    def users(self) -> pd.DataFrame:
        """One row a user, in the order of the dense ids."""
        return self.table("users")

    @property
    def items(self) -> pd.DataFrame:
        """One row an item, in the order of the dense ids."""
        return self.table("items")

    @property
    def train(self) -> pd.DataFrame:
        """Events to learn from."""
        return self.known(INTERACTIONS)

    @cached_property
    def held_out(self) -> pd.DataFrame:
        """Events to predict: held-out events, with `positive_rating` those rated so or better."""
        return description.positives(self.judging(INTERACTIONS), self.info)

    # --- periods

    def known(self, name: str) -> pd.DataFrame:
        """Return the rows of an event table that a model may read.

        Args:
            name: "interactions", or a further event table: "impressions" or "searches".

        Raises:
            DataError: If the dataset has no such table.
        """
        first, *others = (stored(name, part) for part in PERIODS[self.evaluate_on].known)
        later = [table for table in others if self.has(table)]
        if not later:
            return self.table(first)
        whole = "+".join([first, *later])
        if whole not in self._tables:
            parts = [self.table(table) for table in (first, *later)]
            if name == INTERACTIONS and self.has("fold_in"):
                of_validation = self.table("fold_in")[USER].isin(parts[1][USER])
                parts.append(self.table("fold_in")[of_validation])
            self._tables[whole] = pd.concat(parts, ignore_index=True)
        return self._tables[whole]

    def judging(self, name: str) -> pd.DataFrame:
        """Return the rows of an event table that judge a model, which it must not read.

        Raises:
            DataError: If the dataset has no such rows; `judges` tells.
        """
        return self.table(stored(name, PERIODS[self.evaluate_on].judging))

    def judges(self, name: str) -> bool:
        """Tell whether rows of an event table are held out to judge a model."""
        return self.has(stored(name, PERIODS[self.evaluate_on].judging))

    def everything(self, name: str) -> pd.DataFrame:
        """Return all rows of a further event table, of all parts, for a split of one's own."""
        tables = [stored(name, part) for part in periods.PARTS]
        return pd.concat([self.table(t) for t in tables if self.has(t)], ignore_index=True)

    @property
    def judges_whole_log(self) -> bool:
        """Tell whether held-out impressions include those that were ignored."""
        return self.info.get("split", {}).get("policy", WHOLE_LOG[0]) in WHOLE_LOG

    @property
    def known_until(self) -> int | None:
        """First second that models do not know: when candidates are asked for; None without times.

        For a timeline the end of the known parts, for other splits the second after the last known
        event of all.
        """
        if TIMESTAMP not in self.train or self.train[TIMESTAMP].isna().any():
            return None
        ends = {"validation": "train_ends", "test": "test_starts"}[self.evaluate_on]
        newest = int(self.train[TIMESTAMP].max())
        return max(self.info.get("split", {}).get(ends, 0), newest + 1)

    @cached_property
    def titles(self) -> NDArray[np.object_]:
        """One title an item; the item's own id where the source has no titles."""
        items = self.items
        titles = items[ITEM_ID].astype(str)
        if TITLE in items:
            titles = items[TITLE].where(items[TITLE].notna(), titles)
        return titles.to_numpy(dtype=object)

    # --- matrices

    @cached_property
    def train_matrix(self) -> csr_array:
        """Ones where a training event exists, shape `(n_users, n_items)`, float32."""
        return self.matrix(self.train)

    @cached_property
    def history_matrix(self) -> csr_array:
        """Ones where a training or fold-in event exists, shape `(n_users, n_items)`, float32."""
        if not self.has("fold_in"):
            return self.train_matrix
        parts = [self.train[[USER, ITEM]], self.table("fold_in")[[USER, ITEM]]]
        return self.matrix(pd.concat(parts, ignore_index=True))

    @property
    def repeats(self) -> str:
        """Rule for items of a user's history: "withhold" them all, or "allow" any as candidates."""
        return str(self.info.get("parameters", {}).get("repeats", "withhold"))

    @cached_property
    def withheld_matrix(self) -> csr_array:
        """Ones where an item is never offered to a user: the history, nothing with repeats allowed.

        Shape `(n_users, n_items)`, float32.
        """
        if self.repeats == "withhold":
            return self.history_matrix
        return csr_array((self.n_users, self.n_items), dtype=np.float32)

    @cached_property
    def held_out_matrix(self) -> csr_array:
        """Ones where an event is held out, shape `(n_users, n_items)`, float32."""
        return self.matrix(self.held_out)

    def matrix(self, events: pd.DataFrame) -> csr_array:
        """Turn events into a matrix of ones, repeated events counted once; indices are sorted."""
        shape = (self.n_users, self.n_items)
        ones = np.ones(len(events), dtype=np.float32)
        made = csr_array((ones, (events[USER].to_numpy(), events[ITEM].to_numpy())), shape=shape)
        made.sum_duplicates()
        made.data[:] = 1.0
        return made


class UnheldTable(Protocol):
    """Table that is not in memory, and writes itself."""

    def __len__(self) -> int: ...

    def write(self, path: Path) -> str:
        """Write the table as `pq.write_table` does, and return its `content_digest`."""


Tables = Mapping[str, pd.DataFrame | UnheldTable]


def write_dataset(
    folder: Path | str,
    tables: Tables,
    info: dict[str, Any],
    *,
    beside: Callable[[Path], None] = lambda _: None,
) -> Dataset:
    """Write a prepared dataset.

    Args:
        folder: Folder of the dataset. An earlier dataset there is replaced once the new one is
            whole; other files in it stay.
        tables: At least interactions, train, test, users and items, with dense ids; users and
            items as frames.
        info: Description of the dataset: `name`, `source`, `licence`, `citation`, `parameters`,
            `split`, `warnings`. Counts, digests and the format are added here.
        beside: Writes what else belongs to the dataset, such as an oracle, into a given folder.

    Raises:
        DataError: If a table lacks a column, its ids are not dense, or the folder holds something
            else.
    """
    with folders.replacing(folder, folders.DATASET) as aside:
        beside(aside)
        inside = (path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
        further = sorted(path.as_posix() for path in inside)
        _write(aside, tables, {**info, "files": further} if further else info)
    return open_dataset(folder)


def _write(folder: Path, tables: Tables, info: dict[str, Any]) -> None:
    """Write the tables of a dataset, then `dataset.json`."""
    n_users, n_items = len(tables["users"]), len(tables["items"])
    described, whole = {}, description.begun_digest(info)
    for name in sorted(tables):
        path, held = folder / f"{name}.parquet", tables[name]
        with files.appearing(path) as passing:
            if isinstance(held, pd.DataFrame):
                frame = _typed(held)
                _check_table(name, frame, n_users, n_items)
                table = pa.Table.from_pandas(frame, preserve_index=False)
                pq.write_table(table.replace_schema_metadata(None), passing, compression="zstd")
                content = description.content_digest(frame)
            else:
                content = held.write(passing)
        whole.update(f"{name} {content}\n".encode())
        described[name] = {"rows": len(held), "content": content, "sha256": files.sha256_of(path)}
    counts = {"users": n_users, "items": n_items}
    counts |= {name: len(frame) for name, frame in tables.items() if name not in counts}
    whole_info = {"format": FORMAT, **info, "counts": counts, "tables": described}
    whole_info["digest"] = whole.hexdigest()
    files.write_json(folder / DESCRIPTION, whole_info)


def open_dataset(folder: Path | str) -> Dataset:
    """Open a prepared dataset after checking its format, its files and their digests.

    Raises:
        DataError: If the folder is not a finished dataset, or a file is missing or was changed.
    """
    folder = Path(folder)
    folders.settle(folder, folders.DATASET)
    info = description.read(folder)
    for name, described in info["tables"].items():
        _check_file(folder / f"{name}.parquet", described, _REQUIRED.get(name, ()))
    return Dataset(folder, info)


def _check_file(path: Path, described: dict[str, Any], required: tuple[str, ...]) -> None:
    """Compare the file of a table with what `dataset.json` says of it, before it is read."""
    if not path.is_file():
        raise DataError(f"{path} is missing. Prepare the dataset again.")
    arrived = files.sha256_of(path)
    if arrived != described["sha256"]:
        raise DataError(
            f"{path} was changed after it was prepared: expected SHA-256 "
            f"{described['sha256'][:12]}…, got {arrived[:12]}…. Prepare the dataset again."
        )
    try:
        held = pq.read_metadata(path)
        columns = held.schema.to_arrow_schema().names
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(f"{path} lacks the columns {missing}; it has {columns}.")
    if held.num_rows != described["rows"]:
        raise DataError(
            f"{path} has {held.num_rows:,} rows, {DESCRIPTION} says {described['rows']:,}. "
            "Prepare the dataset again."
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} cannot be read as Parquet ({str(error)[:200]}). Prepare the dataset again."
    )


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({c: t for c, t in _EVENT_TYPES.items() if c in frame})


def _check_table(name: str, frame: pd.DataFrame, n_users: int, n_items: int) -> None:
    missing = [column for column in _REQUIRED.get(name, ()) if column not in frame]
    if missing:
        raise DataError(f"Table {name!r} lacks the columns {missing}; it has {list(frame)}.")
    for column, bound in ((USER, n_users), (ITEM, n_items)):
        if column not in frame or not len(frame):
            continue
        ids = frame[column].to_numpy()
        if ids.dtype.kind not in "iu":
            raise DataError(f"Table {name!r} holds {column} ids of type {ids.dtype}, expected int.")
        if name in ("users", "items"):
            if not np.array_equal(ids, np.arange(bound)):
                raise DataError(f"Table {name!r} must hold the ids 0 .. {bound - 1} in order.")
            own = frame.get(_OWN_IDS[column])
            if own is not None and (own.isna() | own.duplicated()).any():
                row = int(np.flatnonzero(own.isna() | own.duplicated())[0])
                raise DataError(
                    f"Table {name!r}, row {row + 1}: {own.name} is empty or occurs twice, "
                    f"expected one of its own for each {column}; got {own.iloc[row]!r}."
                )
        elif ids.min() < 0 or ids.max() >= bound:
            raise DataError(
                f"Table {name!r} holds {column} ids from {ids.min()} to {ids.max()}, "
                f"expected 0 .. {bound - 1}."
            )
