"""What every generator of candidates promises.

A generator is built from keyword settings, learns from a dataset's training part, and scores
items for users. One that lives in a vector space also hands out its vectors. All of them know a
user by the *history*: training events plus fold-in events. So users who were not trained on are
answered from their history, and users without any are refused by name unless the generator says
that it answers cold users.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from candgen.columns import ITEM_ID, USER_ID
from candgen.datasets import Dataset
from candgen.errors import ColdStartError
from candgen.training.compile_time import Stopwatch

_SHOWN = 5  # ids quoted in a message


class Generator(ABC):
    """Scores items for users after `fit`.

    A subclass takes keyword-only settings, keeps each under its own name, checks them, and
    defines `_fit` and `_score`.

    Attributes:
        known_items_: Items it can score, shape `(n_items,)`, bool. Rankings never offer others.
        known_users_: Users it can answer for, shape `(n_users,)`, bool.
        history_matrix_: What is known of each user, shape `(n_users, n_items)`.
        item_counts_: Training users of each item, shape `(n_items,)`.
        fit_seconds_: Wall time of the last `fit`, without `compile_seconds_`.
        fit_cpu_seconds_: Processor time of the last `fit`, summed over threads, likewise.
        compile_seconds_: Wall time that the last `fit` spent on compiling and first loading.
    """

    name: ClassVar[str]
    """As the leaderboard spells it."""
    answers_cold_users: ClassVar[bool] = False
    """Whether users without a history get an answer."""
    answers_cold_items: ClassVar[bool] = False
    """Whether items without a training event get a score."""

    @classmethod
    def setting_names(cls) -> list[str]:
        """Return the names of the settings, in the order of the constructor."""
        return list(inspect.signature(cls).parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, as JSON types: `type(self)(**self.settings)` is the same model."""
        return {name: getattr(self, name) for name in self.setting_names()}

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"

    def fit(self, dataset: Dataset) -> Self:
        """Learn from the training part of a dataset.

        Returns:
            The generator itself.
        """
        clock = Stopwatch()
        self.history_matrix_ = dataset.history_matrix
        train = dataset.train_matrix
        self.item_counts_ = np.bincount(train.indices, minlength=dataset.n_items)
        everyone = np.ones(dataset.n_users, dtype=bool)
        everything = np.ones(dataset.n_items, dtype=bool)
        has_history = np.diff(self.history_matrix_.indptr) > 0
        self.known_users_ = everyone if self.answers_cold_users else has_history
        self.known_items_ = everything if self.answers_cold_items else self.item_counts_ > 0
        self._dataset = dataset
        self._fit(dataset)
        self.fit_seconds_, self.fit_cpu_seconds_, self.compile_seconds_ = clock.read()
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

    def _known(self, attribute: str) -> NDArray[np.bool_]:
        if not hasattr(self, attribute):
            raise RuntimeError(f"{self.name} has not learned anything yet: call fit(dataset).")
        return getattr(self, attribute)

    @abstractmethod
    def _fit(self, dataset: Dataset) -> None:
        """Learn. History, counts and known users and items are set already."""

    @abstractmethod
    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        """Score checked users and items in a new array; all items when `items` is None."""


class VectorGenerator(Generator):
    """A generator whose scores are products of a user vector and an item vector."""

    similarity: ClassVar[Literal["dot", "cosine"]] = "dot"
    """What the vectors were trained for."""

    @property
    def searched_by(self) -> str:
        """How the vectors are compared when candidates are searched: dot or cosine."""
        return self.similarity

    def user_vectors(self, users: ArrayLike) -> NDArray[np.float32]:
        """Return one vector a user, shape `(len(users), dim)`, folded in where need be.

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

    def _score(
        self, users: NDArray[np.int64], items: NDArray[np.int64] | None
    ) -> NDArray[np.float32]:
        queries, found = self._user_vectors(users), self.item_vectors()
        if items is not None:
            found = found[items]
        if self.searched_by == "cosine":
            queries, found = unit_rows(queries), unit_rows(found)
        return queries @ found.T


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1; rows of zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
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
