"""Run the benchmarks: `make bench`, or `make bench ONLY=ranking` for one.

Each `bench_*.py` beside this file has a function `run()` that measures ours and another way in
the same process or the same minute and returns rows: `benchmark`, `ours`, `other`, `ratio`,
`unit`, `note`. A ratio above 1 favours ours. Ratios travel between machines; seconds do not.
"""

import csv
import importlib.util
import subprocess
import sys
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

from candgen import files

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[1] / "outputs" / "bench" / "results.csv"
COLUMNS = ["benchmark", "ours", "other", "ratio", "unit", "note"]


def run_apart(name: str) -> list[dict]:
    """Run one benchmark in a process of its own, so that peaks and threads do not mix."""
    command = [sys.executable, str(HERE), "--one", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return [{"benchmark": name, "note": f"failed: {last}"}]
    return list(csv.DictReader(done.stdout.splitlines()))


def run_here(name: str) -> None:
    """Run one benchmark and print its rows as CSV."""
    sys.path.insert(0, str(HERE))
    spec = importlib.util.spec_from_file_location(f"bench_{name}", HERE / f"bench_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stdout, sys.stdout = sys.stdout, sys.stderr  # a chatty library must not end up in the CSV
    try:
        rows = module.run()
    finally:
        sys.stdout = stdout
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)


def shown(value: str | None) -> str:
    try:
        return f"{float(value):.3g}"
    except (TypeError, ValueError):
        return value or ""


def main(only: list[str]) -> int:
    names = [path.stem.removeprefix("bench_") for path in sorted(HERE.glob("bench_*.py"))]
    unknown = sorted(set(only) - set(names))
    if unknown:
        print(f"No benchmark named {', '.join(unknown)}; there are {', '.join(names)}.")
        return 2
    kept = [row for row in earlier() if only and row["asked"] not in only]
    for name in only or names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        kept += [{"asked": name, **row} for row in run_apart(name)]
        write(kept)
    table = Table(*COLUMNS)
    for row in kept:
        table.add_row(*(shown(row.get(column)) for column in COLUMNS))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    print(RESULTS)
    return int(any(str(row.get("note", "")).startswith("failed") for row in kept))


def earlier() -> list[dict]:
    """Rows of an earlier run, kept where only some benchmarks are asked for."""
    if not RESULTS.is_file():
        return []
    with open(RESULTS, newline="") as file:
        return list(csv.DictReader(file))


def write(rows: list[dict]) -> None:
    with files.appearing(RESULTS) as passing, open(passing, "w", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS, "asked"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        try:
            run_here(sys.argv[2])
        except Exception:
            traceback.print_exc()
            sys.exit(1)
    else:
        sys.exit(main(sys.argv[1:]))
