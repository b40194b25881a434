"""True relevance of every film for every user at every moment of an invented world.

The relevance of an item is the probability that the user watches it to the end if it is shown at
the top of a page at that moment. It is 0 before the item's upload and in places where the item is
not available. It does not depend on whether the user has watched the item already.

The folder `oracle/` beside the dataset's tables keeps the factors that generated the world, so any
block of relevance can be computed without a table of users by items. No generator of candidates
reads it.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from candgen import files, records
from candgen.columns import ITEM_ID, USER_ID
from candgen.datasets.world.catalogue import FIRST_ITEM_ID, Catalogue
from candgen.datasets.world.people import FIRST_USER_ID, People
from candgen.datasets.world.settings import DAY, WorldSettings
from candgen.errors import DataError

if TYPE_CHECKING:
    from candgen.datasets import Dataset

FOLDER = "oracle"
FADING_DAYS = 60.0  # after so many days a film has lost 1 - 1/e of what it will lose
_FORMAT = 1
_BASE = -0.7  # logit of an average film for an average user
_TASTE = 1.6  # weight of the agreement between user and film
_ARRAYS, _NUMBERS = "factors.npz", "oracle.json"


@dataclass(frozen=True)
class Oracle:
    """Factors that generated a world, in the order of its user and item ids."""

    user_ids: NDArray[np.int64]  # (n_users,)
    item_ids: NDArray[np.int64]  # (n_items,)
    now: NDArray[np.float32]  # (n_users, dim) weighted vectors on the first day
    later: NDArray[np.float32]  # (n_users, dim) where they drift to
    user_logits: NDArray[np.float32]  # (n_users,)
    user_places: NDArray[np.uint8]  # (n_users,) one bit set
    item_vectors: NDArray[np.float32]  # (n_items, dim)
    item_logits: NDArray[np.float32]  # (n_items,)
    item_places: NDArray[np.uint8]  # (n_items,) one bit a place
    upload_time: NDArray[np.int64]  # (n_items,) seconds
    start: int  # first second
    end: int  # the second after the last
    drift: float
    freshness: float

    @classmethod
    def of_world(cls, settings: WorldSettings, catalogue: Catalogue, people: People) -> Oracle:
        """Make the oracle of a newly invented world."""
        return cls(
            user_ids=np.arange(settings.n_users) + FIRST_USER_ID,
            item_ids=np.arange(settings.n_items) + FIRST_ITEM_ID,
            now=np.float32(_TASTE) * people.now,
            later=np.float32(_TASTE) * people.later,
            user_logits=people.eagerness + np.float32(_BASE),
            user_places=np.uint8(1) << people.place.astype(np.uint8),
            item_vectors=catalogue.vectors,
            item_logits=catalogue.quality,
            item_places=catalogue.places,
            upload_time=catalogue.upload_time,
            start=settings.start_time,
            end=settings.end_time,
            drift=float(settings.drift),
            freshness=float(settings.freshness),
        )

    @classmethod
    def open(cls, dataset_folder: Path | str) -> Oracle:
        """Open the oracle beside a prepared dataset; it uses the dataset's dense ids.

        Raises:
            DataError: If there is no oracle, or it belongs to other users and items.
        """
        dataset_folder = Path(dataset_folder)
        numbers_path = dataset_folder / FOLDER / _NUMBERS
        if not numbers_path.is_file():
            raise DataError(
                f"{dataset_folder} has no oracle ({FOLDER}/{_NUMBERS}): true relevance is known "
                "of an invented world only. Prepare a dataset with source 'world'."
            )
        numbers = records.read(numbers_path, records.Record, "Prepare the dataset again.")
        if numbers.pop("format", None) != _FORMAT:
            raise DataError(f"{numbers_path} has another format. Prepare the dataset again.")
        path = numbers_path.with_name(_ARRAYS)
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as arrays:
                oracle = cls(**numbers, **{name: arrays[name] for name in arrays.files})
        except (
            OSError,
            EOFError,
            ValueError,
            TypeError,
            AttributeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise DataError(f"{path} cannot be read: {error}. Prepare the dataset again.") from None
        _check_belongs(oracle.user_ids, dataset_folder / "users.parquet", USER_ID)
        _check_belongs(oracle.item_ids, dataset_folder / "items.parquet", ITEM_ID)
        return oracle

    def save(self, folder: Path | str, user_ids: ArrayLike, item_ids: ArrayLike) -> None:
        """Write the folder `oracle/` inside a dataset's folder.

        Args:
            folder: Folder of the dataset.
            user_ids: User ids of the world in the order of the dataset's dense ids.
            item_ids: Item ids of the world, in the same way.

        Raises:
            DataError: If an id is not of this world.
        """
        folder = Path(folder) / FOLDER
        users = _rows(np.asarray(user_ids), self.user_ids, "user")
        items = _rows(np.asarray(item_ids), self.item_ids, "item")
        arrays: dict[str, NDArray[Any]] = {}
        numbers: dict[str, Any] = {"format": _FORMAT}
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, np.ndarray):
                numbers[field.name] = value
            elif field.name in ("user_ids", "now", "later", "user_logits", "user_places"):
                arrays[field.name] = value[users]
            else:
                arrays[field.name] = value[items]
        (folder / _NUMBERS).unlink(missing_ok=True)
        files.write_arrays(folder / _ARRAYS, arrays)
        files.write_json(folder / _NUMBERS, numbers)

    def relevance(
        self, users: ArrayLike, items: ArrayLike | None = None, at: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """Compute one block of true relevance.

        Args:
            users: Dense ids, shape `(rows,)`. Memory is `rows * n_items` floats: ask in blocks.
            items: Dense ids, shape `(columns,)`; all items by default.
            at: Seconds since 1970-01-01 UTC, one moment or one a user; the world's end by
                default.

        Returns:
            Probabilities, shape `(rows, columns)`, float32.
        """
        users = np.asarray(users)
        items = slice(None) if items is None else np.asarray(items)
        at = np.broadcast_to(self.end if at is None else np.asarray(at), users.shape)[:, None]
        uploaded = self.upload_time[items]
        logits = self._vectors(users, at) @ self.item_vectors[items].T  # (rows, columns)
        logits += self.user_logits[users, None] + self.item_logits[items]
        logits -= self._faded(at - uploaded)
        available = (self.user_places[users, None] & self.item_places[items]) > 0
        return np.where(available & (at >= uploaded), _sigmoid(logits), np.float32(0))

    def relevance_of_pairs(
        self, users: ArrayLike, items: ArrayLike, at: ArrayLike
    ) -> NDArray[np.float32]:
        """Compute the true relevance of pairs, all of shape `(n,)`; `at` may be one moment."""
        users, items = np.asarray(users), np.asarray(items)
        at = np.broadcast_to(np.asarray(at), users.shape)
        relevance = np.empty(len(users), dtype=np.float32)
        for start in range(0, len(users), 65_536):
            block = slice(start, start + 65_536)
            who, what, when = users[block], items[block], at[block]
            uploaded = self.upload_time[what]
            vectors = self._vectors(who, when[:, None])  # (rows, dim)
            logits = np.einsum("nd,nd->n", vectors, self.item_vectors[what])
            logits += self.user_logits[who] + self.item_logits[what]
            logits -= self._faded(when - uploaded)
            available = (self.user_places[who] & self.item_places[what]) > 0
            relevance[block] = np.where(available & (when >= uploaded), _sigmoid(logits), 0)
        return relevance

    def _vectors(self, users: NDArray[Any], at: NDArray[Any]) -> NDArray[np.float32]:
        """Return user vectors at one moment each, shape `(rows, dim)`; `at`: `(rows, 1)`."""
        passed = np.clip((at - self.start) / (self.end - self.start), 0, 1)
        angle = (self.drift * np.pi / 2 * passed).astype(np.float32)
        return np.cos(angle) * self.now[users] + np.sin(angle) * self.later[users]

    def _faded(self, age: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits lost by items of an age in seconds."""
        days = np.maximum(age, 0).astype(np.float32) / np.float32(DAY)
        return np.float32(self.freshness) * -np.expm1(-days / np.float32(FADING_DAYS))


def oracle_of(data: Dataset) -> Oracle | None:
    """Open the oracle beside a dataset; None where the dataset is of no invented world.

    Raises:
        DataError: If the oracle belongs to other users and items.
    """
    return Oracle.open(data.folder) if (data.folder / FOLDER).is_dir() else None


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(1) / (np.float32(1) + np.exp(-logits))


def _rows(asked: NDArray[Any], known: NDArray[Any], kind: str) -> NDArray[np.int64]:
    """Return the row of each id among the known ones, which are in ascending order."""
    rows = np.searchsorted(known, asked)
    found = known[np.minimum(rows, len(known) - 1)] == asked
    if not found.all():
        raise DataError(
            f"The oracle knows {kind} ids {known[0]} to {known[-1]}, "
            f"but was given {asked[~found][0]!r}."
        )
    return rows


def _check_belongs(ids: NDArray[Any], path: Path, column: str) -> None:
    if not path.is_file():
        raise DataError(f"{path} is missing. Prepare the dataset again.")
    kept = pq.read_table(path, columns=[column])[column].to_numpy()
    if not np.array_equal(ids, kept):
        raise DataError(
            f"The oracle in {path.parent / FOLDER} belongs to another dataset: its ids differ "
            f"from those in {path.name}. Prepare the dataset again."
        )
