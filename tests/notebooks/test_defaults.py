"""Parameters of notebooks that are settings of their generators."""

import ast
import json
from pathlib import Path

import pytest

from candgen import models

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
GENERATORS = {
    "15_baselines": ["ItemKNN", "UserKNN", "EASE", "TruncatedSVD"],
    "30_content_based": ["ItemContent", "UserProfile", "TwoBranch"],
    "40_matrix_factorization": ["WALS"],
    "50_softmax_network": ["SoftmaxNetwork"],
    "51_deep_factorization": ["NeuMF"],
    "52_sequences": ["SASRec", "MarkovChain"],
    "60_two_tower": ["TwoTower"],
}


def parameters_of(name: str) -> dict:
    """Return the parameters of a notebook with their defaults."""
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    lines = ast.parse("".join(cell["source"])).body
    return {line.target.id: ast.literal_eval(line.value) for line in lines}


@pytest.mark.parametrize(
    ("notebook", "generator"),
    [(notebook, name) for notebook, names in GENERATORS.items() for name in names],
)
def test_a_generator_without_arguments_is_what_its_notebook_reports(notebook, generator):
    found, parameters = models.by_name(generator), parameters_of(notebook)
    known = {n: v for n, v in parameters.items() if n in found.setting_names()}
    defaults = found().settings
    assert known == {name: defaults[name] for name in known}
    assert len(known) > 0
