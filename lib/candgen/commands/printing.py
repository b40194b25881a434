"""Output that several commands share."""

from __future__ import annotations

from typing import Any

from candgen.text import terminal
from candgen.text.plain import one_line


def print_judgement(found: Any, title: str) -> None:
    """Print a judgement: a row a metric with its interval, then the counts."""
    rows = []
    for metric in found.metrics:
        low, high = found.interval(metric)
        rows.append([metric, f"{found.mean(metric):.4f}", f"{low:.4f}", f"{high:.4f}"])
    rows += [[name, f"{value:.4f}", "", ""] for name, value in found.overall.items()]
    print(one_line(title))
    terminal.print_table(["metric", "mean", "low", "high"], rows, numbers=("mean", "low", "high"))
    print(", ".join(f"{one_line(name)} {value:.6g}" for name, value in found.counts.items()))


def print_json(value: Any) -> None:
    """Print a value as JSON; NaN and infinity become null."""
    import json

    from candgen.session.runs import json_ready

    print(json.dumps(json_ready(value), indent=2, allow_nan=False))
