"""Records of a sweep for trackers of experiments, one for each generator of each run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candgen.errors import DataError
from candgen.reports.leaderboard import COSTS
from candgen.reports.reading import Entry, Sweep

SOURCE = "candgen.source"
"""Tag by which a record is known again: sweep, run, generator and fingerprint."""


@dataclass(frozen=True)
class PublishedRun:
    """One generator as one run judged it, in the words of trackers."""

    name: str
    parameters: dict[str, str]
    metrics: dict[str, float]
    """`recall@20` is called `recall_at_20`, since trackers allow no `@`."""
    tags: dict[str, str]
    pages: tuple[Path, ...]
    """Files to keep beside it."""


def published_runs(sweep: Sweep) -> list[PublishedRun]:
    """Describe all finished runs of a sweep; baselines that runs brought along are left out.

    Raises:
        DataError: If no run finished.
    """
    found = [_described(sweep, entry) for entry in sweep.entries() if not entry.baseline]
    if not found:
        raise DataError(
            f"{sweep.folder} has no finished run to publish. `candgen runs {sweep.folder.name}` "
            "says how its runs stand."
        )
    return found


def _described(sweep: Sweep, entry: Entry) -> PublishedRun:
    run = entry.run
    own = {**run.parameters, **entry.settings, "generator": entry.generator}
    several = sum(not row.get("baseline") for row in run.metrics["generators"]) > 1
    data = run.metrics["dataset"]
    fingerprint = str(run.status.get("fingerprint") or "")
    numbers = {k: v for k, v in entry.numbers.items() if "@" in k or k in COSTS}
    pages = (run.folder / name for name in ("page.html", "metrics.json", "environment.json"))
    return PublishedRun(
        name=f"{run.name} {entry.generator}" if several else run.name,
        parameters={k: _text(v) for k, v in own.items() if k != "run_folder"},
        metrics={k.replace("@", "_at_"): v for k, v in numbers.items() if v == v},
        tags={
            SOURCE: f"{sweep.folder.name}/{run.name}/{entry.generator} {fingerprint}",
            "candgen.dataset": str(data.get("name")),
            "candgen.dataset_digest": str(data.get("digest")),
            "candgen.judged_on": run.judged_on,
            "candgen.commit": str(run.environment.get("commit") or ""),
        },
        pages=tuple(p for p in pages if p.is_file() and p.resolve().is_relative_to(sweep.folder)),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
