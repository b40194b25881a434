"""One invented sweep with searches, for all tests that only look at it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from candgen.reports import Report, open_report


@pytest.fixture(scope="session")
def invented() -> ModuleType:
    """The module that writes invented searches."""
    path = Path(__file__).with_name("invented.py")
    spec = importlib.util.spec_from_file_location("invented_searches", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def searched_folder(invented, sweep_builder, tmp_path_factory) -> Path:
    """A sweep of which two runs were searched; look, do not touch."""
    return invented.build(sweep_builder, tmp_path_factory.mktemp("sweeps") / "searched")


@pytest.fixture(scope="session")
def searched(searched_folder) -> Report:
    return open_report(searched_folder)
