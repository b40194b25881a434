"""Sampling: the settings of trial n follow from the seed and from the trials before it.

Each trial has a sampler of its own, whose seed is derived from the root seed and the number. So a
search that was killed asks for the same settings when it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from candgen.seeds import derive_seed
from candgen.spaces import Space
from candgen.sweeps.search import points
from candgen.sweeps.search.optuna_spaces import TRIED, as_trial, distribution, drawn

_ATTEMPTS = 50  # at settings that were not tried yet and fit together
_OWN_ATTEMPTS = 5  # before they are drawn at random


def propose(
    space: Space,
    sampler: str,
    seed: int,
    before: Sequence[FrozenTrial],
    accepts: Callable[[dict[str, Any]], bool],
    *,
    study: str = "search",
    pruner: optuna.pruners.BasePruner | None = None,
) -> dict[str, Any] | None:
    """Choose what the next trial tries.

    Args:
        space: What is searched.
        sampler: tpe, random, grid or qmc.
        seed: Root seed of the search.
        before: All trials so far, in order, those that still run among them.
        accepts: Whether the settings fit together.
        study: Name of the study, from which Hyperband draws its brackets.
        pruner: Of the study; with Hyperband, TPE learns from the trials of a bracket.

    Returns:
        Values by setting; None if nothing new was found.
    """
    tried = [trial.user_attrs[TRIED] for trial in before]

    def is_new(found: dict[str, Any]) -> bool:
        return found not in tried and accepts(found)

    if sampler == "grid":
        return next(filter(is_new, points.grid(space)), None)
    for attempt in range(_ATTEMPTS):
        purpose = f"trial {len(before)}" + (f", attempt {attempt}" if attempt else "")
        if sampler == "qmc":
            found = _of_sequence(space, seed, len(before) + attempt)
        else:
            own = derive_seed(seed, purpose)
            by_results = sampler == "tpe" and attempt < _OWN_ATTEMPTS
            made = _by_results(own) if by_results else optuna.samplers.RandomSampler(seed=own)
            memory = in_memory(study, before, sampler=made, pruner=pruner)
            found = _asked(memory, space)
        if is_new(found):
            return found
    return None


def in_memory(
    name: str,
    trials: Sequence[FrozenTrial],
    *,
    sampler: optuna.samplers.BaseSampler | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """Return a study with some trials that lives in memory alone."""
    made = optuna.create_study(
        study_name=name,
        direction="maximize",
        sampler=sampler or optuna.samplers.RandomSampler(seed=0),
        pruner=pruner or optuna.pruners.NopPruner(),
    )
    made.add_trials(trials)
    return made


def _by_results(seed: int) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _of_sequence(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Return one point of a scrambled Sobol sequence, which no result changes."""
    sampler = optuna.samplers.QMCSampler(seed=derive_seed(seed, "sequence"), scramble=True)
    middle = {name: next(iter(_some(one))) for name, one in space.items()}
    memory = in_memory("sequence", [as_trial(middle, space, {})], sampler=sampler)
    for _ in range(number):
        found = _asked(memory, space)
    return found


def _some(space: Any) -> Sequence[Any]:
    return space.values if hasattr(space, "values") else [space.low]


def _asked(study: optuna.Study, space: Space) -> dict[str, Any]:
    asked = study.ask({name: distribution(one) for name, one in space.items()})
    return drawn(asked.params, space)
