"""One search while its sweep runs: which trial is next, what each came to, what is chosen.

The journal knows the trials and what they try, the folders what they did. A trial that the journal
still has running was interrupted: it is run again under its number, or counted if its folder is
done and nothing it depends on has changed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from candgen.errors import CandgenError
from candgen.session import status
from candgen.sweeps.fingerprints import Fingerprints, why_not_done
from candgen.sweeps.plan import Stage
from candgen.sweeps.run_stage import last_seconds
from candgen.sweeps.search import journal, pruning, sampling, settled, trials
from candgen.sweeps.search.asked import Search
from candgen.sweeps.search.optuna_spaces import TRIED, as_trial
from candgen.sweeps.search.trials import TRIALS, Trial
from candgen.training import steps

_STATES = {
    TrialState.RUNNING: "running", TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}  # fmt: skip


class Searching:
    """The state of one search; only the main thread of the sweep calls it, but for `why_poor`."""

    def __init__(
        self, asked: Search, folder: Path, prints: Fingerprints, *, fresh: bool = False
    ) -> None:
        """Prepare a search.

        Args:
            asked: What is searched.
            folder: Of the sweep.
            prints: Fingerprints of its stages.
            fresh: Whether to forget earlier trials.
        """
        self.asked, self.folder, self.prints, self.fresh = asked, folder, prints, fresh
        self.stage: Stage = asked.finals[0]
        self.key = ""
        self.began: float | None = None
        self.in_flight = 0
        self.study: journal.Study | None = None
        self._all_asked = False
        self._interrupted: list[int] = []
        self._folders: dict[str, Path] = {}  # of whole trials, by fingerprint

    def begin(self, book: journal.Journal) -> None:
        """Find or begin the study; the dataset must be there.

        Raises:
            CandgenError: If something it depends on cannot be read.
        """
        budget, defaults = self.asked.budget, self.asked.defaults()
        described = {
            "space": {name: one.as_json() for name, one in self.asked.space.items()},
            "sampler": budget.sampler,
            "pruning": budget.pruning,
            "seed": self.asked.seed,
            "metric": self.asked.metric,
            "stage": self.prints.of_stage(self._stage(defaults, self._home / "000")),
        }
        text = json.dumps(described, sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.name = f"{self.asked.name} {self.key}"
        self.pruner = pruning.make_pruner(budget.pruning, self._most_epochs())
        self.study = book.study(self.name, fresh=self.fresh)
        self.began = time.monotonic()
        known = self.study.trials
        self._interrupted = [t.number for t in known if t.state == TrialState.RUNNING]
        if not self.fresh:
            self._find_folders()

    # --- what is next

    def next(self) -> Trial | None:
        """Return the next trial to run; None if there is none."""
        while not self._all_asked:
            number = self._interrupted.pop(0) if self._interrupted else self._ask()
            if number is None:
                self._all_asked = True
                break
            trial = self._record(number)
            if trial is None:
                continue
            if trial.skipped:
                self.ended(trial)
                continue
            self.in_flight += 1
            return trial
        return None

    @property
    def over(self) -> bool:
        """True if no trial runs and none will."""
        return self._all_asked and not self.in_flight

    def _ask(self) -> int | None:
        """Choose and write down the next trial; None if the budget or the space is used up."""
        before, budget = self.study.trials, self.asked.budget
        if len(before) >= budget.most_trials:
            return None
        if budget.minutes is not None and self.seconds >= budget.minutes * 60:
            return None
        tried = self.asked.defaults()
        if before:
            tried = sampling.propose(
                self.asked.space, budget.sampler, self.asked.seed, before, self._fits,
                study=self.name, pruner=self.pruner,
            )  # fmt: skip
        if tried is None:
            return None
        folder = self._folder_for(len(before), tried)
        place = folder.relative_to(self.folder).as_posix()
        return self.study.add(as_trial(tried, self.asked.space, {journal.FOLDER: place}))

    def _record(self, number: int) -> Trial | None:
        """Return the record of a trial; None if it cannot even begin, which is written down."""
        known = self.study.trials[number]
        folder = self.folder / known.user_attrs[journal.FOLDER]
        try:
            stage = self._stage(known.user_attrs[TRIED], folder)
            fingerprint = self.prints.of_stage(stage)
            done = not self.fresh and why_not_done(stage, fingerprint) is None
        except CandgenError as error:
            self._write(number, TrialState.FAIL, why=str(error))
            return None
        made = Trial(stage, last_seconds(stage), search=self, number=number)
        made.fingerprint, made.skipped = fingerprint, done
        if done:
            made.state = status.DONE
        else:
            made.stop_when = self._watcher(made)
        return made

    def _stage(self, tried: dict[str, Any], folder: Path) -> Stage:
        watched = self.asked.budget.pruning != "none"
        name = f"{self.asked.name}, trial {folder.name}"
        return settled.trial_of(self.stage, tried, folder, name=name, watched=watched)

    def _fits(self, tried: dict[str, Any]) -> bool:
        try:
            self._stage(tried, self._home / "000")
        except CandgenError:
            return False
        return True

    def _most_epochs(self) -> int:
        space = self.asked.space.get("epochs")
        most = space.as_json() if space is not None else settled.value_of(self.stage, "epochs")
        if isinstance(most, dict):
            most = next(iter(most.values()))[-1]
        found = max(most) if isinstance(most, list) else most
        return int(found) if isinstance(found, int | float) else 1

    # --- folders

    @property
    def _home(self) -> Path:
        return self.folder / TRIALS / self.asked.name

    def _find_folders(self) -> None:
        for folder in sorted(self._home.glob("*")):
            known = status.read(folder) or {}
            if known.get("state") == status.DONE and known.get("fingerprint"):
                self._folders.setdefault(known["fingerprint"], folder)

    def _folder_for(self, number: int, tried: dict[str, Any]) -> Path:
        """Return the folder of a new trial: one that holds its result already, or a free one."""
        used = {self.folder / t.user_attrs[journal.FOLDER] for t in self.study.trials}
        try:
            whole = self._folders.get(self.prints.of_stage(self._stage(tried, self._home / "000")))
        except CandgenError:
            whole = None
        if whole is not None and whole not in used:
            return whole
        free = self._home / f"{number:03d}"
        if self.fresh and free not in used:
            return free
        while free in used or free.exists():
            number += 1
            free = self._home / f"{number:03d}"
        return free

    # --- what a trial came to

    def ended(self, trial: Trial) -> str:
        """Write down how a trial ended; return what went wrong, if it failed."""
        if not trial.skipped:
            self.in_flight -= 1
        number, folder = trial.number, trial.stage.folder
        seconds = (status.read(folder) or {}).get("wall_seconds") or trial.seconds
        trials.drop_heavy(folder)
        looked = self._look(trial)
        poor = trial.poor or looked.poor
        if trial.state in (status.DONE, status.PRUNED) and poor is not None:
            kept = [step for step in looked.steps if step[0] <= poor.epoch]
            looked = looked._replace(steps=kept)
            trials.mark_pruned(folder, poor)
            self._write(number, TrialState.PRUNED, looked=looked, seconds=seconds, why=poor.why)
            return ""
        value, why = None, trial.why or trial.state
        if trial.state == status.DONE:
            generator = self.asked.generator
            value, why = trials.result_of(trial.stage, generator, self.asked.metric)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        self._write(number, state, looked=looked, value=value, seconds=seconds, why=why)
        return why

    def _write(
        self, number: int, state: TrialState, *, looked: pruning.Looked | None = None, **known: Any
    ) -> None:
        self.study.end(number, state, looked=looked or pruning.Looked(None, [], {}), **known)

    def _watcher(self, trial: Trial) -> Callable[[], str | None]:
        """Return what looks at a trial while it runs; it is called in another thread."""
        before = self.study.trials[: trial.number]
        seen: list[tuple[int, float]] = []

        def why_poor() -> str | None:
            found = steps.read(trial.stage.folder, self.asked.generator)
            if found != seen:
                seen[:] = found
                trial.poor = trial.poor or self._look(trial, before).poor
            return trial.poor.why if trial.poor else None

        return why_poor

    def _look(self, trial: Trial, before: list[FrozenTrial] | None = None) -> pruning.Looked:
        return pruning.look(
            steps.read(trial.stage.folder, self.asked.generator),
            self.pruner,
            self.study.trials[: trial.number] if before is None else before,
            name=self.asked.budget.pruning,
            study=self.name,
        )

    # --- what came out

    @property
    def seconds(self) -> float:
        """Wall time of all ended trials together."""
        return sum(t.user_attrs.get(journal.SECONDS) or 0.0 for t in self.study.trials)

    def best(self) -> FrozenTrial | None:
        """Return the whole trial with the highest value, the first of them; None if all failed."""
        whole = [t for t in self.study.trials if t.state == TrialState.COMPLETE]
        return max(whole, key=lambda trial: (trial.value, -trial.number), default=None)

    def refit(self, best: FrozenTrial) -> dict[str, Any]:
        """Return settings with which the chosen run learns from train and validation.

        With patience it would learn from train alone. Instead it makes as many passes as the best
        check of the trial came after, and checks nothing.
        """
        stage = self._stage(best.user_attrs[TRIED], self._home / "000")
        on_test = settled.value_of(self.stage, settled.EVALUATE_ON) == "test"
        patient = on_test and settled.value_of(stage, "patience")
        if not patient or not best.intermediate_values:
            return {}
        epoch = max(best.intermediate_values, key=lambda e: (best.intermediate_values[e], -e))
        return {"epochs": epoch, "patience": 0}

    def chosen(self, best: FrozenTrial) -> list[Stage]:
        """Return the runs with what was chosen."""
        settings = {**best.user_attrs[TRIED], **self.refit(best)}
        return [settled.settled(final, settings) for final in self.asked.finals]

    @property
    def state(self) -> str:
        if self.study is None or not self.over:
            return "running"
        return "done" if self.best() else "failed"

    def count(self, *states: TrialState) -> int:
        """Return the number of trials in some states."""
        return sum(trial.state in states for trial in self.study.trials) if self.study else 0

    def described(self) -> dict[str, Any]:
        """Describe the search for `search.json`."""
        asked, budget = self.asked, self.asked.budget
        whole = self.study.trials if self.study else []
        best = self.best() if whole and self.over else None
        chosen = None
        if best is not None:
            refit = self.refit(best)
            chosen = {"number": best.number, "params": best.user_attrs[TRIED], "value": best.value}
            chosen |= {"refit": refit} if refit else {}
        return {
            "generator": asked.generator,
            "dataset": asked.finals[0].dataset,
            "state": self.state,
            "key": self.key,
            "metric": asked.metric,
            "direction": "maximize",
            "space": {name: one.as_json() for name, one in asked.space.items()},
            "sampler": budget.sampler,
            "pruning": budget.pruning,
            "seed": asked.seed,
            "budget": {"trials": budget.most_trials, "minutes": budget.minutes},
            "used": {
                "trials": len(whole),
                "seconds": round(self.seconds, 3) if whole else 0.0,
                "pruned": self.count(TrialState.PRUNED),
                "failed": self.count(TrialState.FAIL),
            },
            "trials": [_described(trial) for trial in whole],
            "chosen": chosen,
            "final": [final.name for final in asked.finals],
        }


def _described(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": _STATES[trial.state],
        "params": trial.user_attrs[TRIED],
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "seconds": trial.user_attrs.get(journal.SECONDS),
        "folder": trial.user_attrs[journal.FOLDER],
        "steps": [[epoch, value] for epoch, value in sorted(trial.intermediate_values.items())],
        "why": trial.user_attrs.get(journal.WHY, ""),
    }
