"""Base classes of all generators of candidates.

A generator is built from keyword settings, learns from a dataset's training part, and scores
items for users. One that lives in a vector space also returns its vectors. All of them know a
user by the *history*: training events plus fold-in events. So users who were not trained on are
answered from their history, and users without any are refused by name unless the generator says
that it answers cold users.

What only some generators can do is declared here by a flag and a method. The method raises an
`UnsupportedError` where the flag is False, so callers ask the generator and never go by its name.

| flag | methods |
|---|---|
| `has_vectors` | `user_vectors`, `item_vectors` |
| `folds_in` | `fold_in` |
| `folds_in_items` | `fold_in_items` |
| `reads_histories` | `serving` |
| `computes_queries` | `portable_queries` |
| `gives_probabilities` | `probability` |
| `fits_on_clusters` | `fit` with a cluster |
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from candgen import checks, memory
from candgen.columns import ITEM_ID, USER_ID
from candgen.datasets import Dataset
from candgen.errors import (
    ColdStartError,
    SettingError,
    TrainingError,
    UnsupportedError,
    did_you_mean,
)
from candgen.models import own_ids
from candgen.training.compile_time import Stopwatch

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from candgen.cluster.workers import Cluster

_SHOWN = 5  # ids quoted in a message
_MATRIX_BYTES = 32  # an event: the training matrix, that of histories, and their making


class Generator(ABC):
    """Scores items for users after `fit`.

    A subclass names its settings in a class of its own, `Settings`, and defines `_fit` and
    `_score`. The constructor takes the settings as keywords and makes each an attribute.

    Attributes:
        chosen: The settings, checked.
        known_items_: Items it can score, shape `(n_items,)`, bool. Rankings never offer others.
        known_users_: Users it can answer for, shape `(n_users,)`, bool.
        history_matrix_: What is known of each user, shape `(n_users, n_items)`.
        item_counts_: Training users of each item, shape `(n_items,)`.
        fit_seconds_: Wall time of the last `fit`, without `compile_seconds_`.
        fit_cpu_seconds_: Processor time of the last `fit`, summed over threads, likewise. That of
            a cluster's workers is added, as far as they lived to tell it.
        compile_seconds_: Wall time that the last `fit` spent on compiling and first loading.
        watched_: Epochs, from 1, with the value of the setting `watch` on validation after each, as
            the last `fit` measured it; empty where nothing was measured.
    """

    watched_: Sequence[tuple[int, float]] = ()
    name: ClassVar[str]
    """As the leaderboard spells it."""
    Settings: ClassVar[type[checks.Settings]] = checks.Settings
    """Names, types, defaults, ranges and meanings of the settings."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What a dataset must have beside events: times, ratings, repeats, item or user columns."""
    answers_cold_users: ClassVar[bool] = False
    """Whether users without a history get an answer."""
    answers_cold_items: ClassVar[bool] = False
    """Whether items without a training event get a score."""
    has_vectors: ClassVar[bool] = False
    """Whether scores are products of `user_vectors` and `item_vectors`."""
    folds_in: ClassVar[bool] = False
    """Whether `fold_in` solves for vectors of new users from their events."""
    folds_in_items: ClassVar[bool] = False
    """Whether `fold_in_items` solves for vectors of new items from their events."""
    reads_histories: ClassVar[bool] = False
    """Whether `serving` returns the same generator with other histories."""
    computes_queries: ClassVar[bool] = False
    """Whether a query tower computes users' vectors, which `portable_queries` exports."""
    gives_probabilities: ClassVar[bool] = False
    """Whether `probability` predicts the probability of an event."""
    fits_on_clusters: ClassVar[bool] = False
    """Whether `fit` can share its work among the workers of a cluster."""
    predicts_ratings: ClassVar[bool] = False
    """Whether `predicted` predicts the rating of an event."""
    fit_seconds_: float | None = None
    fit_cpu_seconds_: float | None = None
    compile_seconds_: float = 0.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Show the settings where Python, Jupyter and `help` look for them."""
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            cls.__signature__ = checks.signature(cls.Settings)
            if cls.Settings.model_fields:
                doc = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
                cls.__doc__ = f"{doc}\n\n{checks.section(cls.Settings)}\n"

    def __init__(self, **settings: Any) -> None:
        known = self.setting_names()
        for name in settings:
            if name not in known:
                hint = did_you_mean(name, known) if known else " It takes none."
                raise SettingError(f"{self.name} has no setting {name!r}.{hint}")
        self.chosen = self.Settings(**settings)
        for name in known:
            setattr(self, name, getattr(self.chosen, name))

    @classmethod
    def setting_names(cls) -> list[str]:
        """Return the names of the settings, in the order of the settings class."""
        return list(cls.Settings.model_fields)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, as JSON types: `type(self)(**self.settings)` is the same model."""
        return {name: getattr(self, name) for name in self.setting_names()}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"

    def fit(self, dataset: Dataset, *, cluster: Cluster | None = None) -> Self:
        """Learn from the training part of a dataset.

        Args:
            dataset: A prepared dataset.
            cluster: Workers to share the work, from `candgen.open_cluster`, if it
                `fits_on_clusters`. They give the result that this process alone would give.

        Returns:
            The generator itself.

        Raises:
            TrainingError: If what was learned is not finite.
            SettingError: If training would take more memory than is free; nothing is begun then.
            UnsupportedError: If it cannot share its work and a cluster is given.
        """
        if cluster is not None and not self.fits_on_clusters:
            self._lacks("fit on a cluster", "fits_on_clusters")
        clock = Stopwatch()
        self._refuse_too_large(dataset)
        spent_before = cluster.cpu_seconds() if cluster else {}
        self.history_matrix_ = dataset.history_matrix
        train = dataset.train_matrix
        self.item_counts_ = np.bincount(train.indices, minlength=dataset.n_items)
        everyone = np.ones(dataset.n_users, dtype=bool)
        everything = np.ones(dataset.n_items, dtype=bool)
        has_history = np.diff(self.history_matrix_.indptr) > 0
        self.known_users_ = everyone if self.answers_cold_users else has_history
        self.known_items_ = everything if self.answers_cold_items else self.item_counts_ > 0
        self._dataset = dataset
        if cluster is None:
            self._fit(dataset)
        else:
            self._fit_on(cluster, dataset)
        for what, held in self._learned_numbers().items():
            self._refuse_infinite(what, held)
        self.fit_seconds_, self.fit_cpu_seconds_, self.compile_seconds_ = clock.read()
        if cluster is not None:
            for worker, seconds in cluster.cpu_seconds().items():
                self.fit_cpu_seconds_ += seconds - spent_before.get(worker, 0.0)
        return self

    def score(self, users: ArrayLike, items: ArrayLike | None = None) -> NDArray[np.float32]:
        """Score items for users; larger is better, and only the order within a user has meaning.

        Args:
            users: Dense user ids, shape `(n,)`.
            items: Dense item ids. All items when omitted; those that the generator does not
                know then score -inf.

        Returns:
            Scores, shape `(n, n_items)` or `(n, len(items))`. Memory follows that shape:
            ask for users in blocks.

        Raises:
            ColdStartError: If a user has no history, or an item asked for was never trained on,
                and the generator does not answer for those.
        """
        users = self.checked_users(users)
        if items is not None:
            return self._score(users, self.checked_items(items))
        scores = self._score(users, None)
        if not self.known_items_.all():
            scores[:, ~self.known_items_] = -np.inf
        return scores

    def recommend(self, users: ArrayLike, k: int = 10) -> pd.DataFrame:
        """Recommend the best `k` items to each user.

        Items of the user's history are left out, unless the dataset allows repeats.

        Args:
            users: The users' own ids, or one of them.
            k: Items a user, 1 or more; fewer where the generator knows no more.

        Returns:
            The columns user, item (own ids), title (if the items have any), score and rank
            (from 1); best first for each user.

        Raises:
            DataError: If the dataset has no such user.
            ColdStartError: If a user has no history and the generator does not answer for those.
        """
        dense = self.checked_users(own_ids.dense_users(users, self.dataset))
        return own_ids.best_unseen(dense, self.score, self.withheld_matrix_, k, self.dataset)

    @property
    def withheld_matrix_(self) -> csr_array:
        """Ones where an item is not offered: the history, or nothing if the dataset allows repeats.

        Shape `(n_users, n_items)`, float32.
        """
        if self.dataset.repeats == "withhold":
            return self.history_matrix_
        return self.dataset.withheld_matrix

    @property
    def dataset(self) -> Dataset:
        """The dataset of the last `fit`."""
        self._known("known_users_")
        return self._dataset

    def checked_users(self, users: ArrayLike) -> NDArray[np.int64]:
        """Return dense user ids as an array, after refusing the ones that cannot be answered."""
        users = _dense_ids("users", users, len(self._known("known_users_")))
        cold = users[~self.known_users_[users]]
        if len(cold):
            ids = self._dataset.users[USER_ID].to_numpy()[cold[:_SHOWN]].tolist()
            raise ColdStartError(
                f"{self.name} answers for users with a history; {len(cold)} of {len(users)} users "
                f"asked for have none (user ids {_listed(ids, len(cold))}). Leave them out, give "
                "them fold-in events, or choose a generator that answers cold users."
            )
        return users

    def checked_items(self, items: ArrayLike) -> NDArray[np.int64]:
        """Return dense item ids as an array, after refusing the ones that cannot be scored."""
        items = _dense_ids("items", items, len(self._known("known_items_")))
        cold = items[~self.known_items_[items]]
        if len(cold):
            ids = self._dataset.items[ITEM_ID].to_numpy()[cold[:_SHOWN]].tolist()
            raise ColdStartError(
                f"{self.name} scores items that occur in training; {len(cold)} of {len(items)} "
                f"items asked for do not (item ids {_listed(ids, len(cold))}). Leave them out, "
                "or choose a generator that answers cold items."
            )
        return items

    def user_vectors(self, users: ArrayLike) -> NDArray[np.float32]:
        """Return one vector a user, shape `(len(users), dim)`, if `has_vectors`.

        Generators with several vectors a user return the shape `(len(users), vectors, dim)`; the
        largest product of an item with one of them is its score.
        """
        self._lacks("vectors of users", "has_vectors")

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`, if `has_vectors`."""
        self._lacks("vectors of items", "has_vectors")

    def fold_in(self, weights: csr_array) -> NDArray[np.float32]:
        """Solve for vectors of new users from their events, if it `folds_in`.

        Args:
            weights: Weight of each observed pair, shape `(n, n_items)`; ones for plain events.

        Returns:
            Vectors, shape `(n, dim)`; zeros for a user without events.
        """
        self._lacks("fold-in of users", "folds_in")

    def fold_in_items(self, weights: csr_array) -> NDArray[np.float32]:
        """Solve for vectors of new items from their events, if it `folds_in_items`.

        Args:
            weights: Weight of each observed pair, shape `(n, n_users)`; ones for plain events.

        Returns:
            Vectors, shape `(n, dim)`; zeros for an item without events.
        """
        self._lacks("fold-in of items", "folds_in_items")

    @classmethod
    def portable_fold_in(cls, settings: Mapping[str, Any]) -> dict[str, float] | None:
        """Return the numbers from which NumPy alone folds in users, for given settings.

        None where that is impossible.
        """
        return None

    def serving(self, dataset: Dataset) -> Self:
        """Return the same generator with the histories of a dataset, if it `reads_histories`.

        Args:
            dataset: Of the same users and items, with more or fewer events of each user.
        """
        self._lacks("answers from other histories", "reads_histories")

    def portable_queries(self) -> dict[str, NDArray]:
        """Return the query tower as arrays that need NumPy alone, if it `computes_queries`."""
        self._lacks("query tower", "computes_queries")

    def probability(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of an event for pairs, shape `(n,)`, if `gives_probabilities`."""
        self._lacks("probabilities", "gives_probabilities")

    def predicted(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Predict the ratings of pairs, shape `(n,)`, if it `predicts_ratings`."""
        self._lacks("predicted ratings", "predicts_ratings")

    def _lacks(self, what: str, flag: str) -> NoReturn:
        raise UnsupportedError(
            f"{self.name} has no {what}. Choose a generator whose {flag} is True."
        )

    def memory_needed(self, n_users: int, n_items: int, n_events: int) -> int:
        """Estimate the bytes that `fit` takes at its peak, from the arrays that grow with the data.

        Args:
            n_users: Users of a dataset.
            n_items: Its items.
            n_events: Its training events.

        Returns:
            An estimate; the tables of the dataset, libraries and features are not in it.
        """
        own = self._bytes_of_model(n_users, n_items, n_events)
        return int(_MATRIX_BYTES * n_events + own)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        """Estimate what the model itself takes; nothing that matters unless a subclass says so."""
        return 0

    def _refuse_too_large(self, dataset: Dataset) -> None:
        n_users, n_items, n_events = dataset.n_users, dataset.n_items, len(dataset.train)
        needed, free = self.memory_needed(n_users, n_items, n_events), memory.available()
        if needed > free:
            raise SettingError(
                f"{self.name} needs about {memory.spelled(needed)} of memory for {n_users:,} "
                f"users, {n_items:,} items and {n_events:,} events, and {memory.spelled(free)} "
                "are free. Prepare the dataset with higher minimum counts (min_user_events, "
                "min_item_events), lower dim if there is one, or choose WALS or popularity."
            )

    def _known(self, attribute: str) -> NDArray[np.bool_]:
        if not hasattr(self, attribute):
            raise RuntimeError(f"{self.name} has not learned anything yet: call fit(dataset).")
        return getattr(self, attribute)

    def _learned_numbers(self) -> dict[str, NDArray]:
        """Return by name what `fit` refuses unless it is finite, one row a user or an item."""
        return {}

    def _refuse_infinite(self, what: str, held: NDArray) -> None:
        finite = np.isfinite(held).reshape(len(held), -1).all(axis=1)
        if not finite.all():
            raise TrainingError(
                f"{self.name}: {(~finite).sum():,} of {len(held):,} {what} are not finite after "
                "training. Look for very large numbers in the columns that it reads, lower "
                "learning_rate if there is one, or raise the regularization."
            )

    @abstractmethod
    def _fit(self, dataset: Dataset) -> None:
        """Learn. History, counts and known users and items are set already."""

    def _fit_on(self, cluster: Cluster, dataset: Dataset) -> None:
        """Learn as `_fit` does, over the workers of a cluster, if it `fits_on_clusters`."""
        self._lacks("fit on a cluster", "fits_on_clusters")

    @abstractmethod
    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        """Score checked users and items in a new array; all items when `items` is None."""


class VectorGenerator(Generator):
    """A generator whose scores are products of a user vector and an item vector.

    Where a user has several vectors, the largest product counts.
    """

    has_vectors = True
    similarity: ClassVar[Literal["dot", "cosine"]] = "dot"
    """What the vectors were trained for."""

    @property
    def searched_by(self) -> str:
        """Similarity by which the vectors are searched: dot or cosine."""
        return self.similarity

    def user_vectors(self, users: ArrayLike) -> NDArray[np.float32]:
        """Return one vector a user, shape `(len(users), dim)`, folded in where need be.

        Or several, shape `(len(users), vectors, dim)`; see `Generator.user_vectors`.

        Raises:
            ColdStartError: If a user has no history and the generator does not answer for those.
        """
        return self._user_vectors(self.checked_users(users))

    @abstractmethod
    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for items it does not know."""

    @abstractmethod
    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of checked users."""

    def _learned_numbers(self) -> dict[str, NDArray]:
        return {"vectors of items": self.item_vectors()}

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        queries, found = self._user_vectors(users), self.item_vectors()
        if items is not None:
            found = found[items]
        if self.searched_by == "cosine":
            queries, found = unit_rows(queries), unit_rows(found)
        return products(queries, found)


def products(queries: NDArray[np.float32], items: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the product of each query and item, the largest one where a query has several vectors.

    Args:
        queries: Shape `(n, dim)` or `(n, vectors, dim)`.
        items: Shape `(m, dim)`.

    Returns:
        Shape `(n, m)`. Beside it, products of one more vector of each query are held.
    """
    if queries.ndim == 2:
        return queries @ items.T
    best = queries[:, 0] @ items.T
    for place in range(1, queries.shape[1]):
        np.maximum(best, queries[:, place] @ items.T, out=best)
    return best


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each vector (along the last axis) to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _dense_ids(what: str, ids: ArrayLike, bound: int) -> NDArray[np.int64]:
    found = np.asarray(ids)
    if found.size == 0:
        return np.zeros(0, dtype=np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise ValueError(
            f"{what} must be a one-dimensional array of dense ids, "
            f"got {found.dtype} of shape {found.shape}."
        )
    if found.min() < 0 or found.max() >= bound:
        raise ValueError(
            f"{what} must be dense ids in 0 .. {bound - 1}, got {found.min()} .. {found.max()}."
        )
    return found.astype(np.int64, copy=False)


def _listed(ids: list[Any], count: int) -> str:
    return ", ".join(map(str, ids)) + (", ..." if count > len(ids) else "")
