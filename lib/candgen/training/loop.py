"""The loop that every learned generator goes through.

Each epoch has random numbers of its own, derived from the seed and the epoch. So a training that
was killed goes on from its last checkpoint to the same result as one that was not.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from candgen.errors import TrainingError
from candgen.seeds import derive_seed
from candgen.training import steps
from candgen.training.checkpoints import Checkpoint
from candgen.training.compile_time import Stopwatch
from candgen.training.compiled import CompiledStep
from candgen.training.progress import Progress
from candgen.training.schedules import rate_at
from candgen.training.settings import TrainingSettings
from candgen.training.tables import EmbeddingTable
from candgen.training.watching import Watch

_SECONDS_BETWEEN_CHECKPOINTS = 60.0


class Learner(ABC):
    """Interface between a generator and the loop: examples, tables, and the step of one batch."""

    n_examples: int
    learned_items: NDArray[np.bool_]  # (n_items,): items that its examples teach
    tables: dict[str, EmbeddingTable]
    step: CompiledStep | None = None

    @abstractmethod
    def learn(
        self,
        examples: NDArray[np.int64],
        weights: NDArray[np.float32],
        rate: float,
        rng: np.random.Generator,
    ) -> float:
        """Compute the loss of one batch and give the tables their gradients.

        Args:
            examples: Which examples, shape `(batch_size,)`, numbers below `n_examples`.
            weights: 1, or 0 for a repeat that fills up the last batch of an epoch.
            rate: Learning rate of dense layers.
            rng: For negatives and whatever else is drawn.

        Returns:
            The mean loss over the examples that weigh 1.
        """

    @abstractmethod
    def scores(self, users: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score all items as they stand now, shape `(n, n_items)`."""

    def state(self) -> dict[str, NDArray]:
        """Return all that decides how training goes on."""
        held = {f"{t}/{n}": a for t, table in self.tables.items() for n, a in table.state().items()}
        step = {} if self.step is None else self.step.state()
        return held | {f"step/{name}": array for name, array in step.items()}

    def load_state(self, state: dict[str, NDArray]) -> None:
        """Go on from a state that `state` returned."""
        for name, table in self.tables.items():
            table.load_state(_below(f"{name}/", state))
        if self.step is not None:
            self.step.load_state(_below("step/", state))

    def weights(self) -> dict[str, NDArray]:
        """Return copies of what was learned, without what the optimizer keeps."""
        held = {f"{name}/rows": table.rows.copy() for name, table in self.tables.items()}
        step = {} if self.step is None else self.step.weights()
        return held | {f"step/{name}": array for name, array in step.items()}

    def set_weights(self, weights: dict[str, NDArray]) -> None:
        """Put back what `weights` returned."""
        for name, table in self.tables.items():
            table.rows[:] = weights[f"{name}/rows"]
        if self.step is not None:
            self.step.set_weights(_below("step/", weights))


class Epoch(NamedTuple):
    """One pass over the examples."""

    epoch: int  # from 1
    loss: float  # mean over the examples, each as it was when its batch came
    rate: float  # learning rate of the last step
    seconds: float  # of learning; looking at validation is not counted
    watched: float  # the metric on validation after the epoch; NaN where it was not looked at


class Trained(NamedTuple):
    """Result of a training: history, best epoch, resumed epochs."""

    history: list[Epoch]
    best_epoch: int  # the epoch whose weights are kept
    resumed_after: int  # epochs that an earlier, killed process had done; 0: none


def train(
    learner: Learner,
    settings: TrainingSettings,
    *,
    name: str = "training",
    watch: Watch | None = None,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train until the epochs are done or, with `patience`, until validation gets no better.

    Args:
        learner: What is trained.
        settings: How.
        name: For the progress line and for messages.
        watch: Looked at every `settings.watch_every` epochs; the best weights are kept.
        checkpoint: Where to go on from, and what to write about once a minute.

    Raises:
        TrainingError: If the loss or what was learned is no longer finite; the message says where.
    """
    run = _Training(learner, settings, name, watch, checkpoint)
    try:
        while run.goes_on():
            run.epoch()
    finally:
        run.progress.close()
    return run.end()


class _Training:
    """The state of one training."""

    def __init__(self, learner, settings, name, watch, checkpoint) -> None:
        self.learner, self.settings, self.name = learner, settings, name
        self.watch, self.checkpoint = watch, checkpoint
        self.n_steps = math.ceil(learner.n_examples / settings.batch_size)
        self.history: list[Epoch] = []
        self.best: tuple[float, int] = (-math.inf, 0)  # value, epoch
        self.best_weights: dict[str, NDArray] = {}
        self.resumed_after = 0
        self._saved = time.monotonic()
        self.progress = Progress(name, self.n_steps, settings.epochs)
        self._known_as = steps.begin(name)
        if checkpoint is not None:
            self._resume()

    def goes_on(self) -> bool:
        if len(self.history) >= self.settings.epochs:
            return False
        if self.watch is None or not self.settings.patience or not self.best[1]:
            return True
        looks = sum(math.isfinite(e.watched) for e in self.history[self.best[1] :])
        return looks < self.settings.patience

    def epoch(self) -> None:
        number = len(self.history) + 1
        clock = Stopwatch()
        loss, rate = self._pass(number)
        seconds = clock.read().seconds
        watched = math.nan
        last = number == self.settings.epochs
        if self.watch is not None and (last or number % self.settings.watch_every == 0):
            watched = self.watch.measure(self.learner.scores)
            if watched > self.best[0]:
                self.best = (watched, number)
                if self.settings.patience:  # else the last epoch counts
                    self.best_weights = self.learner.weights()
        self.history.append(Epoch(number, loss, rate, seconds, watched))
        said = f"{self.settings.watch} {watched:.4f}" if math.isfinite(watched) else ""
        if said:
            steps.write(self._known_as, ((each.epoch, each.watched) for each in self.history))
        self.progress.epoch(number, loss, said)
        self._save_sometimes()

    def end(self) -> Trained:
        best_epoch = len(self.history)
        if self.best_weights and self.settings.patience:
            best_epoch = self.best[1]
            self.learner.set_weights(self.best_weights)
        for name, held in self.learner.weights().items():
            if not np.isfinite(held).all():
                self._refuse(f"some of its numbers ({name}) are not finite after the last step")
        if self.checkpoint is not None:
            self.checkpoint.forget()
        return Trained(self.history, best_epoch, self.resumed_after)

    def _pass(self, number: int) -> tuple[float, float]:
        """Learn every example once; return the mean loss and the last rate."""
        size, learner = self.settings.batch_size, self.learner
        rng = np.random.default_rng((derive_seed(self.settings.seed, "epochs"), number))
        n_steps = math.ceil(learner.n_examples / size)
        order = np.resize(rng.permutation(learner.n_examples), n_steps * size)
        total, rate = 0.0, 0.0
        for step in range(n_steps):
            examples = order[step * size : (step + 1) * size]
            n_real = min(size, learner.n_examples - step * size)
            weights = (np.arange(size) < n_real).astype(np.float32)
            rate = rate_at(
                (number - 1) * n_steps + step, self.settings.epochs * n_steps, self.settings
            )
            loss = learner.learn(examples, weights, rate, rng)
            if not math.isfinite(loss):
                self._refuse(
                    f"the loss of batch {step + 1:,} of {n_steps:,} in epoch {number} is no longer "
                    f"a finite number, at a learning rate of {rate:g}"
                )
            for table in learner.tables.values():
                table.update(rate, l2=self.settings.l2)
            total += loss * n_real
            self.progress.steps(1)
        return total / learner.n_examples, rate

    def _refuse(self, what: str) -> NoReturn:
        lower = self.settings.learning_rate / 10
        raise TrainingError(
            f"{self.name}: {what}. Lower learning_rate (try {lower:g}), give it some warmup_steps, "
            "or raise the temperature if there is one."
        )

    def _save_sometimes(self) -> None:
        if self.checkpoint is None:
            return
        if time.monotonic() - self._saved < _SECONDS_BETWEEN_CHECKPOINTS:
            return
        arrays = {f"now/{name}": held for name, held in self.learner.state().items()}
        arrays |= {f"best/{name}": held for name, held in self.best_weights.items()}
        best = None if not self.best[1] else list(self.best)
        rows = [[None if math.isnan(v) else v for v in epoch] for epoch in self.history]
        self.checkpoint.save(arrays, {"history": rows, "best": best})
        self._saved = time.monotonic()

    def _resume(self) -> None:
        found = self.checkpoint.load()
        if found is None:
            return
        arrays, notes = found
        self.learner.load_state(_below("now/", arrays))
        self.best_weights = _below("best/", arrays)
        if notes["best"]:
            self.best = (float(notes["best"][0]), int(notes["best"][1]))
        self.history = [Epoch(*(math.nan if v is None else v for v in e)) for e in notes["history"]]
        self.resumed_after = len(self.history)
        self.progress.steps(self.resumed_after * self.n_steps)


def _below(start: str, held: dict[str, NDArray]) -> dict[str, NDArray]:
    """The entries whose names begin so, without that beginning."""
    return {name.removeprefix(start): a for name, a in held.items() if name.startswith(start)}
