"""The sections of a report that hold its results, one part for each dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from candgen import evaluation
from candgen.columns import RATING_METRICS
from candgen.errors import CandgenError
from candgen.evaluation.significance import BETTER, WORSE
from candgen.plots import comparison as pictures
from candgen.plots.style import INK
from candgen.reports.comparing import Comparison, Contender
from candgen.reports.reading import Run
from candgen.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    heading,
    interval_note,
    note,
    picture,
    plain,
    value,
)
from candgen.reports.report import Report

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.31  # inches
DRAWN = 60  # rows of a picture at most: more make no picture, and reports of hundreds of runs large
COMPILING = "compile and load, s"
_SHOWN_APART = 0.0005  # two recalls less apart are the same number in a table of three digits
SHOWN = ("recall", "precision", "f1", "ndcg", "map", "hit_rate", "mrr")


def by_dataset(report: Report, make: Callable[[Comparison], Fragment]) -> Fragment:
    """Make a part for each dataset, with a heading where there are several."""
    if not report.comparisons:
        return note("No run finished, so there is nothing to show here.", tone="bad")
    parts = []
    for ground in report.comparisons:
        if len(report.comparisons) > 1:
            parts.append(heading(ground.title))
        parts.append(make(ground))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def headline(report: Report) -> Fragment:
    """The metric of the report with its interval, the reference first."""
    return by_dataset(report, lambda ground: _headline(report, ground))


def _headline(report: Report, ground: Comparison) -> Fragment:
    reference = report.reference(ground)
    ranked = report.ranked(ground)
    marks = marks_of(report, ranked[:DRAWN], report.metric)
    n_users = len(ground.contenders[0].per_user)

    def draw(ax: Axes) -> None:
        named = None if reference is None else plain(reference.label)
        pictures.intervals(marks, label=report.metric, ax=ax, reference=named)
        ax.set_title(f"{n_users:,} users", fontsize=10, loc="left", color=INK)

    said = "; ".join(f"{mark.name} {mark.value:.4f}" for mark in marks)
    return picture(
        lambda width: rows_figure(width, len(marks), draw),
        alt=f"{report.metric} with 95 % intervals, {ground.title}: {said}.",
        caption=f"Dots are means over users, bars 95 % bootstrap intervals {_drawn_again(ground)}."
        f"{_not_all(len(ranked))}",
    )


def _not_all(n_rows: int) -> str:
    """Say that a picture of many rows shows the first of them."""
    return f" The first {DRAWN} of {n_rows} rows; the tables have all." if n_rows > DRAWN else ""


def _drawn_again(ground: Comparison) -> str:
    repeated = any(len(contender.entries) > 1 for contender in ground.contenders)
    return "over users and, with several seeds, over seeds" if repeated else "over users"


def leaderboard(report: Report) -> Fragment:
    """All that were judged, with intervals; sortable. Runs that cannot be read have red rows."""
    shown, damaged = by_dataset(report, lambda g: _leaderboard(report, g)), report.sweep.damaged
    if report.comparisons or not damaged:
        return shown
    rows = [_damaged(run, 1) for run in damaged]
    return shown + Table("Leaderboard", ["run"], rows, ["bad"] * len(rows)).fragment()


def _damaged(run: Run, n_columns: int) -> list[Cell]:
    """The row of a run that ended well and cannot be read: its name, and why."""
    name = Cell(run.name, note=run.trouble, link=run.link, tone="bad")
    return [name, *[EMPTY] * (n_columns - 1)]


def _leaderboard(report: Report, ground: Comparison) -> Fragment:
    ranked = report.ranked(ground)
    metrics = _shown_metrics(report, ground)
    seeds = any(len(c.entries) > 1 for c in ranked)
    best = ground.ranked(report.metric)[0]
    costs = [("fit_seconds", "fit, s", 1), ("rank_seconds", "rank, s", 2),
             ("peak_memory_mib", "memory, MiB", 0)]  # fmt: skip
    rows = []
    for contender in ranked:
        measured = [_measured(contender, metric) for metric in metrics]
        row = [_name(contender), *measured[:1], Cell(contender.generator)]
        row += [_seeds(contender)] if seeds else []
        row += measured[1:]
        row += [value(contender.number(name), digits=digits) for name, _, digits in costs]
        rows.append(row)
    heads = ["run", *metrics[:1], "generator", *(["seeds"] if seeds else []), *metrics[1:]]
    heads += [head for _, head, _ in costs]
    tones = ["reference" if c.reference else "best" if c is best else "" for c in ranked]
    if ground is report.comparisons[-1]:  # of which dataset a damaged run is cannot be told
        damaged = [_damaged(run, len(heads)) for run in report.sweep.damaged]
        rows, tones = [*rows, *damaged], [*tones, *("bad" for _ in damaged)]
    keys = [*(ground.key(c.label) for c in ranked), *[""] * (len(rows) - len(ranked))]
    return Table(f"Leaderboard, {ground.title}", heads, rows, tones, keys=keys).fragment()


def _shown_metrics(report: Report, ground: Comparison) -> list[str]:
    """The headline, other metrics at its cut-off, then the headline at other cut-offs."""
    name, _, cutoff = report.metric.partition("@")
    wanted = [report.metric, *(f"{other}@{cutoff}" for other in SHOWN)]
    wanted += [metric for metric in ground.metrics if metric.split("@")[0] == name]
    shown = [metric for metric in dict.fromkeys(wanted) if metric in ground.metrics]
    entries = [entry for contender in ground.contenders for entry in contender.entries]
    predicted = {name for entry in entries for name in entry.numbers}
    return shown + [metric for metric in RATING_METRICS if metric in predicted]


def _measured(contender: Contender, metric: str) -> Cell:
    spread = contender.spread(metric)
    seeds = "" if spread is None else f"seeds {interval_note(spread)}"
    return value(contender.number(metric), ends=contender.interval(metric), note=seeds)


def _seeds(contender: Contender) -> Cell:
    n = len(contender.entries)
    seeds = ", ".join(str(seed) for seed in contender.seeds) if n > 1 else ""
    return Cell(str(n), n, note=seeds, numeric=True)


def _name(contender: Contender) -> Cell:
    link = contender.runs[0].link if contender.runs else None
    return Cell(contender.label, link=link)


def differences(report: Report) -> Fragment:
    """Differences from the reference, then from the best, paired over the same users."""
    return by_dataset(report, lambda ground: _differences(report, ground))


def _differences(report: Report, ground: Comparison) -> Fragment:
    reference = report.reference(ground)
    ranked = [c for c in report.ranked(ground) if report.metric in c.per_user]
    if reference is None or len(ranked) < 2:
        return note("There are no two rows to compare here.")
    from_reference = _against(report, ground, ranked, reference)
    try:
        best = ground.against_best(report.metric, report.margin)
    except CandgenError as error:
        return from_reference + _not_compared(error)
    if best is None or best["baseline"].iloc[0] == reference.label:
        return from_reference
    remark = note(
        f"Is the best, {best['baseline'].iloc[0]}, really ahead of the others? It was chosen on "
        "these users, so intervals and p-values are corrected for all pairs of rows."
    )
    return from_reference + remark + _table_of_differences(report, ground, best, selected=True)


def _against(
    report: Report, ground: Comparison, ranked: Sequence[Contender], reference: Contender
) -> Fragment:
    try:
        table = evaluation.compare(
            [c.judgement for c in ranked],
            report.metric,
            baseline=reference.label,
            margin=report.margin,
        )
    except CandgenError as error:
        return _not_compared(error)
    drawn = _drawn_differences(report, ground, ranked, reference, table)
    return drawn + _table_of_differences(report, ground, table, selected=False)


def _not_compared(error: CandgenError) -> Fragment:
    return note(f"The differences could not be computed: {error}", tone="warning")


def _table_of_differences(
    report: Report, ground: Comparison, table: pd.DataFrame, *, selected: bool
) -> Fragment:
    tones = {BETTER: "good", WORSE: "bad"}
    rows = [
        [
            Cell(row.generator),
            value(row.difference, ends=(row.low, row.high)),
            Cell(row.verdict, tone=tones.get(row.verdict, "muted")),
            _p_value(row.p_adjusted),
            _p_value(row.p),
            value(row.users, digits=0),
        ]
        for row in table.itertuples()
    ]
    level = "95 % interval for all pairs at once" if selected else "95 % interval"
    corrected = "p (max-T)" if selected else "p (Holm)"
    heads = {
        "run": "",
        "difference": f"mean over users of the difference, with its {level}",
        "verdict": f"whether the whole interval lies beyond the margin of {report.margin:g}",
        corrected: "",
        "p": "",
        "users": "judged under both",
    }
    caption = (
        f"{report.metric} minus that of {table['baseline'].iloc[0]}, margin {report.margin:g}, "
        f"{ground.title}"
    )
    name = f"differences from {table['baseline'].iloc[0]}, {ground.title}"
    keys = [ground.key(row.generator) for row in table.itertuples()]
    return Table(
        caption, list(heads), rows, hints=list(heads.values()), name=name, keys=keys
    ).fragment()


def _drawn_differences(
    report: Report,
    ground: Comparison,
    ranked: Sequence[Contender],
    reference: Contender,
    table: pd.DataFrame,
) -> Fragment:
    colours = {c.label: report.colours[c.generator] for c in ranked}
    marks = [
        pictures.Mark(
            plain(row.generator), row.difference, row.low, row.high, colours[row.generator]
        )
        for row in table.head(DRAWN).itertuples()
    ]
    label = f"{report.metric} minus that of {plain(reference.label)}"

    def draw(ax: Axes) -> None:
        pictures.differences(marks, label=label, margin=report.margin, ax=ax)

    said = "; ".join(f"{mark.name} {mark.value:+.4f}" for mark in marks)
    return picture(
        lambda width: rows_figure(width, len(marks), draw),
        alt=f"{label}, paired by user, {ground.title}: {said}.",
        caption=f"Grey band: up to {report.margin:g} to either side we call it no difference."
        f"{_not_all(len(table))}",
    )


def _p_value(p: float) -> Cell:
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", p, numeric=True)


def costs(report: Report) -> Fragment:
    """Accuracy against seconds to fit and against memory."""
    return by_dataset(report, lambda ground: _costs(report, ground))


def _costs(report: Report, ground: Comparison) -> Fragment:
    ranked = report.ranked(ground)
    pieces = []
    for name, label in (("fit_seconds", "seconds to fit"), ("peak_memory_mib", "peak memory, MiB")):
        drawn = _scatter(report, ground, name, label, logarithmic=name == "fit_seconds")
        pieces += [] if drawn is None else [drawn]
    columns = [
        ("fit_seconds", "fit, s", 2), ("fit_cpu_seconds", "fit, CPU s", 2),
        ("rank_seconds", "rank, s", 3), ("compile_seconds", COMPILING, 2),
        ("queries_per_second", "queries / s", 0),
        ("peak_memory_mib", "memory, MiB", 0),
    ]  # fmt: skip
    rows = [
        [_name(c), value(c.number(report.metric)),
         *(value(c.number(name), digits=digits) for name, _, digits in columns), _wall(c)]
        for c in ranked
    ]  # fmt: skip
    heads = ["run", report.metric, *(head for _, head, _ in columns), "whole run, s"]
    hints = ["once a process, in no other column but the whole run" if head == COMPILING else ""
             for head in heads]  # fmt: skip
    tones = ["reference" if c.reference else "" for c in ranked]
    keys = [ground.key(c.label) for c in ranked]
    table = Table(f"Costs, {ground.title}", heads, rows, tones, hints, keys=keys).fragment()
    for piece in reversed(pieces):
        table = piece + table
    return table


def _wall(contender: Contender) -> Cell:
    walls = [run.status.get("wall_seconds") for run in contender.runs]
    known = [wall for wall in walls if wall is not None]
    return value(sum(known) / len(known), digits=1) if known else EMPTY


def breadth(report: Report) -> Fragment:
    """Coverage, novelty, popularity bias: what lies beside accuracy."""
    return by_dataset(report, lambda ground: _breadth(report, ground))


def _breadth(report: Report, ground: Comparison) -> Fragment:
    cutoff = report.metric.partition("@")[2]
    names = [f"{name}@{cutoff}" for name in
             ("coverage", "popularity_bias", "novelty", "gini", "diversity")]  # fmt: skip
    ranked = report.ranked(ground)
    if _events_differ_from_users(ranked, cutoff):
        names.insert(0, f"micro_recall@{cutoff}")
    names = [name for name in names if any(c.number(name) is not None for c in ranked)]
    rows = [[_name(c), value(c.number(report.metric)),
             *(value(c.number(n), digits=3, ends=c.interval(n)) for n in names)]
            for c in ranked]  # fmt: skip
    heads = ["run", report.metric, *names]
    tones = ["reference" if c.reference else "" for c in ranked]
    keys = [ground.key(c.label) for c in ranked]
    table = Table(f"Beside accuracy, {ground.title}", heads, rows, tones, keys=keys).fragment()
    drawn = _scatter(report, ground, f"coverage@{cutoff}", f"coverage@{cutoff}", logarithmic=False)
    return table if drawn is None else drawn + table


def _events_differ_from_users(ranked: Sequence[Contender], cutoff: str) -> bool:
    """Tell whether recall over all events is another number than its mean over users."""
    pairs = [(c.number(f"micro_recall@{cutoff}"), c.number(f"recall@{cutoff}")) for c in ranked]
    return any(None not in pair and abs(pair[0] - pair[1]) > _SHOWN_APART for pair in pairs)


def _scatter(
    report: Report, ground: Comparison, across: str, label: str, *, logarithmic: bool
) -> Fragment | None:
    known = [c for c in report.ranked(ground)
             if c.number(across) is not None and c.number(report.metric) is not None]  # fmt: skip
    if len(known) < 2:
        return None
    marks = marks_of(report, known[:DRAWN], report.metric)
    places = [c.number(across) for c in known[:DRAWN]]

    def draw(width: float) -> Figure:
        figure, ax = new_figure(width, 2.6 + 0.15 * width)
        pictures.trade_off(
            marks, places, x_label=label, y_label=report.metric, ax=ax, logarithmic=logarithmic
        )
        return figure

    said = "; ".join(
        f"{m.name} {m.value:.4f} at {x:.3g}" for m, x in zip(marks, places, strict=True)
    )
    return picture(
        draw,
        alt=f"{report.metric} against {label}, {ground.title}: {said}.",
        caption="The axes fit the models; a triangle marks a reference list beyond them. The table "
        f"below has the runs whose names find no room.{_not_all(len(known))}",
    )


def marks_of(report: Report, contenders: Sequence[Contender], metric: str) -> list[pictures.Mark]:
    """Turn rows into marks of a picture, leaving out those without the metric."""
    marks = []
    for contender in contenders:
        number = contender.number(metric)
        if number is not None:
            low, high = contender.interval(metric) or (None, None)
            colour = report.colours[contender.generator]
            name = plain(contender.label)
            marks.append(pictures.Mark(name, number, low, high, colour, contender.reference))
    return marks


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure that no notebook shows by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)  # measures text, so that names keep clear of each other
    return figure, figure.add_subplot()


def rows_figure(width: float, n_rows: int, draw: Callable[[Axes], None]) -> Figure:
    """Make a figure with one line of text a row."""
    figure, ax = new_figure(width, 0.85 + ROW * n_rows)
    draw(ax)
    return figure
