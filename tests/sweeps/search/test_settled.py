"""Stages of trials: the settings of their run, changed."""

from candgen.sweeps.plan import read_plan
from candgen.sweeps.search.settled import trial_of


def test_a_trial_leaves_exploring_cells_out_where_its_run_executes_them(write_search):
    (asked,) = read_plan(write_search(more="    explore: true\n")).searches
    (final,) = asked.finals
    trial = trial_of(final, {"dim": 16}, final.folder / "000", name="toy 000", watched=False)
    assert final.explore and not trial.explore
    assert trial.parameters["dim"] == 16
