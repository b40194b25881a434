"""Numbers that the course prints of its rating model, and ours beside them.

Films are named by their movieId; numbers are texts, so that the digits printed are known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from candgen.datasets.rated_films import COURSE_RATINGS, RatedFilms

EVERY = 20  # steps between printed costs
COSTS = (
    "2321138.6", "136158.3", "51858.7", "24596.9", "13629.5", "8487.1", "5807.2", "4311.2",
    "3434.9", "2901.7",
)  # fmt: skip
LAST = EVERY * (len(COSTS) - 1)
BEST_UNRATED = {
    27523: "4.55", 5513: "4.53", 124851: "4.53", 109687: "4.53", 114265: "4.53", 113829: "4.53",
    69860: "4.52", 27704: "4.52", 90943: "4.52", 5607: "4.52", 7096: "4.51",
}  # fmt: skip
RATED = {
    4306: "4.89", 4896: "4.84", 4973: "2.13", 5816: "4.89", 7153: "4.91", 7361: "3.00",
    8961: "4.89", 74508: "2.15", 78499: "4.80", 79132: "3.01", 86668: "1.48",
}  # fmt: skip
OFTEN_RATED = {  # predicted, mean rating, number of ratings
    58559: ("4.097693", "4.238255", "149"), 4011: ("4.004862", "4.155914", "93"),
    4226: ("4.246676", "4.122642", "159"), 7153: ("4.911655", "4.118919", "185"),
    78499: ("4.795389", "4.109091", "55"), 5952: ("4.331339", "4.021277", "188"),
    81834: ("4.393629", "3.989362", "47"), 6377: ("4.082829", "3.960993", "141"),
    49272: ("4.246275", "3.944444", "81"), 69844: ("4.244220", "3.887931", "58"),
    4886: ("4.052389", "3.871212", "132"), 4306: ("4.893447", "3.867647", "170"),
    8961: ("4.885246", "3.836000", "125"), 4896: ("4.839989", "3.761682", "107"),
    3793: ("4.226652", "3.699248", "133"), 5816: ("4.889378", "3.598039", "102"),
}  # fmt: skip

_DIGITS = "Last digits only: other releases of TensorFlow and NumPy round in another order."


def is_of_the_course(rated: RatedFilms) -> bool:
    """Tell whether these are the ratings that the course learned from."""
    return (
        (rated.n_films, rated.n_users, len(rated.rating)) == (4778, 443, 39253)
        and set(rated.item_ids.tolist()).issuperset(COURSE_RATINGS)
    )  # fmt: skip


def reproduced(
    rated: RatedFilms, costs: NDArray[np.float64], predicted: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Set every printed number beside ours, for `run.record_reproduced`.

    Args:
        rated: The ratings, without the person in front.
        costs: Before each step, at least 181 of them.
        predicted: The person's predicted ratings of all films, shape `(n_films,)`.
    """
    places = {item_id: row for row, item_id in enumerate(rated.item_ids.tolist())}
    means, counts = rated.means, rated.counts
    made = [
        _row(f"Rating model: cost at step {EVERY * n}", text, costs[EVERY * n])
        for n, text in enumerate(COSTS)
    ]

    def of_film(kind: str, movie: int, text: str, ours: float) -> dict[str, Any]:
        return _row(f"Rating model: {kind}, {rated.titles[places[movie]]}", text, ours)

    for movie, text in BEST_UNRATED.items():
        made.append(of_film("best not rated", movie, text, predicted[places[movie]]))
    for movie, text in RATED.items():
        made.append(of_film("predicted of rated", movie, text, predicted[places[movie]]))
    for movie, (pred, mean, number) in OFTEN_RATED.items():
        row = places[movie]
        made.append(of_film("often rated, predicted", movie, pred, predicted[row]))
        made.append(of_film("often rated, mean rating", movie, mean, means[row]))
        made.append(of_film("often rated, ratings", movie, number, counts[row]))
    return made


def _row(name: str, printed: str, ours: float) -> dict[str, Any]:
    """Leave out why where ours is printed with the same digits."""
    digits = len(printed.partition(".")[2])
    same = f"{ours:.{digits}f}" == printed
    return {
        "name": name,
        "printed": float(printed),
        "ours": float(ours),
        "why": "" if same else _DIGITS,
    }
