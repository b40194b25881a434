"""Numbers that somebody printed, beside ours: `reproduced.csv` and the sections of its report.

Notebooks leave them in `reproduced.json` (`Run.record_reproduced`). Columns of the CSV: `name`,
`printed`, `ours`, `relative_difference` (of ours from the printed one, as a share of the printed
one's size; empty where that is 0 and ours is not), and, for numbers that rest on a random start,
the number of `starts` with the `lowest` and `highest` of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from candgen import files, folders, records
from candgen.reports.overview import titled
from candgen.reports.reading import Run, Sweep, read_sweep
from candgen.reports.rendering import Cell, Fragment, Table, heading, note, value
from candgen.reports.report import Report
from candgen.session.records import Reproduced
from candgen.session.runs import REPRODUCED
from candgen.text.plain import csv_text

FILE = "reproduced.csv"
COLUMNS = ("name", "printed", "ours", "relative_difference", "starts", "lowest", "highest")
CLOSE = 0.01
_FURTHEST = 12


@dataclass(frozen=True)
class Number:
    """One printed number and ours."""

    run: Run
    name: str
    printed: float
    ours: float
    why: str
    starts: tuple[float, ...] = ()
    """Ours from several random starts, where the printed number rests on an unknown one."""

    @property
    def relative(self) -> float | None:
        """Difference of ours from the printed number, as a share of the printed number's size."""
        if self.printed == 0:
            return 0.0 if self.ours == 0 else None
        return (self.ours - self.printed) / abs(self.printed)

    @property
    def digits(self) -> int:
        """Decimals to show: as many as were printed; none for counts."""
        if self.printed.is_integer() and self.ours.is_integer():
            return 0
        decimals = len(f"{self.printed:.9g}".partition(".")[2])
        return max(decimals, 2) if abs(self.printed) < 100 else decimals

    @property
    def alike(self) -> bool:
        """True if both print the same."""
        return f"{self.printed:.{self.digits}f}" == f"{self.ours:.{self.digits}f}"

    @property
    def within(self) -> bool:
        """True if the printed number, as printed, lies in the range of several starts."""
        if not self.starts:
            return False
        half = 0.5 * 10.0**-self.digits
        return min(self.starts) - half <= self.printed <= max(self.starts) + half

    @property
    def distance(self) -> float:
        return float("inf") if self.relative is None else abs(self.relative)


def read_numbers(sweep: Sweep) -> tuple[list[Number], list[str]]:
    """Read what finished runs recorded, in the order of the sweep.

    Returns:
        The numbers, and a sentence for each file that could not be read.
    """
    found, remarks = [], []
    for run in sweep.done:
        path = run.folder / REPRODUCED
        if not path.is_file():
            continue
        try:
            rows = files.read_json(path)
            if not isinstance(rows, list):
                raise ValueError(f"a list is expected, got {str(rows)[:60]}")
            found += [_number(run, row) for row in rows]
        except (OSError, ValueError) as error:
            remarks.append(f"{run.place}/{REPRODUCED} cannot be read ({error}).")
    return found, remarks


def _number(run: Run, row: Any) -> Number:
    if fault := records.fault_of(row, Reproduced):
        raise ValueError(fault)
    starts = tuple(float(value) for value in row.get("starts", ()))
    printed, ours = float(row["printed"]), float(row["ours"])
    return Number(run, str(row["name"]), printed, ours, str(row["why"]), starts)


def write_numbers(sweep_folder: Path | str, into: Path | None = None) -> Path | None:
    """Write `reproduced.csv` into a sweep's folder, or into another one.

    None, and no file, where no run recorded any number.

    Raises:
        DataError: If there is no such folder, or it is no sweep's.
    """
    path = (into or folders.check(sweep_folder, folders.SWEEP)) / FILE
    sweep = read_sweep(sweep_folder)
    found, _ = read_numbers(sweep)
    if not found:
        path.unlink(missing_ok=True)  # so an old result is never read as a new one
        return None
    rows = []
    for one in found:
        relative = "" if one.relative is None else repr(one.relative)
        ends = [repr(min(one.starts)), repr(max(one.starts))] if one.starts else ["", ""]
        several = len(one.starts) or ""
        rows.append([one.name, repr(one.printed), repr(one.ours), relative, several, *ends])
    files.write_text(path, csv_text(COLUMNS, rows))
    return path


def opening(report: Report) -> Fragment:
    """The title, the question, and how many numbers agree."""
    found, remarks = read_numbers(report.sweep)
    top = titled(report, [], remarks)
    agreement = note(_agreement(found), tone="" if found else "bad")
    return Fragment(top.html + agreement.html, top.summary, title=report.title)


def _agreement(found: Sequence[Number]) -> str:
    if not found:
        return (
            "No finished run recorded a printed number: "
            "candgen sweep params/course.yaml --set films=ml-latest-small makes them."
        )
    alike = sum(one.alike for one in found)
    close = sum(not one.alike and one.distance <= CLOSE for one in found)
    said = (
        f"{len(found):,} printed numbers reproduced: {alike:,} agree to the digits printed, "
        f"{close:,} more lie within {CLOSE:.0%} of the printed value, "
        f"{len(found) - alike - close:,} differ by more."
    )
    started = [one for one in found if one.starts]
    if not started:
        return said
    starts = max(len(one.starts) for one in started)
    return (
        f"{said} {len(started):,} numbers rest on a random start that was not printed: "
        f"{sum(one.within for one in started):,} of them lie in the range of ours over {starts} "
        "starts."
    )


def furthest(report: Report) -> Fragment:
    """The numbers that differ most, as a share of the printed value."""
    found = [one for one in read_numbers(report.sweep)[0] if not one.alike]
    if not found:
        return note("No number differs in the digits printed.", tone="good")
    chosen = sorted(found, key=lambda one: -one.distance)[:_FURTHEST]
    return _table("The numbers furthest apart", chosen).fragment()


def every_number(report: Report) -> Fragment:
    """Every number, one table for each notebook."""
    found, _ = read_numbers(report.sweep)
    if not found:
        return note("No finished run recorded a printed number.", tone="bad")
    whole = None
    for run in dict.fromkeys(one.run.place for one in found):
        rows = [one for one in found if one.run.place == run]
        piece = heading(run) + _table(f"Numbers of {run}", rows).fragment()
        whole = piece if whole is None else whole + piece
    return whole


def _table(caption: str, found: Sequence[Number]) -> Table:
    heads = {
        "number": "",
        "printed": "",
        "ours": "",
        "difference": "ours less the printed one",
        "relative": "of the printed one's size",
        "starts": "lowest to highest of ours over several random starts",
        "why": "",
    }
    several = any(one.starts for one in found)
    if not several:
        del heads["starts"]
    rows = [_cells(one, several=several) for one in found]
    return Table(caption, list(heads), rows, hints=list(heads.values()), wordy=True)


def _range(one: Number) -> Cell:
    if not one.starts:
        return Cell("")
    low, high = (f"{end:.{one.digits}f}" for end in (min(one.starts), max(one.starts)))
    note = f"{len(one.starts)} starts; the printed number lies " + (
        "inside" if one.within else "outside"
    )
    return Cell(f"{low} to {high}", tone="" if one.within else "bad", note=note)


def _cells(one: Number, *, several: bool) -> list[Cell]:
    digits = one.digits
    relative = one.relative
    share = value(None)
    if relative is not None:
        text = f"{relative:+.2%}" if abs(relative) >= 5e-5 else f"{relative:+.4%}"
        text = "0 %" if relative == 0 else text.replace("-", "−").replace("%", " %")
        share = Cell(text, sort=relative, numeric=True)
    difference = one.ours - one.printed
    gap = Cell("0", sort=0.0, numeric=True)
    if difference:
        sign = "+" if difference > 0 else ""
        gap = value(difference, digits=digits + (digits > 0))
        gap = Cell(sign + gap.text, sort=difference, numeric=True)
    return [
        Cell(one.name, link=one.run.link),
        value(one.printed, digits=digits),
        value(one.ours, digits=digits),
        gap,
        share,
        *([_range(one)] if several else []),
        Cell(one.why, tone="" if one.why else "muted"),
    ]
