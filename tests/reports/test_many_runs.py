"""A report of many runs: pictures show the first rows and say so, and the page stays small."""

import pytest

from candgen.reports import open_report, results
from candgen.reports.interaction import explorer

RUNS = 70


@pytest.fixture(scope="module")
def report(sweep_builder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "many"
    world = sweep_builder.build_dataset(folder / "datasets/world", n_users=20, n_items=40)
    runs = {f"wals-{n}": {"dim": n, "epochs": 1 + n % 3} for n in range(1, RUNS + 1)}
    for name, params in runs.items():
        skill, seconds = 0.5 + 0.01 * params["dim"], float(params["dim"])
        sweep_builder.write_run(folder / name, world, "WALS", skill, params=params, seconds=seconds)
    sweep_builder.write_sweep(folder, runs)
    return open_report(folder)


@pytest.mark.parametrize("make", [results.headline, results.costs, results.breadth])
def test_pictures_of_many_rows_show_the_first_and_say_so(report, make):
    html = make(report).html
    assert f"The first 60 of {RUNS + 2} rows" in html
    assert len(html) < 1_500_000


def test_the_explorer_has_all_of_them(report):
    told = explorer.runs(report, report.comparisons[0])
    assert len(told["runs"]) == RUNS + 2  # popularity and random
    assert len(explorer.explorer(report).html) < 1000 * RUNS
    parameters = [c["name"] for c in told["columns"] if c["kind"] == "parameter"]
    assert parameters == ["dim", "epochs"]
