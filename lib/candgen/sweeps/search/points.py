"""Points of a space as a sampler or a grid takes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from candgen.errors import SettingError
from candgen.spaces import OneOf, Range, Space, Whole

_DIGITS = 6  # of a drawn number: enough for any setting, and short enough to read and to type


def values_of(name: str, space: Range) -> list[Any]:
    """Return all values of a range, in order.

    Raises:
        SettingError: If there are too many to count, or the range has no steps.
    """
    if isinstance(space, OneOf):
        return list(space.values)
    if space.log or space.step is None:
        raise SettingError(
            f"{name}: the sampler grid needs a list of values, or a range with a step and without "
            "log."
        )
    if isinstance(space, Whole):
        return list(range(space.low, space.high + 1, space.step))
    count = int((space.high - space.low) / space.step + 1e-8) + 1
    return [rounded(space.low + n * space.step, space) for n in range(count)]


def grid(space: Space) -> Iterator[dict[str, Any]]:
    """Give every point of a space, the last setting first."""
    axes = [values_of(name, found) for name, found in space.items()]
    for point in itertools.product(*axes):
        yield dict(zip(space, point, strict=True))


def rounded(value: Any, space: Range) -> Any:
    """Return a drawn number with few digits, still inside its range."""
    if not isinstance(value, float):
        return value
    short = float(f"{value:.{_DIGITS}g}")
    return min(max(short, float(space.low)), float(space.high))
