"""Eight invented films and a few people, small enough to place by hand.

The first four people stand for four tastes: blockbusters, art-house, children's films, films for
adults. Two new people resemble the third and the second. Nothing here comes from real films.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from candgen.columns import ENGAGED, ITEM, RATING, TITLE, USER

AUDIENCE = "audience"  # -1 for children, +1 for adults
REACH = "reach"  # -1 art-house, +1 blockbuster

_FILMS = (
    ("Captain Marmalade", -0.9, 0.8),
    ("The Dragon Academy", -0.7, 0.9),
    ("A Boat of Paper", -0.8, -0.9),
    ("Grandmother Snow", -1.0, -0.6),
    ("Convoy at Midnight", 0.8, 1.0),
    ("Iron Harbour", 1.0, 0.7),
    ("Letters to Nobody", 0.9, -0.8),
    ("The Clock Repairer", 0.7, -1.0),
)
_USERS = (
    ("Ada", 0.1, 1.0),
    ("Bo", 0.2, -1.0),
    ("Cleo", -1.0, 0.1),
    ("Dan", 1.0, -0.1),
)
_NEW_PEOPLE = ("Emi", "Finn")  # nobody placed them by hand
_HISTORY = {  # a sign a film: 1 watched, 0 shown and left, ? not yet shown
    "Ada": "110?11?0",
    "Bo": "0?1?0011",
    "Cleo": "11110??0",
    "Dan": "?00?1111",
    "Emi": "1?11?00?",
    "Finn": "?0110??1",
}
_STARS = {  # what some of them said about some of what they watched
    ("Ada", "Captain Marmalade"): 4.5,
    ("Ada", "Convoy at Midnight"): 5.0,
    ("Ada", "Iron Harbour"): 2.0,
    ("Bo", "Letters to Nobody"): 4.0,
    ("Cleo", "Grandmother Snow"): 4.5,
    ("Cleo", "A Boat of Paper"): 4.0,
    ("Dan", "The Clock Repairer"): 1.5,
}


def films() -> pd.DataFrame:
    """The films in the order of their ids: `title`, `audience` and `reach`, each in [-1, 1]."""
    return pd.DataFrame(_FILMS, columns=[TITLE, AUDIENCE, REACH])


def users(*, new_people: bool = False) -> pd.DataFrame:
    """Return the people in the order of their ids: `name`, and their place on both axes.

    Args:
        new_people: Add the two people without a place by hand; their places are NaN.
    """
    people = pd.DataFrame(_USERS, columns=["name", AUDIENCE, REACH])
    if not new_people:
        return people
    return pd.concat([people, pd.DataFrame({"name": _NEW_PEOPLE})], ignore_index=True)


def impressions(*, new_people: bool = False) -> pd.DataFrame:
    """Return the impressions: `user`, `item`, `engaged`, as in the tables of an invented world.

    A pair without a row was not yet shown.
    """
    rows = [
        (user, item, sign == "1")
        for user, name in enumerate(users(new_people=new_people)["name"])
        for item, sign in enumerate(_HISTORY[name])
        if sign != "?"
    ]
    table = pd.DataFrame(rows, columns=[USER, ITEM, ENGAGED])
    return table.astype({USER: np.int32, ITEM: np.int32})


def ratings() -> pd.DataFrame:
    """Return their ratings in stars (0.5 to 5), the explicit feedback: `user`, `item`, `rating`."""
    names, titles = list(users()["name"]), list(films()[TITLE])
    rows = [(names.index(name), titles.index(title), s) for (name, title), s in _STARS.items()]
    table = pd.DataFrame(rows, columns=[USER, ITEM, RATING])
    return table.astype({USER: np.int32, ITEM: np.int32})
