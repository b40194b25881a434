"""Figures that a source printed, beside ours: `figures.csv` and the sections of its report.

Pages leave them in `figures.json` (`Run.record_figures`). Columns of the CSV: `figure`, `source`,
`ours`, `relative_difference` (of ours from the source's, as a share of the source's size; empty
where that is 0 and ours is not).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candgen import files
from candgen.reports.overview import titled
from candgen.reports.reading import Run, Sweep, read_sweep
from candgen.reports.rendering import Cell, Fragment, Table, heading, note, value
from candgen.reports.report import Report
from candgen.session.runs import FIGURES

FILE = "figures.csv"
COLUMNS = ("figure", "source", "ours", "relative_difference")
CLOSE = 0.01
_FURTHEST = 12


@dataclass(frozen=True)
class Figure:
    """One printed figure and ours."""

    run: Run
    name: str
    source: float
    ours: float
    why: str

    @property
    def relative(self) -> float | None:
        """How far ours lies above the source's, as a share of the size of the source's."""
        if self.source == 0:
            return 0.0 if self.ours == 0 else None
        return (self.ours - self.source) / abs(self.source)

    @property
    def digits(self) -> int:
        """Decimals to show: as many as the source printed; none for counts."""
        if self.source.is_integer() and self.ours.is_integer():
            return 0
        printed = len(f"{self.source:.9g}".partition(".")[2])
        return max(printed, 2) if abs(self.source) < 100 else printed

    @property
    def alike(self) -> bool:
        """Whether both print the same."""
        return f"{self.source:.{self.digits}f}" == f"{self.ours:.{self.digits}f}"

    @property
    def distance(self) -> float:
        return float("inf") if self.relative is None else abs(self.relative)


def read_figures(sweep: Sweep) -> tuple[list[Figure], list[str]]:
    """Read what finished runs recorded, in the order of the sweep.

    Returns:
        The figures, and a sentence for each file that could not be read.
    """
    found, remarks = [], []
    for run in sweep.done:
        path = run.folder / FIGURES
        if not path.is_file():
            continue
        try:
            rows = files.read_json(path)
            found += [_figure(run, row) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            remarks.append(f"{run.place}/{FIGURES} cannot be read ({reason}).")
    return found, remarks


def _figure(run: Run, row: dict[str, Any]) -> Figure:
    return Figure(
        run, str(row["figure"]), float(row["source"]), float(row["ours"]), str(row["why"])
    )


def write_figures(sweep_folder: Path | str) -> Path | None:
    """Write `figures.csv` into a sweep's folder; None, and none, where no run recorded figures.

    Raises:
        DataError: If there is no such folder.
    """
    sweep = read_sweep(sweep_folder)
    path = sweep.folder / FILE
    found, _ = read_figures(sweep)
    if not found:
        path.unlink(missing_ok=True)  # nothing old may pass for new
        return None
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found:
        relative = "" if one.relative is None else repr(one.relative)
        writer.writerow([one.name, repr(one.source), repr(one.ours), relative])
    files.write_text(path, out.getvalue())
    return path


def opening(report: Report) -> Fragment:
    """The title, the question, and how many figures agree."""
    found, remarks = read_figures(report.sweep)
    top = titled(report, [], remarks)
    agreement = note(_agreement(found), tone="" if found else "bad")
    return Fragment(top.html + agreement.html, top.summary, title=report.title)


def _agreement(found: Sequence[Figure]) -> str:
    if not found:
        return (
            "No finished run recorded a figure: "
            "candgen sweep params/source.yaml --set films=ml-latest-small makes them."
        )
    alike = sum(one.alike for one in found)
    close = sum(not one.alike and one.distance <= CLOSE for one in found)
    return (
        f"{len(found):,} printed figures made again: {alike:,} agree to the digits printed, "
        f"{close:,} more lie within {CLOSE:.0%} of the source's value, "
        f"{len(found) - alike - close:,} differ by more."
    )


def furthest(report: Report) -> Fragment:
    """The figures that differ most, as a share of the source's value."""
    found = [one for one in read_figures(report.sweep)[0] if not one.alike]
    if not found:
        return note("No figure differs in the digits printed.", tone="good")
    chosen = sorted(found, key=lambda one: -one.distance)[:_FURTHEST]
    return _table("The figures furthest apart", chosen).fragment()


def all_figures(report: Report) -> Fragment:
    """Every figure, a table a page."""
    found, _ = read_figures(report.sweep)
    if not found:
        return note("No finished run recorded a figure.", tone="bad")
    whole = None
    for run in dict.fromkeys(one.run.place for one in found):
        rows = [one for one in found if one.run.place == run]
        piece = heading(run) + _table(f"Figures of {run}", rows).fragment()
        whole = piece if whole is None else whole + piece
    return whole


def _table(caption: str, found: Sequence[Figure]) -> Table:
    return Table(
        caption,
        ["figure", "source", "ours", "difference", "relative", "why"],
        [_cells(one) for one in found],
        hints=["", "as printed", "", "ours less the source's", "of the source's size", ""],
        wordy=True,
    )


def _cells(one: Figure) -> list[Cell]:
    digits = one.digits
    relative = one.relative
    share = value(None)
    if relative is not None:
        text = f"{relative:+.2%}" if abs(relative) >= 5e-5 else f"{relative:+.4%}"
        text = "0 %" if relative == 0 else text.replace("-", "−").replace("%", " %")
        share = Cell(text, sort=relative, numeric=True)
    difference = one.ours - one.source
    gap = Cell("0", sort=0.0, numeric=True)
    if difference:
        sign = "+" if difference > 0 else ""
        gap = value(difference, digits=digits + (digits > 0))
        gap = Cell(sign + gap.text, sort=difference, numeric=True)
    return [
        Cell(one.name, link=one.run.link),
        value(one.source, digits=digits),
        value(one.ours, digits=digits),
        gap,
        share,
        Cell(one.why, tone="" if one.why else "muted"),
    ]
