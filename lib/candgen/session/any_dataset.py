"""A dataset from whatever is at hand: a DataFrame, a file, a folder, a zip or a name."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from candgen import files, owners
from candgen.columns import ITEM, ITEM_ID, RATING, TIMESTAMP, USER, USER_ID
from candgen.datasets import Dataset, open_dataset, preparation, tables
from candgen.datasets.archives import open_bundle
from candgen.errors import DataError, SettingError
from candgen.session import paths, runs

_KNOWN_AS = {  # setting -> headers that are looked for
    "user_column": (USER, USER_ID),
    "item_column": (ITEM, ITEM_ID),
    "rating_column": (RATING,),
    "timestamp_column": (TIMESTAMP,),
}
_SCRATCH = "candgen-data-"
_REQUIRED = ("user_column", "item_column")


def dataset(
    data: pd.DataFrame | Path | str = runs.DEFAULT_DATASET,
    *,
    evaluate_on: str = "test",
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    **settings: Any,
) -> Dataset:
    """Prepare or open a dataset: events split into training and held-out parts.

    What is prepared here lies in a temporary folder that lives as long as the dataset; `candgen
    prepare` makes one to keep.

    Args:
        data: One of these:

            - a DataFrame with the columns user and item (or user_id and item_id), and if you have
              them rating and timestamp (seconds since 1970, or datetimes);
            - a CSV, Parquet or JSON lines file of such columns, which may be compressed;
            - a folder or zip of MovieLens, such as "ml-latest-small.zip";
            - "world", the invented world;
            - a prepared dataset, by folder or by name.
        evaluate_on: "validation" while settings are chosen, "test" for the final result.
        users: One row a user, with the user column of `data`; every further column is a feature.
        items: One row an item, with the item column of `data`; `title` and `genres` (separated by
            |) are known by name, every further column is a feature.
        **settings: Settings of the preparation, such as `split="leave_last_out"`, `min_rating=4`,
            `user_column="userId"`. Without timestamps and without `split`, a random share of each
            user's events is held out, and `warnings` says so.

    Raises:
        SettingError: If a setting is misspelt, out of range or does not belong to `data`.
        DataError: If there is no such dataset or file, or its content is not what it should be.
    """
    runs.check_evaluate_on(evaluate_on)
    if given := {"source", "path"} & set(settings):
        raise SettingError(f"{given.pop()} follows from the first argument; leave it out.")
    features = {"users": users, "items": items}
    if isinstance(data, pd.DataFrame):
        return runs.opened(_of_frame(data, features, settings), evaluate_on)
    if not isinstance(data, (str, Path)):
        raise SettingError(
            f"data is of type {type(data).__name__}, expected a pandas DataFrame, a path or a name."
        )
    file = _existing(data, Path.is_file)
    if file is not None and not _holds_movielens(file):
        return runs.opened(_of_file(file, features, settings), evaluate_on)
    for name, frame in features.items():
        if frame is not None:
            raise SettingError(f"{name} goes with a table of events, but data is {str(data)!r}.")
    if str(data) == runs.DEFAULT_DATASET and settings:
        return runs.opened(_prepared("world", source="world", **settings), evaluate_on)
    if str(data) == runs.DEFAULT_DATASET or paths.find_dataset(data) is not None:
        if settings:
            raise SettingError(
                f"{str(data)!r} is prepared already, so {', '.join(settings)} cannot be set. "
                "Leave the settings out, or give the raw events instead."
            )
        return runs.open_dataset(data, evaluate_on)
    archive = file or _existing(data, Path.is_dir)
    if archive is None:
        raise DataError(f"There is no file {str(data)!r}. {paths.no_such_dataset(data)}")
    made = _prepared(archive.stem, source="movielens", path=str(archive), **settings)
    return runs.opened(made, evaluate_on)


def _of_frame(
    data: pd.DataFrame, features: dict[str, pd.DataFrame | None], settings: dict[str, Any]
) -> Dataset:
    """Prepare a DataFrame by way of a Parquet file that is gone afterwards."""
    columns = _columns(list(data.columns), "The DataFrame", settings)
    times = columns.get("timestamp_column")
    if repeated := [name for name in columns.values() if (data.columns == name).sum() > 1]:
        raise DataError(f"The DataFrame: two columns are called {repeated[0]!r}. Rename one.")
    dates = settings.get("timestamp_unit") == "iso"
    if times and not dates and pd.api.types.is_string_dtype(data[times]) and len(data):
        raise DataError(
            f"The DataFrame: {times} holds text such as {data[times].iloc[0]!r}. Turn it into "
            f"times: df[{times!r}] = pd.to_datetime(df[{times!r}]), or set timestamp_unit=iso."
        )
    if "leave_out" in settings:  # the columns of the DataFrame are left out here
        described = {name for frame in features.values() if frame is not None for name in frame}
        left = [n for n in settings["leave_out"] if n in described or n not in data.columns]
        settings = {**settings, "leave_out": left}
    with tempfile.TemporaryDirectory(prefix=_prefix()) as folder:
        file = Path(folder) / "DataFrame.parquet"
        kept = [name for name in settings.get("kept_columns", []) if name in data.columns]
        _write(data[[*columns.values(), *kept]], file, "The DataFrame")
        try:
            return _of_table(file, features, {**settings, **columns})
        except DataError as error:
            raise DataError(str(error).replace(str(file), "The DataFrame")) from None


def _holds_movielens(file: Path) -> bool:
    """Tell whether a file is a zip of several files, or of one that MovieLens has."""
    if file.suffix.lower() != ".zip":
        return False
    bundle = open_bundle(file)
    return len(bundle.members) != 1 or any(map(bundle.find, ("ratings.csv", "u.data")))


def _of_file(
    file: Path, features: dict[str, pd.DataFrame | None], settings: dict[str, Any]
) -> Dataset:
    _, own = preparation.check_settings({**settings, "source": "table"})
    opened = tables.existing(str(file), "data", "the events", own.compression)
    columns = _columns(tables.column_names(opened, own.text_format()), str(file), settings)
    return _of_table(file, features, {**settings, **columns})


def _of_table(
    file: Path, features: dict[str, pd.DataFrame | None], settings: dict[str, Any]
) -> Dataset:
    """Prepare a file of events whose columns are settled, with features in memory if any."""
    with tempfile.TemporaryDirectory(prefix=_prefix()) as folder:
        for name, column in (("users", "user_column"), ("items", "item_column")):
            frame = features[name]
            if frame is None:
                continue
            own = {column: settings[column]} if settings[column] in frame.columns else {}
            key = _columns(list(frame.columns), f"The table of {name}", own, (column,))[column]
            file_of = Path(folder) / f"{name}.parquet"
            renamed = frame.rename(columns={key: settings[column]})
            _write(renamed, file_of, f"The table of {name}")
            settings = {**settings, f"{name}_path": str(file_of)}
        untimed = "timestamp_column" not in settings and "split" not in settings
        split = {"split": "random_per_user"} if untimed else {}
        try:
            made = _prepared(file.stem, source="table", path=str(file), **settings, **split)
        except DataError as error:
            message = str(error)
            for name in features:
                message = message.replace(f"{Path(folder) / name}.parquet", f"The table of {name}")
            raise DataError(message) from None
    return _warned(made) if untimed else made


def _prepared(title: str, /, **settings: Any) -> Dataset:
    """Prepare a dataset in a temporary folder that lives as long as the dataset."""
    scratch = _Scratch()
    made = preparation.prepare(scratch.folder / title, **settings)
    return dataclasses.replace(made, keeps=scratch)


def _warned(data: Dataset) -> Dataset:
    """Write into the description that the split was not chosen by anybody."""
    warning = (
        "The events have no timestamps and no split was chosen, so a random share of each user's "
        "events is held out. Results do not show how well candidates foresee what comes later."
    )
    description = data.folder / paths.DATASET_FILE
    info = files.read_json(description)
    files.write_json(description, {**info, "warnings": [warning, *info["warnings"]]})
    return dataclasses.replace(open_dataset(data.folder), keeps=data.keeps)


class _Scratch:
    """A temporary folder, removed with this object or at the end of the process that made it."""

    def __init__(self) -> None:
        _remove_left_behind()
        self.folder = Path(tempfile.mkdtemp(prefix=_prefix()))
        weakref.finalize(self, _remove, self.folder, os.getpid())


def _prefix() -> str:
    """Return the beginning of a temporary folder's name, which says whose it is."""
    return f"{_SCRATCH}{owners.token()}."


def _remove_left_behind() -> None:
    """Remove the temporary folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*.*"):
        if owners.has_ended(folder.name.removeprefix(_SCRATCH).partition(".")[0]):
            shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # not a fork of it, which ends earlier
        shutil.rmtree(folder, ignore_errors=True)


def _columns(
    names: list[Any], where: str, settings: dict[str, Any], wanted: tuple[str, ...] | None = None
) -> dict[str, str]:
    """Find the header of each kind of column: as set, else by the names that are known.

    Raises:
        DataError: If the column of users or of items is not there.
    """
    found = {}
    for setting, known in _KNOWN_AS.items():
        if wanted is not None and setting not in wanted:
            continue
        known = [name for name in known if name not in settings.get("leave_out", [])]
        options = [settings[setting]] if settings.get(setting) else known
        there = [name for name in options if name in names]
        if there:
            found[setting] = there[0]
        elif settings.get(setting) or setting in _REQUIRED:
            raise DataError(
                f"{where} has no column {' or '.join(map(repr, options))}; it has "
                f"{', '.join(map(str, names))}. Name yours: {setting}=..."
            )
    return found


def _write(frame: pd.DataFrame, path: Path, where: str) -> None:
    """Write a frame as Parquet.

    Raises:
        DataError: If a column mixes types, or two have one name.
    """
    try:
        frame.to_parquet(path, index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            f"{where} cannot be stored: {error}. Each column needs one type and a name of its own."
        ) from None


def _existing(data: Path | str, kind: Callable[[Path], bool]) -> Path | None:
    """Find a file or folder from here, else from the project's root."""
    given = Path(data).expanduser()
    places = [given]
    with contextlib.suppress(DataError):  # no project around
        places.append(paths.project_root() / given)
    return next((place for place in places if kind(place)), None)
