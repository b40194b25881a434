"""Searches as a params file asks for them: read, checked, refused with line and suggestion."""

import pytest

from candgen.errors import SettingError
from candgen.spaces import OneOf, Real, Whole
from candgen.sweeps.plan import read_plan

HEAD = """\
notebook: notebooks/40_generators.ipynb
datasets:
  world: {n_users: 30}
"""
PAGE = """\
dataset: str = "world"
evaluate_on: str = "test"
generator: str = "WALS"  # WALS or EASE
dim: int = 32
settings: dict = {}
cutoffs: list = [10, 20]
k: int = 100
seed: int = 0
run_folder: str = ""
"""


@pytest.fixture
def plan(write_sweep, write_notebook):
    write_notebook("40_generators", PAGE, "")

    def read(text, **options):
        return read_plan(write_sweep(HEAD + text), **options)

    return read


@pytest.fixture
def space(plan):
    """Read the space of one search, written as a mapping."""

    def read(search, beside=""):
        text = f"runs:\n  wals: {{search: {search}{beside}}}\n"
        return plan(text).searches[0].space

    return read


@pytest.fixture
def refused(plan):
    """Read what is refused; return the message."""

    def read(text):
        with pytest.raises(SettingError) as caught:
            plan(text)
        return str(caught.value)

    return read


def test_ranges_are_read_as_they_are_written(space):
    asked = "{dim: {int: [16, 256], log: true}, regularization: {float: [1e-4, 0.1], log: true}, "
    asked += "solver: [cg, cholesky], frequency_power: {float: [0, 1], step: 0.25}}"
    assert space(asked) == {
        "dim": Whole(16, 256, log=True),
        "regularization": Real(0.0001, 0.1, log=True),
        "solver": OneOf(("cg", "cholesky")),
        "frequency_power": Real(0, 1, step=0.25),
    }


def test_default_is_the_space_of_the_settings_class_without_what_the_file_sets(space):
    assert list(space("default")) == ["dim", "epochs", "unobserved_weight", "regularization"]
    assert list(space("default", ", dim: 16")) == ["epochs", "unobserved_weight", "regularization"]


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("{dimm: {int: [2, 4]}}", "dimm: neither a parameter of 40_generators.ipynb nor a setting "
         "of WALS. Did you mean 'dim'?"),
        ("{dim: {int: [0, 4]}}", "dim must be 1 or greater, got 0."),
        ("{dim: {float: [2, 4]}}", "dim must be a whole number, got 2.0."),
        ("{epochs: {float: [2, 4]}}", "epochs must be a whole number, got 2.0."),
        ("{regularization: {float: [0, 1], log: true}}", "a range with log begins above 0, got 0."),
        ("{regularization: {float: [1, 0.5]}}", "expected a lower and a higher number, got [1,"),
        ("{solver: [cg, choleski]}", "Did you mean 'cholesky'?"),
        ("{solver: [cg, cg]}", "expected two or more different values"),
        ("{dim: {int: [2, 8], logg: true}}", "unknown key 'logg'. Did you mean 'log'?"),
        ("{dim: {int: [2, 8], log: true, step: 2}}", "step goes without log"),
        ("{dim: 8}", "expected {int: [16, 256], log: true}"),
        ("{seed: [1, 2]}", "'seed' is not chosen by a search."),
        ("{evaluate_on: [test, validation]}", "'evaluate_on' is not chosen by a search."),
        ("defaults", "or `default`; got 'defaults'"),
        ("{dim: {int: [2, 8]}}, dim: 4", "'dim' is also given beside the search."),
        ("{dim: {int: [2, 8]}}, grid: {dim: [4, 8]}", "'dim' is also given in the grid."),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused_with_its_line(refused, search, message):
    found = refused(f"runs:\n  wals: {{search: {search}}}\n")
    assert message in found
    assert "asked.yaml, line 5, runs.wals.search" in found


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("{trial: 3}", "unknown key 'trial'. Did you mean 'trials'?"),
        ("{trials: 0}", "trials must be 1 or greater, got 0."),
        ("{sampler: tpee}", "Did you mean 'tpe'?"),
        ("{pruning: medium}", "Did you mean 'median'?"),
        ("{minutes: -1}", "minutes must be greater than 0"),
    ],
)
def test_a_wrong_budget_is_refused(refused, budget, message):
    found = refused(f"budget: {budget}\nruns:\n  wals: {{search: default}}\n")
    assert message in found and "line 4, budget" in found


def test_a_grid_needs_numbers_that_can_be_counted(refused):
    text = "budget: {sampler: grid}\nruns:\n  wals: {search: {dim: {int: [2, 8], log: true}}}\n"
    assert "dim: the sampler grid needs a list of values" in refused(text)


def test_the_metric_must_be_at_a_cutoff(refused):
    text = "report: {metric: recall@50}\nruns:\n  wals: {search: default}\n"
    assert "recall@50, the report's metric, which is not at one of the cutoffs" in refused(text)


def test_a_page_without_evaluate_on_has_no_search(refused):
    text = "runs:\n  train: {notebook: notebooks/15_train.ipynb, search: {dim: [4, 8]}}\n"
    assert "has no parameter evaluate_on" in refused(text)


def test_each_point_of_a_grid_has_a_search_and_each_seed_a_run(plan):
    text = "seeds: [1, 2]\nruns:\n  wals: {grid: {dim: [4, 8]}, search: default}\n"
    searches = plan(text).searches
    assert [search.name for search in searches] == ["wals-dim4", "wals-dim8"]
    assert [final.name for final in searches[1].finals] == ["wals-dim8-seed1", "wals-dim8-seed2"]
    assert "dim" not in searches[0].space and searches[0].seed == 1


def test_tune_searches_every_run_whose_generator_has_something_to_search(plan):
    text = "runs:\n  all: {generator: popularity}\n  ease: {generator: EASE}\n"
    text += "  fixed: {generator: EASE, regularization: 30}\n  wals: {search: {dim: [4, 8]}}\n"
    searches = plan(text, tune=7).searches
    assert {search.name: list(search.space) for search in searches} == {
        "ease": ["regularization"], "wals": ["dim"]
    }  # fmt: skip
    assert {search.budget.most_trials for search in searches} == {7}
    assert [search.name for search in plan(text).searches] == ["wals"]


def test_minutes_alone_leave_the_number_of_trials_open(plan):
    runs = "runs:\n  wals: {search: default}\n"
    assert plan(runs).searches[0].budget.most_trials == 30
    assert plan("budget: {minutes: 5}\n" + runs).searches[0].budget.most_trials == 1000


def test_a_search_says_in_a_line_what_it_does(plan):
    text = "budget: {trials: 9, minutes: 2}\nruns:\n  wals: {search: {dim: {int: [4, 8]}}}\n"
    assert plan(text).searches[0].in_words() == (
        "at most 9 trials or 2 minutes for recall@20 on validation, sampler tpe, pruning median, "
        "over dim 4 to 8"
    )
