"""Two networks, one for users and one for items, whose vectors meet in a dot product.

The user branch sees how much the user likes what items are made of (mean rating by genre, or how
often, where there are no ratings), and the user's own columns; the item branch sees the item's own
columns and how its ratings came out. `candgen.models.content_based.two_branch_network` holds the
network; here its inputs and targets are made from a dataset.

What it is taught decides what it is good for. Taught ratings, it predicts how well an item would
be liked *if* taken, of which candidates know nothing; taught labels (taken, against items drawn
at random), it predicts what is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from candgen.checks import Count, CountOrZero, Positive, Settings
from candgen.columns import ITEM, RATING, USER
from candgen.datasets import Dataset
from candgen.errors import SettingError
from candgen.features import Encoder, declared
from candgen.models.base import VectorGenerator
from candgen.models.content_based.two_branch_inputs import Inputs, Scale, pairs_of
from candgen.models.content_based.two_branch_network import Pairs, train_network
from candgen.seeds import derive_seed
from candgen.spaces import Real, Whole


class TwoBranchSettings(Settings):
    """Settings of TwoBranch."""

    features: dict[str, Any] = {}
    """Column of the items table -> kind or options, as in `candgen.features`; empty: by what the
    columns hold."""
    user_features: dict[str, Any] = {}
    """Column of the users table -> kind or options; empty: by what the columns hold."""
    targets: Literal["auto", "ratings", "labels"] = "labels"
    """What is learned: ratings, labels or auto. "labels" are events against items drawn at random;
    "auto" is ratings if there are any."""
    n_negatives: Annotated[Count, Whole(1, 8, log=True)] = 2
    """With labels: items drawn at random for each event, learned as labels of 0."""
    hidden: list[Count] = [64]
    """Sizes of the ReLU layers of each branch."""
    dim: Annotated[Count, Whole(16, 128, log=True)] = 32
    """Length of the vectors of users and items."""
    epochs: Annotated[Count, Whole(3, 20, log=True)] = 6
    """Passes over the training rows."""
    batch_size: Count = 512
    """Rows a step."""
    learning_rate: Annotated[Positive, Real(0.0003, 0.03, log=True)] = 0.003
    """Learning rate of Adam."""
    seed: CountOrZero = 0
    """Seed of the initial weights, the order of the rows and the negatives."""


class TwoBranch(VectorGenerator):
    """Learned user and item vectors from features, so that cold users and items have some, too.

    A user without a history stands at the means of what histories say, with the user's own
    columns as they are; an item without events likewise at the means of the statistics.

    Attributes:
        losses_: Mean squared error of each epoch, targets in [-1, 1].
        epoch_seconds_: Wall time of each epoch; the first one compiles.
        network_: The trained `Network`.
        learned_from_: "ratings" or "labels".
    """

    name = "TwoBranch"
    needs = ("item columns",)
    answers_cold_users = True
    answers_cold_items = True
    Settings = TwoBranchSettings

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector of length 1 an item, shape `(n_items, dim)`."""
        self._known("known_items_")
        return self._items

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._users[users]

    def _learned_numbers(self) -> dict[str, NDArray]:
        return super()._learned_numbers() | {"vectors of users": self._users}

    def _fit(self, dataset: Dataset) -> None:
        rated = RATING in dataset.train and dataset.train[RATING].notna().all()
        if self.targets == "ratings" and not rated:
            raise SettingError(
                f"targets is 'ratings', but the training events of {dataset.name!r} have none: "
                f"{', '.join(dataset.train)}. Set it to 'labels'."
            )
        by_rating = rated and self.targets != "labels"
        self.learned_from_ = "ratings" if by_rating else "labels"
        inputs = self._inputs(dataset, by_rating)
        users, items = inputs.of_users(), inputs.of_items()
        pairs = self._ratings(dataset) if by_rating else self._labels(dataset)
        trained = train_network(
            users,
            items,
            pairs,
            seen=inputs.of_pairs,
            hidden=tuple(self.hidden),
            dim=self.dim,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=derive_seed(self.seed, "two branches"),
        )
        self.network_, self.losses_ = trained.network, trained.losses
        self.epoch_seconds_ = trained.seconds
        self._users = trained.network.user.vectors(users)
        self._items = trained.network.item.vectors(items)

    # --- inputs

    def _inputs(self, dataset: Dataset, by_rating: bool) -> Inputs:
        """Prepare what each branch sees, standardized over training users and items."""
        described = declared(self.features, dataset.items, "items")
        if not described:
            raise SettingError(
                f"{self.name} needs a description of the items; dataset {dataset.name!r} has only "
                f"{', '.join(dataset.items)}."
            )
        in_training = np.bincount(dataset.train[USER], minlength=dataset.n_users) > 0
        taken = self.item_counts_ > 0
        self.encoder_ = Encoder(described).fit(dataset.items[taken])
        items = _scaled(self.encoder_.encode(dataset.items).toarray(), taken)
        # For what a user likes, numbers are shared out among bins: a mean year says little.
        binned = [replace(f, bins=4) if f.kind == "numeric" else f for f in described]
        parts = Encoder(binned).fit(dataset.items[taken]).encode(dataset.items)
        users = np.zeros((dataset.n_users, 0), np.float32)
        columns = declared(self.user_features, dataset.users, "users")
        if columns:
            own = Encoder(columns).fit(dataset.users[in_training]).encode(dataset.users)
            users = _scaled(own.toarray(), in_training)
        return Inputs(dataset, parts, users, items, by_rating)

    # --- targets

    def _ratings(self, dataset: Dataset) -> Pairs:
        train = dataset.train
        ratings = train[RATING].to_numpy(np.float64)
        low, high = ratings.min(), ratings.max()
        targets = 2 * (ratings - low) / (high - low) - 1 if high > low else np.zeros(len(ratings))
        pairs = train[USER].to_numpy(), train[ITEM].to_numpy()
        return Pairs(*pairs, targets.astype(np.float32))

    def _labels(self, dataset: Dataset) -> Callable[[np.random.Generator], Pairs]:
        """Taken items are taught 1, items drawn for the same user -1, anew each epoch."""
        users, items = pairs_of(dataset.train_matrix)
        reachable = np.flatnonzero(self.item_counts_)
        n, times = len(users), 1 + self.n_negatives
        targets = np.repeat(np.array([1.0, -1.0], np.float32), [n, n * self.n_negatives])

        def draw(rng: np.random.Generator) -> Pairs:
            drawn = rng.choice(reachable, n * self.n_negatives)
            return Pairs(np.tile(users, times), np.concatenate([items, drawn]), targets)

        return draw


def _scaled(values: NDArray, trained: NDArray[np.bool_]) -> NDArray[np.float32]:
    return Scale.of(values[trained]).apply(values)
