"""The explorer of a report: runs as points, lines and curves to hover, pick, hide and filter.

This module gathers the numbers of one dataset's runs for the browser; the scripts in
`templates/report/scripts` draw them. Everything shown there stands in the report's tables, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from candgen.columns import RATING_METRICS
from candgen.reports import terms
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.interaction.data_blocks import data_block
from candgen.reports.rendering import Fragment, render
from candgen.reports.report import Report
from candgen.reports.results import by_dataset

COSTS = {
    "fit_seconds": "seconds to fit",
    "fit_cpu_seconds": "CPU seconds to fit",
    "rank_seconds": "seconds to rank",
    "queries_per_second": "queries per second",
    "peak_memory_mib": "peak memory, MiB",
}
"""Costs by their names in `metrics.json`, and what the axes call them."""
METRIC, COST, PARAMETER = "metric", "cost", "parameter"
_DIGITS = 6  # significant; tables show four decimals


def explorer(report: Report) -> Fragment:
    """The runs of each dataset, to be explored in a browser."""
    return by_dataset(report, lambda ground: _explorer(report, ground))


def _explorer(report: Report, ground: Comparison) -> Fragment:
    html = render(
        "explorer.html.j2", title=ground.title, block=data_block("runs", runs(report, ground))
    )
    return Fragment(html, f"explorer of {len(ground.contenders)} runs, {ground.title}")


def runs(report: Report, ground: Comparison) -> dict[str, Any]:
    """Gather what the browser needs to draw the runs of one dataset.

    Returns:
        `title`; `metric` and `cost`, the names of the first axes; `columns`, each with `name`,
        `label`, `kind` (metric, cost or parameter), `meaning` and `numeric`; `runs`, best first,
        each with `key` (as table rows carry it), `name`, `generator`, `colour`, `reference`,
        `link`, `values` and `ends` (interval or null), one a column, and `curve` where the run
        recorded one.
    """
    ranked = ground.ranked(report.metric)
    columns = [*_metrics(report, ranked), *_costs(ranked), *_parameters(report, ranked)]
    costs = [column["name"] for column in columns if column["kind"] == COST]
    return {
        "title": ground.title,
        "metric": report.metric,
        "cost": costs[0] if costs else None,
        "columns": columns,
        "runs": [_run(report, ground, contender, columns) for contender in ranked],
    }


def _run(
    report: Report, ground: Comparison, contender: Contender, columns: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    link = contender.runs[0].link if contender.runs else None
    shown = {
        "key": ground.key(contender.label),
        "name": contender.label,
        "generator": contender.generator,
        "colour": report.colours[contender.generator],
        "reference": contender.reference,
        "link": None if link is None else quote(link),
        "values": [_value(report, contender, column) for column in columns],
        "ends": [_ends(contender, column) for column in columns],
    }
    curve = contender.entries[0].row.get("curve")
    return shown if not curve else {**shown, "curve": curve}


def _metrics(report: Report, ranked: Sequence[Contender]) -> list[dict[str, Any]]:
    entries = [entry for contender in ranked for entry in contender.entries]
    names = dict.fromkeys(name for entry in entries for name in entry.numbers if _is_metric(name))
    found = [name for name in names if not name.endswith(("_low", "_high"))]
    cutoff = report.metric.partition("@")[2]
    found.sort(key=lambda name: (name != report.metric, name.partition("@")[2] != cutoff))
    return [_column(name, name, METRIC) for name in found]


def _is_metric(name: str) -> bool:
    return "@" in name or name in RATING_METRICS


def _costs(ranked: Sequence[Contender]) -> list[dict[str, Any]]:
    known = [name for name in COSTS if any(c.number(name) is not None for c in ranked)]
    return [_column(name, COSTS[name], COST) for name in known]


def _parameters(report: Report, ranked: Sequence[Contender]) -> list[dict[str, Any]]:
    """Describe the parameters with several values on this dataset, seeds that were merged aside."""
    merged = any(len(contender.entries) > 1 for contender in ranked)
    columns = []
    for name in report.sweep.differing_parameters():
        if name == "seed" and merged:
            continue
        values = [_parameter(report, contender, name) for contender in ranked]
        known = [value for value in values if value is not None]
        if len({repr(value) for value in known}) > 1:
            numeric = all(isinstance(value, (int, float)) for value in known)
            columns.append(_column(name, name, PARAMETER) | {"numeric": numeric})
    return columns


def _column(name: str, label: str, kind: str) -> dict[str, Any]:
    told = {"name": name, "label": label, "kind": kind, "numeric": True}
    return told | {"meaning": terms.meaning(name)}


def _value(report: Report, contender: Contender, column: dict[str, Any]) -> Any:
    if column["kind"] == PARAMETER:
        return _parameter(report, contender, column["name"])
    return _rounded(contender.number(column["name"]))


def _parameter(report: Report, contender: Contender, name: str) -> int | float | str | None:
    """Return a parameter as a number or a text; None for rows that other runs brought along."""
    if not contender.runs:
        return None
    value = report.sweep.parameter(contender.runs[0], name)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ends(contender: Contender, column: dict[str, Any]) -> list[float | None] | None:
    ends = contender.interval(column["name"]) if column["kind"] == METRIC else None
    return None if ends is None else [_rounded(end) for end in ends]


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.{_DIGITS}g}")
