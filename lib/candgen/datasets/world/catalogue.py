"""Films of an invented world, with public features and hidden vectors.

Each number per film is an array; the public table is made from them at the end. A film's hidden
vector has two parts: its position in the hidden tastes, half of which follows from its genres, and
its genres. The product with a user's vector measures how well user and film agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from candgen.columns import GENRES, ITEM_ID, TITLE, YEAR
from candgen.datasets.world.blocks import blocks, normal_table, stream
from candgen.datasets.world.settings import DAY, MOST_USERS, WorldSettings
from candgen.datasets.world.titles import invent_titles

FIRST_ITEM_ID = MOST_USERS + 1
PROVIDER, PLACES, UPLOAD_TIME = "provider", "places", "upload_time"

# Genres and the share of films that carry them, roughly as in film catalogues.
GENRE_SHARES = {
    "Action": 0.19, "Adventure": 0.13, "Animation": 0.06, "Children": 0.07, "Comedy": 0.39,
    "Crime": 0.12, "Documentary": 0.05, "Drama": 0.45, "Fantasy": 0.08, "Film-Noir": 0.01,
    "Horror": 0.10, "Musical": 0.035, "Mystery": 0.06, "Romance": 0.16, "Sci-Fi": 0.10,
    "Thriller": 0.19, "War": 0.04, "Western": 0.02,
}  # fmt: skip
GENRE_NAMES = list(GENRE_SHARES)
NO_GENRE = -1
MOST_GENRES = 5
_GENRE_COUNTS = [0.29, 0.33, 0.24, 0.105, 0.035]  # films with 1, 2, ... genres

PLACE_NAMES = ["Northmark", "Eastvale", "Southmere", "Westhaven", "Highmoor"]
PLACE_SHARES = [0.34, 0.26, 0.20, 0.13, 0.07]  # of the users
_AVAILABLE = 0.85  # chance that a film may be shown in a place
_PROVIDERS = ["Lantern", "Bluebird", "Cinelark", "Halfmoon", "Orchard", "Polestar", "Tidewater"]

_ARRIVES_LATER = 0.2  # share of the films uploaded after the first day
_EARLIER_DAYS = 1500  # the others were uploaded within so many days before it
_GENRE_WEIGHT = 0.8  # strength of a genre affinity beside the hidden tastes
_FROM_GENRES = 0.5  # share of a film's place in the hidden tastes that its genres decide
_QUALITY = 0.7  # spread of the films' general appeal, in logits
_FAME = 2.9  # log popularity is -_FAME * log(rank + _HEAD), rank in 0 .. 1, at a bias of 1
_HEAD = 0.013  # share of the catalogue at the head, where popularity levels off
_FAME_FROM_QUALITY = 0.5  # correlation of popularity with general appeal


@dataclass(frozen=True)
class Catalogue:
    """Arrays with one row a film; row i belongs to the item id `FIRST_ITEM_ID + i`."""

    vectors: NDArray[np.float32]  # (n_items, tastes + genres), hidden
    quality: NDArray[np.float32]  # (n_items,) general appeal in logits, hidden
    fame: NDArray[np.float32]  # (n_items,) log popularity as the service believes it, hidden
    genres: NDArray[np.int8]  # (n_items, MOST_GENRES) indices of GENRE_NAMES, padded NO_GENRE
    places: NDArray[np.uint8]  # (n_items,) one bit a place
    upload_time: NDArray[np.int64]  # (n_items,) seconds
    year: NDArray[np.int16]  # (n_items,)
    provider: NDArray[np.int8]  # (n_items,)
    titles: NDArray[np.object_]  # (n_items,)

    def table(self) -> pd.DataFrame:
        """Make the public table; equal lists are one object, so treat them as read-only."""
        return pd.DataFrame(
            {
                ITEM_ID: np.arange(len(self.year), dtype=np.int32) + FIRST_ITEM_ID,
                TITLE: self.titles,
                GENRES: _shared_lists(_genre_bits(self.genres), GENRE_NAMES),
                YEAR: self.year,
                PROVIDER: np.array(_PROVIDERS, dtype=object)[self.provider],
                PLACES: _shared_lists(self.places.astype(np.int64), PLACE_NAMES),
                UPLOAD_TIME: self.upload_time,
            }
        )


def make_catalogue(settings: WorldSettings, seed: int) -> Catalogue:
    """Invent the films of a world."""
    n = settings.n_items
    genres = _draw_genres(stream(seed, "genres"), n)
    upload_time, year = _draw_times(settings, stream(seed, "upload times"))
    rng = stream(seed, "appeal")
    quality = rng.standard_normal(n)
    fame = _FAME_FROM_QUALITY * quality
    fame += np.sqrt(1 - _FAME_FROM_QUALITY**2) * rng.standard_normal(n)
    rng = stream(seed, "places")
    return Catalogue(
        vectors=_draw_vectors(settings, seed, genres),
        quality=(_QUALITY * quality).astype(np.float32),
        fame=(-_FAME * np.log(ndtr(-fame) + _HEAD)).astype(np.float32),
        genres=genres,
        places=_draw_places(rng, n),
        upload_time=upload_time,
        year=year,
        provider=rng.integers(len(_PROVIDERS), size=n).astype(np.int8),
        titles=invent_titles(stream(seed, "titles"), genres[:, 0], year, GENRE_NAMES),
    )


def _draw_genres(rng: np.random.Generator, n: int) -> NDArray[np.int8]:
    """Draw genres without replacement; the first is the main one."""
    shares = np.array(list(GENRE_SHARES.values()))
    genres = np.full((n, MOST_GENRES), NO_GENRE, dtype=np.int8)
    steps = np.cumsum(_GENRE_COUNTS) / np.sum(_GENRE_COUNTS)
    for block in blocks(n):
        draws = rng.random((block.stop - block.start, len(shares) + 1))
        counts = 1 + np.searchsorted(steps, draws[:, -1])  # (rows,)
        race = -np.log1p(-draws[:, :-1]) / shares  # smallest first: without replacement
        first = np.argsort(race, axis=1)[:, :MOST_GENRES]
        genres[block] = np.where(np.arange(MOST_GENRES) < counts[:, None], first, NO_GENRE)
    return genres


def _draw_vectors(
    settings: WorldSettings, seed: int, genres: NDArray[np.int8]
) -> NDArray[np.float32]:
    """Draw the hidden vectors; their products with user vectors have a spread of about 1.2."""
    n_genres, dim = len(GENRE_NAMES), settings.tastes
    centres = stream(seed, "genre centres").standard_normal((n_genres, dim))
    vectors = np.zeros((settings.n_items, dim + n_genres), dtype=np.float32)
    own = normal_table(stream(seed, "item vectors"), settings.n_items, dim)
    for block in blocks(settings.n_items):
        rows = np.arange(block.stop - block.start)
        marked = np.zeros((len(rows), n_genres))
        for column in genres[block].T:
            has = column != NO_GENRE
            marked[rows[has], column[has]] = 1.0
        marked /= np.sqrt(marked.sum(axis=1, keepdims=True))  # unit length for any number of genres
        place = np.sqrt(_FROM_GENRES) * marked @ centres + np.sqrt(1 - _FROM_GENRES) * own[block]
        vectors[block, :dim] = place / np.sqrt(dim)
        vectors[block, dim:] = _GENRE_WEIGHT * marked
    return vectors


def _draw_places(rng: np.random.Generator, n: int) -> NDArray[np.uint8]:
    """Draw the places where each film may be shown, at least one each."""
    sure = rng.integers(len(PLACE_NAMES), size=n)
    bits = np.zeros(n, dtype=np.uint8)
    for place in range(len(PLACE_NAMES)):
        available = (rng.random(n) < _AVAILABLE) | (sure == place)
        bits |= available.astype(np.uint8) << np.uint8(place)
    return bits


def _draw_times(
    settings: WorldSettings, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """Draw upload times and years; films uploaded later are mostly new."""
    n = settings.n_items
    later = rng.random(n) < _ARRIVES_LATER
    share = rng.random(n)
    days = np.where(later, share * settings.days, -1 - share * _EARLIER_DAYS)
    upload_time = settings.start_time + (days * DAY).astype(np.int64)
    age = rng.gamma(1.4, 15.0, size=n) * np.where(later, 0.1, 1.0)  # years
    uploaded = upload_time.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    first = datetime.fromtimestamp(settings.start_time, UTC).year - 120
    return upload_time, np.maximum(uploaded - age.astype(np.int64), first).astype(np.int16)


def _genre_bits(genres: NDArray[np.int8]) -> NDArray[np.int64]:
    bits = np.zeros(len(genres), dtype=np.int64)
    for column in genres.T.astype(np.int64):
        bits |= np.where(column == NO_GENRE, 0, 1 << np.maximum(column, 0))
    return bits


def _shared_lists(bits: NDArray[np.int64], names: list[str]) -> NDArray[np.object_]:
    """Convert bits to lists of names; films with the same bits share one list."""
    kinds, which = np.unique(bits, return_inverse=True)
    lists = np.empty(len(kinds), dtype=object)
    for row, kind in enumerate(kinds):
        lists[row] = [name for bit, name in enumerate(names) if kind >> bit & 1]
    return lists[which]
