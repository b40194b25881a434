"""Popularity of late: items by their events in the last days of training."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Positive, Settings
from candgen.columns import ITEM, TIMESTAMP
from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.models.base import Generator
from candgen.spaces import Real

_DAY = 86_400  # seconds


class RecentSettings(Settings):
    """Settings of RecentPopularity."""

    days: Annotated[Positive, Real(1.0, 60.0, log=True)] = 7.0
    """Days before the newest training event that count."""


class RecentPopularity(Generator):
    """Items by their training events of the last days, the same for everybody.

    Items with equally many go by all their training users. Needs times.
    """

    name = "RecentPopularity"
    answers_cold_users = True
    Settings = RecentSettings

    def _fit(self, dataset: Dataset) -> None:
        events = dataset.train
        if TIMESTAMP not in events or events[TIMESTAMP].isna().any():
            raise DataError(
                f"RecentPopularity counts events of the last days, and the training events of "
                f"{dataset.name!r} lack times. Choose popularity."
            )
        times = events[TIMESTAMP].to_numpy()
        recent = times > times.max(initial=0) - self.days * _DAY
        counts = np.bincount(events[ITEM].to_numpy()[recent], minlength=dataset.n_items)
        share = self.item_counts_ / (self.item_counts_.max(initial=0) + 1)  # below 1: breaks ties
        self._counts = (counts + share).astype(np.float32)

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        counts = self._counts if items is None else self._counts[items]
        return np.tile(counts, (len(users), 1))
