"""Reports and pages: what people wait for after the runs, beside the aim.

A report of 300 runs is made twice, since the first of a process waits for its kernel server. The
memory is the larger of the peaks of this process and of the report's kernel.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "reports"))

import builder  # noqa: E402 - the invented sweeps of the tests

from candgen.reports import notebook_html  # noqa: E402
from candgen.session import status  # noqa: E402
from candgen.sweeps.run_report import make_report  # noqa: E402

N_RUNS, N_USERS, N_ITEMS = 300, 200, 300
REPORT_AIM, PAGE_AIM, MEMORY_AIM, SIZE_AIM = 20.0, 0.5, 1024.0, 8.0  # s, s, MiB, MB


def run() -> list[dict]:
    """Measure the report of 300 runs, and the page of one run."""
    with tempfile.TemporaryDirectory() as name:
        folder = _sweep(Path(name) / "outputs" / "many")
        first, _ = _seconds(lambda: make_report(folder))
        again, report = _seconds(lambda: make_report(folder))
        kernel = status.read(folder / "report")["peak_memory_mib"]
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = report.stat().st_size / 1e6
        page = _page_of(folder / "report" / "notebook.ipynb")
    what = f"{N_RUNS} invented runs of {N_USERS} users"
    return [
        _row("report of 300 runs", again, REPORT_AIM, "s", f"{what}; the first took {first:.1f} s"),
        _row("report of 300 runs, memory", max(own, kernel), MEMORY_AIM, "MiB", what),
        _row("report of 300 runs, size", size, SIZE_AIM, "MB", what),
        _row("page of a run of 20 cells", page, PAGE_AIM, "s", "tables of the report, ten rows"),
    ]


def _sweep(folder: Path) -> Path:
    world = builder.build_dataset(folder / "datasets/world", n_users=N_USERS, n_items=N_ITEMS)
    runs = {}
    for number in range(N_RUNS):
        params = {"dim": 4 * (1 + number % 10), "regularization": 0.001 * (1 + number // 10)}
        kind = ("WALS", "MF-SGD", "EASE")[number % 3]
        name = f"{kind.lower()}-{number}"
        runs[name] = params
        builder.write_run(
            folder / name, world, kind, 0.5 + 0.004 * number, params=params, seconds=1.0 + number
        )
    builder.write_sweep(folder, runs)
    return folder


def _page_of(notebook: Path) -> float:
    """Return the median seconds of rendering a page of twenty cells with a small table each."""
    import nbformat

    table = "<table>" + "<tr><td>WALS</td><td>0.1234</td><td>0.1111</td></tr>" * 10 + "</table>"
    output = nbformat.v4.new_output("display_data", {"text/html": table, "text/plain": "table"})
    cell = nbformat.v4.new_code_cell("model.fit(data)\nfound = evaluation.judge(model, data)")
    cell.outputs = [output]
    made = nbformat.v4.new_notebook(cells=[json.loads(json.dumps(cell)) for _ in range(20)])
    made = nbformat.from_dict(made)
    notebook_html.render(made, "page")  # the exporter is made once
    return sorted(_seconds(lambda: notebook_html.render(made, "page"))[0] for _ in range(5))[2]


def _seconds(work):
    began = time.perf_counter()
    made = work()
    return time.perf_counter() - began, made


def _row(name: str, ours: float, aim: float, unit: str, note: str) -> dict:
    ours = round(ours, 3)
    return {
        "benchmark": name, "ours": ours, "other": aim, "ratio": round(aim / ours, 2), "unit": unit,
        "note": f"{note}; other: the aim",
    }  # fmt: skip
