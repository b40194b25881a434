"""A headless Chromium for all tests of pages."""

import os

import pytest

from browser import chromium


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
