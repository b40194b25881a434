"""The tables of a report as CSV, Markdown or LaTeX, one file each, in `<sweep>/tables/`.

CSV holds numbers as they are, with columns for the ends of intervals. Markdown and LaTeX hold what
the report shows, rounded, intervals beside the values and the best value of each metric bold. LaTeX
needs the packages booktabs and graphicx. Text from data is escaped in each format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from candgen import files, folders
from candgen.columns import RATING_METRICS
from candgen.errors import DataError, SettingError, did_you_mean
from candgen.reports import overview, results
from candgen.reports.rendering import Cell, Table
from candgen.reports.report import Report
from candgen.reports.searches import sections
from candgen.reports.tables import latex
from candgen.reports.tables.cards import card_text, in_markdown
from candgen.reports.verdict import SHARES
from candgen.session.runs import slug
from candgen.text.markdown import as_text
from candgen.text.plain import csv_text

FOLDER = "tables"
_SECTIONS = (
    results.leaderboard, results.costs, results.differences, results.breadth, sections.search,
    overview.parameters,
)  # fmt: skip


def export_tables(report: Report, form: str) -> list[Path]:
    """Write each table of a report to a file; Markdown comes with a card of each dataset.

    Args:
        report: Its sweep gets the folder `tables/`.
        form: "csv", "markdown" or "latex".

    Returns:
        The paths of the files; earlier ones of the same names are replaced.

    Raises:
        SettingError: If the form is unknown.
        DataError: If the folder is no sweep's, or no run finished.
    """
    if form not in FORMS:
        raise SettingError(
            f"--format must be {', '.join(FORMS)}; got {form!r}.{did_you_mean(form, FORMS)}"
        )
    folder = folders.check(report.sweep.folder, folders.SWEEP) / FOLDER
    if not report.comparisons:
        raise DataError(f"No run of {report.sweep.folder.name} finished, so it has no tables.")
    ending, write = FORMS[form]
    texts = {name: write(table) for name, table in named_tables(report).items()}
    if form == "markdown":
        for ground in report.comparisons:
            texts[_free(f"card-{slug(ground.title)}".lower(), texts)] = card_text(report, ground)
    paths = []
    for name, text in texts.items():
        paths.append(folder / f"{name}.{ending}")
        files.write_text(paths[-1], text)
    return paths


def named_tables(report: Report) -> dict[str, Table]:
    """Return the tables of a report by names that can be files."""
    found: dict[str, Table] = {}
    for section in _SECTIONS:
        for table in section(report).tables:
            found[_free(slug(table.name or table.caption).lower(), found)] = table
    return found


def _free(name: str, taken: dict[str, Any]) -> str:
    names = [name, *(f"{name}-{n}" for n in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)


def bold(table: Table) -> list[list[bool]]:
    """Say which cells hold the best value of a metric: the highest, or the smallest error."""
    marks = [[False] * len(table.columns) for _ in table.rows]
    for place, column in enumerate(table.columns):
        smallest = column in RATING_METRICS
        if column.partition("@")[0] not in SHARES and not smallest:
            continue
        known = [row[place].sort for row in table.rows if isinstance(row[place].sort, int | float)]
        if len(known) > 1:
            best = min(known) if smallest else max(known)
            for mark, row in zip(marks, table.rows, strict=True):
                mark[place] = row[place].sort == best
    return marks


def as_csv(table: Table) -> str:
    """Write numbers unrounded; columns with intervals are followed by `..._low` and `..._high`."""
    with_ends = [any(row[i].ends for row in table.rows) for i in range(len(table.columns))]
    heads: list[str] = []
    for column, ends in zip(table.columns, with_ends, strict=True):
        heads += [column, *((f"{column}_low", f"{column}_high") if ends else ())]
    rows = []
    for cells in table.rows:
        row: list[Any] = []
        for cell, ends in zip(cells, with_ends, strict=True):
            row.append(_raw(cell))
            row += [*(cell.ends or (None, None))] if ends else []
        rows.append(row)
    return csv_text(heads, rows)


def _raw(cell: Cell) -> Any:
    if cell.numeric:
        return cell.sort if isinstance(cell.sort, int | float) else None
    return cell.text


def as_markdown(table: Table) -> str:
    """Write a table of Markdown under its caption."""
    numeric = [any(row[i].numeric for row in table.rows) for i in range(len(table.columns))]
    lines = [f"**{as_text(table.caption)}**", "", _line(map(in_markdown, table.columns))]
    lines.append(_line("---:" if right else "---" for right in numeric))
    for cells, marks in zip(table.rows, bold(table), strict=True):
        shown = [f"**{in_markdown(c.text)}**" if b else in_markdown(c.text)
                 for c, b in zip(cells, marks, strict=True)]  # fmt: skip
        notes = [f" ({in_markdown(c.note)})" if c.note else "" for c in cells]
        lines.append(_line(text + more for text, more in zip(shown, notes, strict=True)))
    return "\n".join(lines) + "\n"


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def as_latex(table: Table) -> str:
    """Write a table environment with the rules of booktabs."""
    numeric = [any(row[i].numeric for row in table.rows) for i in range(len(table.columns))]
    rows = [
        [
            latex.cell(cell.text, cell.note, strong)
            for cell, strong in zip(cells, marks, strict=True)
        ]
        for cells, marks in zip(table.rows, bold(table), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=_distinct(table.columns), dtype=object)
    return latex.table(frame, heads=table.columns, caption=table.caption, right=numeric,
                       label=f"tab:{slug(table.name or table.caption).lower()}")  # fmt: skip


def _distinct(columns: Sequence[str]) -> list[str]:
    return [f"{place} {column}" for place, column in enumerate(columns)]


FORMS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "csv": ("csv", as_csv),
    "markdown": ("md", as_markdown),
    "latex": ("tex", as_latex),
}
