"""Results of one generator: metrics per user, their means and intervals, counts and costs."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from candgen.columns import USER
from candgen.errors import SettingError, did_you_mean
from candgen.evaluation.candidates import Candidates
from candgen.evaluation.significance import (
    LEVEL,
    N_RESAMPLES,
    bootstrap_means,
    ends_of,
    over_seeds,
)
from candgen.seeds import derive_seed
from candgen.text.tables import NO_MATHS

FULL = "full"
GIVEN_LISTS = "given lists (sampled ranking)"
_SHOWN = ("recall", "precision", "f1", "ndcg", "hit_rate")


@dataclass(repr=False)
class Judgement:
    """Metrics per user and overall, with intervals.

    One read back from a run's files needs no more than `generator` and `per_user`.
    """

    generator: str
    """The name it has in tables and pictures."""
    per_user: pd.DataFrame
    """One row a judged user: `user` (dense), then a column a metric and cut-off, never NaN."""
    overall: dict[str, float] = field(default_factory=dict)
    """Of the lists as a whole: `micro_recall@20`, `coverage@20`, `gini@20`, `novelty@20`, ..."""
    candidates: Candidates | None = None
    counts: dict[str, int | float] = field(default_factory=dict)
    """Who was judged and who was not, and what the lists looked like."""
    cost: dict[str, float | None] = field(default_factory=dict)
    """Seconds to fit and to rank, queries a second; None where nobody measured.

    `compile_seconds` is what compiling and first loading added to both; no other cost holds it.
    """
    settings: dict[str, Any] = field(default_factory=dict)
    ranking: str = FULL
    """What was ranked: the whole catalogue, or lists that came with the data."""
    judged_on: str = ""
    """The part that was held out, as `Dataset.judged_on`; empty where it is unknown."""
    seed: int = 0
    """For the bootstrap; judgements of one comparison should share it."""
    repeats: dict[Any, pd.DataFrame] = field(default_factory=dict)
    """Training seed -> metrics per user, where `per_user` is the mean over seeds; {} for one."""

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that are known per user."""
        return [name for name in self.per_user.columns if name != USER]

    def values(self, metric: str) -> np.ndarray:
        """Return one metric of every judged user, shape `(n_judged,)`."""
        if metric not in self.metrics:
            raise SettingError(
                f"No metric {metric!r} per user for {self.generator}."
                f"{did_you_mean(metric, self.metrics)}"
            )
        return self.per_user[metric].to_numpy()

    def mean(self, metric: str) -> float:
        """Return the mean over judged users, or the overall value."""
        if metric in self.overall:
            return self.overall[metric]
        if metric not in self.metrics:
            known = [*self.metrics, *self.overall]
            raise SettingError(
                f"No metric {metric!r} for {self.generator}.{did_you_mean(metric, known)}"
            )
        return float(self.values(metric).mean())

    def interval(self, metric: str) -> tuple[float, float]:
        """Return a 95 % bootstrap interval for the mean of a metric that is known per user.

        It covers users, and training seeds if there are `repeats`.
        """
        self.values(metric)  # refuses names that have no interval
        return self._intervals[metric]

    @cached_property
    def _intervals(self) -> dict[str, tuple[float, float]]:
        names = self.metrics
        means = resampled_means([self.by_seed(names)], seed=derive_seed(self.seed, "bootstrap"))[0]
        low, high = ends_of(means, level=LEVEL)
        return dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))

    def by_seed(self, metrics: Sequence[str]) -> dict[Any, np.ndarray]:
        """Return metrics by training seed, shape `(n_users, n_metrics)`; seeds, users in order."""
        frames = self.repeats or {None: self.per_user}
        return {
            seed: frames[seed].set_index(USER).sort_index()[list(metrics)].to_numpy()
            for seed in sorted(frames, key=repr)
        }

    def row(self) -> dict[str, Any]:
        """Return one flat row for a leaderboard, in JSON types."""
        row: dict[str, Any] = {"generator": self.generator}
        for metric in self.metrics:
            row[metric] = self.mean(metric)
            row[f"{metric}_low"], row[f"{metric}_high"] = self.interval(metric)
        row |= self.overall | self.cost
        return row | {"ranking": self.ranking, "judged_users": len(self.per_user)}

    def __repr__(self) -> str:
        means = ", ".join(f"{metric} {self.mean(metric):.4f}" for metric in self._shown()[:4])
        users = f"{len(self.per_user):,} users judged"
        return f"<Judgement of {self.generator}: {users}; {means}>"

    def _repr_html_(self) -> str:
        """Show means with their 95 % intervals: a row a metric, a column a cut-off."""
        names = list(dict.fromkeys(metric.partition("@")[0] for metric in self._shown()))
        cutoffs = list(dict.fromkeys(metric.partition("@")[2] for metric in self._shown()))
        heads = "".join(
            f"<th>{'@' if cutoff else ''}{html.escape(cutoff)}</th>" for cutoff in cutoffs
        )
        rows = ""
        for name in names:
            cells = "".join(f"<td>{self._cell(name, cutoff)}</td>" for cutoff in cutoffs)
            rows += f"<tr><th>{html.escape(name)}</th>{cells}</tr>"
        part = f" on {html.escape(self.judged_on)}" if self.judged_on else ""
        ranked = "" if self.ranking == FULL else f", ranking {html.escape(self.ranking)}"
        return (
            f"<table class='{NO_MATHS}'><caption>{html.escape(self.generator)}: "
            f"{len(self.per_user):,} users judged{part}{ranked}. "
            "Mean and 95&nbsp;% interval; .metrics lists every metric.</caption>"
            f"<thead><tr><th>metric</th>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _shown(self) -> list[str]:
        chosen = [name for name in self.metrics if name.partition("@")[0] in _SHOWN]
        return chosen or self.metrics

    def _cell(self, name: str, cutoff: str) -> str:
        metric = f"{name}@{cutoff}" if cutoff else name
        if metric not in self.metrics:
            return ""
        low, high = self.interval(metric)
        return f"{self.mean(metric):.4f}<br><small>{low:.4f} to {high:.4f}</small>"


def resampled_means(
    found: Sequence[Mapping[Any, np.ndarray]], *, seed: int, n_resamples: int = N_RESAMPLES
) -> list[np.ndarray]:
    """Draw users and training seeds again, and return the means of several judgements.

    All judgements get the same users. Those with the same training seeds get the same draws of
    seeds, so what a seed adds to both cancels in their difference.

    Args:
        found: For each judgement, `Judgement.by_seed`; the same users everywhere.
        seed: Same seed, same draws.
        n_resamples: How often users and seeds are drawn.

    Returns:
        One array a judgement, shape `(n_resamples, n_metrics)`.
    """
    values = np.column_stack([held for by_seed in found for held in by_seed.values()])
    means = bootstrap_means(values, n_resamples=n_resamples, seed=seed)
    made, start = [], 0
    for by_seed in found:
        n_seeds, width = len(by_seed), next(iter(by_seed.values())).shape[1]
        own = means[:, start : start + n_seeds * width].reshape(len(means), n_seeds, width)
        start += n_seeds * width
        made.append(over_seeds(own, seed=derive_seed(seed, f"training seeds {list(by_seed)}")))
    return made
