"""The section of a report about searches: what they used, what they chose, and how it held on test.

Figures of trials are on validation; those on test are of the runs with the chosen settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from candgen.reports.comparing import Contender
from candgen.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    fold,
    interval_note,
    note,
    value,
)
from candgen.reports.report import Report
from candgen.reports.searches import drawing, pages
from candgen.reports.searches.importance import FEWEST, importance
from candgen.reports.searches.reading import DONE, FAILED, PRUNED, Search, Trial, counted
from candgen.reports.searches.spaces import spelled

MOST_ROWS = 200  # of a table of trials; `trials.csv` has all
REFIT = "not searched: where the chosen trial was best"
_NAMED = 8


def search(report: Report) -> Fragment:
    """Everything about the searches of a sweep; absent from the report where there are none."""
    searches = report.searches
    if searches.trouble:
        return note(f"The searches cannot be read: {searches.trouble}", tone="bad")
    if not searches.found:
        return note("This sweep has no search.", absent=True)
    shares = {one.run: importance(one) for one in searches.found}
    whole = budgets(report) + outcomes(report) + settings(report, shares)
    whole = whole + drawing.histories(searches.found)
    for one in searches.found:
        inside = _pictures(one, shares[one.run]) + trials(report, one)
        whole = whole + fold(f"{one.run}: {counted(len(one.trials))}", inside)
    return whole


def budgets(report: Report) -> Fragment:
    """Budget of each search and what it used of it, and the generators that had none."""
    searches = report.searches.found
    rows = [
        [
            Cell(one.run),
            Cell(one.generator),
            value(len(one.ended), digits=0, note=_of(one.budget_trials)),
            value(one.seconds / 60, digits=1, note=_of(one.budget_minutes)),
            value(one.count(PRUNED), digits=0),
            value(one.count(FAILED), digits=0, tone="bad" if one.count(FAILED) else ""),
            value(len(one.space), digits=0),
            Cell(", ".join(filter(None, (one.sampler, one.pruning)))),
        ]
        for one in searches
    ]
    heads = {
        "run": "",
        "generator": "",
        "trials": "all of them, also those that were pruned or failed",
        "minutes": "the trials' own, added up",
        "pruned": "stopped early, because others were better at the same epoch",
        "failed": "ended with an error; they count in the budget",
        "settings": "how many were searched",
        "method": "sampler, pruning",
    }
    table = Table("Budget of each search", list(heads), rows, hints=list(heads.values()))
    said = [_equal_care(searches)]
    if unended := [one.run for one in searches if one.state != DONE]:
        said.append(f"Not over yet: {', '.join(unended)}.")
    untuned = _untuned(report)
    if untuned:
        more = f" and {len(untuned) - _NAMED} more" if len(untuned) > _NAMED else ""
        said.append(f"Not searched, settings as written: {', '.join(untuned[:_NAMED])}{more}.")
    return note(" ".join(said)) + table.fragment()


def _of(most: float | None) -> str:
    return "" if most is None else f"of {most:g}"


def _equal_care(searches: Sequence[Search]) -> str:
    """Say whether all searches had the same budget and used the same number of trials."""
    allowed = {(one.budget_trials, one.budget_minutes) for one in searches}
    used = sorted({len(one.ended) for one in searches})
    if len(searches) == 1:
        return f"One search of {counted(used[0])}."
    if len(allowed) > 1:
        return "The searches had different budgets: generators were not tuned with equal effort."
    if len(used) > 1:
        return (
            f"Every search had the same budget; they made {used[0]} to {used[-1]} trials with it."
        )
    return f"Every search had the same budget and made {counted(used[0])}."


def _untuned(report: Report) -> list[str]:
    """Rows whose settings no search chose; baselines have none to choose."""
    return [
        contender.label
        for ground in report.comparisons
        for contender in ground.contenders
        if not contender.reference
        and not any(report.searches.of(run.name) for run in contender.runs)
    ]


def outcomes(report: Report) -> Fragment:
    """The default's and the chosen value on validation, and the chosen one on test."""
    rows = []
    for one in report.searches.found:
        default = one.default.value if one.default and one.default.done else None
        chosen = one.chosen.value if one.chosen else None
        final, on_test = _final(report, one)
        tested = final.number(one.metric) if final and on_test else None
        gap = None if chosen is None or tested is None else chosen - tested
        ends = interval_note(final.interval(one.metric)) if final and on_test else ""
        rows.append([
            Cell(one.run), Cell(one.metric), value(default), value(chosen),
            value(tested, note=ends), value(gap),
        ])  # fmt: skip
    heads = {
        "run": "",
        "metric": "",
        "default, validation": "the first trial: the settings before any search",
        "chosen, validation": "the best trial; optimistic, as the best of several always is",
        "chosen, test": "learned on train and validation with the chosen settings",
        "validation − test": "optimism of the choice, and how different the two parts are",
    }
    table = Table(
        "Chosen settings on validation and on test", list(heads), rows, hints=list(heads.values())
    )
    return table.fragment()


def _final(report: Report, one: Search) -> tuple[Contender | None, bool]:
    """Return the row with the chosen settings, and whether it was judged on test."""
    for ground in report.comparisons:
        for contender in ground.contenders:
            if {run.name for run in contender.runs} & set(one.final):
                return contender, ground.evaluate_on == "test"
    return None, False


def settings(report: Report, shares: dict[str, dict[str, float]]) -> Fragment:
    """Chosen settings beside the defaults, the most important first."""
    rows: list[list[Cell]] = []
    few = []
    for one in report.searches.found:
        known = shares[one.run]
        few += [] if known or len(one.space) < 2 else [one.run]
        for name in sorted(one.space, key=lambda name: -known.get(name, 0.0)):
            dimension = one.space[name]
            default = one.default.settings.get(name) if one.default else None
            chosen = one.chosen_settings.get(name)
            edge = chosen is not None and dimension.at_an_end(chosen)
            rows.append([
                Cell(one.run), Cell(name), _setting(default),
                _setting(chosen, changed=chosen != default, note="at the end" if edge else ""),
                value(known.get(name), digits=2), Cell(dimension.words),
            ])  # fmt: skip
        rows += [
            [Cell(one.run), Cell(name), EMPTY, _setting(held), EMPTY, Cell(REFIT, tone="muted")]
            for name, held in one.refit.items()
            if held
        ]
    heads = {
        "run": "",
        "setting": "",
        "default": "of the first trial",
        "chosen": "of the best trial; at the end of its range, a wider one may hold a better value",
        "importance": "share in reaching the best values among the trials (PED-ANOVA)",
        "searched in": "",
    }
    table = Table(
        "Chosen settings beside the defaults", list(heads), rows, hints=list(heads.values())
    ).fragment()
    if not few:
        return table
    return table + note(
        f"No importance for {', '.join(few)}: it needs {FEWEST} finished trials with different "
        "values."
    )


def _setting(held: Any, *, changed: bool = False, note: str = "") -> Cell:
    if held is None:
        return EMPTY
    number = isinstance(held, int | float) and not isinstance(held, bool)
    text = f"{held:.4g}" if isinstance(held, float) else spelled(held)
    return Cell(
        text, held if number else text, note=note, numeric=number, tone="good" if changed else ""
    )


def _pictures(one: Search, shares: dict[str, float]) -> Fragment:
    if not one.space or not any(trial.value is not None for trial in one.trials):
        return note("No trial has a value yet, so there is nothing to draw.")
    drawn = drawing.slices(one, shares)
    return drawn + drawing.parallel(one) if len(one.space) > 1 else drawn


def trials(report: Report, one: Search) -> Fragment:
    """All trials of a search, the best first; those that were pruned or failed say why."""
    names = list(one.space)
    ordered = sorted(one.trials, key=_place)
    shown = ordered[:MOST_ROWS]
    epochs = any(trial.epochs is not None for trial in shown)
    why = any(trial.why for trial in shown)
    rows = []
    for trial in shown:
        page = pages.link(report.sweep.folder, one, trial)
        tone = {FAILED: "bad", DONE: ""}.get(trial.state, "muted")
        rows.append([
            Cell(str(trial.number), trial.number, numeric=True, link=page),
            Cell(_state(one, trial), tone=tone),
            value(trial.value),
            *(_setting(trial.settings.get(name)) for name in names),
            value(trial.seconds, digits=1),
            *([value(trial.epochs, digits=0)] if epochs else []),
            *([Cell(trial.why)] if why else []),
        ])  # fmt: skip
    heads = ["trial", "state", one.metric, *names, "seconds"]
    heads += [name for name, told in (("epochs", epochs), ("why", why)) if told]
    tones = ["best" if trial.number == one.chosen_number else "" for trial in shown]
    cut = f", the best {MOST_ROWS} of {len(ordered)}" if len(ordered) > MOST_ROWS else ""
    return Table(f"Trials of {one.run}{cut}", heads, rows, tones).fragment()


def _place(trial: Trial) -> tuple[bool, float, int]:
    held = trial.value if trial.value is not None else float("-inf")
    return not trial.done, -held, trial.number


def _state(one: Search, trial: Trial) -> str:
    if trial.number == one.chosen_number:
        return "chosen"
    return "unfinished" if trial.state not in (DONE, PRUNED, FAILED) else trial.state
