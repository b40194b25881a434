"""The runs of a study as arms: one sampler, loss and likeness, repeated over seeds.

Differences between arms are paired: the same users, and the same seeds where both have them. An
interval resamples users and seeds, both with replacement, so it covers chance in training and in
the choice of users; see `candgen.evaluation.significance`. With one seed it does not cover chance
in training, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from candgen.columns import USER
from candgen.evaluation import Judgement
from candgen.evaluation.significance import seed_weights
from candgen.reports.reading import Run, Sweep
from candgen.reports.searches.reading import read_searches
from candgen.studies.negatives.measures import read_study

OWN = "TwoTower"
_RESAMPLES, _DRAWS = 1000, 20_000_000  # resamples of the bootstrap, and the most users drawn in all
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class Member:
    """One run of an arm."""

    run: Run
    study: dict[str, Any]

    @cached_property
    def users(self) -> pd.DataFrame:
        """Values of every judged user, indexed by user."""
        return users_of(self.run, OWN)


@dataclass(frozen=True)
class Arm:
    """Runs that differ in the seed alone, by seed."""

    label: str
    members: dict[Any, Member]

    @property
    def seeds(self) -> list[Any]:
        return list(self.members)

    @property
    def study(self) -> dict[str, Any]:
        """The record of the first seed; for settings, which all seeds share."""
        return next(iter(self.members.values())).study

    @property
    def sampler(self) -> str:
        return self.study["sampler"]

    def number(self, name: str) -> float | None:
        """Return a number of the record, the mean over seeds; None where no run has it."""
        found = [m.study.get(name) for m in self.members.values()]
        found = [v for v in found if isinstance(v, (int, float)) and not isinstance(v, bool)]
        return sum(found) / len(found) if found else None

    def values(self, column: str, users: pd.Index, seeds: Sequence[Any]) -> NDArray[np.float64]:
        """Return one value a seed and user, shape `(len(seeds), len(users))`."""
        return np.array([self.members[s].users.loc[users, column].to_numpy() for s in seeds])

    def has(self, column: str) -> bool:
        return all(column in m.users for m in self.members.values())


class Effect(NamedTuple):
    """A difference with its interval, and the seeds where it fails."""

    value: float
    low: float
    high: float
    by_seed: dict[Any, float]


@dataclass(frozen=True)
class Ground:
    """The arms that were judged on one part of one dataset."""

    name: str
    title: str
    digest: str
    k: int
    arms: tuple[Arm, ...]
    seed: int = 0
    """Seed of the bootstrap."""
    _drawn: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def users(self) -> pd.Index:
        """Users that every run judged."""
        if "users" not in self._drawn:
            found = None
            for arm in self.arms:
                for member in arm.members.values():
                    index = member.users.index
                    found = index if found is None else found.intersection(index)
            self._drawn["users"] = found
        return self._drawn["users"]

    @property
    def has_truth(self) -> bool:
        """True if every run has true relevance."""
        return all(arm.has(self.column("true_relevance")) for arm in self.arms)

    def column(self, measure: str) -> str:
        return f"{measure}@{self.k}"

    def find(self, **wanted: Any) -> Arm | None:
        """Return the first arm whose record has these values; numbers may differ by rounding."""
        for arm in self.arms:
            if all(_equal(arm.study.get(name), value) for name, value in wanted.items()):
                return arm
        return None

    def effect(self, one: Arm, other: Arm, measure: str) -> Effect:
        """Return the difference of two arms in the mean of a measure per user."""
        column = self.column(measure)
        return self.contrast([one, other], [column], lambda means: means[0, 0] - means[1, 0])

    def judgement(self, arm: Arm, measure: str) -> Judgement:
        """Return what an arm reached by one measure, named by its place among the arms."""
        column = self.column(measure)
        frames = {s: m.users.loc[self.users, [column]] for s, m in arm.members.items()}
        mean = sum(frames.values()) / len(frames)
        repeats = {s: f.reset_index() for s, f in frames.items()} if len(frames) > 1 else {}
        place = next(n for n, other in enumerate(self.arms) if other is arm)
        return Judgement(str(place), mean.reset_index(), seed=self.seed, repeats=repeats)

    def bias_effect(self, one: Arm, other: Arm) -> Effect:
        """Return how much nearer to 1 one arm's popularity bias lies than another's."""
        columns = [self.column("list_popularity"), self.column("own_popularity")]

        def nearer(means: NDArray[np.float64]) -> NDArray[np.float64]:
            bias = means[:, 0] / means[:, 1]
            return np.abs(bias[1] - 1) - np.abs(bias[0] - 1)

        return self.contrast([one, other], columns, nearer)

    def contrast(
        self,
        arms: Sequence[Arm],
        columns: Sequence[str],
        of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> Effect:
        """Bootstrap a number computed from means of arms, on the same users and seeds.

        Args:
            arms: At least one; seeds that all of them have are used, and there must be one.
            columns: Of the values of users.
            of: Makes the number from means of shape `(n_arms, n_columns, ...)`; what follows
                must be kept.
        """
        values = self.table(arms, columns)  # (arms, columns, seeds, users)
        whole = of(values.mean(axis=(2, 3))[..., None])
        spread = of(self._resampled(values))
        spread = spread[np.isfinite(spread)]
        low, high = np.percentile(spread, _TAILS) if len(spread) else (np.nan, np.nan)
        seeds = shared_seeds(arms)
        each = of(values.mean(axis=3))
        by_seed = dict(zip(seeds, np.atleast_1d(each).tolist(), strict=True))
        return Effect(float(np.ravel(whole)[0]), float(low), float(high), by_seed)

    def table(self, arms: Sequence[Arm], columns: Sequence[str]) -> NDArray[np.float64]:
        """Return values of shape `(n_arms, n_columns, n_seeds, n_users)`, paired throughout."""
        seeds = shared_seeds(arms)
        return np.array(
            [[arm.values(column, self.users, seeds) for column in columns] for arm in arms]
        )

    def _resampled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return means over resampled users and seeds, shape `(n_arms, n_columns, n_resamples)`."""
        weights = self._weights(values.shape[3])  # (n_resamples, n_users)
        of_users = values @ weights.T  # (arms, columns, seeds, n_resamples)
        picked = seed_weights(values.shape[2], len(weights), seed=self.seed + 1)
        return np.einsum("acsr,rs->acr", of_users, picked)

    def _weights(self, n_users: int) -> NDArray[np.float64]:
        if n_users not in self._drawn:
            n = int(np.clip(_DRAWS // n_users, 100, _RESAMPLES))
            rng = np.random.default_rng(self.seed)
            drawn = rng.multinomial(n_users, np.full(n_users, 1 / n_users), n)
            self._drawn[n_users] = drawn / n_users
        return self._drawn[n_users]

    def baseline(self, name: str, measure: str) -> Judgement | None:
        """Return what a baseline reached, the mean over the runs that recorded it."""
        column, found = self.column(measure), []
        for arm in self.arms:
            for member in arm.members.values():
                frame = users_of(member.run, name)
                if column in frame and self.users.isin(frame.index).all():
                    found.append(frame.loc[self.users, [column]])
        return Judgement(name, (sum(found) / len(found)).reset_index()) if found else None

    def agreement(self, arms: Sequence[Arm], one: str, other: str) -> dict[str, Effect] | None:
        """Return rank correlations of two measures over arms, Spearman's and Kendall's.

        Seeds that all arms have are used, or all of each where they share none. The intervals draw
        users and seeds again, and rank anew. None for fewer than three arms.
        """
        if len(arms) < 3:
            return None
        columns = [self.column(one), self.column(other)]
        seeds = {s for arm in arms for s in arm.members}
        shared = [s for s in seeds if all(s in arm.members for arm in arms)]
        if shared:
            means = self._resampled(self.table(arms, columns))  # (arms, 2, n_resamples)
            whole = self.table(arms, columns).mean(axis=(2, 3))
        else:
            parts = [self.table([arm], columns) for arm in arms]
            means = np.concatenate([self._resampled(part) for part in parts])
            whole = np.concatenate([part.mean(axis=(2, 3)) for part in parts])
        found = {}
        for name, of in (("Spearman", _spearman), ("Kendall", _kendall)):
            drawn = [of(means[:, 0, r], means[:, 1, r]) for r in range(means.shape[2])]
            low, high = np.nanpercentile(drawn, _TAILS)
            found[name] = Effect(of(whole[:, 0], whole[:, 1]), float(low), float(high), {})
        return found


def read_grounds(sweep: Sweep) -> tuple[list[Ground], list[str]]:
    """Gather the runs of a study by dataset and part.

    Runs with searched settings are left out: they differ from the others in more than one thing.

    Returns:
        The grounds, and a sentence for each finished run of the study that lacks its record.
    """
    gathered: dict[tuple[str, str], dict[str, dict[Any, Member]]] = {}
    names, labels, cutoffs, remarks = {}, {}, {}, []
    searches = read_searches(sweep.folder)
    for run in sweep.done:
        if "negatives" not in run.parameters or not run.metrics or searches.of(run.name):
            continue
        study = read_study(run.folder)
        if study is None:
            remarks.append(f"{run.place} left no study.json, or one that cannot be read.")
            continue
        described = run.metrics["dataset"]
        key = (described["digest"], described.get("evaluate_on", "test"))
        labels[key] = run.judged_on
        names[key], cutoffs[key] = str(described.get("name", "dataset")), int(study["k"])
        arm = gathered.setdefault(key, {}).setdefault(_told_apart(study), {})
        arm.setdefault(study["seed"], Member(run, study))  # the same seed again is no repeat
    grounds = [
        Ground(
            names[key],
            f"{names[key]}, judged on {labels[key]}",
            key[0],
            cutoffs[key],
            tuple(
                Arm(next(iter(members.values())).study["label"], members)
                for members in arms.values()
            ),
        )
        for key, arms in gathered.items()
    ]
    return grounds, remarks


def users_of(run: Run, generator: str) -> pd.DataFrame:
    """Return what one generator of a run reached, indexed by user; columns without values go."""
    frame = run.per_user
    frame = frame[frame["generator"] == generator].drop(columns="generator")
    return frame.dropna(axis=1, how="all").set_index(USER).sort_index()


def shared_seeds(arms: Sequence[Arm]) -> list[Any]:
    """Return the seeds that all arms have, in the order of the first."""
    first, *others = arms
    return [s for s in first.seeds if all(s in arm.members for arm in others)]


def _told_apart(study: dict[str, Any]) -> str:
    settings = (study.get(name) for name in ("label", "epochs", "learning_rate"))
    return repr(tuple(settings))


def _equal(held: Any, wanted: Any) -> bool:
    if isinstance(wanted, (int, float)) and isinstance(held, (int, float)):
        return abs(held - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return held == wanted


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = (rankdata(v) - (len(v) + 1) / 2 for v in (a, b))
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def _kendall(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(kendalltau(a, b).statistic)
