"""Learner of hidden events: masks some in each window and guesses them from all others.

The mask is one more row of the item table. Asked for candidates, it stands behind the newest
events. To hide a share p of the events at random teaches to fill gaps, of which the end is one in
many, so one window in ten hides its newest event alone (BERT4Rec adds such examples, too).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.sequences.learner import SequenceLearner
from candgen.models.sequences.networks import Network
from candgen.models.sequences.windows import Batch, last_events

_NEWEST_ALONE = 0.1  # share of the windows that hide nothing but their newest event
_SPARE = 1.25  # room for hidden places in a batch, over what is expected


class MaskedLearner(SequenceLearner):
    """Rows of windows as examples, of which some events are hidden anew at each pass."""

    _with_last = True
    _further_rows = 1  # the mask

    def __init__(self, network: Network, dataset: Dataset, settings: Any) -> None:
        self._share = settings.masked
        super().__init__(network, dataset, settings)
        sizes = self.windows.stops - self.windows.starts
        n_places = settings.batch_size * settings.window
        expected = hidden_in_windows(sizes, self._share).sum() / max(len(self.windows), 1)
        # A step scores the places that hide something and no others, whose number must not change.
        self._room = min(n_places, int(_SPARE * expected * settings.batch_size) + 8)

    def _batch(self, examples: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        batch = self.windows.batch(examples)
        hidden = hide(batch, self._share, rng)
        too_many = rng.permutation(np.flatnonzero(hidden))[self._room :]  # hidden, but not asked
        targets = np.where(hidden, batch.items, np.int32(-1))
        targets.ravel()[too_many] = -1
        items = np.where(hidden, np.int32(self.n_items), batch.items)
        return batch._replace(items=items, targets=targets)

    def _further(self, batch: Batch) -> dict[str, NDArray]:
        asked = np.argsort(batch.targets.ravel() < 0, kind="stable")[: self._room]
        return super()._further(batch) | {"asked": asked.astype(np.int32)}

    def _read(
        self, users: NDArray[np.int64], log: EventLog
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        items, counts = last_events(log, users, self.length - 1)
        rows = np.pad(items, [(0, 0), (0, 1)], constant_values=-1)
        rows[np.arange(len(users)), counts] = self.n_items
        return rows, counts


def hide(batch: Batch, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose the places of a batch whose events are hidden, at least one of each window.

    Args:
        batch: Windows with their last events.
        share: Probability of each event; a window that would hide none hides its newest.
        rng: Where the draws come from.

    Returns:
        True where hidden, shape `(n, length)`.
    """
    full = batch.items >= 0
    after = np.pad(batch.owners[:, 1:], [(0, 0), (0, 1)], constant_values=-1)
    newest = full & (batch.owners != after)
    window = np.cumsum(full & (batch.steps == 0)).reshape(full.shape)  # from 1
    at_random = rng.random(window.max(initial=0) + 1) >= _NEWEST_ALONE
    hidden = full & (rng.random(full.shape) < share) & at_random[window]
    with_some = np.bincount(window[hidden], minlength=len(at_random)) > 0
    return hidden | (newest & ~with_some[window])


def hidden_in_windows(sizes: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Return how many events `hide` is expected to hide in windows of some sizes."""
    at_random = share * sizes + (1 - share) ** sizes
    return (1 - _NEWEST_ALONE) * at_random + _NEWEST_ALONE
