"""Parameters that hold settings of something else are checked before anything starts."""

import pytest

from candgen.errors import SettingError
from candgen.sweeps import nested_settings
from candgen.sweeps.notebook_parameters import read_notebook


@pytest.fixture(scope="module")
def pages(root):
    return {p.stem[:2]: read_notebook(p) for p in (root / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize(
    ("page", "given", "message"),
    [
        ("85", {"generators": ["WALS", "ESAE"]}, "generators: There is no generator 'ESAE'.*EASE"),
        ("85", {"generators": []}, "generators: expected a list of generators"),
        ("85", {"generator_settings": {"WALS": {"dims": 2}}}, "no setting 'dims'.*mean 'dim'"),
        (
            "85",
            {"generator_settings": {"WALS": {"dim": 0}}},
            "generator_settings: dim must be 1 or",
        ),
        ("85", {"generator_settings": {"WALS": 3}}, "WALS must be a mapping, got 3"),
        ("85", {"generator_settings": {"EASE": {}}}, "generator_settings: there is no 'EASE'"),
        (
            "85",
            {"generators": ["EASE"], "generator_settings": {"EASE": {"regularization": -1}}},
            "regularization must be",
        ),
        ("85", {"fixed_shares": {"WALS": 2}}, "fixed_shares: WALS must be at most 1, got 2"),
        ("85", {"fixed_shares": {"ItemKN": 0.5}}, "there is no 'ItemKN'. Did you mean 'ItemKNN'"),
        ("81", {"wals_settings": {"epochs": "x"}}, "wals_settings: epochs must be a whole number"),
        ("60", {"ids_alone": {"tempurature": 1}}, "ids_alone: .*mean .temperature."),
        ("82", {"index_settings": {"probs": 1}}, "faiss-ivf index has no setting 'probs'.*probes"),
        ("82", {"index_settings": {"probes": 0}}, "index_settings: probes must be"),
        ("82", {"index_kind": "annoy", "index_settings": {"probes": 1}}, "annoy index has no"),
        ("80", {"builds": {"faiss-ivff": [{}]}}, "builds: kind must be one of.*faiss-ivff"),
        ("83", {"builds": {"annoy": [{}, {"tree": 1}]}}, "no setting 'tree'. Did you mean 'trees'"),
        ("83", {"builds": {"annoy": {"trees": 1}}}, "annoy must be a list"),
        ("80", {"efforts": {"faiss-ivf": [0]}}, r"faiss-ivf\[0\] must be 1 or greater, got 0"),
        ("80", {"efforts": {"hnsw": [1]}}, "efforts: kind must be one of"),
        ("71", {"small_world": {"n_user": 5}}, "small_world: .*'n_user'. Did you mean 'n_users'"),
        ("71", {"small_world": {"n_users": 0}}, "small_world: n_users must be"),
        ("30", {"features": {"genres": "multiple"}}, "features: feature 'genres': kind is"),
        ("30", {"features": {"genres": {"kind": "multi", "mst": 1}}}, "no option 'mst'.*'most'"),
        ("82", {"freshness": {"halflife": 1.0}}, "freshness: there is no 'halflife'.*half_life"),
        ("82", {"freshness": {"days": -1}}, "freshness: days must be 0 or greater"),
    ],
)
def test_what_is_wrong_inside_a_parameter_is_named(pages, page, given, message):
    with pytest.raises(SettingError, match=message):
        nested_settings.check(pages[page], given)


def test_what_is_right_and_every_default_pass(pages):
    for page in pages.values():
        nested_settings.check(page, {n: v for n, v in page.defaults().items() if v not in ({}, [])})
    nested_settings.check(pages["85"], {"generator_settings": {"WALS": {"epochs": 2}}})
    nested_settings.check(pages["80"], {"builds": {"exact": []}, "efforts": {"annoy": [10]}})


def test_every_mapping_of_a_notebook_is_checked_or_free(pages):
    free = {"settings", "wanted"}  # of the run's own generator; columns and values of the dataset
    free |= {"users_format", "items_format", "impressions_format", "impressions_columns"}
    # the last four are of a dataset's files, and checked with the dataset
    mappings = {n for p in pages.values() for n, v in p.defaults().items() if isinstance(v, dict)}
    assert mappings - free <= nested_settings._CHECKS.keys() <= mappings | {"generators"}


def test_a_plan_names_the_line_and_a_single_run_is_checked_too(write_notebook, write_sweep):
    from candgen.sweeps import single_run
    from candgen.sweeps.plan import read_plan

    write_notebook("40_pool", 'generators: list = ["WALS"]\nrun_folder: str = ""\n')
    text = "notebook: notebooks/40_pool.ipynb\nruns:\n  a: {generators: [ESAE]}\n"
    with pytest.raises(SettingError, match=r"line 3, runs.a: generators: .*Did you mean 'EASE'"):
        read_plan(write_sweep(text))
    page = single_run.find_notebook("40_pool")
    with pytest.raises(SettingError, match="Did you mean 'EASE'"):
        single_run.stage("run", "x", page, {"generators": ["ESAE"]}, page.path.parent, 1)
