"""Hybrid factorization with the WARP loss: what is known of a user or an item is added up.

The vector q of a user is the sum of the vectors of its id, its columns and, if it is read, its
history (the mean over the items before the moment); the vector v of an item is that of its id and
its columns, and b is likewise a sum of biases. The score is <q, v> + b. For an event of user u and
item i, items are drawn until one, j, that u does not have comes within a margin of i:

    loss = L(rank) * max(0, margin - score(u, i) + score(u, j)),   L(r) = 1 + 1/2 + ... + 1/r,
    rank = max(1, floor(items that u does not have / draws)).

So an item that is found at once stands for many that rank too high, and weighs more. Where none is
found among `n_negatives` draws, the example teaches nothing.

M. Kula, "Metadata embeddings for user and item cold-start recommendations", CBRecSys 2015
(LightFM), for the sums; J. Weston, S. Bengio, N. Usunier, "WSABIE: Scaling up to large vocabulary
image annotation", IJCAI 2011, for the loss. Unlike LightFM's, a batch is one step, whose examples
walk through one pool of draws from different places; users have no bias, which would add the same
to all items; ids are hidden at random while it learns, so that columns alone get good, too; and a
history can be read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from candgen.checks import Count, CountOrZero, NotNegative, Positive, Share
from candgen.datasets import Dataset
from candgen.features import EventLog
from candgen.models.hybrid.learning import WarpLearner
from candgen.models.towers.building import Shape, item_inputs, query_inputs
from candgen.models.towers.two_tower import TwoTower
from candgen.negatives import make_sampler
from candgen.spaces import Real, Whole
from candgen.training import TrainingSettings
from candgen.training.tables import Optimizer


class HybridWARPSettings(TrainingSettings):
    """Settings of HybridWARP."""

    query_inputs: Annotated[
        list[Literal["id", "history", "features"]], Field(min_length=1)
    ] = ["id", "history", "features"]  # fmt: skip
    """What is added up for a user: id, history, features. The default leaves out what the dataset
    lacks; LightFM reads id and features."""
    item_inputs: Annotated[list[Literal["id", "features"]], Field(min_length=1)] = [
        "id", "features"
    ]  # fmt: skip
    """What is added up for an item: id, features. The default leaves out what the dataset lacks."""
    user_features: dict[str, Any] = {}
    """Column of the users table -> kind or options; empty: by what the columns hold."""
    item_features: dict[str, Any] = {}
    """Column of the items table -> kind or options; empty: by what the columns hold."""
    dim: Annotated[Count, Whole(16, 128, log=True)] = 32
    """Length of the vectors, to which items add a bias."""
    loss_margin: Positive = 1.0
    """By how much an item taken should score higher than all others."""
    n_negatives: Annotated[Count, Whole(20, 1000, log=True)] = 200
    """Items drawn for a batch, and draws of an example at most."""
    history_length: CountOrZero = 50
    """Last events that a query reads, where events have times; 0: all."""
    fading: Share = 1.0
    """Weight factor of an item of the history per later item; 1: all alike."""
    id_at_least: Count = 1
    """Training events from which a user or an item has a vector of its own."""
    id_dropout: Annotated[Share, Real(0.0, 0.4)] = 0.1
    """How often training hides an id or a feature, so that unknown ones have a learned answer."""
    spread: NotNegative = 0.03
    """Standard deviation of the initial vectors."""
    epochs: Annotated[Count, Whole(4, 40, log=True)] = 8
    batch_size: Count = 256
    learning_rate: Annotated[Positive, Real(0.005, 0.3, log=True)] = 0.05
    optimizer: Optimizer = "adagrad"
    """Optimizer; it updates only the rows of the batch, by the sum of its slopes."""

    def shape(self, dim: int) -> Shape:
        """Return how inputs of a width are made."""
        return Shape(
            dim=dim,
            optimizer=self.optimizer,
            spread=self.spread,
            dropout=self.id_dropout,
            at_least=self.id_at_least,
            pooling="fading",
            fading=self.fading,
            history_length=self.history_length,
            seed=self.seed,
        )


class HybridWARP(TwoTower):
    """Sums of the vectors of ids, columns and histories, learned by WARP.

    They are two towers without layers, which need no TensorFlow. As those do, they answer users and
    items that nobody has trained on, if columns of theirs are read, and users by their history.

    An event costs up to `n_negatives` products of length `dim + 1`, fewer while many items violate:
    100,000 events took 2 processor seconds an epoch with the defaults. The search for negatives
    runs on one thread.

    Attributes:
        query_inputs_: What is added up for a user.
        item_inputs_: What is added up for an item.
        moment_: The second after the last training event.
    """

    name = "HybridWARP"
    Settings = HybridWARPSettings
    chosen: HybridWARPSettings
    similarity = "dot"
    popularity_weight = 0.0  # biases say it

    def _bytes_of_step(self, n_items: int) -> float:
        return 12 * (2 * self.batch_size + self.n_negatives) * (self.dim + 1) + 8 * n_items

    def _learner(self, dataset: Dataset) -> WarpLearner:
        log, chosen = EventLog.of(dataset.train, dataset.n_users), self.chosen
        queries = query_inputs(
            dataset,
            self.query_inputs_,
            chosen.shape(self.dim),
            log=log,
            features=self.user_features,
        )
        items = item_inputs(
            dataset,
            self.item_inputs_,
            chosen.shape(self.dim + 1),
            log=log,
            features=self.item_features,
        )
        sampler = make_sampler("uniform", dataset, n=self.n_negatives, batch_size=self.batch_size)
        return WarpLearner(
            log,
            queries,
            items,
            sampler,
            history=dataset.train_matrix,
            dim=self.dim,
            margin=self.loss_margin,
            history_length=self.history_length,
            moment=dataset.known_until or 0,
        )
