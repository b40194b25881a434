"""Settings of a table of impressions: its file, its headers, its times and its positions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from candgen.columns import ENGAGED, ITEM, POSITION, PROPENSITY, TIMESTAMP, USER
from candgen.datasets.cells import TIME_UNITS
from candgen.datasets.reading import FileFormat
from candgen.errors import SettingError, did_you_mean

COLUMNS = (USER, ITEM, TIMESTAMP, POSITION, PROPENSITY, ENGAGED)


class ImpressionSettings(FileFormat):
    """Settings of sources that take a table of impressions.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    impressions_path: str = ""
    """Optional table of what was shown: one row an item on a page."""
    impressions_columns: dict[str, str] = {}
    """Headers of impressions, where they differ: {engaged: is_click}."""
    impressions_format: dict[str, Any] = {}
    """Format of the table of impressions, where it differs."""
    impressions_time_unit: Literal["", *TIME_UNITS] = ""
    """Unit of the times of impressions; empty: as that of events."""
    first_position: Literal[0, 1] = 1
    """Position of the top of a page in the file: 0 or 1."""

    @field_validator("impressions_columns")
    @classmethod
    def _are_ours(cls, columns: dict[str, str]) -> dict[str, str]:
        for name, header in columns.items():
            if name not in COLUMNS:
                raise SettingError(
                    f"impressions_columns: {name!r} is none of {', '.join(COLUMNS)}. Write our "
                    f"name first, then the header in your file.{did_you_mean(name, COLUMNS)}"
                )
            if not header:
                raise SettingError(f"impressions_columns: {name} is empty, expected a header.")
        return columns
