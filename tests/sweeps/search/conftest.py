"""Fixtures of searches: a sweep that searches the settings of a toy."""

import json
import os

import pytest

from candgen.sweeps import execution, run_report, run_sweep
from candgen.sweeps.plan import read_plan
from sweeps.search.toy_search import PAGE, SWEEP, Silent, Toy


@pytest.fixture
def toy(monkeypatch):
    made = Toy()
    monkeypatch.setattr(execution, "execute", made)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here ends with the machine
    monkeypatch.setattr(run_report, "make_report", lambda folder, **_: folder / "report.html")
    return made


@pytest.fixture
def outputs(project):
    return project / "outputs" / "asked"


@pytest.fixture
def write_search(write_notebook, write_sweep):
    """Write the sweep; return its path."""
    write_notebook("30_toy", PAGE, "")

    def write(trials=6, sampler="tpe", pruning="none", text=SWEEP, more=""):
        for name, value in (("TRIALS", trials), ("SAMPLER", sampler), ("PRUNING", pruning)):
            text = text.replace(name, str(value))
        return write_sweep(text + more)

    return write


@pytest.fixture
def search(toy, outputs, write_search):
    """Run the sweep; return what `search.json` says of its one search."""

    def run(*, workers=1, fresh=False, **asked):
        plan = read_plan(write_search(**asked))
        run_sweep.run_sweep(plan, workers=workers, fresh=fresh, view=Silent)
        return json.loads((outputs / "search.json").read_text())["runs"]["toy"]

    return run
