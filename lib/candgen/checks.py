"""Checks of settings, with messages that name the setting, what was expected and what arrived."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from candgen.errors import SettingError, did_you_mean


def whole_number(name: str, value: int, *, at_least: int = 0) -> int:
    """Return `value` as an int, or raise a SettingError that names the setting."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise SettingError(f"{name} must be a whole number, got {value!r}.")
    if value < at_least:
        raise SettingError(f"{name} must be {at_least} or greater, got {value}.")
    return int(value)


def number(
    name: str,
    value: float,
    *,
    at_least: float = 0.0,
    above: float | None = None,
    at_most: float | None = None,
) -> float:
    """Return `value` as a finite float, or raise a SettingError that names the setting."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise SettingError(f"{name} must be a finite number, got {value!r}.")
    if above is not None and value <= above:
        raise SettingError(f"{name} must be greater than {above:g}, got {value!r}.")
    if above is None and value < at_least:
        raise SettingError(f"{name} must be {at_least:g} or greater, got {value!r}.")
    if at_most is not None and value > at_most:
        raise SettingError(f"{name} must be at most {at_most:g}, got {value!r}.")
    return float(value)


def one_of(name: str, value: str, known: Sequence[str]) -> str:
    """Return `value` if it is one of the known words, or raise a SettingError."""
    if value not in known:
        hint = did_you_mean(str(value), known)
        raise SettingError(f"{name} must be one of {', '.join(known)}; got {value!r}.{hint}")
    return value
