"""Grids: every point is a run of its own, and there are not more than a sweep can have."""

import pytest

from candgen.errors import SettingError
from candgen.sweeps import grids
from candgen.sweeps.plan import read_plan

HEAD = "question: Which?\nnotebook: notebooks/15_train.ipynb\ndatasets: {world: {n_users: 30}}\n"


@pytest.mark.parametrize("same", [(1, 1.0), ([1, [2]], [1.0, [2.0]]), ({"a": 1}, {"a": 1.0})])
def test_equal_values_are_the_same(same):
    assert grids.same_twice([0, *same]) == same


def test_true_is_not_one_and_text_is_no_number():
    assert grids.same_twice([1, True, "1", 0, False, None, [1], [True], ""]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {grid: {rate: [1, 1.0]}}", r"runs.a.grid.rate: 1 and 1.0 are the same value"),
        ("a: {grid: {rate: [0.001, 1e-3]}}", r"0.001 and 0.001 are the same value"),
        ("a: {}\nseeds: [3, 3]", r"seeds: 3 and 3 are the same value"),
        ("a: {}\nseeds: [-1]", r"seeds: seeds are 0 or more, got -1"),
        ("a: {}\nseeds: []", r"seeds: expected a list such as \[1, 2\], got \[\]"),
    ],
)
def test_a_value_given_twice_and_seeds_that_are_none_are_named(project, write_sweep, text, message):
    with pytest.raises(SettingError, match=message):
        read_plan(write_sweep(f"{HEAD}runs:\n  {text}\n"))


def test_a_grid_of_too_many_points_is_refused_before_it_is_built(project, write_sweep):
    thousand = list(range(1, 1001))
    rates = [n / 1000 for n in thousand]
    grid = f"{{dim: {thousand}, rate: {rates}, k: {thousand}}}"
    with pytest.raises(SettingError, match=r"runs.a: makes 1,000,000,000 runs .* at most 10,000"):
        read_plan(write_sweep(f"{HEAD}runs:\n  a: {{grid: {grid}}}\n"))


def test_points_are_counted_before_their_names_and_values_are_looked_at(project, write_sweep):
    grid = "{nonsense: [" + "x," * 150 + "x], dim: [" + "y," * 150 + "y]}"
    with pytest.raises(SettingError, match=r"runs.a: makes 22,801 runs"):
        read_plan(write_sweep(f"{HEAD}runs:\n  a: {{grid: {grid}}}\n"))


def test_the_runs_of_all_grids_count_together(project, write_sweep, monkeypatch):
    monkeypatch.setattr(grids, "MOST_RUNS", 5)
    runs = "runs:\n  a: {grid: {dim: [1, 2, 3]}}\n  b: {grid: {dim: [1, 2]}}\n"
    assert len(read_plan(write_sweep(HEAD + runs)).runs) == 5
    with pytest.raises(SettingError, match=r"runs.c: makes 6 runs"):
        read_plan(write_sweep(f"{HEAD}{runs}  c: {{}}\n"))
