"""A guess of all settings that a person's table of events needs, with what speaks for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from candgen.columns import ITEM, RATING, TIMESTAMP, TITLE, USER
from candgen.datasets import tables
from candgen.datasets.archives import input_file, usable
from candgen.datasets.guessing import impressions, roles
from candgen.datasets.guessing.formats import format_of
from candgen.datasets.guessing.saved_folders import table_in
from candgen.datasets.reading import FileFormat, FirstRows, first_rows
from candgen.errors import DataError

_ROWS = 200
_FEW = 200  # judged users; fewer cannot tell small differences
_MOST_BYTES = 2**31  # of a file that is read whole to count
_TEST = 0.1
_KINDS = {"event", "type", "action", "behavior", "behaviour", "kind"}
_MOST_KINDS = 12
_DEFAULTS = {"user": USER, "item": ITEM, "rating": RATING, "timestamp": TIMESTAMP}


@dataclass
class Guess:
    """Settings for a table of events and the tables beside it."""

    settings: dict[str, Any]
    """Of `preparation.prepare`; those at their defaults are left out."""
    first: FirstRows
    """Header and first rows of the events."""
    columns: dict[str, str]
    """Role -> header."""
    notes: list[str] = field(default_factory=list)
    """Decisions and their reasons, in sentences."""
    features: dict[str, list[str]] = field(default_factory=dict)
    """Table ("users", "items") -> headers of its features."""


def guess(
    path: Path | str,
    *,
    users: Path | str = "",
    items: Path | str = "",
    told: Mapping[str, Any] | None = None,
) -> Guess:
    """Guess how a table of events is to be read and split.

    Args:
        path: CSV, Parquet, Arrow or JSON lines, one row an event or an impression, which may be
            compressed; or a folder that Hugging Face `datasets` saved.
        users: Table with one row a user.
        items: Table with one row an item.
        told: Settings that are known and not guessed.

    Raises:
        DataError: If a file cannot be read, or no column looks like the users' or the items'.
    """
    told = dict(told or {})
    in_folder: list[str] = []
    path = table_in(usable(path), in_folder)
    settings, first, notes = _events(path, told)
    notes += in_folder
    found = _roles(path, first, told)
    for role, header in found.items():
        if header != _DEFAULTS[role]:
            settings.setdefault(f"{role}_column", header)
    made = Guess(settings, first, found, notes)
    _times(made, told)
    if marked := impressions.marks_of(first):
        made.columns |= marked
        made.columns.pop("rating", None)  # a column like any other of a page
        made.settings = impressions.settings_of(made.columns, first, made.settings)
    else:
        _kinds(made)
    for table, where in (("users", users), ("items", items)):
        if where:
            _beside(made, table, Path(where))
    made.settings |= told
    _look_at_all(made, path, told)
    return made


def _events(path: Path, told: dict[str, Any]) -> tuple[dict[str, Any], FirstRows, list[str]]:
    file = input_file(_existing(path))
    form = {**format_of(file), **{k: v for k, v in told.items() if k in FileFormat.model_fields}}
    first = first_rows(file, FileFormat(**form).text_format(), _ROWS)
    notes = []
    if unnamed := form.get("column_names"):
        found = {header: role for role, header in roles.by_columns(first.names, first.rows).items()}
        names = [found.get(name, name) for name in unnamed]
        form["column_names"], first = names, FirstRows(names, first.rows)
        notes.append(f"The file has no header; its columns are called {', '.join(names)}.")
    return {"source": "table", "path": str(path), **form}, first, notes


def _roles(path: Path, first: FirstRows, told: dict[str, Any]) -> dict[str, str]:
    given = {role: told[f"{role}_column"] for role in roles.ROLES if told.get(f"{role}_column")}
    names = [name for name in first.names if name not in given.values()]
    places = [first.names.index(name) for name in names]
    rows = [[row[place] for place in places] for row in first.rows]
    found = {**roles.by_columns(names, rows), **given}
    for role in ("user", "item"):
        if role not in found:
            raise DataError(
                f"{path}: no column looks like that of the {role}s; it has "
                f"{', '.join(map(repr, first.names))}. Name it: --set {role}_column=NAME."
            )
    return found


def _times(made: Guess, told: dict[str, Any]) -> None:
    """Settle the unit of times; times that cannot be read are left out, and said."""
    header = made.columns.get("timestamp")
    if header is not None and "timestamp_unit" not in told:
        place = made.first.names.index(header)
        cells = [row[place] for row in made.first.rows]
        unit = roles.unit_of(cells)
        if unit == "":
            del made.columns["timestamp"]
            made.settings.pop("timestamp_column", None)
            if header == TIMESTAMP:
                made.settings["leave_out"] = [TIMESTAMP]
            shown = next((cell for cell in cells if cell), "")
            made.notes.append(
                f"{header!r} holds times such as {str(shown)[:40]!r}, which are no numbers and no "
                "ISO dates (2024-05-01T12:30:00), so events have no times here. Convert the column "
                "to learn from the order of events."
            )
        elif unit != "s":
            made.settings["timestamp_unit"] = unit


def _kinds(made: Guess) -> None:
    """Notice a column that says what kind of event a row is."""
    for place, name in enumerate(made.first.names):
        kinds = list(dict.fromkeys(str(row[place]) for row in made.first.rows))
        named = _KINDS & set(roles.words_of(name)) and name not in made.columns.values()
        if named and 1 < len(kinds) <= _MOST_KINDS:
            made.notes.append(
                f"{name!r} tells kinds of events ({', '.join(sorted(kinds))}); all count alike. "
                "Leave rows out of the file to count some of them alone."
            )


def _beside(made: Guess, table: str, path: Path) -> None:
    """Add the table of users or items: its format, its key and its features."""
    path = table_in(path, made.notes)
    file = input_file(_existing(path))
    form = format_of(file)
    first = first_rows(file, FileFormat(**form).text_format(), _ROWS)
    role = table[:-1]
    key = made.columns[role]
    if key not in first.names:
        found = roles.by_columns(first.names, first.rows).get(role)
        near = f" It has {', '.join(map(repr, first.names))}."
        hint = f" Rename {found!r} to {key!r}." if found else f" Rename the column of the {role}s."
        raise DataError(
            f"{path}: the table of {table} has no column {key!r}, as the events do.{near}{hint}"
        )
    made.settings[f"{table}_path"] = str(path)
    events = {name: made.settings.get(name) for name in FileFormat.model_fields}
    defaults = FileFormat().model_dump()
    own = {
        name: form.get(name, defaults[name])
        for name in ("delimiter", "encoding", "file_type", "column_names")
        if form.get(name, defaults[name]) != (events[name] or defaults[name])
    }
    for name in ("file_type", "column_names"):  # these are not shared with the table of events
        if form.get(name, defaults[name]) == defaults[name]:
            own.pop(name, None)
    if own:
        made.settings[f"{table}_format"] = own
    titles = [n for n in first.names if roles.words_of(n)[-1:] in (["title"], ["name"])]
    if table == "items" and titles and not any(n.lower() == TITLE for n in first.names):
        made.settings["title_column"] = titles[0]
    taken = {key, *titles}
    made.features[table] = [name for name in first.names if name not in taken]


def _look_at_all(made: Guess, path: Path, told: dict[str, Any]) -> None:
    """Read all events once: count, notice what the first rows do not show, choose a split."""
    if path.stat().st_size > _MOST_BYTES:
        made.notes.append("Only the first rows were looked at: the file is larger than 2 GiB.")
        return
    reading = {k: v for k, v in made.settings.items() if k in tables.TableSettings.model_fields}
    for name in ("users_path", "items_path", "users_format", "items_format"):
        reading.pop(name, None)
    source = tables.read(**reading)
    events, shown = source.interactions, source.extras.get("impressions")
    n_users, n_items = events[USER].nunique(), events[ITEM].nunique()
    said = [f"{len(events):,} events of {n_users:,} users with {n_items:,} items."]
    made.notes[:0] = said if shown is None else impressions.notes_on(shown)
    repeated = events.duplicated([USER, ITEM]).mean()
    if repeated > 0.01 and "duplicates" not in told and shown is None:
        which = "first" if TIMESTAMP in events else "last"
        if TIMESTAMP in events:
            made.settings["duplicates"] = which
        made.notes.append(
            f"{repeated:.0%} of the events repeat an earlier pair of user and item; of each pair "
            f"the {which} event counts. Where people come back to items (orders, music, places), "
            "set repeats: allow and leave duplicates out."
        )
    if RATING in events and "min_rating" not in told:
        different = sorted(events[RATING].unique())
        if set(different) == {0.0, 1.0}:
            made.settings["min_rating"] = 1.0
            made.notes.append(
                f"{made.columns['rating']!r} is 0 or 1, so only rows with 1 count as events."
            )
        else:
            made.notes.append(
                f"Ratings go from {different[0]:g} to {different[-1]:g}; all count as events. To "
                "count high ones alone, set min_rating."
            )
    if not {"split", "test_from", "test_fraction"} & told.keys():
        _choose_split(made, events)


def _choose_split(made: Guess, events: pd.DataFrame) -> None:
    """Keep the timeline unless too few users have events on both sides of it, or none has times."""
    share = made.settings.get("test_fraction", _TEST)
    if TIMESTAMP not in events:
        few = events.groupby(USER).size().median() < 1 / share
        made.settings["split"] = "random_rows" if few else "random_per_user"
        whose = "all events" if few else "each user's events"
        made.notes.append(f"Without times, a random {share:.0%} of {whose} is held out.")
        return
    begins, ends = (pd.Timestamp(t, unit="s").date() for t in
                    (events[TIMESTAMP].min(), events[TIMESTAMP].max()))  # fmt: skip
    order = events.sort_values(TIMESTAMP, kind="stable")
    cut = int(len(order) * (1 - share))
    learned, held_out = order[:cut], order[cut:]
    judged = held_out[USER][held_out[USER].isin(learned[USER])].nunique()
    enough = int((events.groupby(USER)[ITEM].nunique() >= 3).sum())
    said = f"Events go from {begins} to {ends}."
    if judged >= min(_FEW, enough / 2):
        made.notes.append(f"{said} The last {share:.0%} of them judge {judged:,} known users.")
        return
    made.settings["split"] = "leave_last_out"
    made.notes.append(
        f"{said} In the last {share:.0%} of them are only {judged:,} users with earlier events, so "
        f"the last event of each user is held out instead: {enough:,} users can be judged, though "
        "models may learn from others' later events."
    )


def _existing(path: Path) -> Path:
    found = usable(path)
    if not found.is_file():
        raise DataError(f"There is no file {found}. Give a CSV, Parquet or JSON lines file.")
    return found
