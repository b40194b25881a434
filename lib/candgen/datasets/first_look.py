"""First look at the files of a source: headers and first rows, before any work starts.

    fault = first_look.fault_of(settings)

The readers themselves judge the first rows, by the same rules as in a preparation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from candgen.checks import Settings
from candgen.columns import ITEM, USER
from candgen.datasets import preparation
from candgen.datasets.reading import NoColumnError
from candgen.errors import DataError, SettingError, nearest


class Fault(NamedTuple):
    """Fault in the settings of a dataset, or in a file that they name."""

    setting: str
    """Name of the setting to change; empty if the message names it, or it is the file's fault."""
    message: str
    instead: str = ""
    """A value that would fit; empty if none is near."""


def fault_of(settings: Mapping[str, Any]) -> Fault | None:
    """Check all settings of a preparation, then open each file and look at its first rows.

    Args:
        settings: As of `preparation.prepare`, paths from the root of the file system.

    Returns:
        The first fault; None if there is none so far.
    """
    try:
        own, of_source = preparation.check_settings(dict(settings))
        if own.source == "movielens" and not of_source.path:
            return (
                None if of_source.variant else Fault("path", "give a folder or zip, or a variant.")
            )
        preparation.check_inputs(**settings)
    except NoColumnError as error:
        return _of_column(error, of_source)
    except (DataError, SettingError) as error:
        return _named(str(error))
    return None


def _of_column(error: NoColumnError, own: Settings) -> Fault:
    """Find the setting that names a column which the file lacks."""
    if len(error.names) == 1:
        tables = ("users", "items", "impressions")
        of_table = (t for t in tables if getattr(own, f"{t}_path", "") == str(error.path))
        table = next(of_table, "")
        return Fault(f"{table}_format.delimiter" if table else "delimiter", str(error))
    if getattr(own, "impressions_path", "") == str(error.path):
        return Fault(_of_impressions(error.column, own), str(error), _like(error))
    naming = (n for n, value in own if n.endswith("_column") and value == error.column)
    return Fault(next(naming, ""), str(error), _like(error))


def _like(error: NoColumnError) -> str:
    return nearest(error.column, error.names)


def _of_impressions(header: str, own: Settings) -> str:
    """Return the setting that names a header of the table of impressions."""
    named = {there: here for here, there in own.impressions_columns.items()}
    of_events = {own.user_column: USER, own.item_column: ITEM}
    return f"impressions_columns.{named.get(header) or of_events.get(header, header)}"


def _named(message: str) -> Fault:
    """Find the setting that a message names: as its first word, or as `set name=value`."""
    own = (preparation.source_settings(source) for source in preparation.SOURCES)
    classes = (preparation.PreparationSettings, *own)
    known = {name for settings in classes for name in settings.model_fields}
    first, _, _ = message.partition(" ")
    if first in known:
        return Fault(first, message)
    advised = re.search(r"\bset (\w+)=([\w-]+)", message)
    if advised and advised[1] in known:
        return Fault(advised[1], message, advised[2])
    return Fault("", message)
