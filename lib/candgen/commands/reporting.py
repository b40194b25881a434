"""The commands about results: `report`, `compare` and `judge`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candgen.commands.printing import print_json, print_judgement
from candgen.errors import SettingError
from candgen.text import terminal
from candgen.text.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candgen.reports.changes import Changes, Moved
    from candgen.reports.report import Report

_MOVED = ("dataset", "row", "before", "after", "difference", "low", "high", "verdict")
_NUMBERS = _MOVED[2:7]
Margin = Annotated[
    float | None, typer.Option(min=0, help="Difference that means nothing, the sweep's by default")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(short_help="Make a sweep's report again, or one archive of it to send")(report)
    app.command(short_help="Compare two sweeps: what moved, is it noise, what changed")(compare)
    app.command(short_help="Judge candidate lists made by any system")(judge)
    app.command(short_help="Publish a sweep to MLflow, Weights & Biases or a storage")(publish)


def report(
    sweep: Annotated[str, typer.Argument(help="Sweep, by folder or name")],
    zipped: Annotated[
        bool, typer.Option("--zip", help="Make one archive with the runs' pages inside")
    ] = False,
    form: Annotated[
        str, typer.Option("--format", help="Tables instead of a page: csv, markdown or latex")
    ] = "",
    gate: Annotated[
        str, typer.Option(help="Metric that must not fall, such as recall@20; needs --against")
    ] = "",
    against: Annotated[str, typer.Option(help="Earlier sweep, by folder or name")] = "",
    margin: Margin = None,
) -> None:
    """Make a sweep's report again; print its path, or the archive's.

    With --format the tables of the report are written to files, in the sweep's folder tables/;
    Markdown comes with a card of each dataset.

    With --gate nothing is made: the command exits with 1 if a run's metric fell by more than the
    margin since the sweep given by --against, or if a run is missing.

    Example: candgen report outputs/quick --zip
    """
    from candgen import locks, reports
    from candgen.session.run_files import LOCK
    from candgen.sweeps import run_list, run_report

    if bool(gate) != bool(against):
        raise SettingError("--gate METRIC and --against SWEEP belong together; give both.")
    if form and (gate or zipped):
        raise SettingError("--format goes alone: it writes tables and makes no report.")
    if margin is not None and not gate:
        raise SettingError("--margin is of --gate; the report's margin stands in the sweep's YAML.")
    folder = run_list.find_sweep(sweep)
    if gate:
        raise typer.Exit(_gate(_opened(against, margin), _opened(sweep, margin), gate))
    with locks.locked(folder / LOCK):
        if form:
            from candgen.reports.tables.export import export_tables

            for path in export_tables(reports.open_report(folder), form):
                print(path)
            return
        made = run_report.make_report(folder)
        print(reports.zip_report(folder) if zipped else made)


def compare(
    before: Annotated[str, typer.Argument(help="Earlier sweep, by folder or name")],
    after: Annotated[str, typer.Argument(help="Later sweep, by folder or name")],
    metric: Annotated[str, typer.Option(help="Metric, the later sweep's headline by default")] = "",
    margin: Margin = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Compare two sweeps on the same data: what moved, whether it is noise, and what changed.

    Rows are matched by name. Intervals are paired over users and the verdicts corrected for the
    number of rows. Sweeps without common data are refused.

    Example: candgen compare outputs/quick-monday outputs/quick
    """
    from candgen.reports.changes import changes, grouped

    found = changes(_opened(before, margin), _opened(after, margin), metric=metric)
    if json:
        import dataclasses

        return print_json(dataclasses.asdict(found))
    _print_moved(found, found.moved)
    if found.settings:
        print()
        terminal.print_table(["row", "changed", "before", "after"], grouped(found.settings))
    if found.surroundings:
        print()
        terminal.print_table(["changed", "before", "after"], found.surroundings)
    if not found.settings and not found.surroundings:
        print("\nParameters, versions and code are the same.")


def publish(
    sweep: Annotated[str, typer.Argument(help="Sweep, by folder or name")],
    to: Annotated[str, typer.Option(help="mlflow:URI, wandb:FOLDER, or a URL of any storage")],
) -> None:
    """Publish a finished sweep; print how many runs, or files of a storage, are new there.

    What is there already stays: publishing twice adds nothing.

    Example: candgen publish quick --to mlflow:http://localhost:5000
    """
    from candgen import publishing
    from candgen.sweeps import run_list

    print(publishing.publish(run_list.find_sweep(sweep), to))


def judge(
    file: Annotated[Path, typer.Argument(help="Parquet or CSV: user, item and rank or score")],
    dataset: Annotated[
        str, typer.Option(help="Prepared dataset, by name or folder; the sweep's with --into")
    ] = "",
    cutoffs: Annotated[
        str, typer.Option(help="List lengths, with commas, 10,20,50,100 or the sweep's by default")
    ] = "",
    evaluate_on: Annotated[
        str, typer.Option(help="Part: test or validation, test or the sweep's by default")
    ] = "",
    name: Annotated[str | None, typer.Option("--name", "--as", help="Name of the system")] = None,
    into: Annotated[
        str, typer.Option(help="Sweep that gets the lists as a row, by folder or name")
    ] = "",
    column: Annotated[
        list[str],
        typer.Option(metavar="OURS=THEIRS", help="Name a column, such as user=visitor_id"),
    ] = [],  # noqa: B006
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Judge candidate lists made by any system, on the held-out part of a dataset.

    With --into they become a row of a sweep: the report compares them with its runs, user by user.

    Example: candgen judge lists.csv --dataset films --cutoffs 10,20
    """
    if cutoffs and not re.fullmatch(r" *[1-9][0-9]* *(, *[1-9][0-9]* *)*", cutoffs):
        raise SettingError(
            f"--cutoffs takes whole numbers with commas, such as 10,20; got {cutoffs!r}."
        )
    lengths = [int(length) for length in cutoffs.split(",")] if cutoffs else []
    pairs = [text.partition("=") for text in column]
    if wrong := [text for text, pair in zip(column, pairs, strict=True) if not all(pair)]:
        raise SettingError(f"--column takes OURS=THEIRS, such as user=visitor; got {wrong[0]!r}.")
    columns = {ours.strip(): theirs for ours, _, theirs in pairs}
    if not into and not dataset:
        raise SettingError("Give --dataset NAME, or --into SWEEP for the dataset of a sweep.")
    from candgen import evaluation, session
    from candgen.reports import judged_lists

    if into:
        from candgen.sweeps import run_list

        added = judged_lists.add_lists(
            file, run_list.find_sweep(into), name or file.name.split(".")[0],
            dataset=dataset, evaluate_on=evaluate_on, cutoffs=lengths, columns=columns,
        )  # fmt: skip
        found, data = added.judgement, added.dataset
    else:
        data = session.open_dataset(dataset, evaluate_on=evaluate_on or "test")
        told = {"cutoffs": lengths or judged_lists.CUTOFFS, "columns": columns}
        found = evaluation.judge_file(file, data, name=name, **told)
    if short := judged_lists.shorter(found):
        print(one_line(short), file=sys.stderr, flush=True)
    if json:
        return print_json({**found.row(), "counts": found.counts})
    print_judgement(found, f"{found.generator} on {data.name}, judged on {data.judged_on}")
    if into:
        print(one_line(f"A row of {into}: `candgen report {into}` compares it."), file=sys.stderr)


def _opened(sweep: str, margin: float | None) -> Report:
    from candgen.reports import open_report
    from candgen.sweeps import run_list

    return open_report(run_list.find_sweep(sweep), margin=-1.0 if margin is None else margin)


def _gate(before: Report, after: Report, metric: str) -> int:
    """Print the rows that fell, or that all held; return the exit code."""
    from candgen.reports.changes import changes, fallen

    found = changes(before, after, metric=metric)
    rows = fallen(found, after.margin)
    if rows:
        _print_moved(found, rows)
        n = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
        told = f"{n} fell by more than {after.margin:g} of {metric}, or went missing."
        print(one_line(told), file=sys.stderr)
        return 1
    n = sum(row.before is not None for row in found.moved)
    print(one_line(f"No row of {n} fell by more than {after.margin:g} of {metric}."))
    return 0


def _print_moved(found: Changes, rows: Sequence[Moved]) -> None:
    print(one_line(f"{found.metric}, margin {found.margin:g}"))
    shown = [
        [
            row.where, row.label, _number(row.before), _number(row.after),
            _number(row.difference, "+"), _number(row.low, "+"), _number(row.high, "+"),
            row.verdict,
        ]
        for row in rows
    ]  # fmt: skip
    terminal.print_table(_MOVED, shown, numbers=_NUMBERS)


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None or value != value else f"{value:{sign}.4f}"
