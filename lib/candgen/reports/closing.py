"""The last sections of a report: what failed, how to make it again, limits, terms."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from candgen.reports.comparing import Comparison
from candgen.reports.reading import Run
from candgen.reports.rendering import Fragment, note, render
from candgen.reports.report import Report
from candgen.reports.terms import METRICS, TERMS
from candgen.reports.verdict import FEW_USERS
from candgen.session import status

LAST_LINES = 12
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # as terminals understand them
IN_WORDS = {
    status.MISSING: "not started",
    status.INTERRUPTED: "interrupted: whoever ran it has gone",
    status.RUNNING: "still running when this report was made",
}


def failures(report: Report) -> Fragment:
    """Runs that did not finish: how they ended, and the last lines of the error."""
    if not report.sweep.not_done:
        return note("Every run finished.", tone="good")
    rows = [_failure(run) for run in report.sweep.not_done]
    return Fragment(render("failures.html.j2", rows=rows), f"{len(rows)} failures")


def _failure(run: Run) -> dict[str, Any]:
    error = run.error
    said = ": ".join(str(error[part]) for part in ("name", "message") if error.get(part))
    tail = error.get("traceback_tail") or []
    lines = tail.splitlines() if isinstance(tail, str) else [str(line) for line in tail]
    return {
        "name": run.place,
        "link": run.link,
        "state": IN_WORDS.get(run.state, run.state),
        "said": said or run.trouble,
        "cell": error.get("cell"),
        "lines": _COLOURS.sub("", "\n".join(lines[-LAST_LINES:])),
    }


def recipe(report: Report) -> Fragment:
    """The command, and what the results depended on: versions, commit, machine, seeds, digests."""
    runs = [*report.sweep.preparations, *report.sweep.runs]
    plan = report.sweep.plan
    facts = [
        ("commit", _values(runs, "commit")),
        ("Python", _values(runs, "python")),
        ("packages", _packages(runs)),
        ("machine", _values(runs, "machine")),
        ("threads", _values(runs, "threads")),
        ("seeds", _seeds(report.sweep.runs)),
        ("datasets", [f"{ground.name}: {ground.digest}" for ground in report.comparisons]),
        ("made", _when(runs)),
    ]
    html = render(
        "recipe.html.j2",
        command=str(plan.get("command") or f"candgen sweep params/{_asked(report)}.yaml"),
        facts=[(name, values) for name, values in facts if values],
    )
    return Fragment(html, "how to make it again")


def _asked(report: Report) -> str:
    return report.sweep.folder.name if report.sweep.runs else "quick"


def _values(runs: list[Run], name: str) -> list[str]:
    """List the different values of one part of the environment, the most frequent first."""
    seen: dict[str, int] = {}
    for run in runs:
        if run.environment.get(name):
            text = _in_words(run.environment[name])
            seen[text] = seen.get(text, 0) + 1
    ordered = sorted(seen, key=lambda text: -seen[text])
    if len(ordered) < 2:
        return ordered
    return [f"{text} ({seen[text]} runs)" for text in ordered]


def _packages(runs: list[Run]) -> list[str]:
    versions: dict[str, dict[str, None]] = {}
    for run in runs:
        for package, version in (run.environment.get("packages") or {}).items():
            if version:
                versions.setdefault(package, {})[str(version)] = None
    return [", ".join(f"{package} {' and '.join(found)}" for package, found in versions.items())]


def _seeds(runs: tuple[Run, ...]) -> list[str]:
    seeds: dict[str, None] = {}
    for run in runs:
        for name, seed in (run.environment.get("seeds") or {}).items():
            seeds[f"{name} {seed}"] = None
    return [", ".join(seeds)] if seeds else []


def _when(runs: list[Run]) -> list[str]:
    began = [run.status["started"] for run in runs if run.status.get("started")]
    ended = [run.status["ended"] for run in runs if run.status.get("ended")]
    return [f"{_minute(min(began))} to {_minute(max(ended))}"] if began and ended else []


def _minute(time: str) -> str:
    try:
        return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return time


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        kept = {name: held for name, held in value.items() if held is not None}
        return ", ".join(_named(name, held) for name, held in kept.items())
    return value if isinstance(value, str) else json.dumps(value)


def _named(name: str, held: Any) -> str:
    """Write one fact about a machine; what a processor or a system is called needs no label."""
    if name == "memory_mib":
        return f"{held / 1024:.1f} GiB of memory"
    if name in ("cores", "usable_cores"):
        return f"{held} {name.replace('_', ' ')}"
    return held if isinstance(held, str) and not held.isdigit() else f"{name} {held}"


def limits(report: Report) -> Fragment:
    """Describe the limits of this comparison: the general ones, and those of this report."""
    grounds = report.comparisons
    said = [
        "Held-out events are what people happened to do next, among what they were shown. A good "
        "candidate that nobody showed them counts as a miss, so generators that resemble the old "
        "recommender look better than they are.",
        "Intervals speak of these users only: another catalogue, another season or another split "
        "is another experiment.",
    ]
    for ground in grounds:
        n_users = len(ground.contenders[0].per_user)
        if n_users < FEW_USERS:
            said.append(
                f"Only {n_users} users could be judged on {ground.name}: intervals are wide, and "
                '"undecided" means too few users, not that runs are equal.'
            )
    if not any(len(c.entries) > 1 for ground in grounds for c in ground.contenders):
        said.append(
            "Every run has one seed, so intervals leave out the variation between training runs."
        )
    if any(ground.evaluate_on == "test" for ground in grounds):
        said.append(
            "These are results on test. If settings are now changed because of them and run "
            "again, the test part has become a validation part."
        )
    if any(ground.evaluate_on == "validation" for ground in grounds):
        said.append(
            "These are results on validation, for choosing settings. The best validation score is "
            "optimistic; report the test score, evaluated once."
        )
    if len(grounds) > 1:
        said.append("Numbers of different datasets stand apart on purpose: they do not compare.")
    lost = {c.entries[0].row.get("ranking", "full") for g in grounds for c in g.contenders}
    if lost - {"full"}:
        said.append(
            "Some rows rank given lists instead of the whole catalogue (sampled ranking); their "
            "numbers compare with nothing outside this page."
        )
    if report.sweep.not_done:
        n = len(report.sweep.not_done)
        said.append(f"{n} planned part{'s are' if n > 1 else ' is'} missing; see Failures.")
    warned = [f"{g.name}: {text}" for g in grounds if g.dataset for text in g.dataset.warnings]
    said += list(dict.fromkeys(warned))
    return Fragment(render("limits.html.j2", said=said), f"{len(said)} limits")


def explained(report: Report) -> Fragment:
    """Explain the terms of the page: what hovering over a name shows, for keyboard and paper."""
    recorded = {
        name.partition("@")[0] for ground in report.comparisons for name in _named_in(ground)
    }
    unused = [name for name in METRICS if name not in recorded]
    held = [(name, text) for name, text in TERMS.items() if name not in unused]
    return Fragment(render("terms.html.j2", terms=held), f"{len(held)} terms")


def _named_in(ground: Comparison) -> set[str]:
    return {name for c in ground.contenders for entry in c.entries for name in entry.numbers}
