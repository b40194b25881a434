"""The verdict of a report: which run to use, how certain that is, and at what cost.

It rests on `significance.verdict` and on intervals that are corrected for choosing the best of
several models on the same users. Where these decide nothing, the verdict says so and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from candgen.errors import CandgenError
from candgen.evaluation.significance import BETTER, SAME, WORSE, smallest_visible
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.report import Report

FEW_USERS = 200
"""Below this many judged users the first screen warns."""
FEW_HELD_OUT = 500
"""The same for held-out items of these users together."""
SHARES = ("recall", "capped_recall", "precision", "f1", "ndcg", "map", "hit_rate", "mrr")
"""Metrics between 0 and 1: their differences are given in points, hundredths."""
NAMED = 4
_NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@dataclass(frozen=True)
class Verdict:
    """Statement of the first screen on one dataset."""

    decided: bool
    """Whether one row can be recommended."""
    lead: str
    """The recommendation in a sentence, or that there is none."""
    sentences: list[str]
    """What is as good, the lead over the baseline, and the cheapest; or why nothing is decided."""
    few: str = ""
    """A warning that users or held-out items are few; empty where they are not."""
    visible: str = ""
    """The smallest difference that could have been seen; empty where nothing was compared."""


def decide(report: Report, ground: Comparison) -> Verdict:
    """Decide for one dataset which row to use.

    A model is recommended if it is the best and better than the baseline; the baseline is, if the
    best model is worse or makes no practical difference.
    """
    few, metric = _few(ground), report.metric
    models = [c for c in ground.ranked(metric) if not c.reference and metric in c.per_user]
    if not models:
        return Verdict(False, "Nothing to decide.", [f"No model has {metric} per user here."], few)
    best, reference = models[0], report.reference(ground)
    try:
        table = ground.against_best(metric, report.margin)
        gain = reference and ground.over_reference(metric, report.margin, reference)
    except CandgenError as error:
        return Verdict(False, "Nothing can be decided.", [str(error)], few)
    visible = _visible(report, ground, best, table, gain)
    if table is None and gain is None:
        why = f"{best.label} is the only row with {metric}, at {_number(best, metric)}."
        return Verdict(False, "Nothing to decide.", [why], few)
    if gain is None or gain["verdict"] == BETTER:
        same, near = _near(table)
        said = [*_as_good(best, same, near, table), *_over(best, metric, gain)]
        said += _cheapest([best, *(ground.find(name) for name in [*same, *near])])
        return Verdict(True, f"Use {best.label}.", said, few, visible)
    over = _over(best, metric, gain)
    if gain["verdict"] in (SAME, WORSE):
        how = "is worse" if gain["verdict"] == WORSE else "makes no practical difference"
        said = [f"The best model, {best.label}, {how} ({gain['users']:,} users).", *over]
        return Verdict(True, f"Use {gain['baseline']}.", said, few, visible)
    why = (
        f"{best.label} has the highest {metric} of the models, but {gain['users']:,} users do not "
        f"tell whether it is better than {gain['baseline']}: the interval reaches across the "
        f"margin of {_margin(report)}."
    )
    return Verdict(False, "Nothing can be decided.", [why, *over], few, visible)


def _near(table: pd.DataFrame | None) -> tuple[list[str], list[str]]:
    """Return models that make no practical difference to the best, and those nobody can tell."""
    if table is None:
        return [], []
    same = table.loc[table["verdict"] == SAME, "generator"]
    near = table.loc[~table["verdict"].isin([SAME, WORSE]), "generator"]
    return same.tolist(), near.tolist()


def _as_good(
    best: Contender, same: Sequence[str], near: Sequence[str], table: pd.DataFrame | None
) -> list[str]:
    if table is None:
        return []
    users = f"({table['users'].iloc[0]:,} users)"
    if not same and not near:
        return [f"Every other model is worse {users}."]
    said = [f"{listed(near)} cannot be told apart from it {users}."] if near else []
    verb = "makes" if len(same) == 1 else "make"
    more = "" if near else f" {users}"
    return said + ([f"{listed(same)} {verb} no practical difference to it{more}."] if same else [])


def _over(best: Contender, metric: str, gain: pd.Series | None) -> list[str]:
    """Say how far the best model is from the baseline, with the interval."""
    if gain is None:
        return [f"It reaches {_number(best, metric)} of {metric}."]
    digits = _digits(max(abs(gain["low"]), abs(gain["high"])))
    low, high = (_size(gain[end], metric, "+", digits, unit="") for end in ("low", "high"))
    return [
        f"{_size(gain['difference'], metric, '+', digits)} of {metric} over {gain['baseline']} "
        f"({low} to {high}): {gain['mean']:.4f} against {gain['baseline_mean']:.4f}."
    ]


def _cheapest(alike: Sequence[Contender | None]) -> list[str]:
    """Name the cheapest to fit among the best and what is as good."""
    seconds = {c.label: c.number("fit_seconds") for c in alike if c is not None}
    known = {label: cost for label, cost in seconds.items() if cost is not None}
    if not known:
        return []
    best = next(iter(seconds))
    label = min(known, key=known.__getitem__)
    if len(seconds) == 1:
        return [f"It takes {_seconds(known[label])} to fit."]
    if len(known) == 1:
        return [f"Of these only the cost of {label} is known: {_seconds(known[label])} to fit."]
    n = _NUMBERS[len(known)] if len(known) < len(_NUMBERS) else str(len(known))
    these = f"these {n}" if len(known) == len(seconds) else f"the {n} whose cost is known"
    if label == best:
        return [f"It is also the cheapest of {these}: {_seconds(known[label])} to fit."]
    more = f"; {best} takes {_seconds(known[best])}" if best in known else ""
    return [f"Cheapest of {these}: {label}, {_seconds(known[label])} to fit{more}."]


def _seconds(cost: float) -> str:
    return f"{cost:.2g} s" if cost < 10 else f"{cost:,.0f} s"


def _few(ground: Comparison) -> str:
    """Warn of few judged users or few held-out items; empty where there are enough."""
    n_users = len(ground.contenders[0].per_user)
    held_out = ground.held_out_events
    if n_users >= FEW_USERS and (held_out is None or held_out >= FEW_HELD_OUT):
        return ""
    whole = "" if ground.dataset is None else f" of {ground.dataset.info['counts']['users']:,}"
    items = "" if held_out is None else f", with {held_out:,} held-out items"
    return f"Few users: {n_users:,}{whole} could be judged{items}."


def _visible(
    report: Report,
    ground: Comparison,
    best: Contender,
    table: pd.DataFrame | None,
    gain: pd.Series | None,
) -> str:
    """Say which difference could have been seen: the median over the comparisons of the best."""
    metric = report.metric
    rows = [] if table is None else [row for _, row in table.iterrows()]
    names = [row["generator"] for row in rows] or ([] if gain is None else [gain["baseline"]])
    rows = rows or [gain]
    sizes = []
    for name, row in zip(names, rows, strict=False):
        apart = best.per_user[metric] - ground.find(name).per_user[metric]
        error = float(apart.std(ddof=1)) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
        reach = (row["high"] - row["low"]) / 2
        sizes.append(smallest_visible(error, reach, margin=report.margin))
    if not sizes or np.isnan(sizes).any():
        return ""
    other = names[0] if table is None else "another model"
    return (
        f"The smallest difference between {best.label} and {other} that could have been seen is "
        f"about {_size(float(np.median(sizes)), metric)} (80 % power, beyond the margin of "
        f"{_margin(report)})."
    )


def _number(contender: Contender, metric: str) -> str:
    number = contender.number(metric)
    return "–" if number is None else f"{number:.4f}"


def _margin(report: Report) -> str:
    share = report.metric.partition("@")[0] in SHARES
    return f"{100 * report.margin:g} points" if share else f"{report.margin:g}"


def _digits(size: float) -> int:
    return 1 if size >= 0.01 else 2


def _size(
    number: float, metric: str, sign: str = "", digits: int | None = None, unit: str = " points"
) -> str:
    """Write a difference: in points for shares, else as a number."""
    if metric.partition("@")[0] in SHARES:
        digits = _digits(abs(number)) if digits is None else digits
        text = f"{100 * number:{sign}.{digits}f}{unit}"
    else:
        text = f"{number:{sign}.4g}"
    return text.replace("-", "−")


def listed(names: Sequence[str]) -> str:
    """Write names as words do: "a, b and c"; of many, the first few and how many more."""
    names = list(names)
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
