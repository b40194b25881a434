"""Every generator that a page fits is checked before the page starts, not only the one it names."""

import shutil

import pytest

from candgen.errors import SettingError
from candgen.sweeps import flat_settings
from candgen.sweeps.notebook_parameters import read_notebook
from candgen.sweeps.plan import read_plan

PARAMETERS = """\
generator: str = "all"  # all, ItemKNN, UserKNN or EASE
neighbours: int = 100
regularization: float = 100.0
last: int = 5
settings: dict = {}
"""
CHAIN = 'chain = models.from_parameters("MarkovChain", run.parameters, {})'
LOOP = '[models.from_parameters(n, run.parameters) for n in ("EASE", "UserKNN")]'
OTHERS = 'models.from_parameters("WALS", {**own}); models.from_parameters(m, run.parameters)'


@pytest.fixture
def fitted(write_notebook):
    def fitted(code="x = 1", *, explore=False, **given):
        page = read_notebook(write_notebook("30_fit", PARAMETERS, code))
        return flat_settings.fitted_names(page, {**page.defaults(), **given}, explore=explore)

    return fitted


@pytest.fixture
def own_notebooks(project, root):
    shutil.copytree(root / "notebooks", project / "notebooks", dirs_exist_ok=True)


def test_a_page_of_all_generators_fits_those_that_its_comment_names(fitted):
    assert fitted() == ["ItemKNN", "UserKNN", "EASE"]
    assert fitted(generator="EASE") == []


def test_generators_that_a_page_always_fits_are_found_in_its_code(fitted):
    assert fitted(CHAIN, generator="EASE") == ["MarkovChain"]
    assert fitted(LOOP, generator="EASE") == ["UserKNN"]
    assert fitted(OTHERS, generator="EASE") == []


@pytest.mark.parametrize(
    ("page", "given", "message"),
    [
        ("15_baselines", "neighbours: 0", r"ItemKNN, which 15_baselines fits: neighbours must be"),
        ("15_baselines", "regularization: -1", r"EASE, which .*: regularization must be"),
        ("30_content_based", "generator: ItemContent, epochs: 0", r"TwoBranch, which .*: epochs"),
        ("52_sequences", "reach: 0", r"MarkovChain, which .*: reach must be"),
    ],
)
def test_a_setting_that_one_of_them_refuses_is_refused_before_the_sweep_starts(
    own_notebooks, write_sweep, page, given, message
):
    head = f"notebook: notebooks/{page}.ipynb\ndatasets: {{small: {{n_users: 30}}}}\n"
    with pytest.raises(SettingError, match=f"runs.a: {message}"):
        read_plan(write_sweep(f"{head}defaults: {{dataset: small}}\nruns:\n  a: {{{given}}}\n"))


def test_a_setting_of_a_generator_that_is_not_fitted_is_left_alone(own_notebooks, write_sweep):
    head = "notebook: notebooks/15_baselines.ipynb\ndatasets: {small: {n_users: 30}}\n"
    run = "runs: {a: {generator: popularity, neighbours: 0}}\n"
    assert read_plan(write_sweep(f"{head}defaults: {{dataset: small}}\n{run}")).runs
