"""Settings that every learned generator shares."""

from __future__ import annotations

from typing import Annotated, Literal

from candgen.checks import Count, CountOrZero, NotNegative, Positive, Settings
from candgen.spaces import Real
from candgen.training.tables import Optimizer
from candgen.training.watch_settings import WatchSettings


class StepSettings(Settings):
    """Settings of the passes and steps."""

    epochs: Count = 20
    """Passes over the training examples, at most."""
    batch_size: Count = 1024
    """Examples a step."""
    learning_rate: Annotated[Positive, Real(0.0003, 0.05, log=True)] = 0.003
    """Learning rate of the first step after the warm-up."""
    optimizer: Optimizer = "adam"
    """Optimizer; for embeddings its sparse form, which updates only the rows of the batch."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate goes on: constant, or linear or cosine down to 0 at the last step."""
    warmup_steps: CountOrZero = 0
    """Steps over which the rate rises from 0."""
    l2: NotNegative = 0.0
    """Weight decay: penalty on the squared length of embeddings that a step updates. A row
    pays at each step that reads it, so this is not the `regularization` of a whole objective."""
    patience: CountOrZero = 0
    """Checks on validation without a better value before training stops and returns to the best.
    Above 0, the generator learns from train alone even where it is judged on test; 0 never checks
    and learns from all there is."""
    seed: CountOrZero = 0
    """Seed of the initial vectors, the order of the examples and the negatives."""


class TrainingSettings(WatchSettings, StepSettings):
    """Settings of the training: its steps, then what is watched."""
