"""Markov chain: counts of the next items, the baseline of every sequence model.

The probability that item j follows item i is estimated from the pairs of neighbouring events and
pulled towards popularity p by `smoothing`, a number s of imagined events:

    P(j | i) = (C_ij + s p_j) / (C_i + s)

A user's score of j is the mean of P(j | i) over the user's last items, the newest weighing most.
Counts are sparse and the pull is one number a user, so 20 million events fit into little memory.
"""

from __future__ import annotations

import copy
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array

from candgen.checks import Count, NotNegative, Settings
from candgen.columns import ITEM
from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.base import Generator
from candgen.models.items.neighbours import product
from candgen.spaces import Real, Whole


class MarkovSettings(Settings):
    """Settings of MarkovChain."""

    last: Annotated[Count, Whole(1, 20, log=True)] = 5
    """Newest items of a history that count; 1 is a chain of first order."""
    fading: Annotated[float, Field(gt=0, le=1), Real(0.1, 1.0)] = 0.5
    """Weight factor per later item: the item one place further back weighs so much less; 1: all
    alike."""
    reach: Annotated[Count, Whole(1, 10, log=True)] = 3
    """Events up to this many places later count as having followed; each as 1 / places."""
    smoothing: Annotated[NotNegative, Real(1.0, 100.0, log=True)] = 10.0
    """Imagined events that pull each item's transitions towards popularity."""


class MarkovChain(Generator):
    """Scores an item by how often it came next after the user's last items.

    Attributes:
        transitions_: Share of each item (row) that each other item followed, shape
            `(n_items, n_items)`; what a row lacks to 1 goes to popularity.
    """

    name = "MarkovChain"
    Settings = MarkovSettings

    def _fit(self, dataset: Dataset) -> None:
        log = EventLog.of_training(dataset)
        followed = transitions(log, self.reach, dataset.n_items)
        total = np.asarray(followed.sum(axis=1), dtype=np.float64).ravel()
        whole = total + self.smoothing
        shares = np.divide(1, whole, out=np.zeros_like(whole), where=whole > 0)
        self.transitions_ = (diags_array(shares.astype(np.float32)) @ followed).tocsr()
        self._to_popularity = (1 - total * shares).astype(np.float32)
        events = np.bincount(dataset.train[ITEM], minlength=dataset.n_items)
        self._popularity = (events / max(events.sum(), 1)).astype(np.float32)
        self._log = EventLog.of_history(dataset)

    def reading(self, log: EventLog) -> Self:
        """Return the same fitted chain, which reads other events before it answers.

        Args:
            log: One history a user of the dataset, such as the same events in another order.
        """
        self._known("known_users_")
        other = copy.copy(self)
        other._log, other.known_users_ = log, log.lengths > 0
        return other

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        say = self._last_items(users)  # (users, items), rows sum to 1
        scores = product(say, self.transitions_)
        scores += (say @ self._to_popularity)[:, None] * self._popularity
        return scores if items is None else scores[:, items]

    def _last_items(self, users: NDArray[np.int64]) -> csr_array:
        """Weigh the last items of each user, the newest most."""
        stops = self._log.offsets[users + 1]
        lengths = np.minimum(stops - self._log.offsets[users], self.last)
        row = np.repeat(np.arange(len(users)), lengths)
        back = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # 0: newest
        weights = np.power(self.fading, back, dtype=np.float64)
        weights /= np.bincount(row, weights, minlength=len(users))[row]
        cells = (weights.astype(np.float32), (row, self._log.items[stops[row] - 1 - back]))
        return csr_array(cells, shape=(len(users), len(self._popularity)))


def transitions(log: EventLog, reach: int, n_items: int) -> csr_array:
    """Count how often each item was followed by each other, shape `(n_items, n_items)`.

    What came `j` places later counts 1 / j, up to `reach` places.
    """
    shape = (n_items, n_items)
    counted = csr_array(shape, dtype=np.float32)
    for places in range(1, reach + 1):
        same = log.users[places:] == log.users[:-places]
        before, after = log.items[:-places][same], log.items[places:][same]
        ones = np.full(len(before), 1 / places, dtype=np.float32)
        found = csr_array((ones, (before, after)), shape=shape)  # repeated pairs add up
        found.sum_duplicates()
        counted = counted + found
    return counted
