"""A short form of the campaign of faults; `make faults` runs the long one."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def campaign():
    path = Path(__file__).with_name("campaign.py")
    spec = importlib.util.spec_from_file_location("campaign", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.notebook
def test_a_sweep_survives_kills_at_random_moments(campaign):
    campaign.run(0, seed=1, victims=("sweep", "kernel"), rounds=2)
