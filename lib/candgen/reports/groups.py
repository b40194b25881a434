"""Accuracy by how active users are, and by how popular the items are that were held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from candgen import evaluation
from candgen.plots import comparison as pictures
from candgen.reports.comparing import Comparison
from candgen.reports.rendering import (
    EMPTY,
    Cell,
    Fragment,
    Table,
    fold,
    interval_note,
    note,
    picture,
    plain,
    value,
)
from candgen.reports.report import Report
from candgen.reports.results import by_dataset, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACTIVITY, POPULARITY = "user activity", "item popularity"


def by_activity(report: Report) -> Fragment:
    """Accuracy for users with short, middling and long histories."""
    return by_dataset(report, lambda ground: _part(report, ground, ACTIVITY))


def by_popularity(report: Report) -> Fragment:
    """Share of held-out popular, middling and rare items that were found."""
    return by_dataset(report, lambda ground: _part(report, ground, POPULARITY))


def _part(report: Report, ground: Comparison, by: str) -> Fragment:
    if ground.dataset is None:
        return note("Nothing can be grouped: the dataset is not at hand.", tone="warning")
    chosen = [c for c in report.ranked(ground) if report.metric in c.per_user]
    judgements = [ground.judgement(c) for c in chosen]
    table = evaluation.by_group(judgements, ground.dataset, report.metric)
    table = table[table["by"] == by]
    if not len(table):
        return note("No run on this dataset kept its candidates.", tone="warning")
    groups = table.drop_duplicates("group")[["group", "range", "count"]]
    drawn = _drawn(report, ground, table, groups, by)
    return drawn + fold("The numbers of all rows", _table(ground, table, groups, by))


def _drawn(
    report: Report, ground: Comparison, table: pd.DataFrame, groups: pd.DataFrame, by: str
) -> Fragment:
    names = [f"{row.group}\n{row.range}" for row in groups.itertuples()]
    metric = table["metric"].iloc[0]
    lines = {}
    for contender in report.featured(ground):
        mine = table[table["generator"] == contender.label].set_index("group")["value"]
        if len(mine):
            values = mine.reindex(groups["group"]).tolist()
            lines[plain(contender.label)] = (values, report.colours[contender.generator])

    def draw(width: float) -> Figure:
        figure, ax = new_figure(width, 3.1)
        room = 0.072 * max((len(name) for name in lines), default=1)
        figure.subplots_adjust(right=max(1 - room / width, 0.55), left=0.6 / width)
        pictures.across_groups(names, lines, label=metric, ax=ax)
        ax.set_xlabel({ACTIVITY: "users, by length of history",
                       POPULARITY: "items, by users in training"}[by])  # fmt: skip
        return figure

    said = "; ".join(
        f"{name} " + ", ".join(f"{number:.3f}" for number in values)
        for name, (values, _) in lines.items()
    )
    return picture(
        draw,
        alt=f"{metric} by {by}, {ground.title}, groups {', '.join(groups['group'])}: {said}.",
        caption="The reference and the best row of each generator.",
    )


def _table(ground: Comparison, table: pd.DataFrame, groups: pd.DataFrame, by: str) -> Fragment:
    rows = []
    for name, mine in table.groupby("generator", sort=False):
        found = mine.set_index("group")
        cells = [Cell(str(name))]
        for group in groups["group"]:
            if group not in found.index:
                cells.append(EMPTY)
                continue
            row = found.loc[group]
            ends = None if pd.isna(row["low"]) else (row["low"], row["high"])
            cells.append(value(row["value"], note=interval_note(ends)))
        rows.append(cells)
    heads = [f"{g.group} ({g.range})" for g in groups.itertuples()]
    unit, what = {
        ACTIVITY: ("users with a history of", "users"),
        POPULARITY: ("items that this many users have in training:", "held-out events"),
    }[by]
    counts = zip(groups["range"], groups["count"], strict=True)
    hints = ["", *(f"{unit} {reach}; {count:,} {what}" for reach, count in counts)]
    caption = f"{table['metric'].iloc[0]} by {by}, {ground.title}"
    names = [str(name) for name in table["generator"].drop_duplicates()]
    keys = [ground.key(name) for name in names]
    return Table(caption, ["run", *heads], rows, hints=hints, keys=keys).fragment()
