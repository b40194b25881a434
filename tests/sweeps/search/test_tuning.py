"""Sweeps without a file: the notebook of a generator, its space, and what is asked beside."""

import pytest

from candgen.errors import SettingError
from candgen.sweeps import run_sweep
from candgen.sweeps.plan import read_plan
from candgen.sweeps.search import tuning
from sweeps.search.toy_search import Silent


@pytest.fixture
def at_root(root, monkeypatch):
    monkeypatch.setenv("CANDGEN_HOME", str(root))
    monkeypatch.chdir(root)


@pytest.mark.parametrize(
    ("generator", "notebook"),
    [
        ("WALS", "40_matrix_factorization"), ("MF-SGD", "40_matrix_factorization"),
        ("EASE", "15_baselines"), ("ItemContent", "30_content_based"), ("TwoTower", "60_two_tower"),
        ("GMF", "51_deep_factorization"), ("GRU4Rec", "52_sequences"),
        ("PredictedRating", "15_baselines"),
    ],
)  # fmt: skip
def test_a_generator_is_tuned_on_the_page_of_its_family(at_root, generator, notebook):
    assert tuning.notebook_of(generator).name == notebook


def test_a_generator_is_searched_in_its_own_space_beside_popularity(at_root):
    found = tuning.plan(
        "WALS", "world", {"trials": 9, "pruning": "none"}, seeds="1, 2", parameters=["dim=16"]
    )
    (search,) = found.searches
    assert list(search.space) == ["epochs", "unobserved_weight", "regularization"]
    assert (search.budget.most_trials, search.budget.pruning) == (9, "none")
    assert [run.name for run in found.runs] == [
        "popularity-seed1", "popularity-seed2", "WALS-seed1", "WALS-seed2"
    ]  # fmt: skip
    assert found.runs[-1].written["dim"] == 16
    assert found.name == "tune-WALS-world"


def test_what_cannot_be_tuned_is_refused(at_root):
    with pytest.raises(SettingError, match=r"no generator 'WALZ'\. Did you mean 'WALS'"):
        tuning.plan("WALZ", "world", {})
    with pytest.raises(SettingError, match="popularity has no settings to search"):
        tuning.plan("popularity", "world", {})
    with pytest.raises(SettingError, match="no dataset 'flims'"):
        tuning.plan("WALS", "flims", {})
    with pytest.raises(SettingError, match="--seeds takes whole numbers"):
        tuning.plan("WALS", "world", {}, seeds="one")


# --- the report of a dry run, and patience


def test_a_dry_run_says_that_a_search_goes_first(write_search):
    expected = run_sweep.foresee(read_plan(write_search()))
    assert [(each.stage.name, each.runs) for each in expected] == [("world", True), ("toy", True)]
    assert expected[1].why == "settings are chosen by search toy first"


def test_with_patience_the_chosen_run_learns_as_long_as_its_trial_and_from_all(
    toy, outputs, write_search, write_notebook
):
    text = (
        "notebook: notebooks/31_patient.ipynb\ndatasets:\n  world: {n_users: 30}\n"
        "budget: {trials: 3}\nruns:\n  toy: {patience: 2, search: {dim: [8, 16, 32]}}\n"
    )
    page = 'dataset: str = "world"\nevaluate_on: str = "test"\ndim: int = 8\nepochs: int = 20\n'
    write_notebook("31_patient", page + 'patience: int = 0\nrun_folder: str = ""\n', "")
    toy.steps = lambda parameters: [0.1, 0.3, parameters["dim"] / 100, 0.3, 0.2]
    run_sweep.run_sweep(read_plan(write_search(text=text)), workers=1, view=Silent)
    trials = [p for folder, p in toy.ran if "trials/" in folder]
    assert {p["patience"] for p in trials} == {2}
    final = next(p for folder, p in toy.ran if folder.endswith("asked/toy"))
    best_epoch = 3 if final["dim"] == 32 else 2
    assert (final["patience"], final["epochs"]) == (0, best_epoch)
