"""The first sections of a report: what was asked, of which data, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from candgen.evaluation.judgement import FULL
from candgen.reports import disclosures, terms, verdict
from candgen.reports.comparing import Comparison
from candgen.reports.reading import Run
from candgen.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    fold,
    note,
    render,
)
from candgen.reports.report import Report
from candgen.session import status

_COUNTED = ("users", "items", "interactions", "train", "validation", "test", "fold_in")
_JUDGED = (
    "judged_users", "cold_users_left_out", "nothing_held_out", "unreachable_share",
    "already_in_history_share",
)  # fmt: skip


def opening(report: Report) -> Fragment:
    """The title, the question, and the verdict for each dataset, those with a decision first."""
    answers = [_answer(report, ground) for ground in report.comparisons]
    answers.sort(key=lambda answer: not answer["decided"])
    return titled(report, answers, report.remarks)


def titled(report: Report, answers: Sequence[dict[str, Any]], remarks: Sequence[str]) -> Fragment:
    """The top of a report: title, question, answers, how the runs ended, and remarks."""
    sweep = report.sweep
    counts = Counter(state_in_words(run) for run in sweep.runs)
    html = render(
        "opening.html.j2",
        title=report.title,
        question=sweep.question,
        answers=answers,
        disclosures=disclosures.shown(sweep.disclosures, report.searches.read_again),
        counts=", ".join(f"{n} {state}" for state, n in counts.items()),
        n_runs=len(sweep.runs),
        failed=len(sweep.not_done),
        remarks=remarks,
    )
    return Fragment(html, f"opening of {report.title!r}", title=report.title)


def _answer(report: Report, ground: Comparison) -> dict[str, Any]:
    found = verdict.decide(report, ground)
    n_models = sum(not contender.reference for contender in ground.contenders)
    notes = [chosen_as_best(n_models)] if n_models > 1 else []
    if found.visible and not found.few:
        notes.append(found.visible)
    warning = f"{found.few} {found.visible}".strip() if found.few else ""
    return {"where": ground.title, "lead": found.lead, "text": " ".join(found.sentences),
            "decided": found.decided, "warning": warning,
            "notes": notes + _items_ranked(ground)}  # fmt: skip


def chosen_as_best(n: int) -> str:
    """Say that the best of several was chosen on the users that judge it."""
    return f"Chosen as the best of {n} on these users, so its value is somewhat optimistic."


def _items_ranked(ground: Comparison) -> list[str]:
    """Say how many items were ranked for each user, where lists came with the data."""
    rows = [c.entries[0].row for c in ground.contenders]
    given = [row for row in rows if row.get("ranking", FULL) != FULL]
    if not given:
        return []
    counts = given[0].get("counts") or {}
    numbers = [counts.get(f"{which}_items_ranked") for which in ("fewest", "median", "most")]
    ranked = "a given list of items for each user (their number was not recorded)"
    if None not in numbers:
        fewest, median, most = (f"{number:,.0f}" for number in numbers)
        ranked = f"{most} given items for each user"
        if fewest != most:
            ranked = f"{median} given items for each user (median; {fewest} to {most})"
    which = "" if len(given) == len(rows) else f" in {len(given)} of {len(rows)} rows"
    return [f"Sampled ranking{which}: {ranked}, not the whole catalogue."]


def datasets(report: Report) -> Fragment:
    """For each dataset: counts, split, warnings, digest, licence and citation."""
    if not report.comparisons:
        return note("No run finished, so no dataset was judged on.", tone="bad")
    cards = []
    for ground in report.comparisons:
        cards.append(card(report, ground))
    html = render("datasets.html.j2", cards=cards, meaning=terms.meaning)
    return Fragment(html, f"{len(cards)} datasets")


def card(report: Report, ground: Comparison) -> dict[str, Any]:
    """Gather what is known of a dataset: title, digest, counts, facts and warnings."""
    page = f"datasets/{ground.name}/page.html"
    told: dict[str, Any] = {
        "title": ground.title,
        "digest": ground.digest,
        "link": page if (report.sweep.folder / page).is_file() else None,
        "counts": [],
        "facts": [],
        "warnings": _odd_lists(ground),
    }
    judged = ground.contenders[0].entries[0].row.get("counts") or {}
    seen = [(_words(name), _count(judged[name])) for name in _JUDGED if judged.get(name)]
    if ground.dataset is None:
        told["counts"] = seen
        told["warnings"] += ["The prepared dataset is no longer where the runs found it, so titles "
                             "and groups of users and items are missing."]  # fmt: skip
        return told
    info, counts = ground.dataset.info, ground.dataset.info["counts"]
    told["counts"] = [(_words(name), _count(counts[name])) for name in _COUNTED if name in counts]
    cells = counts["users"] * counts["items"]
    told["counts"].append(("density", f"{counts.get('interactions', 0) / max(cells, 1):.3%}"))
    told["counts"] += seen
    told["warnings"] = [*ground.dataset.warnings, *ground.dataset.notes, *told["warnings"]]
    told["facts"] = [(name, text) for name, text in _facts(info) if text]
    return told


def _odd_lists(ground: Comparison) -> list[str]:
    """Say which rows left users without candidates, or offered what these already had."""
    said = {
        "short_lists": "gave {n} users fewer candidates than the longest cut-off, so what the "
        "lists lack counts as missed",
        "users_without_candidates": "gave {n} users no candidate at all",
        "candidates_already_in_history": "offered {n} items that their users already had",
    }
    found = []
    for contender in ground.contenders:
        counts = contender.entries[0].row.get("counts") or {}
        for name, text in said.items():
            if counts.get(name):
                found.append(f"{contender.label} {text.format(n=_count(counts[name]))}.")
    return found


def _facts(info: dict[str, Any]) -> list[tuple[str, str]]:
    source = info.get("source") or {}
    inputs = [
        f"{PurePath(str(one.get('path'))).name}, {_count(one.get('bytes'))} bytes, "
        f"SHA-256 {str(one.get('sha256'))[:12]}…"
        for one in source.get("inputs") or []
    ]
    split = dict(info.get("split") or {})
    futures = split.pop("futures_seen", None)
    return [
        ("source", str(source.get("title") or source.get("kind") or "")),
        ("files", "; ".join(inputs)),
        ("split", _in_words(split)),
        ("futures seen", _futures(futures)),
        ("licence", str(info.get("licence") or "")),
        ("citation", str(info.get("citation") or "")),
    ]


def _futures(seen: dict[str, float] | None) -> str:
    return "; ".join(f"{_words(name)}: {share:.1%}" for name, share in (seen or {}).items())


def parameters(report: Report) -> Fragment:
    """A table of only the parameters that differ; all of them below, folded."""
    runs = report.sweep.runs
    if not runs:
        return note("There is no run.", tone="bad")
    names = report.sweep.differing_parameters()
    notebooks = len({run.notebook for run in runs}) > 1
    differing = Table(
        "Parameters that differ between runs",
        ["run", *(["notebook"] if notebooks else []), "generator", "dataset", *names],
        [
            [_run_cell(run), *([Cell(_notebook(run))] if notebooks else []), _generator(run),
             _dataset(run), *(_parameter(report.sweep.parameter(run, name)) for name in names)]
            for run in runs
        ],
        tones=["" if run.state == status.DONE else "bad" for run in runs],
        keys=_keys(report),
    )  # fmt: skip
    every = list(dict.fromkeys(name for run in runs for name in run.parameters))
    every = [name for name in every if name != "run_folder"]
    rows = [
        [_run_cell(run), *(_parameter(run.parameters.get(name)) for name in every)] for run in runs
    ]
    whole = Table(
        "All parameters of all runs", ["run", *every], rows, keys=_keys(report)
    ).fragment()
    return differing.fragment() + fold("All parameters of all runs", whole)


def _keys(report: Report) -> list[str]:
    """Return what scripts know each run's own row by; "" for runs with none or several rows."""
    known: dict[str, list[str]] = {}
    for ground in report.comparisons:
        for contender in ground.contenders:
            for run in contender.runs:
                known.setdefault(run.place, []).append(ground.key(contender.label))
    found = [known.get(run.place, []) for run in report.sweep.runs]
    return [keys[0] if len(keys) == 1 else "" for keys in found]


def _run_cell(run: Run) -> Cell:
    return Cell(run.name, link=run.link)


def _notebook(run: Run) -> str:
    return PurePath(run.notebook).stem


def _generator(run: Run) -> Cell:
    own = [row["generator"] for row in run.metrics.get("generators", []) if not row.get("baseline")]
    done = run.state == status.DONE and own
    return Cell(", ".join(own)) if done else Cell(state_in_words(run), tone="muted")


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


def _in_words(value: Any, name: str = "") -> str:
    """Write what `dataset.json` says of a split: names and values; times as dates."""
    if isinstance(value, dict):
        kept = {name: held for name, held in value.items() if held not in (None, "", [], {})}
        return "; ".join(f"{_words(name)}: {_in_words(held, name)}" for name, held in kept.items())
    if isinstance(value, list):
        return ", ".join(_in_words(one) for one in value)
    if isinstance(value, (int, float)) and name.endswith(("_starts", "_ends")):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}"
    return _count(value) if isinstance(value, (int, float)) else short(value)
