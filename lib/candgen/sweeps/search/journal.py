"""Journal of a sweep's searches: Optuna's file of all trials, one line for each event.

Only the sweep that holds its folder's lock writes it. A trial and all that it tries are one line,
so a process killed at any moment leaves a trial whole or not at all.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

from candgen.errors import DataError
from candgen.sweeps.search.pruning import Looked

JOURNAL = "search.journal"
SECONDS, WHY, FOLDER = "seconds", "why", "folder"


class Journal:
    """The file of one sweep."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin one.

        Raises:
            DataError: If it cannot be read.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_broken_line(path)
        try:
            self._storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_Held()))
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise DataError(
                f"{path} is no journal of searches ({type(error).__name__}: {error}). Remove it: "
                "trials whose folders are whole are used again."
            ) from None

    def study(self, name: str, *, fresh: bool = False) -> Study:
        """Return the study of a name, a new one if there is none.

        Args:
            name: Of the study.
            fresh: Whether to forget an earlier one.
        """
        if fresh:
            with suppress(KeyError):
                optuna.delete_study(study_name=name, storage=self._storage)
        return Study(
            optuna.create_study(
                storage=self._storage,
                study_name=name,
                direction="maximize",
                load_if_exists=True,
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=optuna.pruners.NopPruner(),
            ),
            self._storage,
        )


class Study:
    """The trials of one search."""

    def __init__(self, study: optuna.Study, storage: JournalStorage) -> None:
        self._study, self._storage = study, storage

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return self._study.get_trials(deepcopy=False)

    def add(self, trial: FrozenTrial) -> int:
        """Write a trial that begins; return its number."""
        self._study.add_trial(trial)
        return len(self.trials) - 1

    def end(
        self,
        number: int,
        state: TrialState,
        *,
        looked: Looked,
        value: float | None = None,
        seconds: float = 0.0,
        why: str = "",
    ) -> None:
        """Write how a trial ended; its state comes last.

        Args:
            number: Of the trial.
            state: COMPLETE, PRUNED or FAIL.
            looked: Its steps.
            value: What is maximized, if it is complete.
            seconds: Wall time of the trial.
            why: Why it was pruned or failed.
        """
        held = self.trials[number]._trial_id
        for epoch, step in looked.steps:
            self._storage.set_trial_intermediate_value(held, epoch, step)
        for name, known in looked.attributes.items():
            self._storage.set_trial_system_attr(held, name, known)
        noted: dict[str, Any] = {SECONDS: seconds, WHY: why}
        for name, known in noted.items():
            self._storage.set_trial_user_attr(held, name, known)
        self._study.tell(number, value, state)


class _Held:
    """The lock of the journal, which the lock of the sweep makes needless."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


def _drop_broken_line(path: Path) -> None:
    """Cut off a last line that a killed process did not write to its end."""
    try:
        with open(path, "rb+") as file:
            whole = file.read()
            end = whole.rfind(b"\n") + 1
            if end < len(whole):
                file.truncate(end)
                file.flush()
                os.fsync(file.fileno())
    except FileNotFoundError:
        return
