"""Items that a user already had: for orders, music or places, often the best guess of the next."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.checks import Positive, Settings
from candgen.columns import ITEM, TIMESTAMP, USER
from candgen.datasets import Dataset
from candgen.models.base import Generator
from candgen.spaces import Real


class RevisitSettings(Settings):
    """Settings of Revisit."""

    half_life: Annotated[Positive, Real(1.0, 100.0, log=True)] = 10.0
    """Later events of the user after which an event counts half."""


class Revisit(Generator):
    """A user's own items, by how often and how lately the user had them; then the popular ones.

    Own items are offered only if the dataset allows repeats (`repeats="allow"`).
    """

    name = "Revisit"
    needs = ("repeats",)
    answers_cold_users = True
    Settings = RevisitSettings

    def _fit(self, dataset: Dataset) -> None:
        parts = [dataset.train, *([dataset.table("fold_in")] if dataset.has("fold_in") else [])]
        events = pd.concat(parts, ignore_index=True)
        if TIMESTAMP in events:
            events = events.sort_values(TIMESTAMP, kind="stable")
        later = events.groupby(USER, sort=False).cumcount(ascending=False).to_numpy()
        weights = 0.5 ** (later / self.half_life)
        place = events[USER].to_numpy(), events[ITEM].to_numpy()
        shape = (dataset.n_users, dataset.n_items)
        self._own = csr_array((weights, place), shape=shape)
        self._own.sum_duplicates()
        self._own.data += 1.0  # above what anybody's popularity reaches
        counts = self.item_counts_
        self._popularity = (counts / (counts.max(initial=0) + 1)).astype(np.float32)

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        own = self._own[users].toarray().astype(np.float32)
        scores = np.where(own > 0, own, self._popularity)
        return scores if items is None else scores[:, items]
