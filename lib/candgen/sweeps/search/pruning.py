"""Pruning: a trial with poor values on validation is stopped, or not counted.

Whether and after which epoch a trial is poor follows from the values of its epochs and from the
trials before it, not from the moment at which somebody looked. So a search gives the same trials
again, however fast they run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial

from candgen.sweeps.search.sampling import in_memory

_WHY = {
    "median": "is below the median of the earlier trials at that epoch",
    "hyperband": "is not among the best of its bracket of trials",
}


class Poor(NamedTuple):
    """Reason why a trial is pruned."""

    epoch: int
    why: str


class Looked(NamedTuple):
    """Result of looking at the steps of a trial."""

    poor: Poor | None
    steps: list[tuple[int, float]]  # up to the one after which it was poor
    attributes: dict[str, Any]  # what the pruner has to know of it for later trials


def make_pruner(name: str, most_epochs: int) -> optuna.pruners.BasePruner:
    """Make a pruner from its name.

    Args:
        name: median, hyperband or none.
        most_epochs: Epochs of the longest trial.
    """
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=max(3, most_epochs), reduction_factor=3
        )
    return optuna.pruners.NopPruner()


def look(
    steps: Sequence[tuple[int, float]],
    pruner: optuna.pruners.BasePruner,
    before: Sequence[FrozenTrial],
    *,
    name: str,
    study: str = "search",
) -> Looked:
    """Look for the first step after which a trial is poor.

    Args:
        steps: Epoch and value, in order.
        pruner: What decides.
        before: The trials with lower numbers.
        name: Of the pruner, for the reason.
        study: Name of the study.
    """
    if not steps or name == "none":
        return Looked(None, list(steps), {})
    memory = in_memory(study, before, pruner=pruner)
    trial = memory.ask()
    poor, seen = None, []
    for epoch, value in steps:
        seen.append((epoch, value))
        trial.report(value, epoch)
        if trial.should_prune():
            poor = Poor(epoch, f"{value:.4f} after epoch {epoch} {_WHY[name]}")
            break
    return Looked(poor, seen, dict(memory.trials[trial.number].system_attrs))
