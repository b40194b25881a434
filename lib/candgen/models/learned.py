"""Base class of the generators that are trained step by step: the loop and its record."""

from __future__ import annotations

import hashlib
import json
import math
from abc import abstractmethod

import numpy as np

from candgen.datasets import Dataset
from candgen.errors import DataError
from candgen.models.base import Generator
from candgen.seeds import derive_seed
from candgen.training import Epoch, Learner, TrainingSettings, Watch, train
from candgen.training.checkpoints import Checkpoint, kept_in


class LearnedGenerator(Generator):
    """A generator whose `_learner` is trained by `candgen.training.train`.

    Attributes:
        history_: One `Epoch` a pass: loss, rate, seconds, and what was watched.
        best_epoch_: The epoch whose weights are kept; the last one without `patience`.
        resumed_after_: Epochs that an earlier, killed process had done; 0 for none.
    """

    Settings = TrainingSettings
    chosen: TrainingSettings
    dim: int

    @abstractmethod
    def _learner(self, dataset: Dataset) -> Learner:
        """Make what is trained from the training part of a dataset."""

    @abstractmethod
    def _finish(self, learner: Learner, dataset: Dataset) -> None:
        """Keep what serving needs; `dataset` is the one to serve, with the whole history."""

    def _fit(self, dataset: Dataset) -> None:
        learned = dataset
        if self.chosen.patience:
            if not dataset.has("validation") or not len(dataset.table("validation")):
                raise DataError(
                    f"patience is {self.chosen.patience}, but dataset {dataset.name!r} has no "
                    "validation part to look at. Prepare it with a validation_fraction above 0, "
                    "or set patience to 0 and choose epochs yourself."
                )
            learned = dataset.for_validation()
        learner = self._learner(learned)
        if learner.n_examples < 1:
            raise DataError(
                f"{self.name} finds nothing to learn from in dataset {dataset.name!r}: "
                f"{len(learned.train):,} training events give no example."
            )
        if not self.answers_cold_items:  # with patience, less is learned than is served
            self.known_items_ &= learner.learned_items
        on_validation = self.chosen.watch_always and dataset.evaluate_on == "validation"
        trained = train(
            learner,
            self.chosen,
            name=self.name,
            watch=self._watch(learned) if self.chosen.patience or on_validation else None,
            checkpoint=self._checkpoint(dataset),
        )
        self.history_: list[Epoch] = trained.history
        looks = [(epoch.epoch, epoch.watched) for epoch in trained.history]
        self.watched_ = [(epoch, value) for epoch, value in looks if math.isfinite(value)]
        self.best_epoch_, self.resumed_after_ = trained.best_epoch, trained.resumed_after
        self._finish(learner, dataset)

    def _bytes_of_model(self, n_users: int, n_items: int, n_events: int) -> float:
        dim = self.settings.get("dim", 0)
        tables = 16 * dim * (n_users + n_items)  # vectors, two moments, gradients
        return tables + 64 * n_events + self._bytes_of_step(n_items)

    def _bytes_of_step(self, n_items: int) -> float:
        """Estimate what a step takes: products of examples and negatives, and their slopes."""
        return 0

    def _watch(self, learned: Dataset) -> Watch:
        metric, k = self.chosen.watched_metric()
        seed = derive_seed(self.chosen.seed, "watch")
        return Watch(learned, metric, k, offered=self.known_items_, seed=seed)

    def _checkpoint(self, dataset: Dataset) -> Checkpoint | None:
        folder = kept_in()
        if folder is None:
            return None
        # What is made in memory from a dataset, without some users, bears its digest.
        learned = hashlib.sha256()
        for matrix in (dataset.train_matrix, dataset.held_out_matrix):
            learned.update(matrix.indptr.astype(np.int64))
            learned.update(matrix.indices.astype(np.int64))
        described = [
            self.name, self.settings, dataset.digest, dataset.evaluate_on, learned.hexdigest()
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
        return Checkpoint(folder / f"{key}.npz")
