"""Parameters of notebooks that are settings of their generators."""

import ast
import json
import re
from pathlib import Path

import pytest

from candgen import models

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ITEM_GRAPHS = ["SLIM", "SparseEASE", "RP3beta", "GF-CF", "BSPM", "UltraGCN", "LightGCN"]
GENERATORS = {
    "15_baselines": ["ItemKNN", "UserKNN", "EASE", "TruncatedSVD"],
    "16_item_graphs": ITEM_GRAPHS,
    "17_sessions": ["CoVisitation", "item2vec"],
    "30_content_based": ["ItemContent", "UserProfile", "TwoBranch"],
    "40_matrix_factorization": ["WALS"],
    "50_softmax_network": ["SoftmaxNetwork"],
    "51_deep_factorization": ["NeuMF"],
    "52_sequences": ["SASRec", "MarkovChain"],
    "55_autoencoders": ["Mult-VAE"],
    "60_two_tower": ["TwoTower"],
    "61_many_interests": ["MultiInterest"],
}
# Every generator that a notebook can fit; of a shared setting the first one's description counts.
FAMILIES = {
    "15_baselines": ["ItemKNN", "UserKNN", "EASE", "TruncatedSVD"],
    "16_item_graphs": ITEM_GRAPHS,
    "17_sessions": ["CoVisitation", "item2vec"],
    "30_content_based": ["ItemContent", "UserProfile", "TwoBranch"],
    "40_matrix_factorization": ["WALS", "MF-SGD", "MF-logistic"],
    "50_softmax_network": ["SoftmaxNetwork"],
    "51_deep_factorization": ["NeuMF", "GMF", "MLP", "DeepFactorization"],
    "52_sequences": ["SASRec", "BERT4Rec", "GRU4Rec", "MarkovChain"],
    "55_autoencoders": ["Mult-VAE"],
    "61_many_interests": ["MultiInterest"],
}
FOR_ALL = {"dataset", "evaluate_on", "generator", "settings"}  # parameters of notebooks
FOR_ALL |= {"k", "cutoffs", "headline", "seed", "run_folder"}
OF_NO_GENERATOR = {"films", "rating_epochs", "starts"}  # of the course's rating network in 30
OF_NO_GENERATOR |= {"held_out_users", "known_share", "wals_settings"}  # of 55


def parameters_cell(name: str) -> str:
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    cell = next(c for c in cells if "parameters" in c["metadata"].get("tags", []))
    return "".join(cell["source"])


def parameters_of(name: str) -> dict:
    """Return the parameters of a notebook with their defaults."""
    lines = ast.parse(parameters_cell(name)).body
    return {line.target.id: ast.literal_eval(line.value) for line in lines}


def settings_in(name: str) -> dict[str, str]:
    """Return the parameters of a notebook that are its generators' settings, with comments."""
    comments = dict(re.findall(r"^(\w+): .*?  # (.*)$", parameters_cell(name), re.M))
    assert comments.keys() == parameters_of(name).keys()
    return {n: said for n, said in comments.items() if n not in FOR_ALL | OF_NO_GENERATOR}


def meaning(generator: str, setting: str) -> str:
    """Return the first sentence of a setting's description, up to a full stop or semicolon."""
    whole = " ".join(models.by_name(generator).Settings.model_fields[setting].description.split())
    first = re.split(r"[.;](?=\s|$)", whole)[0]
    return first[0].lower() + first[1:]


def owners(notebook: str, setting: str) -> list[str]:
    """Return the generators of a notebook's family that have a setting."""
    return [n for n in FAMILIES[notebook] if setting in models.by_name(n).setting_names()]


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


each_family = pytest.mark.parametrize("notebook", FAMILIES)


@each_family
def test_a_notebook_shows_a_few_settings_of_its_generators_and_takes_all(notebook):
    assert parameters_of(notebook)["settings"] == {}
    assert 1 <= len(settings_in(notebook)) <= 10


@each_family
def test_a_setting_has_the_type_and_default_of_its_class(notebook):
    parameters = parameters_of(notebook)
    for setting in settings_in(notebook):
        having = owners(notebook, setting)
        assert having, f"{setting} is no setting of {FAMILIES[notebook]}"
        default = models.by_name(having[0])().settings[setting]
        assert (type(parameters[setting]), parameters[setting]) == (type(default), default), setting


@each_family
def test_a_comment_is_the_first_sentence_of_what_the_class_says(notebook):
    for setting, said in settings_in(notebook).items():
        having = owners(notebook, setting)
        sentence = meaning(having[0], setting)
        if len(having) < len(FAMILIES[notebook]):  # it may say whose it is, and then rightly
            said = said.removeprefix(f"{', '.join(having)}: ")
        assert said == sentence, setting
