"""Rows for the two-branch network: one for each rating and each genre of the rated film.

The user side of a row holds the mean rating that this user gave to each genre; the item side holds
the film's year, the mean of its ratings and the one genre that the row stands for. A film of three
genres makes three rows of every rating.

`course_films` makes the rows of the printed example from MovieLens ml-latest-small; `film_rows`
makes such rows from any ratings of films with genres and years.

Both averages are taken over all ratings, those of rows that are later tested on among them. That is
how the printed example has it; a loss on such rows is a little too good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.columns import GENRES, ITEM, ITEM_ID, RATING, TITLE, USER, YEAR
from candgen.datasets import movielens
from candgen.datasets.dataset import Dataset
from candgen.errors import DataError

COURSE_GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Horror",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
)
COURSE_AFTER = 2000  # films of later years
COURSE_MIN_RATINGS = 10
# Films that meet the other conditions and that the printed example does not have.
COURSE_WITHOUT = (4255, 5151, 5225, 5617, 7318, 7346, 34338, 41571, 61250, 62434)


class FilmRows(NamedTuple):
    """Ratings as rows of (user, film in one of its genres), and what describes both sides."""

    rows: pd.DataFrame
    """A row a rating and genre: `user` and `place` (rows of `users` and `places`), `rating`."""
    users: pd.DataFrame
    """A row a user: `user_id`, `count` and `average` of the ratings, then a column a genre with
    the mean rating, 0 where the user rated none."""
    places: pd.DataFrame
    """A row a film and genre: `film` (row of `films`), `genre`, `year`, `average`."""
    films: pd.DataFrame
    """A row a film: `item_id`, `title`, `genres`, `year`, `count` and `average`."""
    genres: tuple[str, ...]

    def user_inputs(self) -> NDArray[np.float32]:
        """Return what the user branch sees, shape `(n_users, n_genres)`."""
        return self.users[list(self.genres)].to_numpy(np.float32)

    def item_inputs(self) -> NDArray[np.float32]:
        """Return what the item branch sees, shape `(n_places, 2 + n_genres)`."""
        marked = self.places["genre"].to_numpy()[:, None] == np.array(self.genres)
        both = self.places[[YEAR, "average"]].to_numpy(np.float32)
        return np.hstack([both, marked.astype(np.float32)])

    def profile(self, answers: dict[str, float], otherwise: float = 0.0) -> NDArray[np.float32]:
        """Turn a person's mean rating by genre into one row for the user branch.

        Raises:
            DataError: If an answer is about a genre that the rows do not have.
        """
        unknown = sorted(set(answers) - set(self.genres))
        if unknown:
            raise DataError(
                f"There is no genre {unknown[0]!r} among the rows; they have "
                f"{', '.join(self.genres)}."
            )
        values = [answers.get(genre, otherwise) for genre in self.genres]
        return np.array([values], dtype=np.float32)


def course_films(path: str) -> FilmRows:
    """Make the rows of the printed example from a folder or zip of ml-latest-small.

    Raises:
        DataError: If the files are missing or damaged.
    """
    source = movielens.read(path=path)
    items = source.items[~source.items[ITEM_ID].isin(COURSE_WITHOUT)]
    return film_rows(
        source.interactions,
        items,
        genres=COURSE_GENRES,
        after=COURSE_AFTER,
        min_ratings=COURSE_MIN_RATINGS,
    )


def dataset_films(dataset: Dataset, *, n_users: int = 200) -> FilmRows:
    """Make such rows from the training part of any dataset with ratings, genres and years.

    Args:
        dataset: Where the ratings and films are. What is held out stays out.
        n_users: Users kept, in the order of their ids.

    Raises:
        DataError: If the dataset has no ratings, titles, genres or years.
    """
    train, items = dataset.train, dataset.items
    for what, table, wanted in (
        ("events", train, RATING),
        *(("items", items, column) for column in (TITLE, GENRES, YEAR)),
    ):
        if wanted not in table:
            raise DataError(
                f"The {what} of dataset {dataset.name!r} have no column {wanted!r}, which the "
                f"rating network reads; they have {', '.join(table)}."
            )
    users = np.sort(train[USER].unique())[:n_users]
    few = train.loc[train[USER].isin(users) & train[RATING].notna(), [USER, ITEM, RATING]]
    events = few.assign(**{ITEM: items[ITEM_ID].to_numpy()[few[ITEM]]})
    return film_rows(events, items, min_ratings=COURSE_MIN_RATINGS)


def film_rows(
    ratings: pd.DataFrame,
    films: pd.DataFrame,
    *,
    genres: Sequence[str] = (),
    after: int | None = None,
    min_ratings: int = 1,
) -> FilmRows:
    """Make rows from ratings and the films that they rate.

    Args:
        ratings: Columns `user`, `item`, `rating`; `item` as in `item_id` of `films`.
        films: Columns `item_id`, `title`, `genres` (lists), `year`.
        genres: Films with another genre are left out. All that occur, in the order of the
            alphabet, when empty.
        after: Only films of later years. Films without a year are always left out.
        min_ratings: Only films with as many ratings or more.

    Raises:
        DataError: If a column is missing, or no film is left.
    """
    _check(ratings, films)
    listed = films[GENRES].map(list)
    genres = tuple(genres) or tuple(sorted({genre for names in listed for genre in names}))
    count = films[ITEM_ID].map(ratings.groupby(ITEM).size()).fillna(0)
    fits = listed.map(lambda names: len(names) > 0 and set(names) <= set(genres))
    fits &= films[YEAR].notna() & (count >= min_ratings)
    if after is not None:
        fits &= films[YEAR].fillna(after) > after
    kept = films.loc[fits.to_numpy(bool), [ITEM_ID, TITLE, GENRES, YEAR]].reset_index(drop=True)
    taken = ratings[ratings[ITEM].isin(kept[ITEM_ID])].reset_index(drop=True)
    if not len(taken):
        often = int((count >= min_ratings).sum())
        raise DataError(
            f"No rated film is left: of {len(films):,} films, {often:,} have {min_ratings} ratings "
            "or more. Lower min_ratings or `after`."
        )
    taken = taken.astype({RATING: float})
    kept = kept.join(taken.groupby(ITEM)[RATING].agg(count="size", average="mean"), on=ITEM_ID)
    return _rows(taken, kept, genres)


def _rows(taken: pd.DataFrame, films: pd.DataFrame, genres: tuple[str, ...]) -> FilmRows:
    places = films[GENRES].explode().rename("genre").rename_axis("film").reset_index()
    places[YEAR] = films[YEAR].to_numpy(np.float64)[places["film"]]
    places["average"] = films["average"].to_numpy()[places["film"]]
    user_ids, user = np.unique(taken[USER].to_numpy(), return_inverse=True)
    film = pd.Index(films[ITEM_ID]).get_indexer(taken[ITEM])
    of_film = np.bincount(places["film"], minlength=len(films))
    first = np.concatenate([[0], np.cumsum(of_film)[:-1]])
    repeats = of_film[film]
    within = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    rows = pd.DataFrame(
        {
            USER: np.repeat(user, repeats),
            "place": np.repeat(first[film], repeats) + within,
            RATING: np.repeat(taken[RATING].to_numpy(np.float32), repeats),
        }
    )
    genre_of = places["genre"].to_numpy()[rows["place"]]
    means = rows[RATING].astype(float).groupby([rows[USER], genre_of]).mean().unstack()
    by_user = taken[RATING].astype(float).groupby(user)
    users = pd.DataFrame({"user_id": user_ids, "count": by_user.size(), "average": by_user.mean()})
    users = users.join(means.reindex(columns=list(genres)).fillna(0.0))
    return FilmRows(rows, users, places, films, genres)


def _check(ratings: pd.DataFrame, films: pd.DataFrame) -> None:
    for what, frame, wanted in (
        ("ratings", ratings, (USER, ITEM, RATING)),
        ("films", films, (ITEM_ID, TITLE, GENRES, YEAR)),
    ):
        missing = [column for column in wanted if column not in frame]
        if missing:
            raise DataError(
                f"The two-branch rows need the columns {missing} of {what}; it has {list(frame)}."
            )
