"""Streaming estimate of item frequencies in training examples.

After Yi et al., *Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations*
(RecSys 2019): two hashed arrays hold, for each slot, the example at which it was last hit and the
mean number of examples between two hits; the frequency is one over that gap. Of several hash
functions the one with the largest gap is believed, for collisions only ever shorten gaps.

Changed here: examples are counted instead of batches, so that items which occur several times in
a batch are measured too; and the first gaps are averaged plainly, so no first guess is needed.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from candgen.checks import Count, checked
from candgen.errors import SettingError
from candgen.numba_cache import njit

_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class FrequencyEstimator:
    """Estimates the share of each item among the examples, and follows it when it drifts.

    Memory depends on `n_slots` and never on the catalogue.
    """

    def __init__(self, *, n_slots: int = 1 << 20, n_hashes: int = 2, rate: float = 0.01) -> None:
        """Start with nothing seen.

        Args:
            n_slots: Slots of each hash function, a power of two; a few times the number of items
                keeps collisions rare.
            n_hashes: Hash functions.
            rate: Weight of the latest gap, above 0 and at most 1. The relative error of an estimate
                settles at about `sqrt(rate / 2)`; what was 1 / rate occurrences ago is forgotten.

        Raises:
            SettingError: If a setting is out of range.
        """
        self.n_slots = checked("n_slots", n_slots, Annotated[int, Field(ge=2)])
        if self.n_slots & (self.n_slots - 1):
            raise SettingError(f"n_slots must be a power of two, got {n_slots}.")
        self.n_hashes = checked("n_hashes", n_hashes, Count)
        self.rate = checked("rate", rate, Annotated[float, Field(gt=0, le=1)])
        self.n_seen = 0
        shape = (self.n_hashes, self.n_slots)
        self._last = np.zeros(shape, np.int64)
        self._hits = np.zeros(shape, np.int32)
        self._gaps = np.zeros(shape, np.float32)

    def observe(self, items: NDArray[np.integer]) -> None:
        """Take in the items of further examples, in their order; negative ones are left out."""
        self.n_seen = _observe(items, self.n_seen, self._last, self._hits, self._gaps, self.rate)

    def shares(self, items: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the estimated share of each item among the examples.

        An item that was never seen gets one part in one more than was seen.
        """
        return _shares(items, self.n_seen, self._hits, self._gaps)

    def state(self) -> dict[str, NDArray]:
        """Return all that was learned, by name; the arrays are not copies."""
        held = {"last": self._last, "hits": self._hits, "gaps": self._gaps}
        return {**held, "seen": np.array(self.n_seen)}

    def load_state(self, state: dict[str, NDArray]) -> None:
        """Go on from a state that `state` returned, of an estimator of the same size."""
        self._last[:], self._hits[:] = state["last"], state["hits"]
        self._gaps[:], self.n_seen = state["gaps"], int(state["seen"])


@njit(inline="always")
def _slot(item, which, n_slots):
    z = (np.uint64(item) + np.uint64(1)) * _GOLDEN + np.uint64(which) * _MIX_2
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return np.int64((z ^ (z >> np.uint64(31))) & np.uint64(n_slots - 1))


@njit
def _observe(items, n_seen, last, hits, gaps, rate):
    n_hashes, n_slots = last.shape
    for item in items:
        if item < 0:
            continue
        n_seen += 1
        for which in range(n_hashes):
            slot = _slot(item, which, n_slots)
            hits[which, slot] += 1
            share = max(rate, 1.0 / hits[which, slot])
            gaps[which, slot] += share * ((n_seen - last[which, slot]) - gaps[which, slot])
            last[which, slot] = n_seen
    return n_seen


@njit
def _shares(items, n_seen, hits, gaps):
    n_hashes, n_slots = hits.shape
    found = np.empty(len(items))
    for place in range(len(items)):
        gap = 0.0
        for which in range(n_hashes):
            slot = _slot(items[place], which, n_slots)
            of_slot = gaps[which, slot] if hits[which, slot] else n_seen + 1.0
            gap = max(gap, of_slot)
        found[place] = 1.0 / gap
    return found
