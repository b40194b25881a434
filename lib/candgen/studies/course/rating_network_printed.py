"""Numbers that the course prints of its two-branch network, beside ours on the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from candgen.columns import ITEM_ID, USER_ID
from candgen.studies.course.rating_network import RatingNetwork

NEW_USER = {"Comedy": 5.0, "Romance": 5.0, "Sci-Fi": 5.0}  # every other genre has 1
NEW_USER_OTHERWISE = 1.0
EXISTING_USER = 36

_LOSSES = (
    0.1254, 0.1187, 0.1169, 0.1154, 0.1142, 0.1130, 0.1119, 0.1110, 0.1095, 0.1083,
    0.1073, 0.1066, 0.1059, 0.1054, 0.1047, 0.1041, 0.1036, 0.1030, 0.1027, 0.1021,
    0.1018, 0.1014, 0.1010, 0.1006, 0.1003, 0.0999, 0.0997, 0.0991, 0.0989, 0.0985,
)  # fmt: skip
_TEST_LOSS = 0.1045
_COUNTS = {
    "rows": 58187,
    "training rows": 46549,
    "test rows": 11638,
    "parameters": 82240,
    "parameters of the user branch": 40864,
    "parameters of the item branch": 41376,
}
_SHOWN_USER, _SHOWN_COUNT, _SHOWN_MEAN = 2, 16, 4.1
_SHOWN_GENRES = (3.9, 5.0, 0.0, 0.0, 4.0, 4.2, 4.0, 4.0, 0.0, 3.0, 4.0, 0.0, 4.2, 3.9)
_NEW_USER_FILMS = {  # film -> predicted, average
    64969: (4.86762, 3.61765),
    69122: (4.86692, 3.63158),
    63131: (4.86477, 3.625),
    60756: (4.85853, 3.55357),
    68135: (4.85785, 3.55),
    78209: (4.85178, 3.55),
    8622: (4.85138, 3.48649),
    67087: (4.8505, 3.52941),
    69784: (4.85043, 3.65),
    89864: (4.84934, 3.63158),
}
_EXISTING = {  # title, genre -> predicted, rated, user's mean of the genre, film's mean
    ("Time Machine, The (2002)", "Adventure"): (3.1, 3.0, 3.00, 2.86),
    ("Time Machine, The (2002)", "Action"): (3.0, 3.0, 3.00, 2.86),
    ("Time Machine, The (2002)", "Sci-Fi"): (2.8, 3.0, 3.00, 2.86),
    ("Beautiful Mind, A (2001)", "Romance"): (2.3, 1.0, 1.00, 4.00),
    ("Beautiful Mind, A (2001)", "Drama"): (2.2, 1.0, 1.50, 4.00),
    ("Road to Perdition (2002)", "Crime"): (1.6, 1.5, 1.75, 3.52),
    ("Gangs of New York (2002)", "Crime"): (1.6, 2.0, 1.75, 3.52),
    ("Road to Perdition (2002)", "Drama"): (1.5, 1.5, 1.50, 3.52),
    ("Gangs of New York (2002)", "Drama"): (1.5, 2.0, 1.50, 3.52),
}
_START = "another start and another order of the rows"
_PRINTED = "printed with fewer digits"


def reproduced(model: RatingNetwork, *others: RatingNetwork) -> list[dict[str, Any]]:
    """Set every printed number beside ours, for `run.record_reproduced`.

    Args:
        model: Fitted to the rows of `course_films`. Losses that it did not reach are left out.
        others: The same network from other random starts. The printed numbers came from a start
            that nobody knows; numbers that rest on it list ours from all of these as `starts`.
    """
    rows, *more = (
        [*_of_training(one), *_of_shown_user(one), *_of_new_user(one), *_of_existing_user(one)]
        for one in (model, *others)
    )
    for row, *same in zip(rows, *more, strict=True):
        if row.pop("rests_on_start") and others:
            row["starts"] = [row["ours"], *(other["ours"] for other in same)]
    return rows


def _of_training(model: RatingNetwork) -> list[dict[str, Any]]:
    ours = {
        "rows": len(model.data.rows),
        "training rows": len(model.train_rows_),
        "test rows": len(model.test_rows_),
        "parameters": model.network_.n_parameters,
        "parameters of the user branch": model.network_.user.n_parameters,
        "parameters of the item branch": model.network_.item.n_parameters,
    }
    rows = [_row(name, printed, ours[name], "") for name, printed in _COUNTS.items()]
    both = zip(_LOSSES, model.losses_, strict=False)  # as many epochs as both have
    rows += [_row(f"training loss, epoch {e}", s, o, _START) for e, (s, o) in enumerate(both, 1)]
    if len(model.losses_) == len(_LOSSES):
        rows.append(_row("test loss", _TEST_LOSS, model.test_loss_, _START))
    return rows


def _of_shown_user(model: RatingNetwork) -> list[dict[str, Any]]:
    data, who = model.data, f"user {_SHOWN_USER}"
    (place,) = np.flatnonzero(data.users[USER_ID] == _SHOWN_USER)
    known = data.users.iloc[place]
    means = data.user_inputs()[place]  # by genre, 0 where the user rated none
    rows = [
        _row(f"{who}: ratings", _SHOWN_COUNT, known["count"], ""),
        _row(f"{who}: mean rating", _SHOWN_MEAN, known["average"], ""),
    ]
    for genre, printed, mean in zip(data.genres, _SHOWN_GENRES, means, strict=True):
        rows.append(_row(f"{who}: mean rating of {genre}", printed, mean, ""))
    return rows


def _of_new_user(model: RatingNetwork) -> list[dict[str, Any]]:
    films, places = model.data.films, model.data.places["film"].to_numpy()
    predicted = model.predict(model.data.profile(NEW_USER, NEW_USER_OTHERWISE))[0]
    rows = []
    for film, (value, average) in _NEW_USER_FILMS.items():
        place = int(np.flatnonzero(films[ITEM_ID] == film)[0])
        best = float(predicted[places == place].max())
        rows.append(_row(f"new user, film {film}: predicted", value, best, _START))
        rows.append(_row(f"film {film}: mean rating", average, films.at[place, "average"], ""))
    return rows


def _of_existing_user(model: RatingNetwork) -> list[dict[str, Any]]:
    table = model.rated_by(EXISTING_USER).set_index(["title", "genre"])
    columns = ["predicted", "rated", "user's mean of the genre", "film's mean"]
    rows = []
    for (title, genre), printed in _EXISTING.items():
        for column, value in zip(columns, printed, strict=True):
            why = _START if column == "predicted" else _PRINTED
            name = f"user {EXISTING_USER}, {title}, {genre}: {column}"
            rows.append(_row(name, value, table.at[(title, genre), column], why))
    return rows


def _row(name: str, printed: float, ours: float, why: str) -> dict[str, Any]:
    same = round(float(ours), 5) == round(float(printed), 5)
    return {
        "name": f"two-branch network, {name}",
        "printed": float(printed),
        "ours": float(ours),
        "why": "" if same else why or _PRINTED,
        "rests_on_start": why == _START,
    }
