"""Points of a grid, as a sweep's file asks for them: each combination of its values and seeds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

from candgen.sweeps.sweepfile import SweepFile

MOST_RUNS = 10_000  # of one sweep

Axis = Sequence[tuple[str, dict[str, Any]]]
"""For each value, the ending that it gives a run's name, and the parameter."""


Checked = Callable[..., Any]
"""Checks a value: called with the keys above it, its name, itself and its place in a list."""


def check_sizes(source: SweepFile) -> None:
    """Count the points of all grids, before any notebook, generator or value is looked at.

    Raises:
        SettingError: If they are more than `MOST_RUNS`.
    """
    n_runs = 0
    for name in source.section(("runs",)):
        axes = source.section(("runs", name, "grid")).values()
        n_runs += math.prod(len(axis) for axis in axes if isinstance(axis, list))
        check_runs(source, name, n_runs)


def check_runs(source: SweepFile, name: str, n_runs: int) -> None:
    """Refuse a sweep that has too many runs, up to and with the run of this name.

    Raises:
        SettingError: If they are more than `MOST_RUNS`.
    """
    if n_runs > MOST_RUNS:
        message = f"makes {n_runs:,} runs of this sweep, at most {MOST_RUNS:,}."
        raise source.error(("runs", name), message)


def grid_axes(
    source: SweepFile, keys: tuple[str, ...], own: dict[str, Any], checked: Checked
) -> list[Axis]:
    """Read the grid of a run.

    Args:
        source: The sweep's file.
        keys: Of the run's entry.
        own: Parameters that stand beside the grid.
        checked: Checks a value.

    Raises:
        SettingError: If a key is also beside the grid, or no list of different values.
    """
    axes, at = [], (*keys, "grid")
    for key, values in source.section(at).items():
        if key in own:
            raise source.error((*at, key), f"{key!r} is also given beside the grid.")
        if not isinstance(values, list) or not values:
            raise source.error((*at, key), f"expected a list of values, got {values!r}.")
        found = [checked(at, key, value, n) for n, value in enumerate(values)]
        _check_distinct(source, (*at, key), found)
        axes.append([(f"-{spelled(key, value)}", {key: value}) for value in found])
    return axes


def seed_axes(
    source: SweepFile, keys: tuple[str, ...], checked: Checked, *, takes_seed: bool
) -> list[Axis]:
    """Read the sweep's seeds for a run; none if it takes none or its grid has seeds.

    Raises:
        SettingError: If they are no list of different whole numbers.
    """
    seeds = source.values.get("seeds")
    if seeds is None:
        return []
    if not isinstance(seeds, list) or not seeds:
        raise source.error(("seeds",), f"expected a list such as [1, 2], got {seeds!r}.")
    if negative := [seed for seed in seeds if isinstance(seed, int) and seed < 0]:
        raise source.error(("seeds",), f"seeds are 0 or more, got {negative[0]}.")
    if not takes_seed or "seed" in source.section((*keys, "grid")):
        return []
    found = [checked(("seeds",), "seed", seed) for seed in seeds]
    _check_distinct(source, ("seeds",), found)
    return [[(f"-seed{seed}", {"seed": seed}) for seed in found]]


def _check_distinct(source: SweepFile, keys: tuple[str, ...], values: list[Any]) -> None:
    if same := same_twice(values):
        first, again = map(repr, same)
        message = f"{first} and {again} are the same value, hence the same run. Leave one out."
        raise source.error(keys, message)


def size(axes: Sequence[Axis]) -> int:
    """Return the number of points."""
    return math.prod(map(len, axes))


def points(axes: Sequence[Axis]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the ending of the name and the parameters of each point, the last axis first."""
    for point in itertools.product(*axes):
        suffix = "".join(ending for ending, _ in point)
        yield suffix, {key: value for _, choice in point for key, value in choice.items()}


def spelled(key: str, value: Any) -> str:
    """Spell one choice of a grid for a folder's name: `dim16`, `world`, `hidden64x32`."""
    if isinstance(value, list):
        return key + "x".join(map(str, value))
    if isinstance(value, str) and value:
        return re.sub(r"[^A-Za-z0-9._]+", "-", Path(value).name).strip("-.") or key
    return f"{key}{value}"


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
