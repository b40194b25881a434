"""Content-based generators: candidates by the features of items.

`ItemContent` offers items that resemble those in the user's history. `UserProfile` holds what the
user prefers, value by value, learned from the history or told in a questionnaire, and offers items
that have it. Both score items that nobody has taken yet, since all they need is a description.

A description does not tell how popular an item is, and popularity decides most of what users take
next. So both add `popularity_weight * log(1 + training users)` to a score; 0 is pure content.

P. Lops, M. de Gemmis, G. Semeraro, "Content-based recommender systems: state of the art and
trends", Recommender Systems Handbook, 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_array

from candgen.checks import NotNegative, Positive, Settings, checked
from candgen.datasets import Dataset
from candgen.errors import SettingError, did_you_mean
from candgen.features import Encoder, declared
from candgen.models.base import VectorGenerator, unit_rows
from candgen.spaces import Real

_BINS = 8  # of a numeric feature that was not told how many
_MIDDLE = 3.0  # stars that say "as much as anybody"


class ContentSettings(Settings):
    """Settings of ItemContent, shared by UserProfile."""

    features: dict[str, Any] = {}
    """Column of the items table -> numeric, categorical, multi or text; or -> a dictionary of
    options as in `candgen.features.Feature`. Empty: by what the columns hold."""
    popularity_weight: Annotated[NotNegative, Real(0.0, 3.0)] = 1.0
    """Weight of log popularity in a score; popularity is 1 + training users of the item, and 0 is
    pure content."""


class ProfileSettings(ContentSettings):
    """Settings of UserProfile."""

    trust: Annotated[Positive, Real(1.0, 100.0, log=True)] = 10.0
    """Events that weigh as much as the questionnaire, or as no answers."""
    answers: str = ""
    """Column of the users table with a questionnaire's answers, lists of liked values (five stars
    each); then users without a history are answered, too. Empty: no questionnaire."""
    about: str = "genres"
    """Feature of the items that those answers speak of."""


class _ByItemFeatures(VectorGenerator):
    """Base class of both generators: items as rows of features."""

    needs = ("item columns",)
    answers_cold_items = True

    def item_vectors(self) -> NDArray[np.float32]:
        """Return one vector an item, shape `(n_items, dim)`; zeros for one without any feature."""
        self._known("known_items_")
        return self._items

    def _user_vectors(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._users[users]

    def _keep(self, users: NDArray[np.floating], items: NDArray[np.floating]) -> None:
        """Keep the vectors; popularity is one more number an item, which all users weigh alike."""
        crowd = np.log1p(self.item_counts_) * self.known_items_
        self._items = np.column_stack([items, crowd]).astype(np.float32)
        self._users = np.column_stack([users, np.full(len(users), self.popularity_weight)])
        self._users = self._users.astype(np.float32)

    def _encode_items(self, dataset: Dataset) -> csr_array:
        """Learn the features from items of training, encode all; numbers fall into bins.

        Each feature's block has rows of length 1 (or zeros) times its weight.
        """
        items = dataset.items
        features = [
            replace(f, bins=_BINS) if f.kind == "numeric" and not f.bins else f
            for f in declared(self.features, items, "items")
        ]
        if not features:
            raise SettingError(
                f"{self.name} needs a description of the items; dataset {dataset.name!r} has only "
                f"{', '.join(items)}. Prepare it with an items table, or name a column: "
                'features={"title": "text"}.'
            )
        self.encoder_ = Encoder([replace(f, weight=1.0) for f in features])
        self.encoder_.fit(items[self.item_counts_ > 0])
        found = self.encoder_.encode(items)
        blocks = []
        for feature in features:
            block = found[:, self.encoder_.blocks_[feature.column]]
            lengths = np.sqrt(np.asarray(block.multiply(block).sum(axis=1))).ravel()
            scale = np.divide(
                feature.weight, lengths, out=np.zeros_like(lengths), where=lengths > 0
            )
            blocks.append(sparse.diags_array(scale) @ block)
        made = csr_array(sparse.hstack(blocks, format="csr"), dtype=np.float32)
        self.known_items_ = np.diff(made.indptr) > 0  # one without any feature is never offered
        return made


class ItemContent(_ByItemFeatures):
    """Item-based: items that resemble what the user has, on average over the history.

    The similarity of two items is the cosine of their features, every feature (genres, year, ...)
    with its own weight. The user's vector is the mean of the history's, so a score is the mean
    similarity to the history. A history of items without features gets the mean of all histories.

    Attributes:
        encoder_: How the items' columns became numbers.
    """

    name = "ItemContent"
    Settings = ContentSettings

    def similar(self, items: NDArray[np.integer], k: int) -> tuple[NDArray, NDArray]:
        """Find the items most like each of some items, the item itself left out.

        Returns:
            Items and similarities, best first, each of shape `(len(items), k)`; ties go to the
            smaller id.
        """
        items = self.checked_items(items)
        content = self._items[:, :-1]
        near = content[items] @ content.T
        near[:, ~self.known_items_] = -np.inf
        near[np.arange(len(items)), items] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        return order, np.take_along_axis(near, order, axis=1)

    def _fit(self, dataset: Dataset) -> None:
        content = unit_rows(self._encode_items(dataset).toarray())
        histories = self.history_matrix_
        counts = np.diff(histories.indptr)[:, None]
        users = (histories @ content) / np.maximum(counts, 1)
        silent = ~users.any(axis=1)
        if (~silent).any():
            users[silent] = users[~silent].mean(axis=0)
        self._keep(users, content)


class UserProfile(_ByItemFeatures):
    """User-based: what a user prefers, value by value, against what everybody takes.

    A profile holds, for each value of each feature, the logarithm of how many times more often it
    occurs in this user's history than in all events. A questionnaire says the same in stars: three
    is as often as anybody, each further star doubles. Answers count as `trust` events, and so does
    silence, which stands at three stars; so a short history says little and a long one outweighs
    what a user once claimed.

    Attributes:
        encoder_: How the items' columns became numbers.
        shares_: Share of training events for each value, shape `(dim,)`.
    """

    name = "UserProfile"
    Settings = ProfileSettings

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.answers_cold_users = bool(self.answers)

    def from_answers(self, stars: Mapping[str, float]) -> NDArray[np.float32]:
        """Turn a questionnaire into a profile, shape `(1, dim)`, to search with.

        Args:
            stars: Value of the feature `about` -> 1 .. 5 stars. What is not mentioned has three.

        Raises:
            SettingError: If a value is unknown or its stars are not between 1 and 5.
        """
        self._known("known_items_")
        wanted = np.append(np.log(self._stated(stars)), self.popularity_weight)
        return wanted.astype(np.float32)[None]

    def profile(self, user: int) -> pd.Series:
        """Return how many times more often than anybody a user takes each value, most first."""
        vector = self._user_vectors(self.checked_users([user]))[0, :-1]
        return pd.Series(np.exp(vector), index=self.encoder_.names_).sort_values(ascending=False)

    def _fit(self, dataset: Dataset) -> None:
        items = self._encode_items(dataset).toarray()
        present = abs(self.encoder_.encode(dataset.items))  # bins share a value out, others are 0/1
        events = self.item_counts_.sum()
        taken = self.item_counts_.astype(np.float64) @ present
        self.shares_ = np.maximum(taken, 0.5) / max(events, 1)
        prior = np.ones((dataset.n_users, len(self.shares_)))
        if self.answers:
            answered = self._answered(dataset, prior)
            self.known_users_ = (np.diff(self.history_matrix_.indptr) > 0) | answered
        counts = (self.history_matrix_ @ present).toarray()
        lengths = np.diff(self.history_matrix_.indptr)[:, None]
        expected = (lengths + self.trust) * self.shares_
        times = (counts + self.trust * prior * self.shares_) / expected
        self._keep(np.log(times), items)

    def _answered(self, dataset: Dataset, prior: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Write the answers of the users table into `prior`; return who gave any."""
        if self.answers not in dataset.users:
            hint = did_you_mean(self.answers, dataset.users)
            raise SettingError(f"The table of users has no column {self.answers!r}.{hint}")
        answered = np.zeros(dataset.n_users, dtype=bool)
        known = self.values()
        for user, liked in enumerate(dataset.users[self.answers]):
            said = [] if liked is None or not np.ndim(liked) else [v for v in liked if v in known]
            if said:
                prior[user] = self._stated(dict.fromkeys(said, 5.0))
                answered[user] = True
        return answered

    def _stated(self, stars: Mapping[str, float]) -> NDArray[np.float64]:
        known = self.values()
        times = np.ones(len(self.encoder_.names_))
        for value, given in stars.items():
            if value not in known:
                hint = did_you_mean(str(value), known)
                raise SettingError(f"{self.about} has no value {value!r} in training.{hint}")
            if not 1 <= checked(f"stars of {value!r}", given, float) <= 5:
                raise SettingError(f"stars of {value!r} must be 1 to 5, got {given!r}.")
            times[known[value]] = 2.0 ** (given - _MIDDLE)
        return times

    def values(self) -> dict[str, int]:
        """Return what a questionnaire can ask for: each value of `about` -> its column.

        Raises:
            SettingError: If `about` names no feature of the items.
        """
        if self.about not in self.encoder_.blocks_:
            hint = did_you_mean(self.about, self.encoder_.blocks_)
            raise SettingError(f"about names no feature of the items: {self.about!r}.{hint}")
        block = self.encoder_.blocks_[self.about]
        names = self.encoder_.names_[block]
        return {n.removeprefix(f"{self.about}: "): block.start + i for i, n in enumerate(names)}
