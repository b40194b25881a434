"""The learning rate of each step."""

from __future__ import annotations

import math

from candgen.training.settings import TrainingSettings


def rate_at(step: int, n_steps: int, settings: TrainingSettings) -> float:
    """Return the learning rate of one step.

    Args:
        step: From 0.
        n_steps: Steps of the whole training, were it not to stop early.
        settings: `learning_rate`, `schedule` and `warmup_steps`.
    """
    warmup = settings.warmup_steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    gone = (step - warmup) / max(1, n_steps - warmup)
    if settings.schedule == "linear":
        return settings.learning_rate * (1 - gone)
    if settings.schedule == "cosine":
        return settings.learning_rate * (1 + math.cos(math.pi * gone)) / 2
    return settings.learning_rate
