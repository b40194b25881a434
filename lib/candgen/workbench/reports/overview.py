"""The first sections of a report: what was asked, of which data, and what differs."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from candgen.workbench import status
from candgen.workbench.reports.comparing import Comparison, Contender
from candgen.workbench.reports.reading import Run
from candgen.workbench.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    fold,
    interval_note,
    note,
    render,
)
from candgen.workbench.reports.report import Report


def opening(report: Report) -> Fragment:
    """The title, the question, and the answer in a sentence for each dataset."""
    answers = [_answer(report, ground) for ground in report.comparisons]
    sweep = report.sweep
    counts: dict[str, int] = {}
    for run in sweep.runs:
        counts[state_in_words(run)] = counts.get(state_in_words(run), 0) + 1
    html = render(
        "opening.html.j2",
        title=report.title,
        question=sweep.question,
        answers=answers,
        counts=", ".join(f"{n} {state}" for state, n in counts.items()),
        n_runs=len(sweep.runs),
        failed=len(sweep.not_done),
        remarks=report.remarks,
    )
    return Fragment(html, f"opening of {report.title!r}", title=report.title)


def _answer(report: Report, ground: Comparison) -> dict[str, str]:
    reference = report.reference(ground)
    best = ground.ranked(report.metric)[0]
    shown = {"where": ground.title, "metric": report.metric, "best": best.label,
             "value": _with_interval(best, report.metric)}  # fmt: skip
    if reference is not None and reference is not best:
        shown["reference"] = reference.label
        shown["reference_value"] = _with_interval(reference, report.metric)
    return shown


def _with_interval(contender: Contender, metric: str) -> str:
    number = contender.number(metric)
    ends = interval_note(contender.interval(metric))
    return "–" if number is None else f"{number:.4f}" + (f" ({ends})" if ends else "")


def datasets(report: Report) -> Fragment:
    """For each dataset: counts, split, warnings, digest, licence and citation."""
    if not report.comparisons:
        return note("No run finished, so no dataset was judged on.", tone="bad")
    cards = []
    for ground in report.comparisons:
        cards.append(_card(report, ground))
    return Fragment(render("datasets.html.j2", cards=cards), f"{len(cards)} datasets")


def _card(report: Report, ground: Comparison) -> dict[str, Any]:
    card: dict[str, Any] = {"name": ground.name, "title": ground.title, "digest": ground.digest}
    page = report.sweep.folder / "datasets" / ground.name / "page.html"
    card["link"] = f"datasets/{ground.name}/page.html" if page.is_file() else None
    counts = ground.contenders[0].entries[0].row.get("counts") or {}
    card["judged"] = [(_words(name), _count(number)) for name, number in counts.items()]
    card["warnings"], card["facts"], card["counts"] = [], [], []
    if ground.dataset is None:
        card["warnings"] = ["The prepared dataset is no longer where the runs found it, so titles, "
                            "activity groups and popularity groups are missing."]  # fmt: skip
        return card
    info = ground.dataset.info
    card["counts"] = [(_words(name), _count(n)) for name, n in info["counts"].items()]
    cells = info["counts"]["users"] * info["counts"]["items"]
    events = info["counts"].get("interactions", 0)
    card["counts"].append(("density", f"{events / max(cells, 1):.3%}"))
    card["warnings"] = ground.dataset.warnings
    for name in ("source", "split", "licence", "citation"):
        if info.get(name):
            card["facts"].append((name, _in_words(info[name])))
    return card


def parameters(report: Report) -> Fragment:
    """A table of only the parameters that differ; all of them below, folded."""
    runs = report.sweep.runs
    if not runs:
        return note("There is no run.", tone="bad")
    names = report.sweep.differing_parameters()
    notebooks = len({run.notebook for run in runs}) > 1
    differing = Table(
        "Parameters that differ between runs",
        ["run", *(["page"] if notebooks else []), "generator", "dataset", *names],
        [
            [_run_cell(run), *([Cell(_page(run))] if notebooks else []), _generator(run),
             _dataset(run), *(_parameter(run.parameters.get(name)) for name in names)]
            for run in runs
        ],
        tones=["" if run.state == "done" else "bad" for run in runs],
    )  # fmt: skip
    every = list(dict.fromkeys(name for run in runs for name in run.parameters))
    every = [name for name in every if name != "run_folder"]
    rows = [
        [_run_cell(run), *(_parameter(run.parameters.get(name)) for name in every)] for run in runs
    ]
    whole = Table("All parameters of all runs", ["run", *every], rows).fragment()
    return differing.fragment() + fold("All parameters of all runs", whole)


def _run_cell(run: Run) -> Cell:
    return Cell(run.name, link=run.link)


def _page(run: Run) -> str:
    return PurePath(run.notebook).stem


def _generator(run: Run) -> Cell:
    own = [row["generator"] for row in run.metrics.get("generators", []) if not row.get("baseline")]
    return Cell(", ".join(own)) if own else Cell(state_in_words(run), tone="muted")


def _dataset(run: Run) -> Cell:
    recorded = run.metrics.get("dataset", {}).get("name")
    return Cell(str(recorded or short(run.parameters.get("dataset", "–"))))


def _parameter(value: Any) -> Cell:
    if value is None:
        return EMPTY
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Cell(f"{value:g}" if isinstance(value, float) else str(value), value, numeric=True)
    return Cell(short(value))


def state_in_words(run: Run) -> str:
    """Say how a run stands; `missing` means that nobody began it."""
    return "not started" if run.state == status.MISSING else run.state


def short(value: Any) -> str:
    """Write a parameter's value; a whole path is cut to its last part."""
    text = str(value)
    if isinstance(value, str) and PurePath(text).is_absolute():
        return f"…/{PurePath(text).name}"
    return text


def _words(name: str) -> str:
    return name.replace("_", " ")


def _count(number: Any) -> str:
    if isinstance(number, float):
        return f"{number:.2%}" if 0 < number < 1 else f"{number:g}"
    return f"{number:,}" if isinstance(number, int) else str(number)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        named = value.get("title")
        rest = ", ".join(
            f"{_words(str(k))}: {_in_words(v)}" for k, v in value.items()
            if k != "title" and v not in (None, "", [], {})
        )  # fmt: skip
        return f"{named} ({rest})" if named and rest else str(named or rest)
    if isinstance(value, list):
        return "; ".join(_in_words(one) for one in value)
    return short(value)
