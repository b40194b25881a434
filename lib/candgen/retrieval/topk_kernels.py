"""Compiled selection of the best items of each row.

Rows are independent and run in parallel. Each keeps what is better than its bar, the score of the
`k`-th best item so far, and when its room is full the best `k` of that, which raises the bar. Items
are met in ascending order, so that one that ties with the bar never enters and ties go to the
smaller index.

A score and its item are one whole number, the key, which is larger for the better pair: a compare
is a single step, and the numbers of a row lie side by side.
"""

from __future__ import annotations

import numba
import numpy as np

from candgen.numba_cache import njit

NOTHING = np.float32(-np.inf)
STRETCH = 64  # scores compared with the bar at a time
_LEAST_ROOM, _MOST_ROOM = 64, 1024  # keys beyond the best k

_HALF, _LOWER, _SIGN = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0x80000000)


@njit(inline="always")
def _key(score, item):
    """Join a score and its item; the bits of a positive float rise with it, others fall."""
    bits = np.uint64(np.float32(score + np.float32(0)).view(np.uint32))  # -0 becomes 0
    rising = bits ^ _LOWER if bits & _SIGN else bits | _SIGN
    return (rising << _HALF) | (_LOWER - np.uint64(item))


@njit(inline="always")
def _score_of(key):
    rising = key >> _HALF
    bits = rising ^ _SIGN if rising & _SIGN else rising ^ _LOWER
    return np.uint32(bits).view(np.float32)


@njit(inline="always")
def _item_of(key):
    return np.int32(_LOWER - (key & _LOWER))


@njit
def _room(k):
    """Return how many keys a row keeps at most."""
    return k + min(max(k, _LEAST_ROOM), _MOST_ROOM)


@njit
def _keep_best(keys, n, k):
    """Bring the largest `k` of the first `n` keys to the front, the smallest of them last."""
    low, high, wanted = 0, n - 1, k - 1
    while low < high:
        middle = (low + high) // 2
        first, second, third = keys[low], keys[middle], keys[high]
        if (first > second) != (first > third):  # the median of three is the pivot
            keys[low], keys[high] = third, first
        elif (second > first) != (second > third):
            keys[middle], keys[high] = third, second
        pivot, place = keys[high], low
        for other in range(low, high):  # without a branch, which could not be foreseen
            key = keys[other]
            keys[other] = keys[place]
            keys[place] = key
            place += np.int64(key > pivot)
        keys[high] = keys[place]
        keys[place] = pivot
        if place == wanted:
            break
        if place < wanted:
            low = place + 1
        else:
            high = place - 1


@njit(inline="always")
def _any_above(row, start, bar):
    found = np.int32(0)
    for place in range(STRETCH):  # of fixed length and without an early end: it runs side by side
        found += np.int32(row[start + place] > bar)
    return found != 0


@njit(inline="always")
def _offer(keys, n, bar, k, score, item):
    """Take an item; when the room is full, keep the best `k` and raise the bar."""
    keys[n] = _key(score, item)
    if n + 1 < len(keys):
        return n + 1, bar
    _keep_best(keys, n + 1, k)
    return k, _score_of(keys[k - 1])


@njit
def _scan(row, offset, keys, n, bar, k):
    """Offer consecutive items; stretches without a better score are skipped.

    Loops over a stretch have a fixed length and no call in them: only such run side by side.
    """
    places = np.empty(STRETCH, dtype=np.int32)
    whole = len(row) - len(row) % STRETCH
    for start in range(0, whole, STRETCH):
        if _any_above(row, start, bar):
            better = np.uint64(0)
            for place in range(STRETCH):  # their places first, without a branch
                places[better] = place
                better += np.uint64(row[start + place] > bar)
            for found in range(better):
                place = start + places[found]
                if row[place] > bar:
                    n, bar = _offer(keys, n, bar, k, row[place], offset + place)
    for place in range(whole, len(row)):
        if row[place] > bar:
            n, bar = _offer(keys, n, bar, k, row[place], offset + place)
    return n, bar


@njit
def _scan_listed(row, offset, listed, keys, n, bar, k):
    """Offer those of consecutive items that are listed, in ascending order; return how many."""
    taken, last = 0, offset + len(row)
    while taken < len(listed) and listed[taken] < last:
        item = listed[taken]
        if row[item - offset] > bar:
            n, bar = _offer(keys, n, bar, k, row[item - offset], item)
        taken += 1
    return n, bar, taken


@njit
def _withhold(row, offset, withheld):
    """Put withheld items behind all others; return how many ascending ones lie in the row."""
    taken, last = 0, offset + len(row)
    while taken < len(withheld) and withheld[taken] < last:
        row[withheld[taken] - offset] = NOTHING
        taken += 1
    return taken


@njit
def _write_best_first(keys, n, items, scores):
    k = len(items)
    if n > k:
        _keep_best(keys, n, k)
        n = k
    kept = keys[:n]
    kept.sort()
    for place in range(n):
        key = kept[n - 1 - place]
        items[place], scores[place] = _item_of(key), _score_of(key)


@njit(parallel=True)
def select(block, masks, items, scores):
    """Write the best items of each row of `block` into `items` and `scores`.

    `block` is overwritten with -inf where items are withheld from a row or forbidden to all.
    Places for which no item is left keep what they arrived with, -1 and -inf.

    Args:
        block: Scores, float32, shape `(rows, n_items)`.
        masks: See `Masks` in `topk`; one entry more than rows in both arrays of starts.
        items: int32, shape `(rows, k)`, filled with -1.
        scores: float32, shape `(rows, k)`, filled with -inf.
    """
    starts, withheld, forbidden, is_listed, listed_starts, listed = masks
    k = items.shape[1]
    for row in numba.prange(len(block)):
        keys, n, bar = np.empty(_room(k), dtype=np.uint64), 0, NOTHING
        _withhold(block[row], 0, withheld[starts[row] : starts[row + 1]])
        _withhold(block[row], 0, forbidden)
        if is_listed:
            mine = listed[listed_starts[row] : listed_starts[row + 1]]
            n, bar, _ = _scan_listed(block[row], 0, mine, keys, n, bar, k)
        else:
            n, bar = _scan(block[row], 0, keys, n, bar, k)
        _write_best_first(keys, n, items[row], scores[row])


@njit(parallel=True)
def select_products(queries, vectors, masks, scratch, items, scores):
    """Write the best items of each query; each thread multiplies and ranks blocks of its own.

    A block is some queries times a stretch of the catalogue, so that its scores are ranked while
    they are still in the processor's cache. Products and selection share the threads, so no pool
    of threads waits for another. The BLAS library must be limited to one thread while this runs.

    Args:
        queries: float32, shape `(n_queries, dim)`.
        vectors: Of the items, float32, shape `(n_items, dim)`.
        masks: As for `select`.
        scratch: float32, shape `(n_threads, rows, columns)`: room for a block of scores each.
        items: As for `select`, shape `(n_queries, k)`.
        scores: As for `select`, shape `(n_queries, k)`.
    """
    starts, withheld, forbidden, is_listed, listed_starts, listed = masks
    n_threads, rows, columns = scratch.shape
    k = items.shape[1]
    for thread in numba.prange(n_threads):
        keys = np.empty((rows, _room(k)), dtype=np.uint64)
        kept, bars = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.float32)
        seen, met = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
        for first in range(thread * rows, len(queries), n_threads * rows):
            last = min(first + rows, len(queries))
            asked = queries[first:last]
            kept[:], bars[:], barred = 0, NOTHING, 0
            seen[: last - first] = starts[first:last]
            met[: last - first] = listed_starts[first:last]
            for offset in range(0, len(vectors), columns):
                offered = vectors[offset : offset + columns]
                room = scratch[thread].reshape(-1)[: len(asked) * len(offered)]
                block = room.reshape(len(asked), len(offered))
                np.dot(asked, offered.T, block)
                n_barred = 0
                for row in range(last - first):
                    own = withheld[seen[row] : starts[first + row + 1]]
                    seen[row] += _withhold(block[row], offset, own)
                    n_barred = _withhold(block[row], offset, forbidden[barred:])
                    n, bar = kept[row], bars[row]
                    if is_listed:
                        mine = listed[met[row] : listed_starts[first + row + 1]]
                        n, bar, n_met = _scan_listed(block[row], offset, mine, keys[row], n, bar, k)
                        met[row] += n_met
                    else:
                        n, bar = _scan(block[row], offset, keys[row], n, bar, k)
                    kept[row], bars[row] = n, bar
                barred += n_barred
            for row in range(last - first):
                _write_best_first(keys[row], kept[row], items[first + row], scores[first + row])
