"""Learning ratings: the compiled loop over observed ratings against TensorFlow over all cells.

On ml-latest-small where it is at hand (see `data`), else on ratings of the same size. Both
start from the same vectors and must reach the same cost.
"""

import data
import numpy as np

from candgen.datasets import rated_films
from candgen.datasets.rated_films import RatedFilms
from candgen.models.ratings import ratings

DIM, STEPS, MEASURED = 100, 200, 40
FILMS, USERS, RATINGS = 4_778, 443, 39_253


def run() -> list[dict]:
    """Measure seconds of a whole training of 200 steps; TensorFlow's from 40 of them."""
    rated, where = _rated()
    centred, _ = ratings.normalized(rated)
    start = ratings.tensorflow_start(centred, DIM)
    ratings.fit_observed(centred, start, steps=1)  # compiles
    ratings.fit_dense(centred, start, steps=1)
    ratings.fit_als(centred, start, sweeps=1)

    slow = ratings.fit_dense(centred, start, steps=MEASURED)
    fast = ratings.fit_observed(centred, start, steps=STEPS)
    apart = float(np.abs(fast.costs[: MEASURED + 1] / slow.costs - 1).max())
    if apart > 1e-3:
        raise AssertionError(f"the costs differ by {apart:.2%}")
    whole = slow.seconds / MEASURED * STEPS
    als = ratings.fit_als(centred, start, sweeps=5)
    note = f"{where}, {STEPS} steps, costs within {apart:.0e}"
    lower = f"5 sweeps end at {als.costs[-1]:,.0f}, Adam at {fast.costs[-1]:,.0f}"
    return [
        _row("rating model, compiled Adam", fast.seconds, whole, f"other: TensorFlow loop; {note}"),
        _row("rating model, ALS", als.seconds, whole, f"other: TensorFlow loop; {lower}"),
    ]


def _rated() -> tuple[RatedFilms, str]:
    if (data.FOLDER / "ml-latest-small").is_dir():
        rated = rated_films.read(str(data.FOLDER / "ml-latest-small"))
        return rated.with_user_in_front(rated.rows(rated_films.COURSE_RATINGS)), "ml-latest-small"
    rng = np.random.default_rng(0)
    cells = np.sort(rng.choice(FILMS * USERS, RATINGS, replace=False))
    film, user = (part.astype(np.int32) for part in np.divmod(cells, USERS))
    titles = np.arange(FILMS).astype(object)
    given = rng.integers(1, 11, RATINGS) / 2
    return RatedFilms(film, user, given, titles, np.arange(FILMS), USERS), "invented ratings"


def _row(name: str, ours: float, other: float, note: str) -> dict:
    return {
        "benchmark": name,
        "ours": round(ours, 3),
        "other": round(other, 3),
        "ratio": round(other / ours, 2),
        "unit": "s",
        "note": note,
    }
