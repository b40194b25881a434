"""Choice of the first generators to try on a dataset, from recorded results alone.

A sweep judged generators on several datasets, with the same budget of search for each. On each of
these a generator has its share of the best result. The expected share on a new dataset is the mean
of these shares, weighted by exp(-distance) of the two shapes. Left out is what cannot run: a
generator that needs what the dataset lacks, that needs more memory than is free, or that answers no
users without a history where all judged users have none.

Memory is the generator's own estimate for these sizes. Seconds are those measured on the most
similar dataset, times the growth of the events or of that estimate, whichever is larger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from candgen import memory, models
from candgen.datasets import Dataset
from candgen.errors import CandgenError, DataError
from candgen.reports.advice.shape import Shape, distance, shape_of
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.report import Report

FIRST = 3


@dataclass(frozen=True)
class Choice:
    """One generator to try, and why."""

    generator: str
    share: float
    """Expected result as a share of the best one's, from 0 to 1."""
    bytes_needed: int
    """Estimated memory of a fit, in bytes."""
    seconds: float | None
    """Estimated seconds of a fit; None where none were recorded."""
    why: str


@dataclass(frozen=True)
class Advice:
    """The first generators to try, best first, and what they were chosen from."""

    shape: Shape
    metric: str
    weights: dict[str, float]
    """Dataset of the sweep -> its weight; they sum to 1."""
    choices: tuple[Choice, ...]
    left_out: dict[str, str]
    """Generator -> why it cannot run here."""


@dataclass(frozen=True)
class _Known:
    """One dataset of the sweep: its shape, and what each generator reached there."""

    title: str
    shape: Shape
    found: Mapping[str, Contender]


def advise(report: Report, data: Dataset, *, first: int = FIRST, free: int | None = None) -> Advice:
    """Choose the generators to try first.

    Args:
        report: Of a sweep with several generators on one or more datasets that are still there.
        data: The dataset that advice is asked for.
        first: Generators to name at most.
        free: Bytes of memory that may be used; what is free on this machine when omitted.

    Raises:
        DataError: If no finished run of the sweep can be read with its dataset.
    """
    free = memory.available() if free is None else free
    shape = shape_of(data)
    known = [
        _known(report, ground) for ground in report.comparisons if ground.evaluate_on == "test"
    ]
    held = [one for one in known if one is not None]
    if not held:
        raise DataError(
            f"No finished run of {report.sweep.folder} was judged on the test part of a dataset "
            "that is still there. Run its sweep again."
        )
    raw = [math.exp(-distance(shape, one.shape)) for one in held]
    weights = [weight / sum(raw) for weight in raw]
    nearest = max(zip(weights, held, strict=True), key=lambda pair: pair[0])[1]
    names = dict.fromkeys(name for one in held for name in one.found)
    choices, left_out = [], {}
    for name in names:
        pairs = [(w, one) for w, one in zip(weights, held, strict=True) if name in one.found]
        ground = nearest if name in nearest.found else max(pairs, key=lambda pair: pair[0])[1]
        contender = ground.found[name]
        try:
            model = models.from_settings(name, _settings(contender))
        except CandgenError as error:
            left_out[name] = f"cannot be made with its recorded settings: {error}"
            continue
        needed = model.memory_needed(shape.users, shape.items, shape.events)
        if why_not := _obstacle(model, shape, needed, free):
            left_out[name] = why_not
            continue
        shares = [_share(one, name, report.metric) for _, one in pairs]
        total = sum(weight for weight, _ in pairs)
        share = sum(w * s for (w, _), s in zip(pairs, shares, strict=True)) / total
        why = _why([one.title for _, one in pairs], shares, model, shape)
        seconds = _seconds(model, contender, ground.shape, shape, needed)
        choices.append(Choice(name, share, needed, seconds, why))
    choices.sort(key=lambda choice: -choice.share)
    titles = [one.title for one in held]
    told = dict(zip(titles, weights, strict=True))
    return Advice(shape, report.metric, told, tuple(choices[:first]), left_out)


def _known(report: Report, ground: Comparison) -> _Known | None:
    """Return the best run of each generator on a dataset of the sweep that is still there."""
    if ground.dataset is None:
        return None
    found: dict[str, Contender] = {}
    for contender in ground.ranked(report.metric):
        if contender.number(report.metric) is not None:
            found.setdefault(contender.generator, contender)
    return _Known(ground.title, shape_of(ground.dataset), found) if found else None


def _share(known: _Known, name: str, metric: str) -> float:
    values = {other: held.number(metric) or 0.0 for other, held in known.found.items()}
    best = max(values.values())
    return values[name] / best if best > 0 else 0.0


def _settings(contender: Contender) -> dict[str, Any]:
    return dict(contender.entries[0].row.get("settings") or {})


def _obstacle(model: models.Generator, shape: Shape, needed: int, free: int) -> str:
    """Say why a generator cannot run on a dataset of a shape; nothing if it can."""
    if lacking := [need for need in model.needs if need not in shape.has]:
        return f"needs {' and '.join(lacking)}, which the dataset lacks"
    if shape.new_users == 1 and not model.answers_cold_users:
        return "answers no users without a history, and all judged users are such"
    if needed > free:
        return f"needs about {memory.spelled(needed)} of memory; {memory.spelled(free)} are free"
    return ""


def _seconds(
    model: models.Generator, contender: Contender, there: Shape, here: Shape, needed: int
) -> float | None:
    measured = contender.number("fit_seconds")
    if measured is None:
        return None
    before = model.memory_needed(there.users, there.items, there.events)
    growth = max(here.events / max(there.events, 1), needed / max(before, 1))
    return measured * growth


def _why(
    titles: Sequence[str], shares: Sequence[float], model: models.Generator, shape: Shape
) -> str:
    said = [
        f"{share:.0%} of the best on {title}" for share, title in zip(shares, titles, strict=True)
    ]
    if shape.new_users > 0 and model.answers_cold_users:
        said.append("answers users without a history")
    if shape.new_items > 0 and model.answers_cold_items:
        said.append("offers new items")
    return "; ".join(said)
