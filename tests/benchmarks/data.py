"""The data that benchmarks measure on: real where it is at hand, else invented of the same shape.

Real data lies in the folder that CANDGEN_TEST_DATA names (`make bench DATA=folder`), as `gowalla`
(train.txt) and `ml-latest-small`. What is invented has as many users, items and events, as long
histories and as popular items, but no taste: speeds compare, losses do not.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("CANDGEN_TEST_DATA") or ROOT.parent / "shared" / "data")

_STARS = [0.014, 0.028, 0.018, 0.075, 0.055, 0.199, 0.13, 0.266, 0.085, 0.13]  # .5 .. 5
_GENRES = ("Action", "Adventure", "Comedy", "Crime", "Drama", "Horror", "Romance", "Thriller")


def gowalla() -> tuple[csr_array, str]:
    """Return ones where a user was at a place, shape (29858, 40981), and what to call it."""
    shape, file = (29_858, 40_981), FOLDER / "gowalla" / "train.txt"
    if file.is_file():
        rows = [np.array(line.split(), dtype=np.int64) for line in file.read_text().splitlines()]
        users = np.repeat([row[0] for row in rows], [len(row) - 1 for row in rows])
        items, name = np.concatenate([row[1:] for row in rows]), "Gowalla"
    else:
        rng = np.random.default_rng(0)
        lengths = _lengths(rng, shape[0], 810_128, least=8, most=811)
        popularity = (np.arange(shape[1]) + 3.0) ** -0.55
        users, items = _pairs(rng, lengths, rng.permutation(popularity))
        name = "invented, of Gowalla's shape"
    matrix = csr_array((np.ones(len(items), np.float32), (users, items)), shape=shape)
    return matrix, name


def movielens(folder: Path | str) -> tuple[Path, str]:
    """Return a folder of ml-latest-small, or of invented files written here, and its name."""
    real = FOLDER / "ml-latest-small"
    if real.is_dir():
        return real, "ml-latest-small"
    n_users, n_films = 610, 9_742
    rng = np.random.default_rng(0)
    lengths = _lengths(rng, n_users, 100_836, least=20, most=2698)
    popularity = (np.arange(n_films) + 25.0) ** -1.05
    users, films = _pairs(rng, lengths, rng.permutation(popularity))
    ratings = {
        "userId": users + 1,
        "movieId": films + 1,
        "rating": rng.choice(np.arange(1, 11) / 2, len(users), p=_STARS),
        "timestamp": rng.integers(828_124_615, 1_537_799_250, len(users)),
    }
    years = 2019 - rng.exponential(20, n_films).astype(int).clip(0, 100)
    genres = ["|".join(sorted(rng.choice(_GENRES, 2, replace=False))) for _ in range(n_films)]
    titles = [f"Invented Film {film} ({year})" for film, year in enumerate(years, 1)]
    made = {"movieId": np.arange(1, n_films + 1), "title": titles, "genres": genres}
    folder = Path(folder)
    pd.DataFrame(ratings).to_csv(folder / "ratings.csv", index=False)
    pd.DataFrame(made).to_csv(folder / "movies.csv", index=False)
    return folder, "invented, of ml-latest-small's shape"


def _lengths(
    rng: np.random.Generator, n: int, total: int, *, least: int, most: int
) -> NDArray[np.int64]:
    """Draw lengths of histories that sum up to about a total: a few are very long."""
    beyond = rng.lognormal(sigma=1.3, size=n)
    beyond *= (total - n * least) / beyond.sum()
    return np.minimum(least + np.rint(beyond), most).astype(np.int64)


def _pairs(
    rng: np.random.Generator, lengths: NDArray[np.int64], popularity: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw distinct items for each user, popular ones more often; return users and items."""
    edges = np.cumsum(popularity / popularity.sum())
    n_items, keys = len(popularity), np.empty(0, dtype=np.int64)
    left = lengths
    while left.any():  # what repeats is drawn again
        users = np.repeat(np.arange(len(lengths)), left)
        items = np.minimum(np.searchsorted(edges, rng.random(len(users))), n_items - 1)
        keys = np.unique(np.concatenate([keys, users * n_items + items]))
        left = lengths - np.bincount(keys // n_items, minlength=len(lengths))
    return keys // n_items, keys % n_items
