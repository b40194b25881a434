"""The printed example: two branches that predict ratings from genres, year and averages.

256-128-32 a branch, vectors of length 1, their dot product against ratings scaled to [-1, 1], mean
squared error, Adam at .01, batches of 32, four fifths of the rows to learn from. Inputs are
standardized and targets scaled by what the training rows show.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from candgen.checks import Count, CountOrZero, Positive, checked
from candgen.columns import GENRES, RATING, TITLE, USER, YEAR
from candgen.errors import DataError
from candgen.models.base import unit_rows
from candgen.models.content_based.two_branch_network import Pairs, train_network
from candgen.seeds import derive_seed
from candgen.studies.course.films import FilmRows

HIDDEN, DIM = (256, 128), 32
_SPLIT_SEED = 1  # as printed: the same rows are tested on, whatever the seed of the weights


class RatingNetwork:
    """Two branches taught on `FilmRows`.

    Attributes:
        train_rows_, test_rows_: Positions in `rows.rows`.
        losses_: Training loss of each epoch, over targets in [-1, 1].
        test_loss_: Loss over the test rows, at the end.
        epoch_seconds_: Wall time of each epoch; the first one compiles.
        network_: The trained network.
    """

    def __init__(
        self,
        *,
        epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        train_share: float = 0.8,
        seed: int = 0,
    ) -> None:
        """Check and keep the settings.

        Args:
            epochs: Passes over the training rows.
            batch_size: Rows a step.
            learning_rate: Of Adam.
            train_share: Share of the rows to learn from; the others are tested on.
            seed: Of the start and of the order of rows; the split stays as it is.

        Raises:
            SettingError: If a setting is out of range.
        """
        self.epochs = checked("epochs", epochs, Count)
        self.batch_size = checked("batch_size", batch_size, Count)
        self.learning_rate = checked("learning_rate", learning_rate, Positive)
        self.train_share = checked("train_share", train_share, Positive)
        self.seed = checked("seed", seed, CountOrZero)

    def fit(self, data: FilmRows) -> RatingNetwork:
        """Split, scale and learn; returns itself."""
        from sklearn.model_selection import train_test_split

        self.data = data
        rows = data.rows
        self.train_rows_, self.test_rows_ = train_test_split(
            np.arange(len(rows)),
            train_size=self.train_share,
            shuffle=True,
            random_state=_SPLIT_SEED,
        )
        learned = rows.iloc[self.train_rows_]
        self._user_scale = _Scale(data.user_inputs(), learned[USER].to_numpy())
        self._item_scale = _Scale(data.item_inputs(), learned["place"].to_numpy())
        self._low, self._high = float(learned[RATING].min()), float(learned[RATING].max())
        users = self._user_scale(data.user_inputs())
        items = self._item_scale(data.item_inputs())
        trained = train_network(
            users,
            items,
            self.pairs(self.train_rows_),
            hidden=HIDDEN,
            dim=DIM,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=derive_seed(self.seed, "rating network"),
        )
        self.network_, self.losses_ = trained.network, trained.losses
        self.epoch_seconds_ = trained.seconds
        self.test_loss_ = self.network_.loss(users, items, self.pairs(self.test_rows_))
        self._places = self.network_.item.vectors(items)  # (n_places, dim)
        return self

    def pairs(self, positions: ArrayLike) -> Pairs:
        """Return rows as the network is taught them: ratings scaled to [-1, 1]."""
        rows = self.data.rows.iloc[positions]
        span = max(self._high - self._low, 1e-9)
        targets = 2 * (rows[RATING].to_numpy(np.float64) - self._low) / span - 1
        return Pairs(rows[USER].to_numpy(), rows["place"].to_numpy(), targets.astype(np.float32))

    def scaled_inputs(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return both input tables, standardized: a row a user, and a row a film and genre."""
        data = self.data
        return self._user_scale(data.user_inputs()), self._item_scale(data.item_inputs())

    def predict(self, profiles: NDArray[np.floating]) -> NDArray[np.float64]:
        """Predict ratings for users given by their mean ratings of genres.

        Args:
            profiles: Shape `(n, n_genres)`, in stars, as from `FilmRows.profile`.

        Returns:
            Ratings of every film in every one of its genres, shape `(n, n_places)`.
        """
        products = self.network_.user.vectors(self._user_scale(profiles)) @ self._places.T
        return self._low + (products.astype(np.float64) + 1) / 2 * (self._high - self._low)

    def top_films(self, profile: NDArray[np.floating], k: int) -> pd.DataFrame:
        """Return the films with the highest predicted ratings for one profile, each film once."""
        films = self.data.films
        found = pd.Series(self.predict(profile)[0]).groupby(self.data.places["film"]).max()
        best = found.sort_values(ascending=False, kind="stable").head(k)
        table = films.loc[best.index, [TITLE, GENRES, "average"]].reset_index(drop=True)
        table[GENRES] = [", ".join(genres) for genres in table[GENRES]]
        table.insert(0, "predicted", best.to_numpy())
        return table

    def rated_by(self, user_id: int) -> pd.DataFrame:
        """Return predictions beside ratings for all that a user has rated, highest first.

        Raises:
            DataError: If the rows do not have that user.
        """
        users = self.data.users
        (place,) = np.nonzero((users["user_id"] == user_id).to_numpy())
        if not len(place):
            raise DataError(f"No user {user_id} among the {len(users):,} users of these rows.")
        user = int(place[0])
        predicted = self.predict(self.data.user_inputs()[[user]])[0]
        own = self.data.rows[self.data.rows[USER] == user]
        places = self.data.places.iloc[own["place"]]
        table = pd.DataFrame(
            {
                "predicted": predicted[own["place"]],
                "rated": own[RATING].to_numpy(np.float64),
                "user's mean of the genre": [users.at[user, g] for g in places["genre"]],
                "film's mean": places["average"].to_numpy(),
                "title": self.data.films[TITLE].to_numpy()[places["film"]],
                "genre": places["genre"].to_numpy(),
                "tested on": np.isin(own.index, self.test_rows_),
            }
        )
        return table.sort_values("predicted", ascending=False, kind="stable", ignore_index=True)

    def similar_films(self, films: ArrayLike, k: int) -> pd.DataFrame:
        """Return the nearest films by learned vectors: a row a film asked for, by title.

        Args:
            films: Rows of `data.films`. A film's vector is the mean of those of its genres.
            k: Neighbours a film.
        """
        films = np.asarray(films)
        of_film = self.data.places["film"].to_numpy()
        sums = np.zeros((len(self.data.films), DIM), dtype=np.float32)
        np.add.at(sums, of_film, self._places)
        vectors = unit_rows(sums)
        near = vectors[films] @ vectors.T
        near[np.arange(len(films)), films] = -np.inf
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        titles = self.data.films[TITLE].to_numpy()
        table = pd.DataFrame(titles[order], index=titles[films])
        return table.set_axis([f"nearest {n}" for n in range(1, order.shape[1] + 1)], axis=1)

    @property
    def years(self) -> tuple[int, int]:
        """The first and the last year of the films."""
        years = self.data.films[YEAR]
        return int(years.min()), int(years.max())


class _Scale:
    """Standardizes columns by the rows that training shows, each as often as it shows it."""

    def __init__(self, table: NDArray[np.floating], shown: NDArray[np.integer]) -> None:
        seen = table[shown].astype(np.float64)
        self.mean, spread = seen.mean(axis=0), seen.std(axis=0)
        self.spread = np.where(spread > 1e-9, spread, np.inf)

    def __call__(self, table: NDArray[np.floating]) -> NDArray[np.float32]:
        return ((table - self.mean) / self.spread).astype(np.float32)
