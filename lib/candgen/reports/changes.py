"""Two sweeps side by side: what moved, whether it is more than noise, and what changed.

Rows are matched by dataset (its digest), judged part and name, and compared on the same users.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from candgen import evaluation
from candgen.errors import CandgenError, DataError, SettingError, did_you_mean
from candgen.evaluation.significance import verdicts
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.report import Report
from candgen.reports.verdict import listed

EQUAL = "equal for every user"
GONE = "missing"
_SHOWN = 12  # characters of a digest


@dataclass(frozen=True)
class Moved:
    """One row that both sweeps have, or that one of them lacks."""

    where: str
    """Dataset and judged part."""
    label: str
    before: float | None
    after: float | None
    low: float = float("nan")
    """Lower end of the 95 % interval of after minus before, paired over users."""
    high: float = float("nan")
    verdict: str = ""
    """As of `significance.verdict`; EQUAL, GONE, "new", or why the two do not compare."""

    @property
    def difference(self) -> float:
        """After minus before; NaN if one of them is unknown."""
        known = self.before is not None and self.after is not None
        return self.after - self.before if known else float("nan")


@dataclass(frozen=True)
class Changes:
    """Differences between two sweeps, row by row and in their surroundings."""

    metric: str
    margin: float
    moved: list[Moved]
    settings: list[tuple[str, str, str, str]]
    """Row, what changed, before, after: parameters, settings and code of matched rows."""
    surroundings: list[tuple[str, str, str]]
    """What changed, before, after: versions, commit and machine of the sweeps."""


def changes(before: Report, after: Report, *, metric: str = "") -> Changes:
    """Compare a sweep with an earlier one, row by row.

    Args:
        before: The sweep to compare with.
        after: The later one; its margin decides.
        metric: A metric that is known per user; by default the headline of `after`.

    Raises:
        DataError: If no dataset and part was judged in both; the message has the digests.
        SettingError: If a sweep did not record the metric.
    """
    metric = metric or after.metric
    pairs = _shared(before, after)
    for report in (before, after):
        known = list(dict.fromkeys(name for g in report.comparisons for name in g.metrics))
        if metric not in known:
            raise SettingError(
                f"{report.sweep.folder.name} recorded no metric {metric!r} per user."
                f"{did_you_mean(metric, known)}"
            )
    moved, settings = [], []
    for old, new in pairs:
        moved += _moved(old, new, metric, after.margin)
        labels = [c.label for c in old.contenders]
        matched = [(old.find(c.label), c) for c in new.contenders if c.label in labels]
        settings += [line for one, other in matched for line in _settings(one, other)]
    for ground in before.comparisons:
        if ground not in [old for old, _ in pairs]:
            moved += [_gone(ground.title, c, metric) for c in ground.ranked(metric)]
    return Changes(metric, after.margin, moved, settings, _surroundings(before, after))


def grouped(settings: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """Put rows that changed in the same way on one line, named together."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for label, *change in settings:
        rows.setdefault(tuple(change), []).append(label)
    return [(listed(labels), *change) for change, labels in rows.items()]


def fallen(found: Changes, margin: float) -> list[Moved]:
    """Return rows that fell by more than a margin, or whose value the later sweep lacks."""
    known = [row for row in found.moved if row.before is not None]
    return [row for row in known if not row.difference >= -margin]


def _shared(before: Report, after: Report) -> list[tuple[Comparison, Comparison]]:
    judged = {(g.digest, g.evaluate_on): g for g in before.comparisons}
    pairs = [
        (judged[g.digest, g.evaluate_on], g)
        for g in after.comparisons
        if (g.digest, g.evaluate_on) in judged
    ]
    if pairs:
        return pairs
    told = "; ".join(
        f"{report.sweep.folder.name} has {_grounds(report.comparisons)}"
        for report in (before, after)
    )
    raise DataError(
        f"The two sweeps were judged on no common data, so their numbers do not compare: {told}. "
        "Prepare the dataset in the same way and judge on the same part."
    )


def _grounds(grounds: Sequence[Comparison]) -> str:
    shown = [f"{g.title} (digest {g.digest[:_SHOWN]}…)" for g in grounds]
    return ", ".join(shown) or "no finished run"


def _moved(old: Comparison, new: Comparison, metric: str, margin: float) -> list[Moved]:
    """Compare the rows of one dataset; Holm's correction is over all that moved."""
    rows: list[Moved] = []
    tables, places = [], []
    earlier = {c.label: c for c in old.contenders}
    for contender in new.ranked(metric):
        label, after = contender.label, contender.number(metric)
        one = earlier.pop(label, None)
        if one is None:
            rows.append(Moved(new.title, label, None, after, verdict="new"))
            continue
        before, trouble = one.number(metric), ""
        try:
            table = _paired(one, contender, metric, margin)
        except CandgenError as error:
            table, trouble = None, str(error)
        if table is not None:
            tables.append(table)
            places.append(len(rows))
        equal = table is None and not trouble
        low = 0.0 if equal else float("nan")
        rows.append(Moved(new.title, label, before, after, low, low, trouble or EQUAL))
    if tables:
        table = pd.concat(tables, ignore_index=True)
        numbers = (table[name].to_numpy() for name in ("difference", "low", "high", "p"))
        difference, low, high, p = numbers
        words = verdicts(difference, low, high, margin=margin, p=p).words
        for place, *ends, word in zip(places, low, high, words, strict=True):
            row = rows[place]
            rows[place] = Moved(row.where, row.label, row.before, row.after, *ends, verdict=word)
    return rows + [_gone(new.title, contender, metric) for contender in earlier.values()]


def _gone(where: str, contender: Contender, metric: str) -> Moved:
    return Moved(where, contender.label, contender.number(metric), None, verdict=GONE)


def _paired(one: Contender, other: Contender, metric: str, margin: float) -> pd.DataFrame | None:
    """Compare two rows user by user; None if they are equal for every user and seed."""
    judged = {"before": one.judgement, "after": other.judgement}
    found = [_named(judgement, name) for name, judgement in judged.items()]
    values = [judgement.by_seed([metric]) for judgement in found]
    if values[0].keys() == values[1].keys() and all(
        np.array_equal(values[0][seed], values[1][seed]) for seed in values[0]
    ):
        users = [judgement.per_user["user"] for judgement in found]
        if users[0].equals(users[1]):
            return None
    return evaluation.compare(found, metric, baseline="before", margin=margin)


def _named(judgement: evaluation.Judgement, name: str) -> evaluation.Judgement:
    return replace(judgement, generator=name)


def _settings(one: Contender, other: Contender) -> list[tuple[str, str, str, str]]:
    """List parameters, settings and fingerprinted code in which two matched rows differ."""
    known = [_described(contender) for contender in (one, other)]
    names = dict.fromkeys([*known[0], *known[1]])
    return [
        (other.label, name, known[0].get(name, "–"), known[1].get(name, "–"))
        for name in names
        if known[0].get(name) != known[1].get(name)
    ]


def _described(contender: Contender) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {}
    for entry in contender.entries:
        run = entry.run
        own = {} if entry.baseline else run.parameters
        told = {k: v for k, v in own.items() if k not in ("run_folder", "seed", "dataset")}
        told |= entry.settings | {"seed": entry.seed}
        if not entry.baseline:
            told |= {"notebook": run.notebook.rpartition("/")[2]} | _code(run.status)
        for name, value in told.items():
            if value is not None:
                found.setdefault(name, {})[_word(value)] = None
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _code(status: dict[str, Any]) -> dict[str, str]:
    """Return the digests of a run's code, from the fingerprint in its status."""
    parts = [part.partition("=") for part in str(status.get("fingerprint") or "").split()]
    kinds = {"notebook": "code of the notebook", "library": "code of the library"}
    return {kinds[name]: digest for name, _, digest in parts if name in kinds}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _surroundings(before: Report, after: Report) -> list[tuple[str, str, str]]:
    known = [_surrounding(report) for report in (before, after)]
    names = dict.fromkeys([*known[0], *known[1]])
    return [
        (name, known[0].get(name, "–"), known[1].get(name, "–"))
        for name in names
        if known[0].get(name) != known[1].get(name)
    ]


def _surrounding(report: Report) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {}
    for run in report.sweep.done:
        environment = run.environment
        told = dict(environment.get("packages") or {})
        told |= {name: environment.get(name) for name in ("python", "commit")}
        machine = environment.get("machine") or {}
        told |= {name: machine.get(name) for name in ("system", "processor", "cores")}
        for name, value in told.items():
            if value is not None:
                found.setdefault(name, {})[str(value)] = None
    return {name: _joined(values) for name, values in found.items()}


def _joined(values: Iterable[str]) -> str:
    return " and ".join(sorted(values))
