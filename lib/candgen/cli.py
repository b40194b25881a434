"""The command line: verb, then file.

A command prints paths or a table on stdout; progress and complaints go to stderr. Exit codes:
0 done, 1 a run failed, 2 the input is at fault, 130 and 143 stopped by a signal, 141 nobody reads
the output any more. Everything that takes time to import is imported by the command that needs
it. What comes from data is printed without control characters.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from candgen import __version__
from candgen.commands import advising, beginning, inventing, reporting
from candgen.commands.printing import print_json
from candgen.errors import CandgenError, SettingError
from candgen.text import terminal
from candgen.text.plain import lines, one_line

if TYPE_CHECKING:
    from candgen.sweeps.plan import Plan, Stage

app = typer.Typer(
    help="Make, compare and share candidate generators, the first stage of a recommender",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

CLOSED = 141  # as of a program that SIGPIPE ended
Parameters = Annotated[
    list[str], typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="Set a parameter")
]
Listed = Annotated[bool, typer.Option("--list", help="List the parameters and stop")]
Minutes = Annotated[float, typer.Option(min=0.01, help="Wall-clock limit, minutes")]


def main() -> NoReturn:
    """Run the command line; errors that a user can mend are printed without a traceback."""
    terminal.prepare_streams()
    sys.exit(_answered())


def _answered() -> int:
    """Run the command and return its exit code, with all output written."""
    try:
        terminal.check_text(sys.argv[1:])
        app()
        code = 0
    except SystemExit as leaving:
        closed = isinstance(leaving.__context__, BrokenPipeError)  # Typer has caught it
        code = CLOSED if closed else leaving.code
    except CandgenError as error:
        print(f"candgen: {lines(error)}", file=sys.stderr)
        code = 2
    except OSError as error:
        print(f"candgen: {lines(error)}", file=sys.stderr)
        code = 1
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python flushes once more when it ends; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return CLOSED
        print(f"candgen: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return code


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version")
    ] = False,
) -> None:
    """Make, compare and share candidate generators, the first stage of a recommender."""


@app.command(short_help="Check this machine: what is installed, what is missing, how to fix it")
def doctor() -> None:
    """Check this machine: what is installed, what is missing, how to fix it.

    Example: candgen doctor
    """
    from candgen.doctor import examine

    failed = False
    for finding in examine():
        failed |= finding.state == "missing"
        print(f"{finding.state:8} {finding.name:13} {finding.found}", flush=True)
        if finding.remedy and finding.state != "ok":
            print(f"{'':8} {'':13} -> {finding.remedy}")
    raise typer.Exit(int(failed))


beginning.register(app)


@app.command(short_help="Prepare a dataset: check, filter, number and split raw events")
def prepare(
    source: Annotated[
        str | None, typer.Option(help="Kind of source: world, crowd, movielens, table or given")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Folder, zip or file to read")] = None,
    name: Annotated[str | None, typer.Option(help="Name, the source's by default")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory to stay within, such as 4GB, by working on disk")
    ] = None,
    parameter: Parameters = [],  # noqa: B006
    minutes: Minutes = 120,
    listed: Listed = False,
) -> None:
    """Prepare a dataset: check, filter, number and split raw events; print its folder.

    Example: candgen prepare --source movielens --path ml-latest-small.zip --name films
    """
    from candgen.session import paths
    from candgen.sweeps import single_run
    from candgen.sweeps.plan import PREPARATION

    found = single_run.find_notebook(PREPARATION)
    if listed:
        return _list_parameters(found)
    given = single_run.given(
        found, [*_options(source=source, path=path, memory=memory), *parameter]
    )
    name = name or str(given.pop("name", "")) or str(given.get("source", "world"))
    folder = paths.outputs_folder() / "datasets" / single_run.safe_name(name)
    _run(single_run.stage("dataset", name, found, given, folder, minutes))


@app.command(short_help="Run one notebook with parameters of your own")
def run(
    notebook: Annotated[str, typer.Argument(help="Notebook, by path or name")],
    parameter: Parameters = [],  # noqa: B006
    folder: Annotated[
        Path | None, typer.Option(help="Run folder, outputs/scratch/NOTEBOOK by default")
    ] = None,
    minutes: Minutes = 120,
    stage_only: Annotated[
        bool, typer.Option("--stage-only", help="Leave out exploring cells, as a sweep does")
    ] = False,
    listed: Listed = False,
) -> None:
    """Run one notebook with parameters of your own; print the run's folder.

    Example: candgen run 40_matrix_factorization -p dim=16 -p epochs=4
    """
    from candgen.session import notebook_name, paths
    from candgen.sweeps import single_run

    found = single_run.find_notebook(notebook)
    if listed:
        return _list_parameters(found)
    named = paths.run_folder(notebook_name.of_file(found.path))
    where = folder.expanduser().resolve() if folder else named
    given = single_run.given(found, parameter)
    _run(single_run.stage("run", found.name, found, given, where, minutes, explore=not stage_only))


@app.command(short_help="Run what has changed in a sweep, then make its report")
def sweep(
    file: Annotated[Path, typer.Argument(help="YAML of the sweep")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time, from cores and memory by default")
    ] = None,
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a setting, a parameter's default or a dotted key of the YAML",
        ),
    ] = [],  # noqa: B006
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything, done or not")] = False,
    kernel: Annotated[str, typer.Option(help="Kind of kernel: warm or ordinary")] = "warm",
    retries: Annotated[
        int | None, typer.Option(min=0, max=10, help="Times a stage that died is tried again")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Dask cluster for the runs: local:N, tcp://HOST:PORT or scheduler.json"),
    ] = None,
    tune: Annotated[
        int | None,
        typer.Option(min=1, help="Trials, for a search of each run whose generator has settings"),
    ] = None,
) -> None:
    """Run what has changed in a sweep, then make its report; print the report's path.

    Interrupted, it is resumed by calling it again.

    Example: candgen sweep params/quick.yaml --set k=50 --workers 2
    """
    from candgen.sweeps import plan, run_sweep

    if kernel not in ("warm", "ordinary"):
        raise SettingError(f"--kernel must be warm or ordinary, got {kernel!r}.")
    planned = plan.read_plan(file, set_, tune=tune)
    if dry_run:
        return _print_plan(run_sweep.foresee(planned, fresh=fresh), planned)
    _sweep(planned, workers=workers, kernel=kernel, fresh=fresh, retries=retries, cluster=cluster)


@app.command(short_help="Search a generator's settings on validation, then judge the best on test")
def tune(
    generator: Annotated[str, typer.Argument(help="Generator, such as WALS")],
    dataset: Annotated[str, typer.Option(help="Prepared dataset, by name or folder")] = "world",
    trials: Annotated[int | None, typer.Option(min=1, help="Trials, 30 by default")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Minutes of all trials together")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="Sampler: tpe, random, grid or qmc")] = None,
    pruning: Annotated[str | None, typer.Option(help="Pruning: median, hyperband or none")] = None,
    metric: Annotated[str, typer.Option(help="Metric to maximize on validation")] = "recall@20",
    seeds: Annotated[str, typer.Option(help="Seeds of the chosen runs, with commas")] = "",
    evaluate_on: Annotated[
        str, typer.Option(help="Part the chosen runs are judged on: test or validation")
    ] = "test",
    parameter: Parameters = [],  # noqa: B006
    workers: Annotated[
        int | None, typer.Option(min=1, help="Trials at a time, from cores and memory by default")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Dask cluster for the trials: local:N, tcp://HOST:PORT or scheduler.json"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop")] = False,
) -> None:
    """Search a generator's settings on validation, judge the best on test; print the report's path.

    The ranges are those of the generator's own settings. Interrupted, it is resumed by calling it
    again.

    Example: candgen tune WALS --dataset films --trials 30
    """
    from candgen.sweeps import run_sweep
    from candgen.sweeps.search import tuning

    budget = {"trials": trials, "minutes": minutes, "sampler": sampler, "pruning": pruning}
    planned = tuning.plan(
        generator, dataset, budget, metric=metric, seeds=seeds, evaluate_on=evaluate_on,
        parameters=parameter,
    )  # fmt: skip
    if dry_run:
        return _print_plan(run_sweep.foresee(planned), planned)
    _sweep(planned, workers=workers, cluster=cluster)


def _sweep(planned: Plan, **options: Any) -> NoReturn:
    """Run a sweep; print the report's path, and what failed."""
    from candgen.sweeps import run_sweep
    from candgen.sweeps.progress import stage_progress

    outcome = run_sweep.run_sweep(planned, command=_command(), **options)
    for line in stage_progress.failures(outcome.records):
        print(one_line(line), file=sys.stderr)
    if outcome.report is not None:
        print(outcome.report)
    raise typer.Exit(outcome.exit_code)


reporting.register(app)
advising.register(app)
inventing.register(app)


@app.command(short_help="List runs, datasets and searches with state and headline metric")
def runs(
    sweep: Annotated[str, typer.Argument(help="Sweep; all of them by default")] = "",
    trials: Annotated[
        bool, typer.Option("--trials", help="List each trial of a search, too")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON array")] = False,
) -> None:
    """List runs, datasets and searches with state and headline metric.

    Example: candgen runs quick
    """
    import dataclasses

    from candgen.reports.searches.reading import counted
    from candgen.sweeps import run_list

    rows = run_list.list_runs(sweep, trials=trials)
    if json:
        return print_json([dataclasses.asdict(row) for row in rows])
    if not rows:
        print("Nothing yet. `candgen sweep params/quick.yaml` begins.", file=sys.stderr)
        return
    terminal.print_table(
        ["sweep", "run", "state", "minutes", "generator", "metric", "value", "judged on"],
        [
            [
                row.sweep, row.name,
                row.state if row.trials is None else f"{row.state}, {counted(row.trials)}",
                "" if row.minutes is None else f"{row.minutes:.2f}",
                row.generator, row.metric, "" if row.value is None else f"{row.value:.4f}",
                row.judged_on,
            ]
            for row in rows
        ],
        numbers=("minutes", "value"),
    )  # fmt: skip


@app.command(short_help="Write a run's vectors, ids, titles and index to a folder of its own")
def export(
    run: Annotated[str, typer.Argument(help="Run with vectors, by folder or as SWEEP/RUN")],
    folder: Annotated[
        Path | None, typer.Option(help="Target folder, outputs/exports/RUN by default")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Index: exact, annoy, faiss-flat, -ivf, -hnsw or -pq")
    ] = "exact",
    setting: Annotated[
        list[str], typer.Option("-s", "--setting", metavar="KEY=VALUE", help="Set one of the index")
    ] = [],  # noqa: B006
) -> None:
    """Write a run's vectors, ids, titles and index to a folder of its own; print the folder.

    Example: candgen export films/wals-dim16 --kind faiss-ivf -s probes=32
    """
    from candgen.serving import export as exporting

    settings: dict[str, float] = {}
    for text in setting:
        name, _, value = text.partition("=")
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?", value):
            raise SettingError(f"--setting takes KEY=VALUE with a number, got {text!r}.")
        settings[name] = int(value) if value.lstrip("-").isdecimal() else float(value)
    print(exporting.export(run, folder, kind=kind, settings=settings))


@app.command(short_help="Ask an exported folder for candidates")
def candidates(
    folder: Annotated[Path, typer.Argument(help="Folder that `candgen export` wrote")],
    user: Annotated[str | None, typer.Option(help="Id of a user, as in your data")] = None,
    item: Annotated[str | None, typer.Option(help="Id of an item, for related ones")] = None,
    features: Annotated[
        str | None, typer.Option(help="JSON file with the features of a new user")
    ] = None,
    popular: Annotated[bool, typer.Option("--popular", help="The most popular items")] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="Candidates")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON array")] = False,
) -> None:
    """Ask an exported folder for candidates; print them with titles, best first.

    Example: candgen candidates outputs/exports/wals-dim16 --user 42 -k 10
    """
    if sum(asked is not None for asked in (user, item, features)) + popular != 1:
        raise SettingError("Give one of --user, --item, --features and --popular.")
    from candgen import folders
    from candgen.serving import reader

    folders.settle(folder, folders.EXPORT)
    try:
        held = reader.Exported(folder)
        found = reader.answer(held, k, user, item, features)
    except reader.ReaderError as error:
        raise SettingError(str(error)) from None
    if json:
        return print_json([row._asdict() for row in found])
    terminal.print_table(
        list(reader.COLUMNS),
        [[str(row.rank), str(row.item), row.title, f"{row.score:.6g}"] for row in found],
        numbers=("rank", "score"),
    )


def _run(stage: Stage) -> None:
    from candgen.session import paths
    from candgen.sweeps import run_stage
    from candgen.sweeps.progress import stage_progress

    record = run_stage.run_stage(stage)
    for line in stage_progress.failures([record]):
        print(one_line(line), file=sys.stderr)
    if record.failed:
        if stage.kind == "dataset" and (stage.folder / paths.DATASET_FILE).is_file():
            print(f"The dataset of before is still in {stage.folder}.", file=sys.stderr)
        raise typer.Exit(1)
    print(stage.folder)


def _options(**given: str | None) -> list[str]:
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _list_parameters(notebook: Any) -> None:
    rows = [[p.name, p.spelling, repr(p.default), p.help] for p in notebook.parameters.values()]
    terminal.print_table(["parameter", "type", "default", "meaning"], rows)


def _print_plan(expected: list[Any], planned: Any) -> None:
    if planned.question:
        print(one_line(planned.question))
    rows = [
        [
            each.stage.kind, each.stage.name, "run" if each.runs else "skip", each.why,
            ", ".join(f"{key}={value}" for key, value in each.stage.differs.items()),
        ]
        for each in expected
    ]  # fmt: skip
    terminal.print_table(["stage", "name", "would", "why", "what differs"], rows)
    for search in planned.searches:
        print(one_line(f"search {search.name}: {search.in_words()}"))
    to_run = sum(each.runs for each in expected)
    print(f"{to_run} to run, {len(expected) - to_run} to skip; then {planned.folder}/report.html")


def _command() -> str:
    return shlex.join(["candgen", *sys.argv[1:]])
