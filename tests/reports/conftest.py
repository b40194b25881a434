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
