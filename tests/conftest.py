"""What every test may ask for."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

pytest_plugins = ["tiny_project"]

ROOT = Path(__file__).resolve().parents[1]
NO_ANNOY = "annoy is not installed; it has no wheel and needs a C++ compiler"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Skip tests that build an index of annoy where that is left out; it has no wheel."""
    report = yield
    if report.failed and "needs the package annoy" in str(call.excinfo.value):
        path, line, _ = item.location
        report.outcome, report.longrepr = "skipped", (path, line or 0, f"Skipped: {NO_ANNOY}")
    return report


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; tests that need it say so when it is absent."""
    folder = Path(os.environ.get("CANDGEN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"No real data at {folder}. Set CANDGEN_TEST_DATA to a folder that has it.")
        pytest.skip(f"no real data at {folder}; set CANDGEN_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def sweep_builder(root) -> ModuleType:
    """The module that writes invented sweep folders, finished and broken ones."""
    path = root / "tests" / "reports" / "builder.py"
    spec = importlib.util.spec_from_file_location("sweep_builder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reported_sweep(sweep_builder, tmp_path_factory) -> Path:
    """A sweep of everything that can happen to runs, with its report made: look, do not touch."""
    from candgen.sweeps import run_report

    folder = sweep_builder.build_sweep(tmp_path_factory.mktemp("outputs") / "asked")
    run_report.make_report(folder)
    return folder
