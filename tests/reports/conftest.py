"""One invented sweep for all tests that only look at it."""

from pathlib import Path

import pytest

from candgen.reports import Report, open_report


@pytest.fixture(scope="session")
def sweep_folder(sweep_builder, tmp_path_factory) -> Path:
    """A sweep of everything that can happen to runs; look, do not touch."""
    return sweep_builder.build_sweep(tmp_path_factory.mktemp("sweeps") / "asked")


@pytest.fixture(scope="session")
def report(sweep_folder) -> Report:
    return open_report(sweep_folder)


@pytest.fixture
def small_sweep(sweep_builder, tmp_path):
    """Write a sweep of one run, to be damaged; returns the run's folder."""
    folder = tmp_path / "small"
    world = sweep_builder.build_dataset(folder / "datasets/world", n_users=20, n_items=40)
    sweep_builder.write_run(folder / "only", world, "WALS", 1.0, params={"dim": 4})
    sweep_builder.write_sweep(folder, {"only": {"dim": 4}})
    return folder / "only"
