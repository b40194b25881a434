"""Points of a grid: each combination of its values and of the seeds, within bounds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

MOST_RUNS = 10_000  # of one sweep

Axis = Sequence[tuple[str, dict[str, Any]]]
"""For each value, the ending that it gives a run's name, and the parameter."""


def size(axes: Sequence[Axis]) -> int:
    """Return the number of points."""
    return math.prod(map(len, axes))


def points(axes: Sequence[Axis]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the ending of the name and the parameters of each point, the last axis first."""
    for point in itertools.product(*axes):
        suffix = "".join(ending for ending, _ in point)
        yield suffix, {key: value for _, choice in point for key, value in choice.items()}


def same_twice(values: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return two values that are the same, such as 1 and 1.0; None if all differ."""
    seen: dict[Hashable, Any] = {}
    for value in values:
        key = _key(value)
        if key in seen:
            return seen[key], value
        seen[key] = value
    return None


def _key(value: Any) -> Hashable:
    """Return what is equal for equal values; true is not 1."""
    if isinstance(value, list):
        return tuple(map(_key, value))
    if isinstance(value, dict):
        return frozenset((name, _key(held)) for name, held in value.items())
    return (type(value), value) if isinstance(value, bool) else value


def spelled(key: str, value: Any) -> str:
    """Spell one choice of a grid for a folder's name: `dim16`, `world`, `hidden64x32`."""
    if isinstance(value, list):
        return key + "x".join(map(str, value))
    if isinstance(value, str) and value:
        return re.sub(r"[^A-Za-z0-9._]+", "-", Path(value).name).strip("-.") or key
    return f"{key}{value}"
