"""Every notebook runs whole and as its stage part alone; what the stage records does not differ."""

import base64
import hashlib
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from candgen import files
from candgen.sweeps import execution
from candgen.sweeps.notebook_parameters import is_exploring, read_notebook
from notebooks.executed_pages import small

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted((path.stem for path in NOTEBOOKS.glob("*.ipynb")), reverse=True)  # the last first


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


def drawn_once(figure: Path, page: str) -> bool:
    """Tell whether a page shows the very picture that was saved."""
    return base64.b64encode(figure.read_bytes()).decode() in page


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_whole_and_as_a_stage_with_the_same_results(executed_pages, tmp_path, name):
    project = executed_pages.project
    notebook = project / "notebooks" / f"{name}.ipynb"
    before = {f: digests(project / f) for f in ("notebooks", "params")}
    folders = {True: executed_pages.folder(name)}
    if any(map(is_exploring, read_notebook(notebook).cells)):
        folders[False] = tmp_path / "stage"
        asked = {**small(notebook), "run_folder": str(folders[False])}
        status = execution.execute(notebook, asked, folders[False], explore=False, timeout_s=300)
        assert status["state"] == "done", status["error"]
    for explore, folder in folders.items():
        page = (folder / "page.html").read_text()
        assert bool(re.search("exploring cells? (was|were) left out", page)) is not explore
        if name.startswith("9"):  # nothing was swept yet, so it says how to
            assert "candgen sweep params/" in page
        else:
            assert "<img" in page or "<svg" in page
        redrawn = [f.name for f in folder.glob("figures/*.png") if not drawn_once(f, page)]
        assert redrawn == [], "the page shows other pictures than the folder keeps"
    recorded = {explore: results(folder) for explore, folder in folders.items()}
    assert [row for row in recorded.get(False, []) if row not in recorded[True]] == []
    assert {f: digests(project / f) for f in before} == before
    assert {path.name for path in project.iterdir()} <= {"notebooks", "params", "outputs"}
    for folder in folders.values():
        described = files.read_json(folder / "status.json")["files"]
        there = {p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")}
        if (folder / "dataset.json").is_file():  # which holds the digests of its tables
            tables = files.read_json(folder / "dataset.json")["tables"]
            there -= {f"{table}.parquet" for table in tables}
        # Ratings given by hand are the reader's own: they may change after the run.
        assert there - described.keys() - {"status.json", "my_ratings.csv", "log.txt"} == set()


@pytest.mark.notebook
def test_a_notebook_prepares_the_world_in_a_clone_where_nothing_is_prepared(
    root, tmp_path, tmp_path_factory
):
    clone = tmp_path_factory.mktemp("bare") / "clone"
    (clone / "params").mkdir(parents=True)
    (clone / "notebooks").mkdir()
    page = shutil.copy(root / "notebooks" / "15_baselines.ipynb", clone / "notebooks")
    status = execution.execute(page, {"generator": "popularity"}, tmp_path, timeout_s=120)
    assert status["state"] == "done", status["error"]
    assert (clone / "outputs" / "datasets" / "world" / "dataset.json").is_file()


@pytest.mark.notebook
def test_the_tour_takes_a_world_of_any_size_and_seed(tmp_path):
    parameters = {"seed": 11, "n_users": 25, "n_items": 12, "events_per_user": 4.0, "k": 3}
    parameters["run_folder"] = str(tmp_path)
    status = execution.execute(NOTEBOOKS / "00_tour.ipynb", parameters, tmp_path, timeout_s=120)
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
