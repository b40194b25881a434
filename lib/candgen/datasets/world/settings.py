"""What a person may choose about an invented world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from candgen.errors import SettingError

DAY = 86_400  # seconds
MOST_USERS = 10_000_000  # item ids begin above this number, so no id means two things
LARGEST_SHARE = 0.4  # of the catalogue that the average user may watch


@dataclass(frozen=True)
class WorldSettings:
    """The size and the habits of a world; the defaults give a small film service.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    n_users: int = 1500
    """People with an account, at least 1."""
    n_items: int = 2000
    """Films in the catalogue, 10 to 5,000,000."""
    events_per_user: float = 60.0
    """Films that the average user watches to the end, at most 0.4 of the catalogue."""
    tastes: int = 8
    """Hidden dimensions of taste beside the genres, 1 to 64."""
    exposure_bias: float = 0.6
    """How much popularity and the old recommender decide what is shown: 0 not at all, 1 much."""
    position_bias: float = 0.5
    """Attention falls down the page: position p is noticed with probability p ** -position_bias."""
    freshness: float = 1.0
    """Interest (in logits) that a film loses with age, half of it in its first weeks; 0 to 5."""
    drift: float = 0.3
    """How far tastes move from the first day to the last: 0 they stay, 1 they are replaced."""
    start: str = "2024-01-01"
    """First day, as YYYY-MM-DD (UTC)."""
    days: int = 365
    """Length of the period, 7 to 3,650 days."""

    def __post_init__(self) -> None:
        _whole("n_users", self.n_users, 1, MOST_USERS)
        _whole("n_items", self.n_items, 10, 5_000_000)
        _number("events_per_user", self.events_per_user, 1.0, math.inf)
        _whole("tastes", self.tastes, 1, 64)
        _number("exposure_bias", self.exposure_bias, 0.0, 1.0)
        _number("position_bias", self.position_bias, 0.0, 2.0)
        _number("freshness", self.freshness, 0.0, 5.0)
        _number("drift", self.drift, 0.0, 1.0)
        _whole("days", self.days, 7, 3650)
        _ = self.start_time
        most = LARGEST_SHARE * self.n_items
        if self.events_per_user > most:
            raise SettingError(
                f"events_per_user must be at most {most:g} in a world of {self.n_items} films "
                f"(0.4 of the catalogue), got {self.events_per_user!r}. "
                f"Set it to {int(most)} or less, or raise n_items."
            )

    @property
    def start_time(self) -> int:
        """The first second of the world, since 1970-01-01 UTC."""
        try:
            first = datetime.strptime(self.start, "%Y-%m-%d").replace(tzinfo=UTC)
        except (TypeError, ValueError):
            first = None
        if first is None or not 1971 <= first.year <= 2100:
            raise SettingError(
                "start must be a day between 1971 and 2100 written YYYY-MM-DD, "
                f"such as '2024-01-01', got {self.start!r}."
            )
        return int(first.timestamp())

    @property
    def end_time(self) -> int:
        """The second after the world's last, since 1970-01-01 UTC."""
        return self.start_time + self.days * DAY

    @property
    def fewest_events(self) -> int:
        """Films that every user finishes: 20 as in MovieLens, fewer in a small world."""
        return max(1, min(20, int(self.events_per_user / 3)))

    @property
    def page_size(self) -> int:
        """Positions on a page: 10, fewer in a catalogue of less than 40 films."""
        return min(10, max(2, self.n_items // 4))


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingError(f"{name} must be a whole number from {low} to {high}, got {value!r}.")


def _number(name: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        bounds = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise SettingError(f"{name} must be a number {bounds}, got {value!r}.")
