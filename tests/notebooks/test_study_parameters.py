"""Parameters of the notebooks that train towers, against the settings of TwoTower."""

import re
from pathlib import Path

import pytest

from candgen import models
from candgen.models.towers.two_tower import TwoTowerSettings
from candgen.studies.exposure import study as exposure
from candgen.studies.negatives import measures
from candgen.sweeps.notebook_parameters import read_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STUDIES = {  # notebook -> settings of its towers that are not those of TwoTower()
    "60_two_tower": {},
    "70_negative_sampling": measures.IDS_ALONE,
    "71_exposure": {**exposure.TOWERS, **exposure.IN_THE_LOOP["weighted"]},
    "81_cold_start": {"query_inputs": ["history", "features"]},
}
SEARCHES = ("80_approximate_search", "82_filters", "84_serving_queries")  # of any generator
each_study = pytest.mark.parametrize("name", STUDIES)


def settings_of(name):
    """The notebook's parameters that are settings of TwoTower, but for the seed of everything."""
    parameters = read_notebook(NOTEBOOKS / f"{name}.ipynb").parameters
    return {
        n: p for n, p in parameters.items() if n in TwoTowerSettings.model_fields and n != "seed"
    }


@each_study
def test_defaults_are_those_of_the_towers_that_the_notebook_reports(name):
    expected = models.TwoTower(**STUDIES[name]).settings
    assert {n: p.default for n, p in settings_of(name).items()} == {
        n: expected[n] for n in settings_of(name)
    }


@each_study
def test_a_comment_repeats_the_setting_s_own_description(name):
    for setting, parameter in settings_of(name).items():
        meaning = " ".join(TwoTowerSettings.model_fields[setting].description.split())
        phrase = re.escape(parameter.help)
        assert re.search(rf"(^|[.:;,] ){phrase}([.:;,]| \()", meaning, re.I), (setting, meaning)


@each_study
def test_a_notebook_lists_at_most_ten_main_settings(name):
    assert 3 <= len(settings_of(name)) <= 10


@pytest.mark.parametrize("name", [*STUDIES, *SEARCHES])
def test_every_other_setting_reaches_the_generator(name):
    parameters = read_notebook(NOTEBOOKS / f"{name}.ipynb").parameters
    assert parameters["settings"].default == {}
    assert parameters["generator"].default in models.names()


@pytest.mark.parametrize("name", SEARCHES)
def test_the_length_of_vectors_is_that_of_the_generator_by_itself(name):
    parameters = read_notebook(NOTEBOOKS / f"{name}.ipynb").parameters
    assert parameters["dim"].default == models.by_name("WALS")().settings["dim"]
