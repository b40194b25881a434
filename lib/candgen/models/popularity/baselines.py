"""Baselines beside every model: random items, and popular items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candgen.checks import CountOrZero, Settings
from candgen.datasets import Dataset
from candgen.models.base import Generator
from candgen.seeds import derive_seed


class RandomSettings(Settings):
    """Settings of random."""

    seed: CountOrZero = 0
    """Seed of each user's own draw."""


class Random(Generator):
    """Every item equally likely, drawn once for each user from the seed."""

    name = "random"
    answers_cold_users = True
    answers_cold_items = True
    Settings = RandomSettings

    def _fit(self, dataset: Dataset) -> None:
        self._root = derive_seed(self.seed, "random scores")

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        n_items = len(self.known_items_)
        scores = np.empty((len(users), n_items), dtype=np.float32)
        for row, user in enumerate(users):
            np.random.default_rng((self._root, user)).random(out=scores[row], dtype=np.float32)
        return scores if items is None else scores[:, items]


class Popularity(Generator):
    """Items by how many users took them in training, the same for everybody."""

    name = "popularity"
    answers_cold_users = True

    def _fit(self, dataset: Dataset) -> None:
        self._counts = self.item_counts_.astype(np.float32)

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        counts = self._counts if items is None else self._counts[items]
        return np.tile(counts, (len(users), 1))
