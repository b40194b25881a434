"""The settings that every learned generator shares."""

from __future__ import annotations

import re
from dataclasses import dataclass

from candgen.checks import number, one_of, whole_number
from candgen.errors import SettingError
from candgen.training.tables import OPTIMIZERS

SCHEDULES = ("constant", "linear", "cosine")
_WATCHED = re.compile(r"(recall|ndcg)@([1-9]\d*)")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a generator is trained.

    Raises:
        SettingError: If a setting is out of range.
    """

    epochs: int = 20
    """Passes over the training examples, at most."""
    batch_size: int = 1024
    """Examples a step."""
    learning_rate: float = 0.003
    """Of the first step after the warm-up."""
    optimizer: str = "adam"
    """adam, adagrad or sgd; for embeddings the sparse form, which leaves other rows alone."""
    schedule: str = "constant"
    """How the rate goes on: constant, linear (to 0 at the last step) or cosine (likewise)."""
    warmup_steps: int = 0
    """Steps over which the rate rises from 0."""
    l2: float = 0.0
    """Penalty on the squared length of the embeddings that a step touches."""
    patience: int = 0
    """Looks at validation without a better value before training stops and goes back to the best.

    Above 0, the generator learns from train alone even where it is judged on test; 0 never looks,
    and learns from all there is."""
    watch: str = "recall@20"
    """What is looked at: recall or ndcg at a cut-off."""
    watch_every: int = 1
    """Epochs between two looks."""
    seed: int = 0
    """Root of the start, the order and the negatives."""

    def __post_init__(self) -> None:
        whole_number("epochs", self.epochs, at_least=1)
        whole_number("batch_size", self.batch_size, at_least=1)
        number("learning_rate", self.learning_rate, above=0)
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        one_of("schedule", self.schedule, SCHEDULES)
        whole_number("warmup_steps", self.warmup_steps)
        number("l2", self.l2)
        whole_number("patience", self.patience)
        whole_number("watch_every", self.watch_every, at_least=1)
        whole_number("seed", self.seed)
        self.watched_metric()

    def watched_metric(self) -> tuple[str, int]:
        """Return what is watched as its name and its cut-off, such as `("recall", 20)`."""
        found = _WATCHED.fullmatch(str(self.watch))
        if not found:
            raise SettingError(
                f"watch must be recall or ndcg at a cut-off, such as recall@20; got {self.watch!r}."
            )
        return found[1], int(found[2])
