"""What every test may ask for."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
