"""A change in the library makes those stages of a real sweep stale that can feel it."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import candgen
from candgen import models
from candgen.datasets import preparation
from candgen.sweeps.fingerprints import Fingerprints
from candgen.sweeps.imports import Library
from candgen.sweeps.notebook_parameters import read_notebook
from candgen.sweeps.plan import read_plan

WALS_RUNS = {"wals-dim8", "wals-dim16", "wals-dim64"}


@pytest.fixture(scope="module")
def library(root, tmp_path_factory) -> Path:
    """A copy of the library, to write comments into."""
    copy = tmp_path_factory.mktemp("lib") / "candgen"
    shutil.copytree(root / "lib" / "candgen", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def plan(root, monkeypatch):
    monkeypatch.chdir(root)
    return read_plan("params/quick.yaml")


def with_comment(library, name, look):
    """Look before and after a comment is added to a file of the library."""
    path = library / name
    text, before = path.read_text(), look(Fingerprints(library))
    path.write_text(f"{text}\n# a comment\n")
    try:
        return before, look(Fingerprints(library))
    finally:
        path.write_text(text)


def stale(library, plan, name):
    """Names of the stages that a comment in a file makes stale."""

    def look(prints):
        return {stage.name: prints.of_stage(stage) for stage in plan.stages}

    before, after = with_comment(library, name, look)
    return {stage for stage in before if before[stage] != after[stage]}


@pytest.mark.parametrize(
    "name",
    [
        "cli.py", "doctor.py", "plots/sequences.py", "reports/results.py", "serving/reader.py",
        "session/widgets.py", "studies/towers/study.py", "sweeps/kernels/server.py",
        "sweeps/run_sweep.py", "models/towers/two_tower.py", "retrieval/filtered_search.py",
    ],
)  # fmt: skip
def test_a_comment_where_no_run_looks_makes_nothing_stale(library, plan, name):
    assert stale(library, plan, name) == set()


def test_a_comment_in_the_solver_of_wals_makes_its_runs_stale_and_no_other(library, plan):
    assert stale(library, plan, "models/factorization/wals_solver.py") == WALS_RUNS


def test_a_comment_under_everything_makes_everything_stale(library, plan):
    assert stale(library, plan, "files.py") == {stage.name for stage in plan.stages}
    assert stale(library, plan, "datasets/summary.py") == {"world"}
    assert stale(library, plan, "models/base.py") == {stage.name for stage in plan.runs}


def test_a_comment_in_the_preparation_of_data_makes_datasets_stale_and_no_run(library, plan):
    """A run depends on its dataset through the digest of what was prepared."""
    assert stale(library, plan, "datasets/preparation.py") == {"world"}
    assert stale(library, plan, "datasets/world/searches.py") == {"world"}


@pytest.mark.parametrize(
    ("name", "depends"),
    [
        ("reports/results.py", True), ("reports/leaderboard.py", True),
        ("reports/templates/report/fragments/table.html.j2", True), ("plots/comparison.py", True),
        ("models/factorization/wals_solver.py", False), ("studies/negatives/advice.py", False),
        ("sweeps/execution.py", False), ("plots/sequences.py", False),
    ],
)  # fmt: skip
def test_a_report_depends_on_what_its_notebook_imports(library, plan, root, name, depends):
    notebook = read_notebook(root / "notebooks" / "90_compare_runs.ipynb")
    before, after = with_comment(library, name, lambda prints: prints.of_report(plan, notebook, []))
    assert (before != after) == depends


def lazy_packages() -> list[str]:
    lib = Path(candgen.__file__).parents[1]
    found = sorted(Path(candgen.__file__).parent.rglob("__init__.py"))
    lazy = [path.parent for path in found if "def __getattr__" in path.read_text()]
    return [".".join(folder.relative_to(lib).parts) for folder in lazy]


@pytest.mark.parametrize("package", lazy_packages())
def test_each_name_that_a_package_loads_on_demand_is_found_in_its_text(root, package):
    library, loaded = Library(root / "lib" / "candgen"), importlib.import_module(package)
    for name in getattr(loaded, "__all__", dir(loaded)):
        home = getattr(getattr(loaded, name), "__module__", None)
        if home is not None and home.startswith("candgen."):
            assert home in library.closure(f"from {package} import {name}"), name


@pytest.mark.parametrize("name", models.names())
def test_each_generator_is_found_by_its_name(root, name):
    library = Library(root / "lib" / "candgen")
    code = "from candgen import models\nmodels.by_name(name)"
    assert models.by_name(name).__module__ in library.closure(code, [name])


# --- what a run really imports

LIST_MODULES = """
import json, sys
print("\\n" + json.dumps(sorted(n for n in sys.modules if n.split(".")[0] == "candgen")))
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "films"
    preparation.prepare(
        folder, source="world", name="films", n_users=80, n_items=60, events_per_user=9.0
    )
    return folder


@pytest.mark.parametrize("generator", ["popularity", "WALS"])
def test_nothing_that_a_run_imports_is_forgotten(root, films, tmp_path, generator):
    notebook = read_notebook(root / "notebooks" / "15_baselines.ipynb")
    given = {"dataset": str(films), "generator": generator, "k": 10, "cutoffs": [5, 10]}
    given |= {"headline": "recall@5", "dim": 4, "run_folder": str(tmp_path / "run")}
    cells = [
        f"{name}: object = {value!r}" for name, value in {**notebook.defaults(), **given}.items()
    ]
    cells += [notebook.code(explore=False), LIST_MODULES]
    (tmp_path / "run.py").write_text("\n".join(cells))
    surroundings = {**os.environ, "MPLBACKEND": "Agg", "CANDGEN_HOME": str(root)}
    done = subprocess.run(
        [sys.executable, tmp_path / "run.py"],
        capture_output=True, text=True, cwd=tmp_path, env=surroundings,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    closure = Library(root / "lib" / "candgen").closure(notebook.code(explore=False), [generator])
    assert imported - closure == set()
    wals = {module for module in imported if module.endswith(".wals_solver")}
    assert bool(wals) == (generator == "WALS")
