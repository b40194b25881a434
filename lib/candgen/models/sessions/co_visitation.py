"""Co-visitation: counts of the items that other users had soon after a user's newest items.

With C counted as in `candgen.models.sessions.counting`, p the popularity of items, n_j the training
users of item j and s imagined events,

    P(j | i) = (C_ij + s p_j) / (C_i + s),    score(u, j) = n_j^-beta sum over i of say_ui P(j | i),

where say is a mean over the user's newest items, the newest of which weighs most. `MarkovChain` is
the special case that keeps all counts and looks at places alone.

Such counts are what the candidates of large session-based systems start from: J. Davidson et al.,
"The YouTube video recommendation system", RecSys 2010 (pairs watched within 24 hours, divided by
popularity), and the solutions of the OTTO competition, 2022-2023 (windows in time, weights by
types of events). The pull towards popularity and the weights of history are those of our chain.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array

from candgen.checks import Count, NotNegative, Settings, Share
from candgen.columns import ITEM
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.features import EventLog
from candgen.models.base import Generator
from candgen.models.items.neighbours import product
from candgen.models.sessions.counting import Window, counted_pairs, newest_items
from candgen.spaces import Real, Whole


class NewestSettings(Settings):
    """Settings of MarkovChain, shared by CoVisitation: what is read of a history."""

    last: Annotated[Count, Whole(1, 20, log=True)] = 5
    """Newest items of a history that count; 1 is a chain of first order."""
    fading: Annotated[float, Field(gt=0, le=1), Real(0.1, 1.0)] = 0.5
    """Weight factor per later item; 1: all alike. The item one place further back weighs so much
    less."""
    reach: Annotated[Count, Whole(1, 10, log=True)] = 3
    """Events up to this many places later count as having followed; each as 1 / places."""
    smoothing: Annotated[NotNegative, Real(1.0, 100.0, log=True)] = 10.0
    """Imagined events that pull each item's transitions towards popularity."""


class CoVisitationSettings(NewestSettings):
    """Settings of CoVisitation."""

    last: Annotated[Count, Whole(1, 20, log=True)] = 10
    fading: Annotated[float, Field(gt=0, le=1), Real(0.1, 1.0)] = 0.8
    reach: Annotated[Count, Whole(1, 30, log=True)] = 10
    """Places between two events that are close, at most."""
    neighbours: Count = 200
    """Items kept of each item, those counted most."""
    distance_power: NotNegative = 0.5
    """Power of the places between two events that their count is divided by; 0: all alike."""
    backward: Annotated[Share, Real(0.0, 1.0)] = 0.8
    """Weight of what came before, against 1 of what came after; 0: only what followed counts, 1:
    both directions alike."""
    beta: Annotated[NotNegative, Real(0.0, 1.0)] = 0.1
    """Power of an item's degree that its score is divided by; more favours rare items."""
    within_seconds: NotNegative = 0.0
    """Seconds between two events that are close, at most; 0: no limit."""
    pause_seconds: NotNegative = 0.0
    """Seconds without an event that end a session: no pair spans them; 0: never."""
    half_life_seconds: NotNegative = 0.0
    """Seconds between two events after which a pair counts half; 0: time makes no difference."""
    event_column: str = ""
    """Column of the events that names their types; empty: all events are alike."""
    event_weights: dict[str, float] = {}
    """Weight of each type in `event_column`, such as {"order": 6.0}; 1 for types not named. It
    multiplies the count of what was close, and the weight of events of the history."""


class FromNewest(Generator):
    """Base class of generators that score by counts of what came close to the newest items.

    Attributes:
        transitions_: Share of the counts of each item (row) that goes to each other item, shape
            `(n_items, n_items)`; what a row lacks to 1 goes to popularity.
    """

    @abstractmethod
    def _counts(self, log: EventLog, dataset: Dataset) -> csr_array:
        """Count what came close to each item, shape `(n_items, n_items)`."""

    def _logs(self, dataset: Dataset) -> tuple[EventLog, EventLog]:
        """Return the events to learn from, and the histories to answer."""
        learned = EventLog.of_training(dataset)
        return learned, EventLog.of_history(dataset) if dataset.has("fold_in") else learned

    def _fit(self, dataset: Dataset) -> None:
        log, self._log = self._logs(dataset)
        counts = self._counts(log, dataset)
        total = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        whole = total + self.smoothing
        shares = np.divide(1, whole, out=np.zeros_like(whole), where=whole > 0)
        self.transitions_ = (diags_array(shares.astype(np.float32)) @ counts).tocsr()
        self._to_popularity = (1 - total * shares).astype(np.float32)
        events = np.bincount(dataset.train[ITEM], minlength=dataset.n_items)
        self._popularity = (events / max(events.sum(), 1)).astype(np.float32)

    def reading(self, log: EventLog) -> Self:
        """Return the same fitted generator, which reads other events before it answers.

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
        say = newest_items(self._log, users, len(self._popularity), self.last, self.fading)
        scores = product(say, self.transitions_)
        scores += (say @ self._to_popularity)[:, None] * self._popularity
        return scores if items is None else scores[:, items]


class CoVisitation(FromNewest):
    """Scores an item by how often it came close to the user's newest items in other histories.

    Windows are places, seconds, or both; the newest items of a history weigh most. Seconds need
    events with times. Events of the same time keep the order of their rows.

    Attributes:
        transitions_: Share of the counts of each item (row) that goes to each other item, shape
            `(n_items, n_items)`, at most `neighbours` in a row; what a row lacks to 1 goes to
            popularity.
    """

    name = "CoVisitation"
    Settings = CoVisitationSettings

    def _logs(self, dataset: Dataset) -> tuple[EventLog, EventLog]:
        if not self.event_column:
            return super()._logs(dataset)
        self._check_types(dataset)
        asked = {"amount": self.event_column, "worth": self.event_weights}
        learned = EventLog.of_training(dataset, **asked)
        fold_in = dataset.has("fold_in")
        return learned, EventLog.of_history(dataset, **asked) if fold_in else learned

    def _check_types(self, dataset: Dataset) -> None:
        events = dataset.table("interactions") if dataset.has("interactions") else dataset.train
        if self.event_column not in events:
            raise SettingError(
                f"event_column names no column of the events: {self.event_column!r}. Columns: "
                f"{', '.join(events)}.{did_you_mean(self.event_column, events)} A table keeps "
                "a column if kept_columns names it when it is prepared."
            )
        known = sorted({str(name) for name in events[self.event_column].unique()})
        for name, weight in self.event_weights.items():
            if name not in known:
                raise SettingError(
                    f"event_weights names a type that no event has: {name!r}. Column "
                    f"{self.event_column!r} has {', '.join(known[:10])}.{did_you_mean(name, known)}"
                )
            if not 0 <= weight < np.inf:
                raise SettingError(f"event_weights must be 0 or greater, got {name}: {weight}.")

    def _counts(self, log: EventLog, dataset: Dataset) -> csr_array:
        window = Window(
            reach=self.reach,
            within=self.within_seconds,
            pause=self.pause_seconds,
            distance_power=self.distance_power,
            half_life=self.half_life_seconds,
            backward=self.backward,
        )
        if window.needs_times and not log.has_times:
            raise DataError(
                f"within_seconds, pause_seconds and half_life_seconds need the times of events, "
                f"and the training events of {dataset.name!r} lack them. Leave the three at 0."
            )
        self._scale = np.maximum(self.item_counts_, 1.0) ** -self.beta
        return counted_pairs(
            log, dataset.n_items, window, neighbours=self.neighbours, scale=self._scale
        )

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        scores = super()._score(users, items)
        if self.beta:
            scores *= (self._scale if items is None else self._scale[items]).astype(np.float32)
        return scores

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        ways = 2 if self.backward else 1
        kept = min(ways * self.reach * n_events, self.neighbours * n_items)
        return 16 * kept + 32 * n_events + 24 * n_items
