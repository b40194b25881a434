"""Markov chain: counts of the next items, the baseline of every sequence model.

The probability that item j follows item i is estimated from the pairs of neighbouring events and
pulled towards popularity p by `smoothing`, a number s of imagined events:

    P(j | i) = (C_ij + s p_j) / (C_i + s)

A user's score of j is the mean of P(j | i) over the user's last items, the newest weighing most.
Counts are sparse and the pull is one number a user, so 20 million events fit into little memory.
They are counted as in `candgen.models.sessions.co_visitation`, of which this is a special case.
"""

from __future__ import annotations

from scipy.sparse import csr_array

from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.sessions.co_visitation import FromNewest, NewestSettings
from candgen.models.sessions.counting import transitions


class MarkovSettings(NewestSettings):
    """Settings of MarkovChain."""


class MarkovChain(FromNewest):
    """Scores an item by how often it came next after the user's last items.

    Attributes:
        transitions_: Share of each item (row) that each other item followed, shape
            `(n_items, n_items)`; what a row lacks to 1 goes to popularity.
    """

    name = "MarkovChain"
    Settings = MarkovSettings

    def _counts(self, log: EventLog, dataset: Dataset) -> csr_array:
        return transitions(log, self.reach, dataset.n_items)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        return 16 * self.reach * n_events + 16 * n_events
