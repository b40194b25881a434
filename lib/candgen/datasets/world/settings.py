"""Settings of an invented world: its size and the habits of its users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import Field, field_validator, model_validator

from candgen.checks import Settings, Share
from candgen.errors import SettingError

DAY = 86_400  # seconds
MOST_USERS = 10_000_000  # item ids begin above this number, so user and item ids never coincide
LARGEST_SHARE = 0.4  # of the catalogue that the average user may watch


class WorldSettings(Settings):
    """Size and habits of a world; the defaults give a small film service.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    n_users: int = Field(1500, ge=1, le=MOST_USERS)
    """Number of users."""
    n_items: int = Field(2000, ge=10, le=5_000_000)
    """Number of films in the catalogue."""
    events_per_user: float = Field(60.0, ge=1)
    """Films that the average user watches, at most 0.4 of them all."""
    tastes: int = Field(8, ge=1, le=64)
    """Hidden dimensions of taste beside the genres."""
    exposure_bias: Share = 0.6
    """Influence of popularity on what is shown; 0: none, 1: strong."""
    position_bias: float = Field(0.5, ge=0, le=2)
    """Power b of attention down a page: position p has p ** -b."""
    freshness: float = Field(1.0, ge=0, le=5)
    """Interest that a film loses with age, in logits."""
    drift: Share = 0.3
    """Change of tastes from the first day to the last; 0: none, 1: replaced."""
    start: str = "2024-01-01"
    """First day, as YYYY-MM-DD (UTC)."""
    days: int = Field(365, ge=7, le=3650)
    """Length of the period in days."""

    @field_validator("start")
    @classmethod
    def _is_a_day(cls, start: str) -> str:
        try:
            first = datetime.strptime(start, "%Y-%m-%d")
        except ValueError:
            first = None
        if first is None or not 1971 <= first.year <= 2100:
            raise SettingError(
                "start must be a day between 1971 and 2100 written YYYY-MM-DD, "
                f"such as '2024-01-01', got {start!r}."
            )
        return start

    @model_validator(mode="after")
    def _fits_the_catalogue(self) -> Self:
        most = LARGEST_SHARE * self.n_items
        if self.events_per_user > most:
            raise SettingError(
                f"events_per_user must be at most {most:g} in a world of {self.n_items} films "
                f"(0.4 of the catalogue), got {self.events_per_user!r}. "
                f"Set it to {int(most)} or less, or raise n_items."
            )
        return self

    @property
    def start_time(self) -> int:
        """First second of the world, since 1970-01-01 UTC."""
        return int(datetime.strptime(self.start, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())

    @property
    def end_time(self) -> int:
        """Second after the world's last, since 1970-01-01 UTC."""
        return self.start_time + self.days * DAY

    @property
    def fewest_events(self) -> int:
        """Films that every user finishes: 20 as in MovieLens, fewer in a small world."""
        return max(1, min(20, int(self.events_per_user / 3)))

    @property
    def page_size(self) -> int:
        """Positions on a page: 10, fewer in a catalogue of less than 40 films."""
        return min(10, max(2, self.n_items // 4))
