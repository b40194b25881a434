"""Two large trials: a world of 1,000,000 items to its report, and a report over 300 runs.

Both print what they took; nothing is asserted about seconds or memory.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import time
from pathlib import Path

from browser import chromium
from faults.project import CANDGEN, ROOT, Broken, read, say

ITEMS, RUNS = 1_000_000, 300
WORLD = """\
question: Does a world of a million items come to its report?
datasets:
  large: {{source: world, n_users: 2000, n_items: {items}, events_per_user: 20.0}}
defaults: {{dataset: large, k: 50, cutoffs: [10, 20, 50]}}
runs:
  popularity: {{notebook: notebooks/15_baselines.ipynb, generator: popularity}}
  wals: {{notebook: notebooks/40_matrix_factorization.ipynb, dim: 8, epochs: 2}}
report: {{metric: recall@10, baseline: popularity}}
"""
SORTED = """
const table = [...document.querySelectorAll("table.cg-sortable")]
  .reduce((most, one) => one.rows.length > most.rows.length ? one : most);
const head = [...table.tHead.rows[0].cells].find(c => c.textContent.startsWith("recall@20"));
const began = performance.now();
head.querySelector("button").click();
table.getBoundingClientRect();  // laid out anew
const took = performance.now() - began;
const cells = [...table.tBodies[0].rows].map(r => r.cells[head.cellIndex]);
return [took, cells.map(c => parseFloat(c.firstChild.textContent))];
"""
OPENED = "const n = performance.getEntriesByType('navigation')[0]; return n.loadEventEnd;"


def large_world(folder: Path, n_items: int = ITEMS) -> None:
    """Sweep two generators over a large world, and make the report.

    Raises:
        Broken: If the sweep fails, or the report lacks a run.
    """
    for name in ("params", "outputs"):
        (folder / name).mkdir(parents=True)
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
    (folder / "params" / "large.yaml").write_text(WORLD.format(items=n_items))
    began = time.monotonic()
    surroundings = {"CANDGEN_HOME": str(folder), "PYTHONPATH": str(ROOT / "lib")}
    command = [*CANDGEN, "sweep", "params/large.yaml", "--workers", "1"]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | surroundings, capture_output=True, text=True
    )
    if done.returncode:
        raise Broken(f"the sweep ended with {done.returncode}: {done.stderr}")
    sweep = folder / "outputs" / "large"
    report = sweep / "report.html"
    if "2 runs: 2 done" not in report.read_text():
        raise Broken(f"the report of {report} does not show two runs.")
    for run in ("popularity", "wals"):
        row = read(sweep / run / "metrics.json")["generators"][0]
        if not row["recall@50"] >= 0 or run not in (sweep / "leaderboard.csv").read_text():
            raise Broken(f"{run} has no recall, or no row in the leaderboard.")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    size = report.stat().st_size / 2**20
    say(
        f"{n_items:,} items: {time.monotonic() - began:.0f} s to the report of {size:.1f} MiB; "
        f"the largest process held {peak:,.0f} MiB"
    )


def many_runs(folder: Path, n_runs: int = RUNS) -> None:
    """Report over many invented runs, open it in Chromium and sort its leaderboard.

    Raises:
        Broken: If a run is missing, or the sorted column is not in order.
    """
    from candgen.sweeps import run_report

    path = ROOT / "tests" / "reports" / "builder.py"
    spec = importlib.util.spec_from_file_location("builder", path)
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    sweep = folder / "many"
    data = builder.build_dataset(sweep / "datasets" / "world", n_users=60, n_items=80)
    names = {f"run-{n:03}": {"dim": n + 1} for n in range(n_runs)}
    for n, (name, params) in enumerate(names.items()):
        builder.write_run(sweep / name, data, f"M{n % 7}", n / n_runs, params=params)
    builder.write_sweep(sweep, names)
    began = time.monotonic()
    report = run_report.make_report(sweep)
    made = time.monotonic() - began
    driver = chromium.start(folder / "browser")
    if driver is None:
        raise Broken(chromium.MISSING)
    try:
        chromium.Page(driver).open(report)
        opened = driver.execute_script(OPENED)
        took, values = driver.execute_script(SORTED)
    finally:
        driver.quit()
    if len(values) < n_runs:
        raise Broken(f"the leaderboard has {len(values)} rows, expected {n_runs} or more.")
    if values != sorted(values, reverse=True):
        raise Broken("a click on the column recall@20 did not sort it.")
    say(
        f"{n_runs} runs: made in {made:.0f} s, {report.stat().st_size / 2**20:.1f} MiB, opened in "
        f"{opened:.0f} ms, {len(values)} rows sorted in {took:.0f} ms"
    )
