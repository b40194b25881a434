"""Groups of comparable runs: the same dataset, judged on the same part.

Repeats that differ in the seed alone become one row, which shows the mean over seeds and how far
they lie apart. A baseline that many runs recorded becomes one row too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from candgen import evaluation
from candgen.datasets import Dataset, open_dataset
from candgen.errors import DataError
from candgen.evaluation import Candidates, Judgement
from candgen.evaluation.significance import BETTER, WORSE
from candgen.plots.style import BASELINES
from candgen.reports.reading import Entry, Run, Sweep


@dataclass(frozen=True)
class Contender:
    """One row of a comparison: a generator with its settings, over one or more seeds."""

    label: str
    entries: tuple[Entry, ...]

    @property
    def generator(self) -> str:
        return self.entries[0].generator

    @property
    def reference(self) -> bool:
        return self.generator in BASELINES or self.entries[0].baseline

    @property
    def runs(self) -> list[Run]:
        """The runs to link to: none for a baseline that other runs brought along."""
        return [entry.run for entry in self.entries if not entry.baseline]

    @property
    def seeds(self) -> list[Any]:
        return [entry.seed for entry in self.entries]

    @cached_property
    def by_seed(self) -> list[pd.DataFrame]:
        """Metrics per user of each seed, with the metrics that all seeds have."""
        frames = [entry.per_user.dropna(axis=1, how="all") for entry in self.entries]
        metrics = [name for name in frames[0] if all(name in frame for frame in frames)]
        return [frame[metrics] for frame in frames]

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """Metrics of every judged user, the mean over seeds, indexed by user."""
        frames = self.by_seed
        return frames[0] if len(frames) == 1 else pd.concat(frames).groupby(level=0).mean()

    @cached_property
    def judgement(self) -> Judgement:
        """Metrics per user of one judged generator, read back for paired comparisons."""
        ranking = self.entries[0].row.get("ranking", "full")
        frames, repeats = self.by_seed, {}
        same_users = all(frame.index.equals(frames[0].index) for frame in frames)
        if len(frames) > 1 and same_users:  # else users are drawn with the seed, and carry it
            seeds = map(repr, self.seeds)
            repeats = {s: f.reset_index() for s, f in zip(seeds, frames, strict=True)}
        return Judgement(self.label, self.per_user.reset_index(), ranking=ranking, repeats=repeats)

    def number(self, name: str) -> float | None:
        """Return a metric or a cost, the mean over seeds; None where no run has it."""
        found = [entry.numbers[name] for entry in self.entries if name in entry.numbers]
        return sum(found) / len(found) if found else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Return the bootstrap interval of the mean, over users and, with repeats, over seeds."""
        if len(self.entries) > 1 and metric in self.per_user:
            return self.judgement.interval(metric)
        low, high = self.number(f"{metric}_low"), self.number(f"{metric}_high")
        return None if low is None or high is None else (low, high)

    def spread(self, metric: str) -> tuple[float, float] | None:
        """Return the lowest and highest value among seeds, or None without repeats."""
        found = [entry.numbers[metric] for entry in self.entries if metric in entry.numbers]
        return (min(found), max(found)) if len(found) > 1 else None

    @property
    def candidates(self) -> Path | None:
        """The candidates of the first seed that kept them."""
        return next((e.candidates for e in self.entries if e.candidates is not None), None)


@dataclass(frozen=True)
class Comparison:
    """Everything judged on one part of one dataset."""

    name: str
    title: str
    """Name and part, with the beginning of the digest where two datasets share a name."""
    digest: str
    evaluate_on: str
    contenders: tuple[Contender, ...]
    folders: tuple[Path, ...] = field(repr=False, default=())
    _candidates: dict[str, Candidates] = field(repr=False, compare=False, default_factory=dict)
    _against_best: dict[Any, Any] = field(repr=False, compare=False, default_factory=dict)

    def key(self, label: str) -> str:
        """Return what a row of this comparison is known by on the whole page."""
        return f"{self.digest[:12]}/{self.evaluate_on}/{label}"

    @cached_property
    def dataset(self) -> Dataset | None:
        """The prepared dataset, if it is still where the runs found it, unchanged."""
        for folder in self.folders:
            try:
                data = open_dataset(folder)
            except (DataError, OSError):
                continue
            if data.digest == self.digest:
                return data.for_validation() if self.evaluate_on == "validation" else data
        return None

    def judgement(self, contender: Contender) -> Judgement:
        """Return what was judged, with its candidates where run and dataset are still there."""
        path = contender.candidates
        if path is None or self.dataset is None:
            return contender.judgement
        if contender.label not in self._candidates:
            self._candidates[contender.label] = Candidates.load(path, self.dataset)
        return replace(contender.judgement, candidates=self._candidates[contender.label])

    def against_best(self, metric: str, margin: float) -> pd.DataFrame | None:
        """Compare the other models with the best one, corrected for choosing it on these users.

        Args:
            metric: A metric that is known per user.
            margin: A difference up to this is none in practice.

        Returns:
            As of `evaluation.compare`, best first; None for fewer than two models with the metric.
            Baselines such as popularity are no models.
        """
        if (metric, margin) not in self._against_best:
            known = [c for c in self.ranked(metric) if metric in c.per_user and not c.reference]
            found = None
            if len(known) > 1:
                judgements, best = [c.judgement for c in known], known[0].label
                told = {"baseline": best, "selected": True, "margin": margin}
                found = evaluation.compare(judgements, metric, **told)
            self._against_best[metric, margin] = found
        return self._against_best[metric, margin]

    def over_reference(self, metric: str, margin: float, reference: Contender) -> pd.Series | None:
        """Compare the best model with a reference, corrected for choosing it on these users.

        Args:
            metric: A metric that is known per user.
            margin: A difference up to this is none in practice.
            reference: The row to compare with.

        Returns:
            A row as of `evaluation.compare`, best minus reference. Of several models the interval
            is that for all pairs of models and reference at once. None if the reference is the
            best, or there is no model or no such metric.
        """
        known = [c for c in self.ranked(metric) if metric in c.per_user and not c.reference]
        if not known or known[0] is reference or metric not in reference.per_user:
            return None
        key = (metric, margin, reference.label)
        if key not in self._against_best:
            asked = [c for c in known if c is not reference] + [reference]
            told = {"baseline": known[0].label, "selected": len(known) > 1, "margin": margin}
            found = evaluation.compare([c.judgement for c in asked], metric, **told)
            self._against_best[key] = _turned(found.iloc[-1])
        return self._against_best[key]

    @property
    def metrics(self) -> list[str]:
        """Per-user metrics, in the order they were recorded."""
        names: dict[str, None] = {}
        for contender in self.contenders:
            names |= dict.fromkeys(str(column) for column in contender.per_user.columns)
        return list(names)

    def find(self, name: str) -> Contender | None:
        """Find a contender by its label, by a run's name or by its generator, in this order."""
        for found in (
            lambda c: c.label == name,
            lambda c: name in [run.name for run in c.runs],
            lambda c: c.generator == name,
        ):
            for contender in self.contenders:
                if found(contender):
                    return contender
        return None

    def ranked(self, metric: str, *, first: Contender | None = None) -> list[Contender]:
        """Order contenders by a metric, best first, those without it last; `first` leads."""

        def place(contender: Contender) -> tuple[bool, bool, float, str]:
            value = contender.number(metric)
            return contender is not first, value is None, -(value or 0.0), contender.label

        return sorted(self.contenders, key=place)


def _turned(row: pd.Series) -> pd.Series:
    """Turn a row of `evaluation.compare` round: baseline minus generator."""
    names = {"generator": "baseline", "mean": "baseline_mean"}
    names |= {told: name for name, told in names.items()}
    row = row.rename(names)
    row["difference"], row["low"], row["high"] = -row["difference"], -row["high"], -row["low"]
    opposite = {BETTER: WORSE, WORSE: BETTER}
    row["verdict"] = opposite.get(row["verdict"], row["verdict"])
    return row


def comparisons(sweep: Sweep) -> list[Comparison]:
    """Group what a sweep's finished runs recorded by dataset and judged part."""
    grounds: dict[tuple[str, str], list[Entry]] = {}
    labels: dict[tuple[str, str], str] = {}
    for entry in sweep.entries():
        described = entry.run.metrics["dataset"]
        key = (described["digest"], described.get("evaluate_on", "test"))
        labels[key] = entry.run.judged_on
        grounds.setdefault(key, []).append(entry)
    names = {key: _name(entries) for key, entries in grounds.items()}
    digests = {(names[key], key[0]) for key in grounds}
    shared = [name for name, _ in digests]
    found = []
    for (digest, evaluate_on), entries in grounds.items():
        name = names[digest, evaluate_on]
        which = f" ({digest[:8]})" if shared.count(name) > 1 else ""
        found.append(
            Comparison(
                name=name,
                title=f"{name}{which}, judged on {labels[digest, evaluate_on]}",
                digest=digest,
                evaluate_on=evaluate_on,
                contenders=tuple(_contenders(entries)),
                folders=tuple(_folders(sweep, entries)),
            )
        )
    return found


def _name(entries: list[Entry]) -> str:
    return str(entries[0].run.metrics["dataset"].get("name", "dataset"))


def _contenders(entries: list[Entry]) -> list[Contender]:
    own = [entry for entry in entries if not entry.baseline]
    known = {_same(entry, with_seed=True) for entry in own}
    groups: dict[Any, list[Entry]] = {}
    for entry in own:
        groups.setdefault(_repeats(entry), []).append(entry)
    for entry in entries:
        if entry.baseline and _same(entry, with_seed=True) not in known:
            known.add(_same(entry, with_seed=True))
            groups.setdefault(_same(entry, with_seed=False), []).append(entry)
    groups = _apart(groups.values())
    labels = [_label(group) for group in groups]
    return [
        Contender(label if labels.count(label) == 1 else f"{label} ({n})", tuple(group))
        for n, (label, group) in enumerate(zip(labels, groups, strict=True), start=1)
    ]


def _apart(groups: Iterable[list[Entry]]) -> list[list[Entry]]:
    """Split groups in which a seed occurs twice: those are no repeats, whatever they are."""
    found = []
    for group in groups:
        seeds = [repr(entry.seed) for entry in group]
        found += [group] if len(set(seeds)) == len(seeds) else [[entry] for entry in group]
    return found


def _same(entry: Entry, *, with_seed: bool) -> str:
    settings = {k: v for k, v in entry.settings.items() if with_seed or k != "seed"}
    return json.dumps([entry.generator, settings], sort_keys=True, default=str)


def _repeats(entry: Entry) -> str:
    """Say what two runs share when they differ in the seed alone."""
    run = entry.run
    kept = {k: v for k, v in run.parameters.items() if k not in ("seed", "run_folder", "dataset")}
    own = [run.notebook, kept, _same(entry, with_seed=False)]
    return json.dumps(own, sort_keys=True, default=str)


def _label(group: list[Entry]) -> str:
    entry = group[0]
    if entry.baseline:
        return entry.generator
    name = entry.run.name
    said_elsewhere = [f"-{entry.run.metrics['dataset'].get('name')}"]  # in the heading
    said_elsewhere += [f"-seed{entry.seed}"] if len(group) > 1 else []
    for part in said_elsewhere:
        name = name.replace(part, "") or name
    several = sum(not row.get("baseline") for row in entry.run.metrics["generators"]) > 1
    return f"{name} · {entry.generator}" if several else name


def _folders(sweep: Sweep, entries: list[Entry]) -> list[Path]:
    """List where a dataset may be: beside its runs first, so that a moved sweep still works."""
    named = [entry.run.metrics["dataset"] for entry in entries]
    folders = [sweep.folder / "datasets" / str(described.get("name")) for described in named]
    folders += [Path(described["folder"]) for described in named if described.get("folder")]
    return list(dict.fromkeys(folders))
