"""Ranges that a search draws settings from; a settings class names them beside a field's type.

    class WALSSettings(Settings):
        dim: Annotated[Count, Whole(8, 128, log=True)] = 32

A subclass that changes a default inherits the range, like the meaning, unless it names another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from candgen.checks import Settings


@dataclass(frozen=True)
class Whole:
    """Whole numbers from `low` to `high`, both among them."""

    low: int
    high: int
    log: bool = False
    """Tells whether to draw the logarithm evenly, not the number."""
    step: int = 1

    def __contains__(self, value: Any) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def as_json(self) -> dict[str, Any]:
        """Return the range as a params file writes it."""
        step = {} if self.step == 1 else {"step": self.step}
        return {"int": [self.low, self.high]} | ({"log": True} if self.log else {}) | step


@dataclass(frozen=True)
class Real:
    """Numbers from `low` to `high`, both among them."""

    low: float
    high: float
    log: bool = False
    """Tells whether to draw the logarithm evenly, not the number."""
    step: float | None = None

    def __contains__(self, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8

    def as_json(self) -> dict[str, Any]:
        """Return the range as a params file writes it."""
        step = {} if self.step is None else {"step": self.step}
        return {"float": [self.low, self.high]} | ({"log": True} if self.log else {}) | step


@dataclass(frozen=True)
class OneOf:
    """Some values, in no order."""

    values: tuple[Any, ...]

    def __hash__(self) -> int:
        return hash(repr(self.values))  # a value may be a list

    def __contains__(self, value: Any) -> bool:
        return any(value == one and type(value) is type(one) for one in self.values)

    def as_json(self) -> list[Any]:
        """Return the values as a params file writes them."""
        return list(self.values)


Range = Whole | Real | OneOf
Space = dict[str, Range]
"""Setting -> the range it is drawn from."""


def default_space(settings: type[Settings]) -> Space:
    """Return the ranges that a settings class names, in the order of its fields."""
    found: Space = {}
    for name in settings.model_fields:
        for kind in settings.__mro__:
            field = getattr(kind, "model_fields", {}).get(name)
            ranges = [m for m in field.metadata if isinstance(m, Range)] if field else []
            if ranges:
                found[name] = ranges[-1]
                break
    return found
