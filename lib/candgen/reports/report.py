"""A report's subject: a sweep, its headline metric and its baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from candgen.evaluation.significance import MARGIN
from candgen.plots import style
from candgen.reports.comparing import Comparison, Contender, comparisons
from candgen.reports.reading import Sweep, read_sweep
from candgen.reports.searches.reading import Searches, read_searches
from candgen.session import paths

METRIC = "recall@20"
BASELINE = "popularity"
FEATURED = 5


@dataclass(frozen=True)
class Report:
    """A sweep and the choices of its report; sections are made from it."""

    sweep: Sweep
    title: str
    metric: str
    baseline: str
    margin: float
    example_users: int
    remarks: tuple[str, ...] = field(default=())
    """What could not be done as asked, in sentences."""

    @cached_property
    def comparisons(self) -> list[Comparison]:
        return comparisons(self.sweep)

    @cached_property
    def searches(self) -> Searches:
        """The searches that chose settings of this sweep's runs."""
        return read_searches(self.sweep.folder)

    @cached_property
    def colours(self) -> dict[str, str]:
        """One colour a generator, the same in every picture."""
        generators = [c.generator for ground in self.comparisons for c in ground.contenders]
        return style.colours(sorted(set(generators)), style.BASELINES)

    def reference(self, ground: Comparison) -> Contender | None:
        """Return what the others are measured against on this dataset."""
        return ground.find(self.baseline) or ground.find(BASELINE)

    def ranked(self, ground: Comparison) -> list[Contender]:
        """Return all that were judged, the reference first, then best first."""
        return ground.ranked(self.metric, first=self.reference(ground))

    def featured(self, ground: Comparison) -> list[Contender]:
        """Return a few to look at closely: the reference and the best of each generator."""
        reference = self.reference(ground)
        chosen = [] if reference is None else [reference]
        for contender in ground.ranked(self.metric):
            taken = {c.generator for c in chosen}
            if contender.generator not in taken and contender.generator != "random":
                chosen.append(contender)
        return chosen[:FEATURED]


def open_report(
    sweep: str | Path = "",
    *,
    title: str = "",
    metric: str = "",
    baseline: str = "",
    margin: float = -1.0,
    example_users: int = 4,
) -> Report:
    """Open a sweep for reporting; what is not given comes from the sweep's YAML.

    Args:
        sweep: The sweep's folder, from the project's root. The newest one when empty.
        title: The report's title.
        metric: What to rank by, such as "ndcg@20".
        baseline: A run, a row or a generator that the others are measured against.
        margin: A difference up to this is no practical difference. Negative: not given.
        example_users: How many users to show candidates of.

    Raises:
        DataError: If there is no such folder.
    """
    found = _newest_sweep() if not str(sweep) else read_sweep(paths.project_root() / sweep)
    options = found.options
    asked = Report(
        sweep=found,
        title=title or str(options.get("title") or "") or f"Comparison of {found.folder.name}",
        metric=metric or str(options.get("metric") or METRIC),
        baseline=baseline or str(options.get("baseline") or BASELINE),
        margin=margin if margin >= 0 else float(options.get("margin", MARGIN)),
        example_users=example_users,
    )
    return _possible(asked)


def _possible(asked: Report) -> Report:
    """Replace a metric that nobody recorded, and say so about it and about a missing baseline."""
    remarks, metric = [], asked.metric
    if not asked.sweep.runs:
        remarks.append("No sweep has been run yet: `candgen sweep params/quick.yaml` makes one.")
    recorded = list(dict.fromkeys(name for g in asked.comparisons for name in g.metrics))
    if recorded and metric not in recorded:
        alike = [name for name in recorded if name.split("@")[0] == metric.split("@")[0]]
        metric = (alike or recorded)[0]
        remarks.append(
            f"The report was to rank by {asked.metric}, which no run recorded; it uses {metric}."
        )
    for ground in asked.comparisons:
        if ground.find(asked.baseline) is None:
            instead = ground.find(BASELINE)
            remedy = f"{BASELINE} stands in" if instead else "nothing is measured against it"
            remarks.append(f"{ground.title}: no row is called {asked.baseline!r}; {remedy}.")
    return Report(
        asked.sweep, asked.title, metric, asked.baseline, asked.margin, asked.example_users,
        tuple(remarks),
    )  # fmt: skip


def _newest_sweep() -> Sweep:
    """Return the sweep that changed last, or one without runs where nothing was made yet."""
    outputs = paths.outputs_folder()
    plans = sorted(outputs.glob("*/sweep.json"), key=lambda path: path.stat().st_mtime)
    return read_sweep(plans[-1].parent) if plans else Sweep(outputs, {}, ())
