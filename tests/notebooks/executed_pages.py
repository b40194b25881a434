"""Every notebook executed whole, once for all tests, on a world whose texts attack.

Titles, categories and names of columns hold HTML that runs a script, Markdown, mathematics,
control characters and a spreadsheet's formula. What runs sets `ran` in the browser's window.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

from candgen import files
from candgen.datasets import preparation, world
from candgen.datasets.world.make import make_world
from candgen.sweeps import execution
from candgen.sweeps.notebook_parameters import read_notebook

ATTACKS = (
    "<img src=x onerror=ran=1>",
    "</td></table><script>ran=2</script>",
    "[a](javascript:ran=3)*b*`c`",
    "$\\frac$ _d_ &lt;",
    "\x1b[31m\u202e\ttwo\nlines",
    "=cmd|'/C calc'!A0",
    '"><svg/onload=ran=4>',
)
COLUMN = "<img src=x onerror=ran=5>"
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
    "52_sequences": {"window": 20, "batch_size": 16, "settings": {"blocks": 1}},
    "55_autoencoders": {"width": 16, "headline": "ndcg@20"},
    "60_two_tower": {"change_inputs": ["history"], "known_events": [1]},
    "61_many_interests": {"window": 20, "batch_size": 16, "settings": {"inner": 1}},
    "70_negative_sampling": {"n_negatives": 50, "collapse_epochs": 2},
    "71_exposure": {
        "small_world": {"n_users": 60, "n_items": 40, "events_per_user": 10.0},
        "exposure_biases": [0.0, 1.0], "loop": ["uniform"], "rounds": 2, "shown": 5,
    },
    "80_approximate_search": {
        "most_queries": 50,
        "efforts": {"annoy": [1000], "faiss-ivf": [1, 16], "faiss-hnsw": [100], "faiss-pq": [4]},
    },
    "82_filters": {
        "invented_items": 5000, "invented_queries": 32, "most_queries": 50,
        "headline": "recall@20",
    },
    "83_search_at_scale": {
        "sizes": [500, 1000], "varied_items": 500, "dims": [16], "sigmas": [], "n_queries": 16,
        "builds": {"faiss-ivf": [{}]},
    },
    "85_candidate_pools": {
        "headline": "recall@20", "generators": ["WALS", "ItemKNN", "popularity"],
    },
    "86_ranking_the_pool": {
        "generators": ["WALS", "ItemKNN", "popularity"], "pool_sizes": [10, 20], "trees": 5,
    },
}  # fmt: skip


def attacking(text: object, place: int) -> str:
    """Put one of the attacks before a text."""
    return f"{ATTACKS[place % len(ATTACKS)]} {text}"


def attacking_world(settings, seed):
    """Invent a world and let the texts of its users and items attack."""
    made = make_world(settings, seed)
    items, users = made.items.copy(), made.users.copy()
    items["title"] = [attacking(title, place) for place, title in enumerate(items["title"])]
    for column in ("genres", "places"):
        names = sorted({name for held in items[column] for name in held})
        known = {name: attacking(name, place) for place, name in enumerate(names)}
        items[column] = [[known[name] for name in held] for held in items[column]]
    for table in (items, users):
        table[COLUMN] = [attacking(place % 3, place % 3) for place in range(len(table))]
    return replace(made, items=items, users=users)


def small(notebook: Path) -> dict:
    """Return parameters with which a notebook takes seconds."""
    known = read_notebook(notebook).parameters
    return {n: v for n, v in (SMALL | SMALLER.get(notebook.stem, {})).items() if n in known}


class ExecutedPages:
    """Folders of the notebooks' whole runs; each is executed by whoever asks first."""

    def __init__(self, project: Path, shared: Path) -> None:
        self.project, self._shared = project, shared

    def folder(self, name: str) -> Path:
        """Return the run folder of a notebook, which ended well."""
        folder = self._shared / name
        with filelock.FileLock(self._shared / f"{name}.lock"):
            if not (folder / "status.json").is_file():
                notebook = self.project / "notebooks" / f"{name}.ipynb"
                asked = {**small(notebook), "run_folder": str(folder)}
                execution.execute(notebook, asked, folder, timeout_s=300)
        status = files.read_json(folder / "status.json")
        assert status["state"] == "done", status["error"]
        return folder


@pytest.fixture(scope="session")
def executed_pages(tmp_path_factory, root) -> ExecutedPages:
    """All notebooks in a project as a clone has it, with the attacking world as its default."""
    fresh = tmp_path_factory.mktemp("clone")
    for folder in ("notebooks", "params"):
        shutil.copytree(root / folder, fresh / folder, ignore=shutil.ignore_patterns(".*"))
    sizes = {"n_users": 150, "n_items": 120, "events_per_user": 25.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "make_world", attacking_world)
        preparation.prepare(fresh / "outputs" / "datasets" / "world", source="world", **sizes)
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "executed-pages"
    shared.mkdir(exist_ok=True)
    return ExecutedPages(fresh, shared)
