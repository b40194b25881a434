"""Every notebook runs with its defaults in a fresh project, in any order, and leaves no trace."""

import hashlib
import shutil
from pathlib import Path

import pytest

from candgen.sweeps.execution import execute

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted((path.stem for path in NOTEBOOKS.glob("*.ipynb")), reverse=True)  # the last first


@pytest.fixture(scope="module")
def fresh_project(tmp_path_factory, root) -> Path:
    """A project as a clone has it: pages and params, nothing prepared, nothing run."""
    fresh = tmp_path_factory.mktemp("clone")
    for folder in ("notebooks", "params"):
        shutil.copytree(root / folder, fresh / folder, ignore=shutil.ignore_patterns(".*"))
    return fresh


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_run_all_works_from_a_fresh_clone(fresh_project, tmp_path, name):
    before = {f: digests(fresh_project / f) for f in ("notebooks", "params")}
    status = execute(fresh_project / "notebooks" / f"{name}.ipynb", {}, tmp_path, timeout_s=300)
    assert status["state"] == "done", status["error"]
    assert {f: digests(fresh_project / f) for f in before} == before
    assert {path.name for path in fresh_project.iterdir()} <= {"notebooks", "params", "outputs"}
    page = (tmp_path / "page.html").read_text()
    if name.startswith("9"):  # nothing was swept yet, so it says how to
        assert "candgen sweep params/" in page
    else:
        assert "<img" in page or "<svg" in page


@pytest.mark.notebook
def test_the_tour_takes_a_world_of_any_size_and_seed(tmp_path):
    parameters = {"seed": 11, "n_users": 25, "n_items": 12, "events_per_user": 4.0, "k": 3}
    parameters["run_folder"] = str(tmp_path)
    status = execute(NOTEBOOKS / "00_tour.ipynb", parameters, tmp_path, timeout_s=120)
    assert status["state"] == "done", status["error"]
    assert (tmp_path / "metrics.json").is_file()
