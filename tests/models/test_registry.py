import subprocess
import sys

import pytest

from candgen import models
from candgen.errors import SettingError


@pytest.mark.parametrize("name", models.names())
def test_a_generator_is_found_by_the_name_it_carries(name):
    found = models.by_name(name)
    assert found.name == name
    assert getattr(models, found.__name__) is found


def test_a_misspelt_generator_gets_a_suggestion():
    with pytest.raises(SettingError, match="Did you mean 'ItemKNN'"):
        models.by_name("itemKNN")


def test_a_misspelt_setting_gets_a_suggestion():
    with pytest.raises(SettingError, match=r"no setting 'dims'\. Did you mean 'dim'"):
        models.from_settings("WALS", {"dims": 3})


def test_a_page_gives_a_generator_the_parameters_that_are_settings_of_it():
    parameters = {"dataset": "world", "regularization": 7.0, "dim": 3, "seed": 5}
    assert models.from_parameters("EASE", parameters).settings == {"regularization": 7.0}
    assert models.from_parameters("WALS", parameters).dim == 3


def test_a_generator_shows_its_settings():
    assert repr(models.EASE(regularization=3)) == "EASE(regularization=3.0)"


def test_asking_for_the_models_loads_neither_numba_nor_tensorflow():
    code = (
        "import sys; from candgen.models import WALS, EASE, ItemKNN; WALS(dim=3);"
        "print([m for m in ('numba', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
