"""Users of an invented world: their features, tastes and activity.

A user's vector turns from `now` to `later` over time, so tastes drift smoothly and the oracle knows
them at any moment. Age and gender have a small effect on genre affinities, so they are useful
features for cold users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import USER_ID
from candgen.datasets.world.blocks import normal_table, stream
from candgen.datasets.world.catalogue import GENRE_NAMES, PLACE_NAMES, PLACE_SHARES
from candgen.datasets.world.settings import DAY, WorldSettings

FIRST_USER_ID = 1
_GENDERS = ["female", "male", "nonbinary"]
_GENDER_SHARES = [0.49, 0.49, 0.02]
_FROM_GROUP = 0.25  # share of the variance of genre affinities that age and gender decide
_OLD_RECOMMENDER_NOISE = 0.7  # error of what the old recommender believes of a genre affinity
_ACTIVITY_SPREAD = 1.5  # of the logarithm of the films watched beyond the fewest
_MOST_BEYOND = 0.25  # share of the catalogue that the most active watch beyond the average
_EAGERNESS = 0.35  # spread of how easily users finish anything, in logits
_JOIN_BEFORE = 0.9  # of the period


@dataclass(frozen=True)
class People:
    """Arrays with one row a user; row u belongs to the user id `FIRST_USER_ID + u`."""

    now: NDArray[np.float32]  # (n_users, tastes + genres) vector on the first day, hidden
    later: NDArray[np.float32]  # (n_users, tastes + genres) where the vector drifts to, hidden
    believed: NDArray[np.float32]  # (n_users, genres) what the old recommender believes, hidden
    eagerness: NDArray[np.float32]  # (n_users,) in logits, hidden
    events: NDArray[np.int32]  # (n_users,) films to finish
    joined: NDArray[np.int64]  # (n_users,) seconds
    place: NDArray[np.int8]  # (n_users,)
    age: NDArray[np.int8]  # (n_users,) years
    gender: NDArray[np.int8]  # (n_users,)

    def table(self) -> pd.DataFrame:
        """Make the public table of users."""
        return pd.DataFrame(
            {
                USER_ID: np.arange(len(self.age), dtype=np.int32) + FIRST_USER_ID,
                "age": self.age,
                "gender": np.array(_GENDERS, dtype=object)[self.gender],
                "place": np.array(PLACE_NAMES, dtype=object)[self.place],
            }
        )


def make_people(settings: WorldSettings, seed: int) -> People:
    """Invent the users of a world."""
    n = settings.n_users
    rng = stream(seed, "people")
    age = np.clip(14 + rng.gamma(3.2, 7.5, size=n), 14, 90).astype(np.int8)
    gender = rng.choice(len(_GENDERS), size=n, p=_GENDER_SHARES).astype(np.int8)
    place = rng.choice(len(PLACE_NAMES), size=n, p=PLACE_SHARES).astype(np.int8)
    eagerness = (_EAGERNESS * rng.standard_normal(n)).astype(np.float32)
    staying = settings.days * DAY * _JOIN_BEFORE * rng.random(n) ** 2
    group = _group_affinities(stream(seed, "groups"), age, gender)
    now = _draw_vectors(settings, stream(seed, "tastes now"), group)
    noise = normal_table(stream(seed, "old recommender"), n, len(GENRE_NAMES))
    believed = now[:, settings.tastes :] + np.float32(_OLD_RECOMMENDER_NOISE) * noise
    return People(
        now=now,
        later=_draw_vectors(settings, stream(seed, "tastes later"), group),
        believed=np.clip(believed, -1.5, 1.5),
        eagerness=eagerness,
        events=_draw_events(settings, stream(seed, "activity")),
        joined=settings.start_time + staying.astype(np.int64),
        place=place,
        age=age,
        gender=gender,
    )


def _group_affinities(
    rng: np.random.Generator, age: NDArray[np.int8], gender: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Return genre affinities from age and gender, shape `(n_users, genres)`, variance 1."""
    by_age = rng.standard_normal(len(GENRE_NAMES))
    by_gender = rng.standard_normal((len(_GENDERS), len(GENRE_NAMES)))
    older = (age.astype(np.float64) - 38) / 13
    mixed = older[:, None] * by_age + by_gender[gender]
    return (mixed / np.sqrt(2)).astype(np.float32)


def _draw_vectors(
    settings: WorldSettings, rng: np.random.Generator, group: NDArray[np.float32]
) -> NDArray[np.float32]:
    vectors = normal_table(rng, settings.n_users, settings.tastes + len(GENRE_NAMES))
    own, shared = np.float32(np.sqrt(1 - _FROM_GROUP)), np.float32(np.sqrt(_FROM_GROUP))
    vectors[:, settings.tastes :] = own * vectors[:, settings.tastes :] + shared * group
    return vectors


def _draw_events(settings: WorldSettings, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw the films that each user finishes: a long tail above the fewest, with a given mean."""
    few = settings.fewest_events
    most = settings.events_per_user + _MOST_BEYOND * settings.n_items
    beyond = np.exp(_ACTIVITY_SPREAD * rng.standard_normal(settings.n_users))
    low, high = 0.0, 1.0e6
    for _ in range(60):  # bisect for the scale at which the capped mean is the asked one
        scale = (low + high) / 2
        mean = np.minimum(few + scale * beyond, most).mean()
        low, high = (scale, high) if mean < settings.events_per_user else (low, scale)
    return np.rint(np.minimum(few + low * beyond, most)).astype(np.int32)
