"""Columns and values that a run names are looked for before it starts, if its dataset is there."""

import json

import pandas as pd
import pytest

from candgen.errors import DataError, SettingError
from candgen.sweeps import single_run
from candgen.sweeps.plan import read_plan

PAGE = """\
dataset: str = "films"
features: dict = {}
wanted: dict = {"provider": "nobody"}
group_columns: list = []
run_folder: str = ""
"""
SWEEP = "notebook: notebooks/82_page.ipynb\nruns:\n  a: {dataset: films, "


@pytest.fixture
def page(project, write_notebook):
    """A page, and a prepared dataset of users and items with columns."""
    folder = project / "outputs" / "datasets" / "films"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps({"tables": {}}))
    items = {"item": [0, 1], "genres": [["Drama"], ["Comedy", "War"]], "provider": ["Sun", "Moon"]}
    pd.DataFrame(items).to_parquet(folder / "items.parquet")
    pd.DataFrame({"user": [0], "age": [30]}).to_parquet(folder / "users.parquet")
    return write_notebook("82_page", PAGE, "run.record(fit(dataset, features, wanted))")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("features: {genre: multi}", "features: the items .* 'genre'. Did you mean 'genres'"),
        ("group_columns: [ages]", "group_columns: the users .* 'ages'. Did you mean 'age'"),
        ("wanted: {provder: Sun}", "wanted: the items .*'provder'. Did you mean 'provider'"),
        (
            "wanted: {genres: Drma}",
            "wanted: no item has 'Drma' in .*mean 'Drama'",
        ),
        (
            "wanted: {provider: Sunn}",
            "wanted: no item has 'Sunn' in .*mean 'Sun'",
        ),
        ("wanted: {genres: [War, Moon]}", "wanted: no item has 'Moon' in column 'genres'"),
    ],
)
def test_an_unknown_column_or_value_is_refused(page, write_sweep, asked, message):
    with pytest.raises(SettingError, match=r"asked.yaml, line 3, runs.a: " + message):
        read_plan(write_sweep(SWEEP + asked + "}\n"))


@pytest.mark.parametrize(
    ("need", "message"),
    [("impressions", "has no impressions.*impressions_path"), ("oracle", "has no oracle")],
)
def test_what_a_page_needs_of_a_dataset_is_looked_for(
    project, page, write_notebook, write_sweep, need, message
):
    opened = f'data = session.open_dataset(dataset, "test", needs=["{need}"])'
    write_notebook("82_page", PAGE, opened, "run.record(fit(data, features, wanted))")
    with pytest.raises(SettingError, match=f"line 3, runs.a: Dataset 'films' {message}"):
        read_plan(write_sweep(SWEEP + "}\n"))
    folder = project / "outputs" / "datasets" / "films"
    (folder / "dataset.json").write_text(json.dumps({"tables": {"impressions": {}}}))
    (folder / "oracle").mkdir()
    assert len(read_plan(write_sweep(SWEEP + "}\n")).runs) == 1


def test_what_is_there_passes_and_so_does_a_default(page, write_sweep, project):
    right = (
        "features: {genres: multi}, wanted: {genres: [War], provider: Sun}, group_columns: [age]"
    )
    assert len(read_plan(write_sweep(SWEEP + right + "}\n")).runs) == 1
    assert len(read_plan(write_sweep(SWEEP + "seed: 1}\n".replace("seed: 1", ""))).runs) == 1
    prepared_first = "datasets:\n  films: {n_users: 30}\n"
    assert read_plan(write_sweep(prepared_first + SWEEP + "features: {x: multi}}\n")).runs


def test_a_run_by_itself_is_checked_too(page):
    found = single_run.find_notebook("82_page")
    given = single_run.given(found, ["dataset=films", "wanted={genres: Drma}"])
    with pytest.raises(SettingError, match="no item has 'Drma'"):
        single_run.stage("run", "x", found, given, page.parent, 1)


def test_a_dataset_that_is_nowhere_is_named_and_a_default_is_left_to_the_notebook(page):
    found = single_run.find_notebook("82_page")
    with pytest.raises(DataError, match=r"No prepared dataset 'film': .*Did you mean 'films'"):
        single_run.given(found, ["dataset=film"])
    (page.parents[1] / "outputs/datasets/films/dataset.json").unlink()
    assert single_run.given(found, ["dataset=films"]) == {"dataset": "films"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("cutoffs: [5, 10]", r"headline: recall@20 is not at .* Choose recall@5, recall@10, or"),
        ("headline: ndcg@5", r"headline: ndcg@5 is not at .* Choose ndcg@10, ndcg@20, or"),
        ("evaluate_on: tests", r"evaluate_on must be test or validation, got 'tests'.*'test'"),
        ("headline: recall", r"headline: expected a metric .* such as recall@10, got 'recall'"),
        ("cutoffs: [a]", r"cutoffs must be whole numbers above 0, such as \[10, 20\]; got 'a'"),
        ("cutoffs: [5, 0]", r"cutoffs must be .* got 0"),
        ("cutoffs: [true]", r"cutoffs must be .* got True"),
        ("cutoffs: []", r"cutoffs must be .* got an empty list"),
        ("k: 15", "cutoffs: k = 15 candidates cannot be cut at 20. Raise k"),
        ("cutoffs: [5, 10], headline: recall@5, k: 10", None),
    ],
)
def test_a_headline_is_at_one_of_the_cutoffs_and_none_exceeds_k(
    write_notebook, write_sweep, asked, message
):
    parameters = (
        'evaluate_on: str = "test"\nk: int = 100\ncutoffs: list = [10, 20]\n'
        'headline: str = "recall@20"\n'
    )
    write_notebook("82_page", parameters, "run.record(fit(k, cutoffs, headline))")
    path = write_sweep(f"notebook: notebooks/82_page.ipynb\nruns:\n  a: {{{asked}}}\n")
    if message is None:
        assert len(read_plan(path).runs) == 1
    else:
        with pytest.raises(SettingError, match=message):
            read_plan(path)


def test_settings_that_a_dataset_was_prepared_with_are_not_looked_at_again(
    write_notebook, write_sweep, project, monkeypatch
):
    from candgen.datasets import first_look

    looked = []
    monkeypatch.setattr(first_look, "fault_of", lambda given: looked.append(given["n_users"]))
    parameters = 'source: str = "world"\nn_users: int = 20\nname: str = ""\nrun_folder: str = ""\n'
    write_notebook("10_prepare_data", parameters, "preparation.prepare(run_folder)")
    sweep = (
        "notebook: notebooks/15_train.ipynb\ndatasets: {w: {n_users: N}}\nruns: {a: {dataset: w}}\n"
    )
    folder = project / "outputs" / "asked" / "datasets" / "w"
    folder.mkdir(parents=True)
    known = {"source": "world", "n_users": 30, "name": "w", "run_folder": str(folder)}
    (folder / "params.json").write_text(json.dumps(known))
    for state, n_users in (("failed", 30), ("done", 31), ("done", 30)):
        (folder / "status.json").write_text(json.dumps({"state": state, "files": {}}))
        read_plan(write_sweep(sweep.replace("N", str(n_users))))
    assert looked == [30, 31]
