"""Errors a user can cause and can mend.

Every message carries up to four parts: which thing, what was expected, what arrived and what
to try. The command line prints the message alone; a traceback is for faults of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CandgenError(Exception):
    """The family of all errors that the workbench raises on purpose."""


class DataError(CandgenError, ValueError):
    """A file, row or column is not what it should be."""


class SettingError(CandgenError, ValueError):
    """A setting is misspelt, of the wrong type or out of range."""


class ColdStartError(CandgenError, LookupError):
    """A user or an item is unknown to a generator that learns from interactions alone."""


class TrainingError(CandgenError, ArithmeticError):
    """A training went where it cannot come back from."""


class UnsupportedError(CandgenError, NotImplementedError):
    """A generator is asked for something that only other generators can do."""


class ClusterError(CandgenError, RuntimeError):
    """A cluster has lost its workers or its scheduler in the middle of a job."""


class BusyError(CandgenError, RuntimeError):
    """Somebody else is at work in the same folder."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the nearest known spelling; empty if none is near."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else ""


_SEEN = (
    " Whether items that users already had are offered is a setting of the dataset, so that all "
    "runs on it rank the same items. Prepare it with repeats: allow (seen items stay in) or "
    "repeats: withhold (they are left out, the default)."
)
_CALLED_OTHERWISE = dict.fromkeys(
    ("exclude_seen", "filter_seen", "filter_viewed", "filter_already_liked_items"), _SEEN
)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known spelling, as a sentence with a leading space, or list them all.

    A name that other libraries use gets the name that it has here.
    """
    known = sorted(known)
    if name in _CALLED_OTHERWISE:
        return _CALLED_OTHERWISE[name]
    if close := nearest(name, known):
        return f" Did you mean {close!r}?"
    return f" Known names: {', '.join(known)}." if known else ""
