"""Log of an invented service that notes with which chance it showed each item.

The films and people are those of an invented world, whose tastes stand still here. On each visit a
user sees one page. Every place of it is drawn on its own, so a film may stand there twice: with
probability `EXPLORED` any film, each alike, else one with a probability proportional to

    exp(exposure_bias * fame + agreement with the believed genre affinities)

The log notes the chance of the two together, the *propensity*. A shown film is noticed with
probability position ** -position_bias, and a noticed one is clicked with the probability that the
world's oracle defines as relevance, as of the last day. What a policy that shows other films would
earn is then known: see `ServiceLog.value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen import files
from candgen.columns import (
    GENRES,
    ITEM,
    ITEM_ID,
    POSITION,
    PROPENSITY,
    TIMESTAMP,
    USER,
    USER_ID,
)
from candgen.datasets.world.blocks import stream
from candgen.datasets.world.catalogue import FIRST_ITEM_ID, Catalogue, make_catalogue
from candgen.datasets.world.oracle import Oracle
from candgen.datasets.world.people import FIRST_USER_ID, People, make_people
from candgen.datasets.world.settings import DAY, WorldSettings
from candgen.errors import DataError
from candgen.seeds import derive_seed

CLICKED = "clicked"
EXPLORED = 0.2  # share of the places that show any film, each alike
_AGREEMENT = 0.7  # weight of the believed affinities beside fame
_PLACES = 5  # of a page
_ROWS = 512  # users simulated at once
_NAMES = {"impressions": "impressions.csv", "items": "items.csv", "users": "users.csv"}


@dataclass(frozen=True)
class ServiceLog:
    """A log, and what it hides."""

    impressions: pd.DataFrame
    """Columns `user`, `item`, `timestamp`, `position`, `propensity` and `clicked` (0 or 1), in the
    order of time."""
    users: pd.DataFrame
    """One row a user: `user` and features."""
    items: pd.DataFrame
    """One row a film: `item`, `title`, `genres` (a|b) and features."""
    oracle: Oracle
    """Knows how relevant every film is to every user."""
    position_bias: float

    def value(
        self, user_ids: NDArray[np.integer], item_ids: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return the clicks per place if each of a user's items is shown as often as the others.

        Args:
            user_ids: Ids of the log, shape `(n,)`.
            item_ids: Ids of the log, shape `(n, k)`.

        Returns:
            Shape `(n,)`, in 0 .. 1.
        """
        users = np.repeat(user_ids - FIRST_USER_ID, item_ids.shape[1])
        items = item_ids.ravel() - FIRST_ITEM_ID
        relevance = self.oracle.relevance_of_pairs(users, items, self.oracle.end)
        noticed = np.mean(np.arange(1.0, _PLACES + 1) ** -self.position_bias)
        return noticed * relevance.reshape(item_ids.shape).mean(axis=1, dtype=np.float64)

    def write(self, folder: Path | str) -> list[Path]:
        """Write `impressions.csv`, `items.csv` and `users.csv`; return their paths.

        Raises:
            DataError: If one of them is there already; nothing is written then.
        """
        refuse_taken(folder)
        paths = []
        for name, file in _NAMES.items():
            with files.appearing(Path(folder) / file) as passing:
                getattr(self, name).to_csv(passing, index=False)
            paths.append(Path(folder) / file)
        return paths


def refuse_taken(folder: Path | str) -> None:
    """Refuse a folder in which a file of that name stands: it may be a person's own.

    Raises:
        DataError: Naming the file.
    """
    for file in _NAMES.values():
        path = Path(folder) / file
        if path.exists() or path.is_symlink():
            raise DataError(f"{path} is there already and stays as it is. Name another folder.")


def make_service_log(
    *, n_users: int = 1000, n_items: int = 300, visits: int = 40, seed: int = 0
) -> ServiceLog:
    """Invent a log of a service.

    Args:
        n_users: Number of users.
        n_items: Number of films, 10 or more.
        visits: Pages of each user, five places each.
        seed: Seed of all random choices.

    Raises:
        SettingError: If a number is out of range.
    """
    few = min(60.0, 0.4 * n_items)
    settings = WorldSettings(
        n_users=n_users, n_items=n_items, events_per_user=few, drift=0.0, freshness=0.0, days=60
    )
    seed = derive_seed(seed, "service log")
    catalogue, people = make_catalogue(settings, seed), make_people(settings, seed)
    oracle = Oracle.of_world(settings, catalogue, people)
    rng, shown = stream(seed, "pages"), []
    for start in range(0, n_users, _ROWS):
        users = np.arange(start, min(start + _ROWS, n_users))
        shown.append(_pages(users, visits, settings, catalogue, people, oracle, rng))
    whole = pd.concat(shown).sort_values([TIMESTAMP, USER, POSITION], kind="stable")
    items = catalogue.table().rename(columns={ITEM_ID: ITEM})
    lists = {name: items[name].map("|".join) for name in (GENRES, "places")}
    return ServiceLog(
        whole.reset_index(drop=True),
        people.table().rename(columns={USER_ID: USER}),
        items.assign(**lists),
        oracle,
        settings.position_bias,
    )


def _pages(
    users: NDArray[np.int64],
    visits: int,
    settings: WorldSettings,
    catalogue: Catalogue,
    people: People,
    oracle: Oracle,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Show every page of a block of users."""
    chances = _chances(users, settings, catalogue, people)  # (rows, n_items)
    n = visits * _PLACES
    upto = chances.cumsum(axis=1)
    draws = rng.random((len(users), n))
    items = np.stack([np.searchsorted(row, d) for row, d in zip(upto, draws, strict=True)])
    items = np.minimum(items, settings.n_items - 1)  # (rows, n)
    moments = settings.start_time + rng.integers(settings.days * DAY, size=(len(users), visits))
    who, what = np.repeat(users, n), items.ravel()
    position = np.tile(np.arange(1, _PLACES + 1), len(users) * visits)
    relevance = oracle.relevance_of_pairs(who, what, oracle.end)
    noticed = position**-settings.position_bias
    return pd.DataFrame(
        {
            USER: who + FIRST_USER_ID,
            ITEM: what + FIRST_ITEM_ID,
            TIMESTAMP: np.repeat(moments.ravel(), _PLACES),
            POSITION: position,
            PROPENSITY: np.take_along_axis(chances, items, axis=1).ravel(),
            CLICKED: (rng.random(len(who)) < noticed * relevance).astype(np.int8),
        }
    )


def _chances(
    users: NDArray[np.int64], settings: WorldSettings, catalogue: Catalogue, people: People
) -> NDArray[np.float64]:
    """Return the chance of each film at each place, shape `(rows, n_items)`; rows sum to 1."""
    marked = np.zeros((settings.n_items, people.believed.shape[1]))
    for column in catalogue.genres.T:
        has = np.flatnonzero(column >= 0)
        marked[has, column[has]] = 1.0
    marked /= marked.sum(axis=1, keepdims=True)
    logits = _AGREEMENT * people.believed[users] @ marked.T
    logits += settings.exposure_bias * catalogue.fame
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return (1 - EXPLORED) * weights + EXPLORED / settings.n_items
