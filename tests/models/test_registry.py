import inspect
import pydoc
import re
import subprocess
import sys

import pytest

from candgen import models
from candgen.errors import SettingError, UnsupportedError


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


@pytest.mark.parametrize("name", models.names())
def test_every_setting_is_shown_with_default_and_meaning(name):
    found = models.by_name(name)
    shown = inspect.signature(found).parameters
    fields = found.Settings.model_fields
    assert list(shown) == list(fields)
    for setting, field in fields.items():
        assert field.description, f"{setting} has no meaning"
        assert shown[setting].default == field.get_default(call_default_factory=True)
        assert f"    {setting} (" in found.__doc__
    assert found().settings == {n: p.default for n, p in shown.items()}


def test_help_shows_the_settings_with_range():
    said = pydoc.render_doc(models.WALS, renderer=pydoc.plaintext)
    signature = said.partition("class WALS(candgen")[2]  # over several lines since Python 3.13
    assert re.search(r"WALS\(\s*\|?\s*\*,\s*\|?\s*dim: int = 32", signature)
    assert "dim (int, 1 or greater, default 32): Length of the vectors" in said


@pytest.mark.parametrize("name", models.names())
def test_a_misspelt_setting_is_refused_wherever_it_is_typed(name):
    found = models.by_name(name)
    for make in (
        lambda: found(dimm=8),
        lambda: models.from_settings(name, {"dimm": 8}),
        lambda: models.from_parameters(name, {"seed": 0}, {"dimm": 8}),
    ):
        with pytest.raises(SettingError, match=f"{name} has no setting 'dimm'"):
            make()


def test_settings_of_one_name_mean_one_kind_of_thing():
    """A name has one type in all generators: a kind is text, a count is a whole number."""
    kinds = {}
    for name in models.names():
        for setting, value in models.by_name(name)().settings.items():
            kinds.setdefault(setting, set()).add(type(value))
    assert {setting: found for setting, found in kinds.items() if len(found) > 1} == {}
    assert kinds["negatives"] == {str} and kinds["n_negatives"] == {int}


@pytest.mark.parametrize(
    ("flag", "ask"),
    [
        ("has_vectors", lambda model: model.item_vectors()),
        ("has_vectors", lambda model: model.user_vectors([0])),
        ("folds_in", lambda model: model.fold_in(None)),
        ("folds_in_items", lambda model: model.fold_in_items(None)),
        ("reads_histories", lambda model: model.serving(None)),
        ("computes_queries", lambda model: model.portable_queries()),
        ("gives_probabilities", lambda model: model.probability([0], [0])),
    ],
)
def test_what_a_generator_cannot_do_is_refused_by_the_flag_to_look_for(flag, ask):
    model = models.Popularity()
    assert not getattr(model, flag)
    with pytest.raises(UnsupportedError, match=f"popularity has no .* {flag} is True"):
        ask(model)


@pytest.mark.parametrize("name", models.names())
def test_a_flag_is_set_where_the_method_is_a_generators_own(name):
    found, base = models.by_name(name), models.Generator
    for flag, method in (
        ("has_vectors", "item_vectors"),
        ("folds_in", "fold_in"),
        ("folds_in_items", "fold_in_items"),
        ("reads_histories", "serving"),
        ("computes_queries", "portable_queries"),
        ("gives_probabilities", "probability"),
    ):
        own = getattr(found, method) is not getattr(base, method)
        assert getattr(found, flag) == own, f"{flag} of {name}"


def test_a_generator_shows_its_settings():
    assert repr(models.EASE(regularization=3)) == "EASE(regularization=3.0)"


def test_asking_for_the_models_loads_neither_numba_nor_tensorflow():
    code = (
        "import sys; from candgen.models import WALS, EASE, ItemKNN; WALS(dim=3);"
        "print([m for m in ('numba', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
