"""Every notebook runs whole and as its stage part alone; what the stage records does not differ."""

import hashlib
import shutil
from pathlib import Path

import nbformat
import pytest

from candgen import files
from candgen.datasets import preparation
from candgen.sweeps.execution import execute
from candgen.sweeps.notebook_parameters import is_exploring, read_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted((path.stem for path in NOTEBOOKS.glob("*.ipynb")), reverse=True)  # the last first
# Passed to every notebook that takes them.
SMALL = {"epochs": 1, "dim": 8, "k": 20, "cutoffs": [10, 20], "batch_size": 256}
SMALLER = {
    "00_tour": {"dim": 3, "k": 5},
    "10_prepare_data": {"n_users": 60, "n_items": 40, "events_per_user": 10.0},
    "30_content_based": {"rating_epochs": 1},
    "40_matrix_factorization": {"epochs": 2},
    "41_learning_ratings": {"reference_steps": 3},
    "50_softmax_network": {"feature_dim": 8},
    "51_deep_factorization": {"hidden": [8]},
    "52_sequences": {"window": 20, "batch_size": 16},
    "60_two_tower": {"change_inputs": ["history"], "known_events": [1]},
    "70_negative_sampling": {"n_negatives": 50, "collapse_epochs": 2},
    "71_exposure": {
        "small_world": {"n_users": 60, "n_items": 40, "events_per_user": 10.0},
        "exposure_biases": [0.0, 1.0], "loop": ["uniform"], "rounds": 2, "shown": 5,
    },
    "80_approximate_search": {"most_queries": 50},
    "82_filters": {
        "invented_items": 5000, "invented_queries": 32, "most_queries": 50,
        "headline": "recall@20",
    },
    "83_search_at_scale": {
        "sizes": [1000, 2000], "varied_items": 1000, "n_queries": 16,
        "builds": {"faiss-ivf": [{}], "annoy": [{"trees": 5}]},
    },
    "85_candidate_pools": {"headline": "recall@20"},
}  # fmt: skip


@pytest.fixture(scope="module")
def fresh_project(tmp_path_factory, root) -> Path:
    """A project as a clone has it, and a small world that its notebooks find by name."""
    fresh = tmp_path_factory.mktemp("clone")
    for folder in ("notebooks", "params"):
        shutil.copytree(root / folder, fresh / folder, ignore=shutil.ignore_patterns(".*"))
    sizes = {"n_users": 150, "n_items": 120, "events_per_user": 25.0}
    preparation.prepare(fresh / "outputs" / "datasets" / "world", source="world", **sizes)
    return fresh


def small(notebook: Path) -> dict:
    known = read_notebook(notebook).parameters
    return {n: v for n, v in (SMALL | SMALLER.get(notebook.stem, {})).items() if n in known}


def digests(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def results(folder: Path) -> list[dict]:
    """Return the recorded metrics of each generator, without costs."""
    if not (folder / "metrics.json").is_file():
        return []
    return [
        {key: value for key, value in row.items() if "@" in key or key == "generator"}
        for row in files.read_json(folder / "metrics.json")["generators"]
    ]


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_whole_and_as_a_stage_with_the_same_results(fresh_project, tmp_path, name):
    notebook = fresh_project / "notebooks" / f"{name}.ipynb"
    before = {f: digests(fresh_project / f) for f in ("notebooks", "params")}
    explores = any(map(is_exploring, read_notebook(notebook).cells))
    recorded = []
    for explore in (False, True) if explores else (True,):
        folder = tmp_path / ("whole" if explore else "stage")
        asked = {**small(notebook), "run_folder": str(folder)}
        status = execute(notebook, asked, folder, explore=explore, timeout_s=300)
        assert status["state"] == "done", status["error"]
        recorded.append(results(folder))
        page = (folder / "page.html").read_text()
        assert ("exploring cells were left out" in page) is not explore
        if name.startswith("9"):  # nothing was swept yet, so it says how to
            assert "candgen sweep params/" in page
        else:
            assert "<img" in page or "<svg" in page
    assert [row for row in recorded[0] if row not in recorded[-1]] == []
    assert {f: digests(fresh_project / f) for f in before} == before
    assert {path.name for path in fresh_project.iterdir()} <= {"notebooks", "params", "outputs"}


@pytest.mark.notebook
def test_a_notebook_prepares_the_world_in_a_clone_where_nothing_is_prepared(
    root, tmp_path, tmp_path_factory
):
    clone = tmp_path_factory.mktemp("bare") / "clone"
    (clone / "params").mkdir(parents=True)
    (clone / "notebooks").mkdir()
    page = shutil.copy(root / "notebooks" / "15_baselines.ipynb", clone / "notebooks")
    status = execute(page, {"generator": "popularity"}, tmp_path, timeout_s=120)
    assert status["state"] == "done", status["error"]
    assert (clone / "outputs" / "datasets" / "world" / "dataset.json").is_file()


@pytest.mark.notebook
def test_the_tour_takes_a_world_of_any_size_and_seed(tmp_path):
    parameters = {"seed": 11, "n_users": 25, "n_items": 12, "events_per_user": 4.0, "k": 3}
    parameters["run_folder"] = str(tmp_path)
    status = execute(NOTEBOOKS / "00_tour.ipynb", parameters, tmp_path, timeout_s=120)
    assert status["state"] == "done", status["error"]
    assert (tmp_path / "metrics.json").is_file()


def test_exploring_cells_are_those_of_a_whole_section():
    """A code cell is never explored below a heading of the stage, nor the other way round."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        section = False
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown" and "## " in cell.source:
                section = is_exploring(cell)
            assert is_exploring(cell) == section, f"{path.stem}, {cell.id}"
