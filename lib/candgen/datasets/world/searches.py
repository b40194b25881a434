"""Queries of users who search for a film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candgen.datasets.world.catalogue import GENRE_NAMES, Catalogue

_BY_GENRE = ("{genre}", "{genre} films", "best {genre}", "new {genre}", "{genre} like {title}")


def write_queries(
    rng: np.random.Generator, items: NDArray[np.int64], catalogue: Catalogue
) -> NDArray[np.object_]:
    """Write one query for each item searched: its title, a part of it, or its main genre.

    Args:
        items: Rows of the catalogue, shape `(n,)`.
    """
    kinds = rng.choice(len(_BY_GENRE) + 2, size=len(items))
    queries = np.empty(len(items), dtype=object)
    for row, (item, kind) in enumerate(zip(items, kinds, strict=True)):
        title = catalogue.titles[item].rsplit(" (", 1)[0].lower()
        if kind < len(_BY_GENRE):
            genre = GENRE_NAMES[catalogue.genres[item, 0]].lower()
            queries[row] = _BY_GENRE[kind].format(genre=genre, title=title)
        else:
            queries[row] = title if kind == len(_BY_GENRE) else title.split()[-1]
    return queries
