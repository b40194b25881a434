import math

import pytest

from candgen.reports.searches.importance import importance
from candgen.reports.searches.reading import read_searches


@pytest.fixture
def shares(invented, tmp_path):
    """Importance of the settings of a search with these trials."""

    def of(trials, space=None):
        search = invented.search("WALS", space or invented.WALS, trials, [])
        invented.write(tmp_path, invented.record({"w": search}))
        return importance(read_searches(tmp_path).found[0])

    return of


def test_the_setting_that_decides_is_the_most_important(shares, invented):
    found = shares(invented.wals_trials())
    assert next(iter(found)) == "regularization"
    assert found["regularization"] > 0.7
    assert math.isclose(sum(found.values()), 1) and set(found) == set(invented.WALS)


def test_the_best_are_those_with_the_highest_values(shares, invented):
    """One setting decides which trials are best, another one which are worst."""
    space = {"top": {"float": [0.0, 1.0]}, "bottom": {"float": [0.0, 1.0]}}
    trials = []
    for n in range(40):
        settings = {"top": n / 39, "bottom": (n * 17 % 40) / 39}
        value = 9 + n if n >= 35 else 5 - 9 * (settings["bottom"] < 0.15)
        trials.append(invented.trial("w", n, settings, value + n / 1000))
    found = shares(trials, space)
    assert found["top"] > 2 * found["bottom"]


@pytest.mark.parametrize("n", [1, 9])
def test_few_trials_give_no_importance(shares, invented, n):
    few = [invented.trial("w", n, {"dim": 8 + n, "loss": "squared"}, n / 10) for n in range(n)]
    assert shares(few, {"dim": {"int": [8, 100]}, "loss": ["squared", "other"]}) == {}


def test_pruned_failed_and_outlying_trials_do_not_count(shares, invented):
    trials = invented.wals_trials(40)
    more = [invented.trial("w", 50, {**invented.DEFAULTS, "dim": 4096}, 5.0)]
    more += [invented.trial("w", 51, invented.DEFAULTS, None) | {"state": "failed"}]
    more += [invented.trial("w", 52, {"dim": 16}, 5.0)]
    assert shares(trials) == shares(trials + more)


def test_equal_values_and_a_single_setting_give_none(shares, invented):
    same = [t | {"value": 0.5, "state": "done"} for t in invented.wals_trials()]
    assert shares(same) == {}
    lone = [invented.trial("w", n, {"dim": 8 + n}, n / 50) for n in range(20)]
    assert shares(lone, {"dim": {"int": [8, 100]}}) == {}


def test_optuna_says_nothing_and_keeps_its_verbosity(shares, invented, capfd):
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        shares(invented.wals_trials())
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(before)
    assert capfd.readouterr() == ("", "")
