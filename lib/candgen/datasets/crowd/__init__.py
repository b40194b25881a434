"""Invented ratings in large numbers: a crowd of users and films, without impressions.

The world (`datasets.world`) simulates what each user was shown, and keeps it. A crowd is for
measuring how far a machine gets: 25 million ratings of 160,000 users and 60,000 films take half a
minute and little more memory than the ratings themselves.

A user draws a taste, then a film of that taste, so the probability of a film is a product of two
small tables of low rank. Films have a long tail and days of release, users differ in activity, and
ratings follow the taste, the film and the user.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from candgen.checks import Settings
from candgen.columns import GENRES, ITEM, ITEM_ID, RATING, TIMESTAMP, TITLE, USER, USER_ID, YEAR
from candgen.datasets.source import Source
from candgen.datasets.world.settings import WorldSettings
from candgen.errors import SettingError
from candgen.seeds import derive_seed

LARGEST_SHARE = 0.2  # of the films that one user rates
_TAIL, _HEAD = 2.0, 1 / 50  # popularity: (rank + _HEAD * n_items) ** -_TAIL
_SPREAD = 1.2  # of the logarithm of a user's ratings
_CONCENTRATION = 0.2  # of a user's tastes: the lower, the fewer tastes a user has
_SPECIALIZED = 4.0  # standard deviation of a film's logits of taste
_NEW_SHARE = 0.4  # of the films, released within the period
_ACTIVE_DAYS = 90.0  # from a user's first to the last rating, on average


class CrowdSettings(Settings):
    """Size of a crowd; the names and defaults are those of a world.

    Raises:
        SettingError: If a setting has the wrong type or is out of range.
    """

    n_users: int = Field(WorldSettings.model_fields["n_users"].default, ge=1, le=50_000_000)
    """Number of users."""
    n_items: int = Field(WorldSettings.model_fields["n_items"].default, ge=10, le=5_000_000)
    """Number of films in the catalogue."""
    events_per_user: float = Field(WorldSettings.model_fields["events_per_user"].default, ge=1)
    """Films that the average user rates, at most 0.1 of them all."""
    tastes: int = Field(WorldSettings.model_fields["tastes"].default, ge=1, le=64)
    """Number of tastes, which are also the genres."""
    start: str = WorldSettings.model_fields["start"].default
    """First day, as YYYY-MM-DD (UTC)."""
    days: int = Field(WorldSettings.model_fields["days"].default, ge=7, le=3650)
    """Length of the period in days."""

    @model_validator(mode="after")
    def _fits_the_catalogue(self) -> Self:
        most = LARGEST_SHARE / 2 * self.n_items
        if self.events_per_user > most:
            raise SettingError(
                f"events_per_user must be at most {most:g} in a crowd with {self.n_items} films "
                f"(0.1 of the catalogue), got {self.events_per_user!r}. "
                f"Set it to {int(most)} or less, or raise n_items."
            )
        _ = self.start_time
        return self

    @property
    def start_time(self) -> int:
        """First second of the period, since 1970-01-01 UTC."""
        return WorldSettings(start=self.start).start_time


class _Films(NamedTuple):
    """Films, by their index."""

    weights: NDArray[np.float64]
    """Popularity, shape `(n_items,)`."""
    affinities: NDArray[np.float32]
    """Share of each taste in a film, shape `(n_items, tastes)`."""
    released: NDArray[np.float32]
    """Day of release, negative before the period, shape `(n_items,)`."""
    quality: NDArray[np.float32]
    """Quality on which all users agree, in stars, shape `(n_items,)`."""


def make_crowd(settings: CrowdSettings, seed: int) -> Source:
    """Invent ratings.

    The same settings and seed give the same ratings on any number of threads. Users rate in the
    order of rows; films are numbered at random, so an id tells nothing of popularity.

    Args:
        settings: Size of the crowd.
        seed: Seed of all random choices.
    """
    import numba  # takes a second

    from candgen.datasets.crowd.kernels import draw_ratings

    films = _films(settings, seed)
    rng = np.random.default_rng(derive_seed(seed, "users"))
    tastes = rng.gamma(_CONCENTRATION, size=(settings.n_users, settings.tastes)) + 1e-9
    tastes = (tastes / tastes.sum(axis=1, keepdims=True)).astype(np.float32)
    counts = _counts(settings, rng)
    starts = np.zeros(settings.n_users + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    joined = rng.random(settings.n_users, dtype=np.float32) * settings.days
    active = rng.exponential(_ACTIVE_DAYS, settings.n_users).astype(np.float32)
    last = np.minimum(joined + active, np.float32(settings.days))
    made = (np.empty(starts[-1], dtype) for dtype in (np.int32, np.float32, np.int64))
    items, ratings, seconds = made
    draw_ratings(
        derive_seed(seed, "ratings") % 2**62,
        starts,
        np.cumsum(tastes, axis=1),
        tastes,
        np.stack([joined, last], axis=1),
        _edges(films),
        films.affinities,
        films.released,
        films.quality,
        numba.get_num_threads(),
        items,
        ratings,
        seconds,
    )
    users = np.repeat(np.arange(1, settings.n_users + 1, dtype=np.int32), counts)
    items += 1
    seconds += settings.start_time
    columns = {USER: users, ITEM: items, RATING: ratings, TIMESTAMP: seconds}
    return Source(
        kind="crowd",
        title=f"an invented crowd of {settings.n_users:,} users and {settings.n_items:,} films",
        interactions=pd.DataFrame(columns, copy=False),
        users=pd.DataFrame({USER_ID: np.arange(1, settings.n_users + 1)}),
        items=_table(settings, films),
        rating_scale=(0.5, 5.0),
        licence="invented, no rights reserved",
        citation="Invented by candgen; any resemblance to real films or people is accidental.",
    )


def _films(settings: CrowdSettings, seed: int) -> _Films:
    rng, n = np.random.default_rng(derive_seed(seed, "films")), settings.n_items
    weights = (rng.permutation(n) + 1 + _HEAD * n) ** -_TAIL
    logits = rng.normal(0, _SPECIALIZED, (n, settings.tastes)).astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)
    affinities = np.exp(logits)
    affinities /= affinities.sum(axis=1, keepdims=True)
    released = np.where(
        rng.random(n) < _NEW_SHARE, rng.random(n) * settings.days, -rng.exponential(3650, n)
    )
    quality = rng.normal(0, 0.4, n).astype(np.float32)
    return _Films(weights, affinities, released.astype(np.float32), quality)


def _edges(films: _Films) -> NDArray[np.float64]:
    """Return running sums of the probabilities of films, one row a taste."""
    edges = np.cumsum(films.weights[:, None] * films.affinities, axis=0).T.copy()
    return edges / edges[:, -1:]


def _counts(settings: CrowdSettings, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw how many films each user rates: at least a few, a long tail, the mean as set."""
    least = max(1, min(20, int(settings.events_per_user / 3)))
    most = max(least, int(LARGEST_SHARE * settings.n_items))
    beyond = rng.lognormal(sigma=_SPREAD, size=settings.n_users)
    scale = (settings.events_per_user - least) / np.exp(_SPREAD**2 / 2)
    return np.minimum(least + np.rint(scale * beyond), most).astype(np.int64)


def _table(settings: CrowdSettings, films: _Films) -> pd.DataFrame:
    """Return the table of films: title, genres (the tastes of a fifth or more), year."""
    names = np.array([f"Taste {n + 1}" for n in range(settings.tastes)])
    marked = films.affinities >= min(0.2, 1 / settings.tastes)
    first = int(settings.start[:4])
    years = first + np.floor(films.released / 365).astype(np.int64)
    titles = [f"Film {n} ({year})" for n, year in enumerate(years, 1)]
    genres = pd.Series([names[row].tolist() for row in marked], dtype=object)
    ids = np.arange(1, settings.n_items + 1)
    return pd.DataFrame({ITEM_ID: ids, TITLE: titles, GENRES: genres, YEAR: years.astype(np.int16)})
