"""Backtests: a dataset split into windows stands for one dataset a window."""

import pytest

from candgen.errors import SettingError
from candgen.sweeps.plan import read_plan

HEAD = """\
question: Which?
notebook: notebooks/15_train.ipynb
datasets:
  films: {n_users: 30, split: windows, n_windows: 3}
  world: {n_users: 20}
"""


@pytest.fixture
def plan(project, write_sweep, write_notebook):
    """Plan a sweep with these runs; the preparation of the project knows windows."""
    write_notebook(
        "10_prepare_data",
        'source: str = "world"\nn_users: int = 20\npath: str = ""\nname: str = ""\n'
        'split: str = ""\nn_windows: int = 4\ncuts: list = []\nwindow: int = 1\n'
        'run_folder: str = ""',
    )
    return lambda runs, head=HEAD: read_plan(write_sweep(head + runs))


def datasets_of(plan):
    return {stage.name: stage.dataset for stage in plan.runs}


def test_each_window_is_prepared_and_each_run_learns_on_each(plan):
    made = plan("runs:\n  a: {dataset: films, grid: {dim: [1, 2]}}\n  b: {dataset: world}\n")
    assert [stage.name for stage in made.datasets] == [
        "films-window1", "films-window2", "films-window3", "world"
    ]  # fmt: skip
    assert [stage.written.get("window") for stage in made.datasets] == [1, 2, 3, None]
    assert datasets_of(made) == {
        **{f"a-dim{d}-films-window{w}": f"films-window{w}" for d in (1, 2) for w in (1, 2, 3)},
        "b": "world",
    }


def test_a_default_and_a_grid_of_datasets_go_over_windows_too(plan):
    runs = "defaults: {dataset: films}\nruns:\n  a: {}\n  b: {grid: {dataset: [films, world]}}\n"
    made = datasets_of(plan(runs + "  c: {dataset: world}\n"))
    windows = [f"films-window{w}" for w in (1, 2, 3)]
    assert made == {
        **{f"a-{name}": name for name in windows},
        **{f"b-{name}": name for name in [*windows, "world"]},
        "c": "world",
    }


def test_the_number_of_windows_follows_dates_and_the_default(plan):
    cuts = HEAD.replace("n_windows: 3", "cuts: ['2020-01-01', '2020-02-01']")
    assert len(plan("runs: {a: {dataset: films}}\n", cuts).runs) == 2
    assert len(plan("runs: {a: {dataset: films}}\n", HEAD.replace(", n_windows: 3", "")).runs) == 4


def test_one_window_alone_can_be_asked_for(plan):
    one = plan("runs: {a: {dataset: films}}\n", HEAD.replace("n_windows: 3", "window: 2"))
    assert datasets_of(one) == {"a": "films"}


@pytest.mark.parametrize("number", ["0", "51", "many", "true"])
def test_a_number_of_windows_that_is_none_is_refused_with_its_line(plan, number):
    with pytest.raises(SettingError, match=r"line 4, datasets\.films.*1 to 50 windows"):
        plan("runs: {a: {dataset: films}}\n", HEAD.replace("n_windows: 3", f"n_windows: {number}"))


def test_a_mistake_in_a_window_is_reported_at_the_line_of_its_dataset(plan):
    with pytest.raises(SettingError, match=r"line 4"):
        plan("runs: {a: {dataset: films}}\n", HEAD.replace("n_users: 30", "n_user: 30"))
