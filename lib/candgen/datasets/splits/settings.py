"""Settings of a split: its policy, the shares or dates of its parts, and its seed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from candgen.checks import CountOrZero, NotNegative, Settings
from candgen.errors import SettingError

Policy = Literal[
    "timeline",
    "leave_last_out",
    "random_per_user",
    "random_rows",
    "held_out_users",
    "cold_users",
    "cold_items",
    "given",
]


class SplitShares(Settings):
    """Shares of a split, the same for a prepared dataset and for the split itself."""

    test_fraction: float = Field(0.1, gt=0, lt=1)
    """Share held out for test: of events, users or items."""
    validation_fraction: float = Field(0.1, ge=0, lt=1)
    """Share held out for validation; split given: of train; 0: none."""
    validation_clustering: NotNegative = 0.0
    """Split given: likeness of a user's validation events; 0: random."""
    validation_popularity: float = 0.0
    """Split given: bias of validation to popular items; 0: random."""
    fold_in_fraction: float = Field(0.8, gt=0, lt=1)
    """Split held_out_users: share of their events that is known."""

    stratify_by: Literal["", "item"] = ""
    """Split random_rows: item, for the same share of each item's events."""

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Self:
        if self.test_fraction + self.validation_fraction >= 1:
            raise SettingError(
                f"test_fraction {self.test_fraction} and validation_fraction "
                f"{self.validation_fraction} leave no events to train on; their sum must be "
                "less than 1."
            )
        return self


class SplitSettings(SplitShares):
    """Settings of `splits.split`.

    Raises:
        SettingError: If a setting has the wrong type, is out of range, or belongs to another
            policy.
    """

    policy: Policy = "timeline"
    """Rule by which events are held out."""
    test_from: int | None = None
    """Timeline: test holds the events at or after this second since 1970, instead of a share."""
    validation_from: int | None = None
    """Timeline: validation holds the events from this second until `test_from`."""
    seed: CountOrZero = 0
    """Seed of random splits."""

    @model_validator(mode="after")
    def _fit_the_policy(self) -> Self:
        for name in ("validation_clustering", "validation_popularity"):
            if getattr(self, name) and self.policy != "given":
                raise SettingError(
                    f"{name} is {getattr(self, name)}, but split is {self.policy!r}: it applies "
                    "to split 'given', where validation is taken from train. Set it to 0."
                )
        if self.stratify_by and self.policy != "random_rows":
            raise SettingError(
                f"stratify_by is {self.stratify_by!r}, but split is {self.policy!r}: it applies to "
                "split 'random_rows'. Leave it empty, or set split to random_rows."
            )
        dated = self.test_from is not None or self.validation_from is not None
        if dated and self.policy != "timeline":
            raise SettingError(
                f"test_from and validation_from are for timeline, not {self.policy}. "
                "Leave them empty."
            )
        if self.validation_from is None:
            return self
        if self.test_from is None:
            raise SettingError(
                "validation_from needs test_from: give both dates, or use shares alone."
            )
        if self.validation_from >= self.test_from:
            raise SettingError("validation_from must be earlier than test_from.")
        return self

    @property
    def wants_validation(self) -> bool:
        """Tells whether a validation part is asked for."""
        if self.test_from is not None:
            return self.validation_from is not None
        return self.validation_fraction > 0

    @property
    def held_out_events(self) -> int:
        """Events of a user that leave_last_out holds out."""
        return 2 if self.validation_fraction > 0 else 1
