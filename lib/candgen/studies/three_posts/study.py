"""The study of three posts: the user's number for each loss and score, exact and by descent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from candgen.studies.three_posts import posts as three_posts


class Post(NamedTuple):
    """A loss of the user's number: its slope, and the penalty on the square of the number."""

    slope: three_posts.Slope | three_posts.Bend
    penalty: float


def ways_to_train(
    sampled: int, *, weight: float = 0.25, penalty: float = 0.01
) -> dict[tuple[str, str, str], Post]:
    """Return each loss with each score, for the shown posts alone and with sampled negatives.

    Args:
        sampled: How often post 0, which was never shown, is sampled as a negative.
        weight: Weight of a negative in losses that add negatives up: closeness and logistic.
        penalty: Penalty on the square of the user's number, where the loss has no minimum.

    Returns:
        By loss, score, and the posts that are learned from.
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
    ways: Mapping[tuple[str, str, str], Post],
    *,
    start: float = 1.8,
    rate: float = 0.1,
    steps: int = 6000,
) -> tuple[pd.DataFrame, dict[tuple[str, str, str], NDArray[np.float64]]]:
    """Minimize each loss by gradient descent, and compare with the exact minimum.

    Args:
        ways: From `ways_to_train`.
        start: The user's number before the first step.
        rate: Learning rate.
        steps: Gradient steps.

    Returns:
        A table indexed by loss, score and what it is taught by: the `exact` minimum and how it is
        `known`, the end of the `descent`, the `penalty`, the distances `to post 0` and `to post 2`,
        and which of the two is `nearer` ("0", "2" or "neither"); and the path of each descent.
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
    """Return the first steps of the descents with one score, and each exact minimum, by name."""
    ways = {f"{loss}, {by}": (loss, of, by) for loss, of, by in paths if of == score}
    drawn = {name: paths[way][: steps + 1] for name, way in ways.items()}
    return drawn, {name: float(table.loc[way, "exact"]) for name, way in ways.items()}


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Count the losses and scores that end nearer to post 0 or to post 2.

    Args:
        table: From `landings`.

    Returns:
        `ways`, the number of combinations of loss and score; `zero`, those that end nearer to 0
        from shown posts only; `two`, those that end nearer to 2 with samples of post 0, named in
        `which`; and `apart`, the largest difference between descent and exact minimum.
    """
    nearer = table["nearer"].unstack("taught by")
    with_samples = nearer.index[nearer["with sampled 0"] == "2"]
    return {
        "ways": len(nearer),
        "zero": int((nearer["shown posts only"] == "0").sum()),
        "two": len(with_samples),
        "which": "; ".join(" by ".join(way) for way in with_samples) or "none",
        "apart": float((table["exact"] - table["descent"]).abs().max()),
    }
