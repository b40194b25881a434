"""Space of one searched setting: its values in words, and their places on an axis from 0 to 1."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Dimension:
    """One searched setting: a range of numbers, or a list of choices."""

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    """True if the numbers are whole."""
    choices: tuple[Any, ...] = ()
    """The values to choose from; empty for a range."""

    @property
    def words(self) -> str:
        """The range or the choices, in words."""
        if self.choices:
            return ", ".join(map(spelled, self.choices))
        ends = f"{spelled(self.low)} to {spelled(self.high)}"
        return f"{ends}, logarithmic" if self.log else ends

    @property
    def ends(self) -> tuple[str, str]:
        """Labels at the two ends of the axis."""
        held = self.choices or (self.low, self.high)
        return spelled(held[0]), spelled(held[-1])

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places with what stands there: all choices, or both ends and the middle of a range."""
        if self.choices:
            return [(self.place(choice), spelled(choice)) for choice in self.choices]
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        middle = float(f"{round(middle) if self.whole else middle:.2g}")
        between = [(self.place(middle), spelled(middle))] if self.low < middle < self.high else []
        return [(0.0, self.ends[0]), *between, (1.0, self.ends[1])]

    def at_an_end(self, value: Any) -> bool:
        """True if a value is within a fiftieth of an end of a range: beyond it may be better."""
        return not self.choices and not 0.02 < self.place(value) < 0.98

    def holds(self, value: Any) -> bool:
        """True if the search can propose this value."""
        if self.choices:
            return _key(value) in map(_key, self.choices)
        return _is_number(value) and self.low <= value <= self.high

    def place(self, value: Any) -> float:
        """Return where a value stands on the axis, 0 to 1; NaN if it is not in the space.

        Choices stand at equal distances, in the order of the space.
        """
        if not self.holds(value):
            return math.nan
        if self.choices:
            at = list(map(_key, self.choices)).index(_key(value))
            return at / (len(self.choices) - 1) if len(self.choices) > 1 else 0.5
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def read_space(space: dict[str, Any]) -> dict[str, Dimension]:
    """Read a space as a params file spells it; what cannot be read as a range is one choice."""
    return {name: _dimension(name, held) for name, held in space.items()}


def spelled(value: Any) -> str:
    """Write a value of a setting; whole numbers have no decimals."""
    if _is_number(value):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value if isinstance(value, str) else json.dumps(value)


def _dimension(name: str, held: Any) -> Dimension:
    if isinstance(held, list):
        return Dimension(name, choices=tuple(held))
    for kind in ("int", "float"):
        ends = held.get(kind) if isinstance(held, dict) else None
        if isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends)):
            low, high = ends
            log = held.get("log") is True and 0 < low <= high
            return Dimension(name, low, high, log=log, whole=kind == "int")
    return Dimension(name, choices=(held,))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(value: Any) -> str:
    """Return what is equal for equal values; 1 and 1.0 are equal, true is not 1."""
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, sort_keys=True, default=str)
