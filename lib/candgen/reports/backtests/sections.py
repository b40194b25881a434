"""The section of a report on backtests: the metric window by window, and over all windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from candgen.plots import comparison as pictures
from candgen.reports.backtests.pooling import Backtest, backtests
from candgen.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    heading,
    note,
    picture,
    plain,
    value,
)
from candgen.reports.report import Report
from candgen.reports.results import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def over_time(report: Report) -> Fragment:
    """The metric of each row in each window of time, and the mean over users of all windows."""
    found = backtests(report.comparisons)
    if not found:
        return note("No dataset of this sweep was split into windows.", absent=True)
    parts = []
    for ground in found:
        parts += [heading(ground.title)] if len(found) > 1 else []
        parts += [_drawn(report, ground), _table(report, ground)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + part
    return whole


def _drawn(report: Report, ground: Backtest) -> Fragment:
    names = [f"{window.starts}\n{_n_users(window.ground)}" for window in ground.windows]
    lines = {
        plain(c.label): (_values(ground, c.label, report.metric), report.colours[c.generator])
        for c in report.featured(ground)
    }

    def draw(width: float) -> Figure:
        figure, ax = new_figure(width, 3.1)
        room = 0.072 * max(map(len, lines))
        figure.subplots_adjust(right=max(1 - room / width, 0.55), left=0.6 / width)
        pictures.across_groups(names, lines, label=report.metric, ax=ax)
        ax.set_xlabel("first day of the window, and its judged users")
        return figure

    said = "; ".join(
        f"{name} " + ", ".join("–" if v is None else f"{v:.3f}" for v in values)
        for name, (values, _) in lines.items()
    )
    return picture(
        draw,
        alt=f"{report.metric} window by window, {ground.title}: {said}.",
        caption="The reference and the best row of each generator.",
    )


def _table(report: Report, ground: Backtest) -> Fragment:
    rows = []
    for contender in report.ranked(ground):
        values = _values(ground, contender.label, report.metric)
        rows.append(
            [
                Cell(contender.label),
                value(contender.number(report.metric), ends=contender.interval(report.metric)),
                *(EMPTY if held is None else value(held) for held in values),
            ]
        )
    heads = ["run", "all windows", *(str(window.starts) for window in ground.windows)]
    n_users = len(ground.contenders[0].per_user)
    hints = ["", f"mean over {n_users:,} users; who was judged in several windows counts once",
             *(_n_users(window.ground) for window in ground.windows)]  # fmt: skip
    tones = ["reference" if c.reference else "" for c in report.ranked(ground)]
    caption = f"{report.metric} by window, {ground.title}"
    return Table(caption, heads, rows, tones, hints).fragment()


def _values(ground: Backtest, label: str, metric: str) -> list[float | None]:
    rows = [next(c for c in w.ground.contenders if c.label == label) for w in ground.windows]
    return [row.number(metric) for row in rows]


def _n_users(ground: object) -> str:
    return f"{len(ground.contenders[0].per_user):,} users"
