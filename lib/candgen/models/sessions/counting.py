"""Counts of pairs of items that one user had close together, and the newest items of a user.

For each item, events inside the window around its own events are counted:

    C_ij = sum over events e of i, f of j:  b(e, f) a_f d^-power 2^(-t / half_life)

with d the places and t the seconds between the two, a_f what event f counts, and b 1 if f came
after e, `backward` if it came before. Windows end where the session does: at the user's last event,
or at a pause.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from candgen.features import EventLog

_NO_TIMES = np.zeros(0, np.int64)


class Window(NamedTuple):
    """Events that are close to each other, and how much a pair of them counts."""

    reach: int
    """Places between two events, at most."""
    within: float = 0.0
    """Seconds between two events, at most; 0: no limit."""
    pause: float = 0.0
    """Seconds without an event that end a session; 0: a history is one session."""
    distance_power: float = 1.0
    """A pair d places apart counts d^-distance_power."""
    half_life: float = 0.0
    """Seconds between two events after which a pair counts half; 0: time makes no difference."""
    backward: float = 0.0
    """Weight of what came before, against 1 of what came after."""

    @property
    def needs_times(self) -> bool:
        """True if events without times cannot be counted."""
        return bool(self.within or self.pause or self.half_life)

    def sessions(self, log: EventLog) -> NDArray[np.int32]:
        """Return a number for each event that is the same within a session, shape `(n,)`."""
        if not self.pause:
            return log.users
        begins = np.empty(len(log), dtype=np.bool_)
        begins[:1] = True
        np.greater(np.diff(log.times), self.pause, out=begins[1:])
        begins |= np.diff(log.users, prepend=-1) > 0
        return np.cumsum(begins, dtype=np.int32)

    def times(self, log: EventLog) -> NDArray[np.int64]:
        """Return the times of events where a pair's seconds matter, else nothing."""
        return log.times if self.within or self.half_life else _NO_TIMES

    def weights(self) -> NDArray[np.float64]:
        """Return what a pair counts by the places between its events, shape `(reach + 1,)`."""
        places = np.arange(self.reach + 1, dtype=np.float64)
        return np.concatenate([[0], places[1:] ** -self.distance_power])


def counted_pairs(
    log: EventLog,
    n_items: int,
    window: Window,
    *,
    neighbours: int | None = None,
    scale: NDArray[np.float64] | None = None,
) -> csr_array:
    """Count which items come close to each item.

    The result is the same for any number of threads. Beside it, memory holds 4 bytes an event, and
    12 an item and thread; the log and its sessions come on top, and 8 bytes for each item that may
    be kept: at most `neighbours` an item, and at most `reach` an event and direction.

    Args:
        log: Events in their order; with times, if the window needs them. Its `amounts` are what
            events count.
        n_items: Items of the dataset.
        window: Which events are close.
        neighbours: Items kept of each item, those counted most; ties go to the smaller index.
            None: all.
        scale: Factor of the counts of each item where those kept are chosen, above 0, shape
            `(n_items,)`; None: 1.

    Returns:
        C, shape `(n_items, n_items)`, float32, columns sorted within a row.
    """
    import numba

    from candgen.models.sessions import kernels

    n_events = np.bincount(log.items, minlength=n_items)
    starts = np.concatenate([[0], np.cumsum(n_events)])
    places = np.empty(len(log), np.int32 if len(log) < 2**31 else np.int64)
    kernels.places_by_item(log.items, starts, places)
    ways = 2 if window.backward else 1
    most = min(neighbours or n_items, n_items)
    room = np.concatenate([[0], np.cumsum(np.minimum(ways * window.reach * n_events, most))])
    found, counts = np.empty(room[-1], np.int32), np.empty(room[-1], np.float32)
    kept = np.zeros(n_items, np.int64)
    kernels.count_near(
        starts,
        places,
        log.items,
        window.sessions(log),
        window.times(log),
        np.zeros(0, np.float32) if log.amounts is None else log.amounts,
        window.weights(),
        float(window.within),
        float(window.half_life),
        float(window.backward),
        np.ones(n_items) if scale is None else scale,
        numba.get_num_threads(),
        room,
        found,
        counts,
        kept,
    )
    n = kernels.close_gaps(room, kept, found, counts)
    for made in (found, counts):
        made.resize(n, refcheck=False)  # in place: a copy would take as much again
    ends = np.concatenate([[0], np.cumsum(kept)])
    if n < 2**31:
        ends = ends.astype(np.int32)  # or else the columns found become int64, too
    return csr_array((counts, found, ends), shape=(n_items, n_items))


def transitions(log: EventLog, reach: int, n_items: int) -> csr_array:
    """Count how often each item was followed by each other, shape `(n_items, n_items)`.

    What came `j` places later counts 1 / j, up to `reach` places.
    """
    plain = EventLog(log.offsets, log.items, log.times)
    return counted_pairs(plain, n_items, Window(reach))


def newest_items(
    log: EventLog, users: NDArray[np.int64], n_items: int, last: int, fading: float
) -> csr_array:
    """Weigh the newest items of users.

    Args:
        log: One history a user; its `amounts` multiply the weights.
        users: Dense ids, shape `(n,)`.
        n_items: Items of the dataset.
        last: Newest events that count.
        fading: Weight factor per later event.

    Returns:
        Weights, shape `(n, n_items)`, float32; a row sums to 1, or is empty without events.
    """
    stops = log.offsets[users + 1]
    lengths = np.minimum(stops - log.offsets[users], last)
    row = np.repeat(np.arange(len(users)), lengths)
    back = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # 0: newest
    places = stops[row] - 1 - back
    weights = np.power(fading, back, dtype=np.float64)
    if log.amounts is not None:
        weights *= log.amounts[places]
    total = np.bincount(row, weights, minlength=len(users))[row]
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    cells = (weights.astype(np.float32), (row, log.items[places]))
    return csr_array(cells, shape=(len(users), n_items))
