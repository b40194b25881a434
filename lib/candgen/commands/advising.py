"""The command that gives advice: `advise`, from a finished sweep to the first generators to try."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from candgen.commands.printing import print_json
from candgen.errors import DataError
from candgen.text import terminal
from candgen.text.plain import one_line

SWEEP = "which_generator"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(short_help="Name the first generators to try on a dataset, and why")(advise)


def advise(
    dataset: Annotated[str, typer.Argument(help="Prepared dataset, by name or folder")],
    sweep: Annotated[
        str, typer.Option(help="Sweep whose results are used, by folder or name")
    ] = SWEEP,
    first: Annotated[int, typer.Option(min=1, help="Number of generators to name")] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Name the first generators to try on a dataset, and why.

    Computed from the results of a finished sweep, params/which_generator.yaml by default: what each
    generator reached on its datasets counts more, the more alike their shape is to this one. What
    needs more memory than is free, or columns that the dataset lacks, is left out and listed.

    Example: candgen advise films
    """
    from candgen import memory, reports
    from candgen.datasets import open_dataset
    from candgen.reports.advice.advising import advise as advice_on
    from candgen.session import paths

    found = paths.find_dataset(dataset)
    if found is None:
        raise paths.no_such_dataset(dataset)
    advice = advice_on(reports.open_report(_finished(sweep)), open_dataset(found), first=first)
    if json:
        import dataclasses

        told = dataclasses.asdict(advice)
        told["shape"]["has"] = sorted(advice.shape.has)
        return print_json(told)
    near = ", ".join(f"{one_line(name)} {share:.0%}" for name, share in advice.weights.items())
    print(f"{one_line(dataset)}: {advice.shape.in_words()}", file=sys.stderr)
    print(f"Expected {advice.metric} as a share of the best; weights: {near}", file=sys.stderr)
    rows = [
        [
            choice.generator, f"{choice.share:.2f}", memory.spelled(choice.bytes_needed),
            "" if choice.seconds is None else f"{choice.seconds:.1f}", one_line(choice.why),
        ]
        for choice in advice.choices
    ]  # fmt: skip
    terminal.print_table(
        ["generator", "expected", "memory", "seconds", "why"], rows, numbers=("expected", "seconds")
    )
    for name, why in advice.left_out.items():
        print(f"Left out: {name} {one_line(why)}.", file=sys.stderr)
    if advice.choices:
        print(
            f"Next: candgen tune {advice.choices[0].generator} --dataset {one_line(dataset)}",
            file=sys.stderr,
        )


def _finished(sweep: str) -> Path:
    """Return the folder of a sweep.

    Raises:
        DataError: If there is none, with the command that makes the usual one.
    """
    from candgen.sweeps import run_list

    try:
        return run_list.find_sweep(sweep)
    except DataError as error:
        if sweep != SWEEP:
            raise
        raise DataError(
            f"{error} Advice is computed from a finished sweep of all generators; make it with: "
            f"candgen sweep params/{SWEEP}.yaml. Its first lines say how long that takes."
        ) from None
