"""Parts of the softmax network beside its towers: examples, their age, and biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.features import Bins
from candgen.models.towers.inputs import Input
from candgen.models.towers.learning import TowerLearner
from candgen.models.towers.network import Tower
from candgen.models.towers.timed import SharedOut
from candgen.training import EmbeddingTable, quiet

_DAY = 86_400  # seconds


class Examples:
    """Training examples of an epoch, with a cap for each user.

    A user with more events than the cap gives `most` examples. The user's time is cut into so many
    stretches of equally many events, and each example is one event of its stretch, chosen anew each
    time: the whole period is learned from, and over the epochs every event.
    """

    def __init__(
        self, places: NDArray[np.int64], users: NDArray[np.integer], most: int = 0
    ) -> None:
        """Cut the stretches.

        Args:
            places: Of the events in their log, in its order, shape `(n_events,)`.
            users: The owner of each, rising, shape `(n_events,)`.
            most: Examples a user, at most; 0: as many as events.
        """
        self._places = places
        lengths = np.unique(users, return_counts=True)[1]
        given = np.minimum(lengths, most) if most else lengths
        firsts = np.repeat(np.cumsum(lengths) - lengths, given)  # a user's first event
        turns = np.arange(given.sum()) - np.repeat(np.cumsum(given) - given, given)
        lengths, given = np.repeat(lengths, given), np.repeat(given, given)
        self._starts = firsts + turns * lengths // given
        self._stops = firsts + (turns + 1) * lengths // given

    def __len__(self) -> int:
        return len(self._starts)

    def of_items(self, items: NDArray[np.integer], n_items: int) -> NDArray[np.bool_]:
        """Return which items some example has, given the item of each event of the log."""
        return np.bincount(items[self._places], minlength=n_items) > 0

    def draw(self, examples: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return a place in the log for each of some examples, numbers below `len(self)`."""
        starts, stops = self._starts[examples], self._stops[examples]
        chosen = (rng.random(len(examples)) * (stops - starts)).astype(np.int64)
        return self._places[starts + chosen]


class SoftmaxLearner(TowerLearner):
    """A network and its last layer; the examples are those of `Examples`."""

    def __init__(self, examples: Examples, *parts: Any, **settings: Any) -> None:
        """Put the parts together; all but the examples are those of `TowerLearner`."""
        super().__init__(*parts, loss="softmax", **settings)
        self.examples, self.n_examples = examples, len(examples)
        self.learned_items = examples.of_items(self.log.items, self.n_items)

    def learn(self, examples, weights, rate, rng):
        return super().learn(self.examples.draw(examples, rng), weights, rate, rng)


class ExampleAge(SharedOut):
    """Age of the example at the end of training; 0 for later examples."""

    def __init__(self, table: EmbeddingTable, end: int, ages: Bins) -> None:
        """Keep what is needed.

        Args:
            table: One row a bin.
            end: When training ends, in seconds.
            ages: Bins of days before it.
        """
        super().__init__("example_age", table)
        self.end, self.ages = end, ages

    @staticmethod
    def bins_of(times: NDArray[np.int64], end: int, n: int) -> Bins:
        """Place knots so that equally many examples, at `times`, lie between any two."""
        return Bins.of((end - times) / _DAY, n)

    def bins(self, asked):
        return self.ages.share(np.maximum(self.end - asked.times, 0) / _DAY)


class Augmented:
    """A tower whose vectors have one more coordinate: 1 for queries, a bias for items.

    The inner product of both is then the logit, bias and all, so that an index of vectors finds
    the largest logits.
    """

    def __init__(self, tower: Tower, *, by: str = "") -> None:
        """Wrap a tower.

        Args:
            tower: What makes the other coordinates.
            by: The looked-up input that is the last coordinate; empty: ones.
        """
        self._tower, self._by = tower, by
        self.name, self.layers, self.dim = tower.name, tower.layers, tower.dim + 1

    def __call__(self, embedded: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
        """Return vectors, shape `(n, dim)`."""
        tf = quiet.tensorflow()
        vectors = self._tower(embedded, given)
        last = embedded[self._by] if self._by else tf.ones_like(vectors[:, :1])
        return tf.concat([vectors, last], axis=1)


def parts_of(learner: SoftmaxLearner, hidden: Sequence[int]) -> pd.DataFrame:
    """Describe a network from its inputs to its last layer.

    Returns:
        One row a part: `part`, `kind` (input, hidden, user vector or row), `rows` (of its table of
        embeddings, or the numbers that enter it), `width` (of what comes out) and `numbers` (that
        are learned).
    """
    made = [("input", i.name, len(i.table), i.width, _learned(i)) for i in learner.queries]
    entering = sum(one.width for one in learner.queries)
    dim = next(one.width for one in learner.items)
    if hidden:
        for turn, width in enumerate(hidden, start=1):
            made.append(("hidden", f"ReLU {turn}", entering, width, (entering + 1) * width))
            entering = width
        made.append(("user vector", "user vector", entering, dim, (entering + 1) * dim))
    else:
        made.append(("user vector", "sum", entering, dim, 0))
    made += [("row", i.name, len(i.table), i.width, _learned(i)) for i in learner.items]
    found = pd.DataFrame(made, columns=["kind", "part", "rows", "width", "numbers"])
    return found[["part", "kind", "rows", "width", "numbers"]]


def _learned(one: Input) -> int:
    return sum(table.rows.size for table in one.tables)
