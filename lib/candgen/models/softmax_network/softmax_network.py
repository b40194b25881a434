"""Candidates by multiclass prediction: which of all items is the next one to be taken?

A network reads what is known of a user at a moment: the items of the history and the words of the
last searches, each as the mean of embeddings, the columns of the users table (place, age, gender),
how old the example is and, if asked, the time since the last event and how much was watched. Hidden
ReLU layers turn that into a user vector; the last layer has one row an item, and a softmax over all
rows predicts the item. When candidates are asked for, the softmax is no longer needed: the largest
logits are the rows nearest to the user vector by inner product, so the rows are the item vectors
and any index of vectors finds the candidates.

- Examples are events that count as a success: watches that were completed. All other items are
  negatives; in a large catalogue a sample stands for them, corrected for how it was drawn.
- The history ends before the example, whatever happened afterwards.
- The *example's age*, the time between the example and the end of training, tells the network when
  something was popular. Served with age 0, it answers for now; without, for the average of the
  past, in which what is new has hardly happened yet.
- A cap on the examples a user keeps the busiest people from deciding for all.

Covington, Adams and Sargin, *Deep neural networks for YouTube recommendations*, RecSys 2016. Ours
differs in this: numbers enter as overlapping bins and not as powers, the last layer may have
biases (one more coordinate), and its rows may be the sum of a row of their own and of embeddings
of the item's columns, so that an item nobody has taken has a row, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from candgen.columns import ITEM
from candgen.datasets import Dataset
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.features import Bins, EventLog, suggested
from candgen.models.base import VectorGenerator
from candgen.models.learned import LearnedGenerator
from candgen.models.softmax_network.softmax_network_parts import (
    Augmented,
    ExampleAge,
    Examples,
    SoftmaxLearner,
    parts_of,
)
from candgen.models.softmax_network.softmax_network_settings import (
    ITEM_INPUTS,
    QUERY_INPUTS,
    SoftmaxNetworkSettings,
)
from candgen.models.towers import portable
from candgen.models.towers.building import (
    chosen_inputs,
    item_inputs,
    query_inputs,
    read_searches_of,
)
from candgen.models.towers.inputs import Ids, Input
from candgen.models.towers.network import Tower
from candgen.models.towers.timed import WatchTime
from candgen.negatives import make_sampler
from candgen.seeds import derive_seed
from candgen.training import EmbeddingTable

if TYPE_CHECKING:
    from candgen.cluster.workers import Cluster


_OWN_INPUTS = ("watch_time", "example_age")  # beside those that every tower can have


class SoftmaxNetwork(LearnedGenerator, VectorGenerator):
    """A classifier of the next item whose last layer is searched by inner product.

    Users without a history are answered where the network reads features of users, and items
    without an example where rows read features of items; otherwise both are refused by name.

    Attributes:
        query_inputs_: What the network reads.
        item_inputs_: What a row of the last layer is made of.
        parts_: Inputs, hidden layers, user vector and last layer, one row each, in this order.
        moment_: When candidates are asked for: the second after the last training event.
        n_examples_: Examples of an epoch.
    """

    name = "SoftmaxNetwork"
    Settings = SoftmaxNetworkSettings
    chosen: SoftmaxNetworkSettings
    computes_queries = True

    def fit(self, dataset: Dataset, *, cluster: Cluster | None = None) -> SoftmaxNetwork:
        """Learn from the training part of a dataset.

        Raises:
            SettingError: If the dataset lacks what an input or `positive_column` reads.
        """
        self.query_inputs_, self.item_inputs_ = self._inputs_of(dataset)
        self.answers_cold_users = "features" in self.query_inputs_
        self.answers_cold_items = "features" in self.item_inputs_
        return super().fit(dataset, cluster=cluster)

    @property
    def searched_by(self) -> str:
        """dot where popularity has a coordinate beside the vectors of length 1."""
        return "dot" if self.popularity_weight else self.similarity

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the rows of the last layer, with biases as their last coordinate; or zeros.

        Shape `(n_items, dim)`, or `(n_items, dim + 1)` with biases. Items that it does not know
        have zeros.
        """
        self._known("known_items_")
        return self._items

    def log_probabilities(self, users: ArrayLike) -> NDArray[np.float32]:
        """Return the log of each item's share in the softmax, as of now, shape `(n, n_items)`.

        The shares of a user sum to 1 over the items it knows; what the user has is among them.
        Others have -inf.
        """
        logits = self.score(users) / self.temperature
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def surprise(self, dataset: Dataset, users: ArrayLike, *, rows_per_block: int = 1024) -> float:
        """Return the mean of minus the log of the probability of what is held out, in nats.

        That is the loss of the full softmax, whatever training looked at. Events of items that it
        does not know are left out; NaN if there are no others.

        Args:
            dataset: What it was fitted to; its held-out part is looked at.
            users: Dense ids of whose events are looked at, shape `(n,)`.
            rows_per_block: Users looked at together.
        """
        users, logs = np.asarray(users), [np.zeros(0)]
        for start in range(0, len(users), rows_per_block):
            block = users[start : start + rows_per_block]
            found = self.log_probabilities(block)[dataset.held_out_matrix[block].nonzero()]
            logs.append(found[np.isfinite(found)])
        found = np.concatenate(logs)
        return float(-found.mean()) if len(found) else float("nan")

    def portable_queries(self) -> dict[str, NDArray]:
        """Return the query tower as arrays from which NumPy alone makes vectors of new users."""
        self._known("known_items_")
        return portable.portable_queries(self)

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._learned.query_vectors(self._learned.now(self._log, users))

    def _bytes_of_step(self, n_items: int) -> float:
        return self.chosen.bytes_of_step(n_items, self.negatives)

    def _inputs_of(self, dataset: Dataset) -> tuple[list[str], list[str]]:
        """Return the inputs: those asked for, or all that the dataset has."""
        asked = [name for name in self.query_inputs if name not in _OWN_INPUTS]
        queries, items = chosen_inputs(dataset, asked, self.item_inputs)
        if self.query_inputs:
            chosen = [n for n in QUERY_INPUTS if n in self.query_inputs]
        else:
            there = {*queries, "example_age"} - {"time"}
            there |= {"watch_time"} if self.watch_column else set()
            chosen = [n for n in QUERY_INPUTS if n in there]
        if not EventLog.of(dataset.train.head(1), dataset.n_users).has_times:
            for name in _OWN_INPUTS:
                if name in self.query_inputs:
                    raise SettingError(
                        f"query_inputs has {name!r}, but the events of {dataset.name!r} have no "
                        "times. Leave it out."
                    )
            chosen = [n for n in chosen if n not in _OWN_INPUTS]
        return chosen, [n for n in ITEM_INPUTS if n in items]

    def _learner(self, dataset: Dataset) -> SoftmaxLearner:
        log = EventLog.of(dataset.train, dataset.n_users, self.watch_column)
        places = self._places_of_examples(dataset)
        rows = self._rows(dataset, log, places)
        queries = self._queries(dataset, log, places, rows)
        sampler = make_sampler(
            self.negatives,
            dataset,
            n=self.n_negatives,
            batch_size=self.batch_size,
            alpha=self.alpha,
            hardness=self.hardness,
            memory=self.memory,
            correction=self.correction,
            skip_known=self.skip_known,
            positives=log.items[places],
            users=log.users[places],
            count_ahead=not self.examples_per_user,  # a cap changes how often items are positives
        )
        return SoftmaxLearner(
            Examples(places, log.users[places], self.examples_per_user),
            log,
            queries,
            rows,
            self._towers(queries, rows),
            sampler,
            n_items=dataset.n_items,
            moment=dataset.known_until or 0,
            temperature=self.temperature,
            history_length=self.history_length,
            example_weights=self._weights(dataset, log, places),
            optimizer=self.optimizer,
            popularity_weight=self.popularity_weight,
        )

    def _weights(
        self, dataset: Dataset, log: EventLog, places: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """Weigh the events of the log that are examples; others have no use for a weight."""
        found = self.chosen.example_weights(dataset, log.items[places])
        if found is None:
            return None
        weights = np.ones(len(log), np.float32)
        weights[places] = found
        return weights

    def _places_of_examples(self, dataset: Dataset) -> NDArray[np.int64]:
        """Return which events of the log count as a success, in its order."""
        train = dataset.train
        if not self.positive_column:
            return np.arange(len(train))
        if self.positive_column not in train:
            hint = did_you_mean(self.positive_column, train)
            raise SettingError(
                f"positive_column is {self.positive_column!r}; the events of {dataset.name!r} have "
                f"{', '.join(train)}.{hint}"
            )
        success = train[self.positive_column].to_numpy(np.float64) >= self.positive_from
        if not success.any():
            raise DataError(
                f"No event of {dataset.name!r} has a {self.positive_column} of "
                f"{self.positive_from:g} or more; the largest is "
                f"{train[self.positive_column].max():g}. Lower positive_from."
            )
        numbered = train.assign(**{ITEM: np.arange(len(train))})
        rows = EventLog.of(numbered, dataset.n_users).items  # of `train`, in the log's order
        return np.flatnonzero(success[rows])

    def _rows(self, dataset: Dataset, log: EventLog, places: NDArray[np.int64]) -> list[Input]:
        """Make the inputs of the last layer's rows; ids have a row if they are ever an example."""
        taken = log if self.shared_item_table or len(places) == len(log) else log.part(places)
        shape = replace(self.chosen.shape(), hidden=())  # a row is a sum, whatever the network is
        made = item_inputs(
            dataset,
            self.item_inputs_,
            shape,
            log=taken,
            features=self._features(dataset.items, self.item_features),
        )
        own = _ids_of(made)
        if self.biases and own is not None:
            table = EmbeddingTable(len(own.table), 1, spread=0, optimizer=self.optimizer)
            made.append(Ids("bias", table, own.row_of, of="items", dropout=own.dropout))
        return made

    def _queries(
        self, dataset: Dataset, log: EventLog, places: NDArray[np.int64], rows: list[Input]
    ) -> list[Input]:
        """Make the inputs of the network."""
        shape, own = self.chosen.shape(), _ids_of(rows) if self.shared_item_table else None
        made = query_inputs(
            dataset,
            [name for name in self.query_inputs_ if name not in _OWN_INPUTS],
            shape,
            log=log,
            features=self._features(dataset.users, self.user_features),
            item_rows=None if own is None else own.row_of,
            item_table=None if own is None else own.table,
        )
        if "watch_time" in self.query_inputs_:
            amounts = Bins.of(log.amounts, self.number_bins)
            table = shape.table("watch time", WatchTime.n_rows(amounts), feature=True)
            made.append(WatchTime(table, amounts))
        if "example_age" in self.query_inputs_:
            end = int(log.times.max())
            ages = ExampleAge.bins_of(log.times[places], end, self.age_bins)
            table = shape.table("example's age", len(ages), feature=True)
            made.append(ExampleAge(table, end, ages))
        return made

    def _towers(self, queries: list[Input], rows: list[Input]) -> tuple[Tower | Augmented, ...]:
        """Make the network and the last layer; both have one more coordinate for biases."""
        unit = self.similarity == "cosine"
        network = Tower(
            "query",
            queries,
            dim=self.dim,
            hidden=self.hidden,
            normalization=self.normalization,
            unit=unit,
            seed=derive_seed(self.seed, "layers"),
        )
        biased = rows[-1].name == "bias"
        last = Tower("item", rows[:-1] if biased else rows, dim=self.dim, unit=unit)
        if not biased:
            return network, last
        return Augmented(network), Augmented(last, by="item/bias")

    def _features(self, table: pd.DataFrame, described: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is declared of a table, or else all its columns by what they hold."""
        bins = {"numeric": {"bins": self.number_bins}}
        found = {f.column: {"kind": f.kind, **bins.get(f.kind, {})} for f in suggested(table)}
        return dict(described) or found

    def _finish(self, learner: SoftmaxLearner, dataset: Dataset) -> None:
        self._log = EventLog.of_history(dataset, self.watch_column)
        self.moment_ = learner.moment = dataset.known_until or 0
        self._learned, self.n_examples_ = learner, learner.n_examples
        self.parts_ = parts_of(learner, self.hidden)
        if self.patience:
            read_searches_of(dataset, learner.queries)
        self._items = learner.item_vectors(self.moment_) * self.known_items_[:, None]


def _ids_of(rows: list[Input]) -> Ids | None:
    return next((one for one in rows if isinstance(one, Ids)), None)
