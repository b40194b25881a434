"""Compiled counts of the items that come close together, row by row of the result.

A thread takes one item at a time, visits each event of it and walks from there through the window.
So it needs one number an item beside the result, however many events there are.
"""

from __future__ import annotations

import numba
import numpy as np

from candgen.models.top_k_heap import replace_root, worse
from candgen.numba_cache import njit

NOTHING = np.float32(-np.inf)


@njit
def places_by_item(items, starts, places):
    """Write the places of each item's events into `places`, from `starts` on, in their order."""
    following = starts[:-1].copy()
    for place in range(len(items)):
        item = items[place]
        places[following[item]] = place
        following[item] += 1


@njit
def is_near(place, other, sessions, times, within):
    """Return whether another place lies in the same session, and near in time."""
    if other < 0 or other >= len(sessions) or sessions[other] != sessions[place]:
        return False
    return not within or abs(times[other] - times[place]) <= within


@njit(parallel=True)
def lengths_of_windows(sessions, times, within, reach, before, after):
    """Write how many events before and after each one lie in its window, at most `reach`."""
    for place in numba.prange(len(sessions)):
        for far in range(1, reach + 1):
            if not is_near(place, place - far, sessions, times, within):
                break
            before[place] = far
        for far in range(1, reach + 1):
            if not is_near(place, place + far, sessions, times, within):
                break
            after[place] = far


@njit(parallel=True)
def count_near(
    starts, places, items, sessions, times, amounts,
    by_distance, within, half_life, backward, scale, n_threads, room, found, counts, kept,
):  # fmt: skip
    """Count for each item what lies in the windows around its events.

    Args:
        starts: Where each item's events begin in `places`, shape `(n_items + 1,)`.
        places: Places of each item's events, of whole numbers, shape `(n,)`.
        items: Item of each event, int32, shape `(n,)`.
        sessions: Session of each event; those of one session are neighbours, shape `(n,)`.
        times: Seconds of each event, int64; empty where no setting asks for them.
        amounts: What each event counts, float32; empty: 1.
        by_distance: Weight of a pair by places between its events, float64, from 0 places on.
        within: Seconds between the events of a pair, at most; 0: no limit.
        half_life: Seconds between its events after which a pair counts half; 0: none.
        backward: Weight of an event before the item's; 0: only those after it count.
        scale: Factor of each item where the largest counts are chosen, float64.
        n_threads: Threads that share the work.
        room: Where each row begins in `found`, shape `(n_items + 1,)`; its length is the number
            of items that are kept at most.
        found: int32; gets the items counted, ascending within a row.
        counts: float32, like `found`.
        kept: int64, shape `(n_items,)`; gets the items counted of each row.
    """
    n_items = len(scale)
    for thread in numba.prange(n_threads):
        seen, touched = np.zeros(n_items), np.empty(n_items, np.int32)
        for row in range(thread, n_items, n_threads):
            n_touched = 0
            for entry in range(starts[row], starts[row + 1]):
                place = np.int64(places[entry])
                for step in (1, -1):
                    of_way = 1.0 if step == 1 else backward
                    if of_way == 0:
                        break
                    for far in range(1, len(by_distance)):
                        at = place + step * far
                        if not is_near(place, at, sessions, times, within):
                            break
                        weight = of_way * by_distance[far]
                        if half_life:
                            weight *= 0.5 ** (abs(times[at] - times[place]) / half_life)
                        if len(amounts):
                            weight *= amounts[at]
                        if weight <= 0:
                            continue
                        other = items[at]
                        if seen[other] == 0:
                            touched[n_touched] = other
                            n_touched += 1
                        seen[other] += weight
            first, size = room[row], room[row + 1] - room[row]
            row_items, row_counts = found[first : first + size], counts[first : first + size]
            if n_touched <= size:
                size = n_touched
                row_items[:size] = touched[:size]
            else:
                row_items[:], row_counts[:] = -1, NOTHING
                for slot in range(n_touched):
                    other = touched[slot]
                    score = np.float32(seen[other] * scale[other])
                    if worse(row_counts[0], row_items[0], score, other):
                        replace_root(row_counts, row_items, size, score, other)
            row_items[:size].sort()
            for slot in range(size):
                row_counts[slot] = seen[row_items[slot]]
            for slot in range(n_touched):
                seen[touched[slot]] = 0
            kept[row] = size


@njit
def close_gaps(room, kept, found, counts):
    """Move the rows of `count_near` together; return how many numbers they hold."""
    to = 0
    for row in range(len(kept)):
        for slot in range(room[row], room[row] + kept[row]):
            found[to], counts[to] = found[slot], counts[slot]
            to += 1
    return to
