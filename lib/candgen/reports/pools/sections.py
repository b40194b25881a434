"""The section of a report on ranked pools: worth of generators, sizes of pools, features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from candgen import records
from candgen.errors import DataError
from candgen.plots import comparison as pictures
from candgen.plots.style import BASELINE, MODEL
from candgen.reports.reading import Run
from candgen.reports.rendering import Cell, Fragment, Table, heading, note, picture, value
from candgen.reports.report import Report
from candgen.reports.results import new_figure
from candgen.session.records import Pool
from candgen.session.run_files import POOL

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def ranked(report: Report) -> Fragment:
    """Results of each ranked pool of the sweep; absent where no run ranked one."""
    runs = [run for run in report.sweep.done if (run.folder / POOL).is_file()]
    if not runs:
        return note("No run of this sweep ranked a pool of candidates.", absent=True)
    parts = []
    for run in runs:
        parts += [heading(run.name)] if len(runs) > 1 else []
        try:
            parts.append(_pool(run, records.read(run.folder / POOL, Pool)))
        except DataError as error:
            parts.append(note(str(error), tone="bad"))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def _pool(run: Run, found: dict[str, Any]) -> Fragment:
    told = note(
        f"{found['k']:,} candidates a user; the ranker learned from {found['learned_from']:,} "
        "users of validation and was judged on test."
    )
    whole = told + _worth(run, found)
    if found["sizes"]:
        whole = whole + _drawn(run, found) + _sizes(run, found)
    return whole + _importance(run, found)


def _worth(run: Run, found: dict[str, Any]) -> Fragment:
    metric = found["metric"]
    heads = {
        "generator": "",
        f"adds to {metric}": "after ranking: all generators less all but this one, paired by user",
        "adds to recall": f"of the pool of {found['k']:,} candidates, before ranking",
    }
    rows = [
        [
            Cell(row["generator"]),
            value(row["adds"], ends=(row["low"], row["high"])),
            value(row["recall_adds"]),
        ]
        for row in found["worth"]
    ]
    caption = f"What each generator adds to the ranked pool, {run.name}"
    return Table(caption, list(heads), rows, hints=list(heads.values())).fragment()


def _sizes(run: Run, found: dict[str, Any]) -> Fragment:
    metric = found["metric"]
    heads = {
        "candidates": "size of the pool, items a user",
        "recall of the pool": "share of held-out items that the pool holds",
        f"{metric}, ranker": "a ranker of its own for each size",
        f"{metric}, rank fusion": "sum of 1 / (60 + rank) over the generators' lists",
        "ceiling": "a perfect ranker of the same pool",
    }
    rows = [
        [
            value(row["k"], digits=0),
            value(row["recall"]),
            value(row["ranked"], ends=(row["low"], row["high"])),
            value(row["fused"]),
            value(row["ceiling"]),
        ]
        for row in found["sizes"]
    ]
    caption = f"From the recall of the pool to {metric}, {run.name}"
    return Table(caption, list(heads), rows, hints=list(heads.values())).fragment()


def _drawn(run: Run, found: dict[str, Any]) -> Fragment:
    metric, sizes = found["metric"], found["sizes"]
    names = [f"{row['k']:,}\n{row['recall']:.2f}" for row in sizes]
    lines = {
        "ranker": ([row["ranked"] for row in sizes], MODEL),
        "ceiling": ([row["ceiling"] for row in sizes], BASELINE),
    }

    def draw(width: float) -> Figure:
        figure, ax = new_figure(width, 3.1)
        figure.subplots_adjust(right=1 - 0.65 / width, left=0.6 / width)
        pictures.across_groups(names, lines, label=metric, ax=ax)
        ax.set_xlabel("candidates a user, and recall of the pool")
        return figure

    said = "; ".join(
        f"{row['k']} candidates: recall {row['recall']:.3f}, ranker {row['ranked']:.4f}, "
        f"ceiling {row['ceiling']:.4f}"
        for row in sizes
    )
    return picture(
        draw,
        alt=f"{metric} by size of the pool, {run.name}: {said}.",
        caption="Where the ranker's line is flat, further candidates are wasted on this ranker.",
    )


def _importance(run: Run, found: dict[str, Any]) -> Fragment:
    heads = {
        "feature": "score and rank of a generator are shuffled together",
        f"loss of {found['metric']}": "when the feature is shuffled among all candidates of test",
    }
    rows = [
        [Cell(row["feature"]), value(row["drop"], ends=(row["low"], row["high"]))]
        for row in found["importance"]
    ]
    caption = f"What the ranker reads, {run.name}"
    return Table(caption, list(heads), rows, hints=list(heads.values())).fragment()
