"""Importance of each searched setting for reaching the best values of a search.

Optuna's PED-ANOVA: S. Watanabe, A. Bansal and F. Hutter, *PED-ANOVA: Efficiently Quantifying
Hyperparameter Importance in Arbitrary Subspaces*, IJCAI 2023. It compares where the best trials lie
with where all trials lie; it fits no forest, so it needs no seed. The best trials are a tenth of
all, but at least five.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from candgen.reports.searches.reading import Search
from candgen.reports.searches.spaces import Dimension, spelled

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST = 10  # trials; fewer leave no best ones to compare with the others
_BEST, _FEWEST_BEST = 0.1, 5


def importance(search: Search) -> dict[str, float]:
    """Return each setting's share of importance, the largest first; the shares add up to 1.

    Empty for fewer than `FEWEST` finished trials, for values that are all equal and for a space of
    one setting. Pruned and failed trials are left out, and so is one whose settings lie outside of
    the space, as defaults may.
    """
    space = search.space
    known = [
        trial
        for trial in search.trials
        if trial.done and all(n in trial.settings and d.holds(trial.settings[n])
                              for n, d in space.items())
    ]  # fmt: skip
    values = [trial.value for trial in known]
    if len(space) < 2 or len(known) < FEWEST or len(set(values)) < 2:
        return {}
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a report shows what its notebook prints
    try:
        study = optuna.create_study(direction="maximize")
        distributions = {name: _distribution(dimension) for name, dimension in space.items()}
        for trial in known:
            params = {n: _held(space[n], trial.settings[n]) for n in space}
            made = optuna.trial.create_trial(
                params=params, distributions=distributions, value=trial.value
            )
            study.add_trial(made)
        quantile = max(_BEST, _FEWEST_BEST / len(known))
        evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
        found = get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(said)
    return {name: float(share) for name, share in found.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices:
        return CategoricalDistribution([spelled(choice) for choice in dimension.choices])
    kind: Any = IntDistribution if dimension.whole else FloatDistribution
    return kind(dimension.low, dimension.high, log=dimension.log)


def _held(dimension: Dimension, value: Any) -> Any:
    """Write a choice as text: Optuna's choices are plain, and ours may be lists."""
    return spelled(value) if dimension.choices else value
