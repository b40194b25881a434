"""Differences between generators, paired over the same users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from candgen.columns import USER
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.evaluation.judgement import Judgement, resampled_means
from candgen.evaluation.significance import (
    LEVEL,
    MARGIN,
    ends_of,
    normal_p_values,
    pairs_of_candidates,
    sign_flip_test,
    verdict,
    verdicts,
)
from candgen.seeds import derive_seed


def compare(
    judgements: Sequence[Judgement],
    metric: str = "recall@20",
    *,
    baseline: str = "popularity",
    selected: bool = False,
    margin: float = MARGIN,
    level: float = LEVEL,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every judgement with a baseline, user by user.

    Args:
        judgements: Of one dataset, over the same users, with different names.
        metric: A metric that is known per user.
        baseline: Name of the judgement to compare with.
        selected: Whether the baseline was chosen by its value on these users, such as the best of
            `judgements`. Give all that it was chosen from: intervals and p-values are then
            corrected over all pairs (max-type), and so is the verdict.
        margin: Differences up to this size mean nothing in practice, 0 or more.
        level: Of the intervals; the test decides at 1 - level after correction.
        seed: Same seed, same answer.

    Returns:
        One row a judgement other than the baseline, in their order: `generator`, `baseline`,
        `metric`, `mean`, `baseline_mean`, `difference`, `low`, `high`, `p`, `p_adjusted`,
        `verdict` and `users`. The verdict is "better", "worse", "no practical difference" or
        "undecided"; see `significance.verdict`. Unless `selected`, `low` and `high` are not
        corrected for the number of comparisons, and `p_adjusted` is Holm's. Where a judgement has
        `repeats`, intervals cover training seeds too, and `p` is from a normal approximation with
        their standard error, since swapping names user by user leaves the seeds out.

    Raises:
        SettingError: If a name or the margin is wrong.
        DataError: If judgements rank different things or are of different users.
    """
    if not margin >= 0:
        raise SettingError(f"margin must be 0 or more, got {margin}.")
    if not 0 < level < 1:
        raise SettingError(f"level must lie between 0 and 1, such as 0.95; got {level}.")
    reference = _named(judgements, baseline)
    others = [judgement for judgement in judgements if judgement is not reference]
    columns = [
        "generator", "baseline", "metric", "mean", "baseline_mean", "difference",
        "low", "high", "p", "p_adjusted", "verdict", "users",
    ]  # fmt: skip
    if not others:
        return pd.DataFrame(columns=columns)
    per_user = np.column_stack([_differences(other, reference, metric) for other in others])
    differences = per_user.mean(axis=0)
    held = [judgement.by_seed([metric]) for judgement in (reference, *others)]
    means = np.column_stack(resampled_means(held, seed=derive_seed(seed, "bootstrap")))
    low, high = ends_of(means[:, 1:] - means[:, [0]], level=level)
    repeated = [len(one) > 1 or len(held[0]) > 1 for one in held[1:]]
    flips = derive_seed(seed, "sign flips")
    p = normal_p_values(differences, low, high, level=level)
    for place in np.flatnonzero(~np.array(repeated)):
        p[place] = sign_flip_test(per_user[:, place], seed=flips)
    if selected:
        pairs = pairs_of_candidates(means)
        asked = list(enumerate(differences, start=1))
        low, high = np.transpose([pairs.interval(less, 0, place, level) for place, less in asked])
        p_adjusted = np.array([pairs.p_value(less, 0, place) for place, less in asked])
        corrected = zip(low, high, p_adjusted, strict=True)
        words = [
            verdict(*ends, p_adjusted=adjusted, margin=margin, level=level)
            for *ends, adjusted in corrected
        ]
    else:
        _, p_adjusted, words = verdicts(differences, low, high, margin=margin, p=p, level=level)
    table = pd.DataFrame(
        {
            "generator": [other.generator for other in others],
            "baseline": baseline,
            "metric": metric,
            "mean": [other.mean(metric) for other in others],
            "baseline_mean": reference.mean(metric),
            "difference": differences,
            "low": low,
            "high": high,
            "p": p,
            "p_adjusted": p_adjusted,
            "verdict": words,
            "users": len(per_user),
        }
    )
    return table[columns]


def _named(judgements: Sequence[Judgement], name: str) -> Judgement:
    names = [judgement.generator for judgement in judgements]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise SettingError(
            f"Two judgements are called {sorted(repeated)[0]!r}; give each a name of its own."
        )
    if name not in names:
        raise SettingError(f"No judgement of the baseline {name!r}.{did_you_mean(name, names)}")
    return judgements[names.index(name)]


def _differences(one: Judgement, reference: Judgement, metric: str) -> np.ndarray:
    if one.ranking != reference.ranking:
        raise DataError(
            f"{one.generator} ranked {one.ranking!r} and {reference.generator} ranked "
            f"{reference.ranking!r}: their numbers do not compare."
        )
    a, b = (judgement.per_user.set_index(USER).sort_index() for judgement in (one, reference))
    if not a.index.equals(b.index):
        raise DataError(
            f"{one.generator} and {reference.generator} were judged on different users: "
            f"{len(a):,} and {len(b):,}, {len(a.index.intersection(b.index)):,} of them shared. "
            "A paired comparison needs the same dataset and the same split for both."
        )
    one.values(metric), reference.values(metric)  # refuse a name that is unknown
    return a[metric].to_numpy() - b[metric].to_numpy()
