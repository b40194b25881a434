"""Options of stages that their notebooks do not see: minutes, explore, retries and datasets_at.

Each stands at the top of a sweep's YAML, for all stages; the first three may stand in the entry of
one run, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from candgen.sweeps.sweepfile import SweepFile

DEFAULT_MINUTES = 30.0
MOST_RETRIES = 10
_LOST = (
    "MemoryError", "_ArrayMemoryError", "ResourceExhaustedError", "BrokenProcessPool",
    "TerminatedWorkerError", "KilledWorker",
)  # fmt: skip


@dataclass(frozen=True)
class Retries:
    """Numbers of further attempts at a stage that did not finish."""

    deaths: int = 1
    """After it died: its kernel was killed, memory ran out, or a worker was lost."""
    errors: int = 0
    """After its notebook raised any other error."""

    def left(self, attempts: list[dict[str, Any]]) -> bool:
        """Tell whether a stage is tried again, from all its attempts so far, the last one failed.

        A stage that reached its wall-clock limit is not.
        """
        last = attempts[-1]
        if died(last):
            return sum(map(died, attempts)) <= self.deaths
        failed = [each for each in attempts if each["state"] == "failed" and not died(each)]
        return last["state"] == "failed" and len(failed) <= self.errors


DEFAULT_RETRIES = Retries()
NO_RETRIES = Retries(deaths=0)


def died(attempt: dict[str, Any]) -> bool:
    """Tell whether an attempt ended because its process, memory or a worker was lost."""
    lost = (attempt.get("error") or {}).get("name") in _LOST
    return attempt["state"] == "killed" or (attempt["state"] == "failed" and lost)


def minutes(source: SweepFile, keys: tuple[str, ...]) -> float:
    """Read the wall-clock limit of a stage.

    Raises:
        SettingError: If it is not a number above 0.
    """
    given = source.section(keys).get("minutes", source.values.get("minutes"))
    if given is None:
        return DEFAULT_MINUTES
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise source.error((*keys, "minutes"), f"expected minutes above 0, got {given!r}.")
    return float(given)


def explore(source: SweepFile, keys: tuple[str, ...]) -> bool:
    """Read whether a stage executes the cells tagged `explore`.

    Raises:
        SettingError: If it is not true or false.
    """
    at = keys if "explore" in source.section(keys) else ()
    given = source.section(at).get("explore", False)
    if not isinstance(given, bool):
        raise source.error((*at, "explore"), f"expected true or false, got {given!r}.")
    return given


def retries(source: SweepFile, keys: tuple[str, ...]) -> Retries:
    """Read how often a stage is tried again: a number for deaths, or `{deaths: 2, errors: 1}`.

    Raises:
        SettingError: If a number is not whole, negative or too large, or a key is unknown.
    """
    at = keys if "retries" in source.section(keys) else ()
    given = source.section(at).get("retries")
    if given is None:
        return DEFAULT_RETRIES
    named = given if isinstance(given, dict) else {"deaths": given}
    for name, number in named.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        if name not in ("deaths", "errors") or not whole or not 0 <= number <= MOST_RETRIES:
            raise source.error(
                (*at, "retries"),
                f"expected a whole number from 0 to {MOST_RETRIES}, or {{deaths: 1, errors: 0}}, "
                f"got {given!r}.",
            )
    return Retries(**named)


def datasets_at(source: SweepFile) -> str | None:
    """Read the URL of the storage through which datasets reach the workers of a cluster.

    Raises:
        SettingError: If it is no URL.
    """
    given = source.values.get("datasets_at")
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", given):
        raise source.error(
            ("datasets_at",), f"expected a URL such as s3://bucket/folder, got {given!r}."
        )
    return str(given)
