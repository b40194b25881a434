"""Spaces and trials as Optuna holds them."""

from __future__ import annotations

import json
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from candgen.spaces import OneOf, Range, Space, Whole
from candgen.sweeps.search.points import rounded

optuna.logging.set_verbosity(optuna.logging.WARNING)

TRIED = "params"
"""Attribute of a trial with all that it tries, what lies outside the space included."""


def distribution(space: Range) -> BaseDistribution:
    """Return a range as Optuna's; of a list, each value is known by its JSON."""
    if isinstance(space, OneOf):
        return CategoricalDistribution([label(value) for value in space.values])
    if isinstance(space, Whole):
        return IntDistribution(space.low, space.high, log=space.log, step=space.step)
    return FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def label(value: Any) -> str:
    """Return the name by which Optuna knows one of several values."""
    return json.dumps(value)


def drawn(params: dict[str, Any], space: Space) -> dict[str, Any]:
    """Return what Optuna drew as values of the settings."""
    found = {}
    for name, one in space.items():
        value = params[name]
        found[name] = json.loads(value) if isinstance(one, OneOf) else rounded(value, one)
    return found


def as_trial(
    params: dict[str, Any], space: Space, attributes: dict[str, Any]
) -> optuna.trial.FrozenTrial:
    """Return a trial that runs with some values; those outside the space teach Optuna nothing."""
    inside = {name: params[name] for name, one in space.items() if params[name] in one}
    named = {n: label(v) if isinstance(space[n], OneOf) else v for n, v in inside.items()}
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING,
        params=named,
        distributions={name: distribution(space[name]) for name in inside},
        user_attrs={TRIED: params, **attributes},
    )
