"""A headless Chromium for all tests of pages, and a report of runs with several parameters."""

import json
import os

import pytest

from browser import chromium

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    found = chromium.start(tmp_path_factory.mktemp("chromium"))
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(chromium.MISSING)
        pytest.skip(chromium.MISSING)
    yield found
    found.quit()


@pytest.fixture
def page(driver) -> chromium.Page:
    return chromium.Page(driver)


@pytest.fixture(scope="session")
def explored(sweep_builder, tmp_path_factory):
    """The report of a sweep in which two numbers and a text differ, some runs with curves."""
    from candgen.sweeps.run_report import make_report

    folder = tmp_path_factory.mktemp("outputs") / "explored"
    world = sweep_builder.build_dataset(folder / "datasets/world", n_users=60, n_items=90)
    runs = {}
    for dim, power, kind in (
        (4, 0.01, "dot"), (16, 0.01, "cosine"), (64, 0.1, "dot"), (16, 1.0, "</script><b>")
    ):  # fmt: skip
        params = {"dim": dim, "regularization": power, "similarity": kind}
        runs[f"wals-{dim}-{power}"] = ("WALS", 0.7 + 0.2 * dim**0.3, params)
    runs["ease"] = ("EASE", 1.6, {"regularization": 80.0})
    runs[HOSTILE] = ("EASE", 1.5, {"regularization": 8.0})
    for seconds, (name, (generator, skill, params)) in enumerate(runs.items(), start=1):
        sweep_builder.write_run(
            folder / name, world, generator, skill, params=params, seconds=3.0**seconds
        )
        if generator == "WALS":
            path = folder / name / "metrics.json"
            metrics = json.loads(path.read_text())
            points = [[epoch, 0.1 + 0.01 * epoch * seconds] for epoch in range(1, 6)]
            metrics["generators"][0]["curve"] = {"metric": "recall@20", "points": points}
            sweep_builder.write(path, metrics)
    planned = {name: params for name, (_, _, params) in runs.items()}
    sweep_builder.write_sweep(folder, planned)
    return make_report(folder)
