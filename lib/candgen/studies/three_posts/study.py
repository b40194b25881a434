"""The three posts of page 70: every loss by every score, where each must end, and where it does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.studies.three_posts import posts as three_posts


class Post(NamedTuple):
    """One way to teach the user's number: the slope of its loss and the penalty on its square."""

    slope: three_posts.Slope | three_posts.Bend
    penalty: float


def ways_to_teach(
    sampled: int, *, weight: float, penalty: float
) -> dict[tuple[str, str, str], Post]:
    """Return every loss by every score, from the shown posts alone and with sampled negatives.

    Args:
        sampled: Times post 0, which was never shown, is drawn as a negative.
        weight: Of a negative, in the losses that add negatives up: closeness, and logistic.
        penalty: On the square of the user's number, where nothing else holds it.

    Returns:
        By loss, score, and what it is taught by.
    """
    engaged, left = three_posts.ENGAGED, three_posts.LEFT
    taught = {"shown posts only": left, "with sampled 0": left + three_posts.NEVER_SHOWN * sampled}
    made = {}
    for by, negatives in taught.items():
        runs_away = penalty if len(set(negatives)) == 1 else 0.0
        product = three_posts.product_slope(engaged, negatives)
        closeness = three_posts.closeness_slope(engaged, negatives, weight=weight)
        made["squared", "product", by] = Post(product, 0.0)
        made["squared", "closeness", by] = Post(closeness, 0.0)
        for score in three_posts.SCORES:
            logistic = three_posts.logistic_slope(engaged, negatives, score=score, weight=weight)
            made["logistic", score, by] = Post(logistic, 0.0)
            softmax = three_posts.softmax_slope(engaged, negatives, score=score, penalty=runs_away)
            made["softmax", score, by] = Post(softmax, runs_away)
    return made


def landings(
    ways: Mapping[tuple[str, str, str], Post], *, start: float, rate: float, steps: int
) -> tuple[pd.DataFrame, dict[tuple[str, str, str], NDArray[np.float64]]]:
    """Follow every slope down, and set where it ends beside where it must end.

    Returns:
        A table indexed by loss, score and what it is taught by: `exact` and how that is `known`,
        where the `descent` ended, the `penalty`, the distances `to post 0` and `to post 2`, and
        which of the two is `nearer` ("0", "2" or "neither"); and the path of each descent.
    """
    paths = {
        name: way.slope.descend(start=start, rate=rate, steps=steps) for name, way in ways.items()
    }
    rows = []
    for name, way in ways.items():
        exact = way.slope.landing
        to_0, to_2 = abs(exact - three_posts.POSTS[0]), abs(exact - three_posts.POSTS[2])
        tie = math.isclose(to_0, to_2, abs_tol=1e-6)
        rows.append(
            {
                "exact": exact,
                "known": way.slope.how,
                "descent": paths[name][-1],
                "penalty": way.penalty,
                "to post 0": to_0,
                "to post 2": to_2,
                "nearer": "neither" if tie else "0" if to_0 < to_2 else "2",
            }
        )
    index = pd.MultiIndex.from_tuples(list(ways), names=["loss", "score", "taught by"])
    return pd.DataFrame(rows, index=index), paths


def descents_by(
    score: str,
    paths: Mapping[tuple[str, str, str], NDArray[np.float64]],
    table: pd.DataFrame,
    steps: int,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Return the first steps of the descents by one score, and where each must end, by name."""
    ways = {f"{loss}, {by}": (loss, of, by) for loss, of, by in paths if of == score}
    drawn = {name: paths[way][: steps + 1] for name, way in ways.items()}
    return drawn, {name: float(table.loc[way, "exact"]) for name, way in ways.items()}
