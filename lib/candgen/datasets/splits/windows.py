"""Windows of a backtest: consecutive stretches of time, each judged after learning what was before.

Window 1 is the earliest. Its test part holds the events of its stretch, validation those of the
stretch before, and train what is older; later events are unknown to it and left out. So each
window is a timeline split of the events that were known at its end.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.checks import Count, Settings
from candgen.columns import TIMESTAMP
from candgen.datasets.source import Source
from candgen.datasets.splits.policies import no_times, share_of
from candgen.datasets.splits.settings import SplitSettings
from candgen.errors import DataError, SettingError

if TYPE_CHECKING:
    from candgen.datasets.preparation import PreparationSettings

NAME = "windows"


class WindowSettings(Settings):
    """Settings of the windows of a backtest."""

    n_windows: Count = 4
    """Split windows: how many, each with a share `test_fraction` of all events."""
    cuts: list[str] = []
    """Split windows: ISO dates at which windows begin, instead of shares."""
    window: Count = 1
    """Split windows: which one this dataset is; a sweep prepares them all."""


class Window(NamedTuple):
    """One window of a backtest; bounds in seconds since 1970."""

    place: int
    """From 1, the earliest."""
    of: int
    """Number of windows."""
    validation_from: int | None
    """First second of validation; None: there is none."""
    test_from: int
    end: int | None
    """First second that is left out; None: nothing is."""

    @property
    def title(self) -> str:
        return f"window {self.place} of {self.of}"

    @property
    def facts(self) -> dict[str, Any]:
        """Facts to record, beside the dates of the parts."""
        return {"window": self.place, "windows": self.of, "window_ends": self.end}

    def dated(self, settings: SplitSettings) -> SplitSettings:
        """Return the settings of the timeline split of this window."""
        dates = {"test_from": self.test_from, "validation_from": self.validation_from}
        return settings.model_copy(update=dates)


def window_of(
    times: NDArray[np.int64],
    settings: WindowSettings,
    cuts: list[int],
    *,
    share: float,
    validation: bool,
) -> Window:
    """Find the bounds of a window.

    Args:
        times: Of all events, seconds since 1970.
        settings: Which window of how many.
        cuts: First seconds of the windows in rising order; empty: by shares of the events.
        share: Of all events, in each window.
        validation: Whether validation is taken from the stretch before.

    Raises:
        SettingError: If there is no such window, or the windows leave nothing to learn from.
        DataError: If a window begins and ends in the same second.
    """
    n = len(cuts) or settings.n_windows
    if settings.window > n:
        raise SettingError(f"window is {settings.window}, but there are {n} windows.")
    if cuts:
        first = cuts[0] - (cuts[1] - cuts[0] if n > 1 else int(times.max()) + 1 - cuts[0])
        edges: list[int | None] = [first, *cuts, None]
    else:
        if share * (n + validation) >= 1:
            raise SettingError(
                f"{n} windows with {share:.0%} of the events each"
                f"{', and one more for validation,' if validation else ''} leave nothing to learn "
                "from. Lower n_windows or test_fraction."
            )
        newest = np.sort(times)[::-1]
        ends = [share_of(len(times), share * place) for place in range(n + 1, 0, -1)]
        edges = [int(newest[min(end, len(newest)) - 1]) for end in ends] + [None]
    for begin, end in pairwise(edges):
        if end is not None and begin >= end:
            raise DataError(
                "Two windows begin in the same second: too many events have equal times. Lower "
                "n_windows, raise test_fraction, or give the dates as cuts."
            )
    before, start, end = edges[settings.window - 1 : settings.window + 2]
    return Window(settings.window, n, before if validation else None, start, end)


def known_in_window(source: Source, own: PreparationSettings) -> tuple[Source, Window | None]:
    """Leave out what happened after a window; without windows, all stays and the window is None.

    Raises:
        SettingError: As for `window_of`.
        DataError: As for `window_of`, or if the events have no times.
    """
    if own.split != NAME:
        return source, None
    events = source.interactions
    if events is None or TIMESTAMP not in events or not len(events):
        raise no_times(NAME)
    times, told = events[TIMESTAMP].to_numpy(), own.cuts_in_seconds
    validation = own.validation_fraction > 0
    found = window_of(times, own, told, share=own.test_fraction, validation=validation)
    if found.end is None:
        return source, found

    def known(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame[TIMESTAMP] < found.end] if TIMESTAMP in frame else frame

    left = known(events)
    said = f"{len(events) - len(left):,} events after {found.title} are left out."
    extras = {name: known(frame) for name, frame in source.extras.items()}
    return replace(source, interactions=left, extras=extras, notes=[*source.notes, said]), found
